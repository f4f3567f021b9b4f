"""Whether a signal varies, so that its spread may divide."""

from __future__ import annotations

import numpy as np

#: Sums of squares outside of this are not exact in float64: its smallest normal number over its precision, and its largest
#: over what the powers of a spectrum add.
_LOWEST, _HIGHEST = np.finfo(float).tiny / np.finfo(float).eps, 1e300
#: Shares of the largest value that are rounding: those of a constant that was computed.
_ROUNDING = 4 * np.finfo(float).eps


def varies(signal: np.ndarray) -> np.ndarray:
    """Whether a signal is finite, and neither constant nor so small or large that its variance is lost in float64.

    Parameters
    ----------
    signal : ndarray of float64, shape (..., n)

    Returns
    -------
    ndarray of bool, shape (...)
        Features of the others do not exist: NaN.

    Examples
    --------
    >>> varies(np.array([[1.0, 2.0], [1.0, 1.0], [1.0, np.nan], [1e-173, 2e-173], [1e160, -1e160]])).tolist()
    [True, False, False, False, False]
    """
    with np.errstate(all="ignore"):
        deviation = signal - signal.mean(axis=-1, keepdims=True)
        squares = (deviation**2).sum(axis=-1)
        constant = np.abs(deviation).max(axis=-1) <= _ROUNDING * np.abs(signal).max(axis=-1)
    return np.asarray((squares > _LOWEST) & (squares < _HIGHEST) & ~constant)
