"""Noise on training data: what makes NPE into NPE-N."""

from __future__ import annotations

import numpy as np

KINDS = ("none", "published", "relative")


def noise_sd(kind: str, epsilon: float, scale: np.ndarray) -> np.ndarray:
    """Standard deviation of the noise on each column.

    Parameters
    ----------
    kind : str
        ``none``; ``published``: sqrt(epsilon * scale), which depends on the unit of the column, since the
        standard deviation stands where a variance is expected (Bernaerts et al. 2025, their training schedules
        2 to 4 draw from a normal distribution with the covariance epsilon * diag(scale)); or ``relative``:
        epsilon * scale, the same share of every column.
    epsilon : float
    scale : ndarray, shape (columns,)
        Standard deviations of the columns.

    Returns
    -------
    ndarray, shape (columns,)

    Examples
    --------
    >>> noise_sd("published", 0.1, np.array([10.0])), noise_sd("relative", 0.1, np.array([10.0]))
    (array([1.]), array([1.]))
    """
    if kind == "published":
        return np.sqrt(epsilon * scale)
    return epsilon * scale if kind == "relative" else np.zeros_like(scale)


def add_noise(values: np.ndarray, sd: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Independent normal noise on every value.

    Parameters
    ----------
    values : ndarray, shape (n, columns)
    sd : ndarray, shape (columns,)
    random : Generator

    Returns
    -------
    ndarray of the same type, shape (n, columns)
    """
    noisy: np.ndarray = values + sd * random.standard_normal(values.shape)
    return noisy.astype(values.dtype)
