"""Power spectral densities and coherence by Welch's method, as the stages of signals and features compute them."""

from __future__ import annotations

import numpy as np

from hpcsim.stages.spread import varies

SOURCE = "Hagen et al. (2022) PLOS Comput Biol 18(9): e1010353"
#: Samples of a segment, and the part of it that it shares with the next one, of `SOURCE`.
SEGMENT, OVERLAP = 2048, 0.75


def frequencies(n: int, step: float, segment: int) -> np.ndarray:
    """Frequencies of the spectra of a signal.

    Parameters
    ----------
    n : int
        Samples of the signal; a longer segment is cut to them.
    step : float, ms
    segment : int
        Samples.

    Returns
    -------
    ndarray, shape (n_frequency,)
        Hz, from 0 on.
    """
    return np.fft.rfftfreq(min(segment, n), step * 1e-3)


def density(signal: np.ndarray, step: float, segment: int) -> np.ndarray:
    """Power spectral density along the last axis; the mean of each segment is taken off.

    Parameters
    ----------
    signal : ndarray, shape (..., n)
    step : float, ms
    segment : int
        Samples.

    Returns
    -------
    ndarray, shape (..., n_frequency)
        In the squared unit of the signal per Hz; NaN where the signal is not finite, or its power beyond float64.
    """
    from scipy.signal import welch

    with np.errstate(all="ignore"):
        power = np.asarray(welch(signal, **_how(signal.shape[-1], step, segment))[1])
    return np.where(np.isfinite(power), power, np.nan)


def coherence(one: np.ndarray, other: np.ndarray, step: float, segment: int) -> np.ndarray:
    """Magnitude squared coherence of two signals along the last axis.

    Parameters
    ----------
    one, other : ndarray, shape (..., n)
    step : float, ms
    segment : int
        Samples.

    Returns
    -------
    ndarray, shape (..., n_frequency)
        NaN where one of them has no power, as where it is constant.
    """
    from scipy.signal import coherence as welch_coherence

    with np.errstate(all="ignore"):
        shared = np.asarray(welch_coherence(one, other, **_how(one.shape[-1], step, segment))[1])
    # a constant has the power of its rounding
    return np.where((varies(one) & varies(other))[..., np.newaxis], shared, np.nan)


def _how(n: int, step: float, segment: int) -> dict[str, float]:
    length = min(segment, n)
    return {"fs": 1e3 / step, "nperseg": length, "noverlap": int(OVERLAP * length)}
