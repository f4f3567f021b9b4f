"""Raised cosines on a logarithmic axis: fine right after a spike or a change of the current, coarse long after it."""

from __future__ import annotations

import numpy as np

#: How much finer the first lags are resolved than the last ones; and half the width of a cosine in distances of two peaks.
TIME_SCALING, WIDTH = 50.0, 2.0


def raised_cosines(n: int, lags: int) -> np.ndarray:
    """Basis functions of a filter, as those of Pillow et al. (2008) on the axis that NeMoS uses; the last decays to zero.

    Parameters
    ----------
    n : int
        Number of functions, at least two.
    lags : int
        Number of bins of the filter.

    Returns
    -------
    ndarray, shape (n, lags)
        Values from 0 to 1.

    Examples
    --------
    >>> raised_cosines(3, 200).shape
    (3, 200)
    """
    position = np.log1p(TIME_SCALING * np.linspace(0, 1, lags)) / np.log1p(TIME_SCALING)
    peaks = np.linspace(0, 1 - WIDTH / (n + WIDTH - 1), n)
    phase = (position - peaks[:, np.newaxis]) / (WIDTH * (peaks[1] - peaks[0]))
    return np.asarray(0.5 + 0.5 * np.cos(np.pi * np.clip(phase, -1, 1)))
