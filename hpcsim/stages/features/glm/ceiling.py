"""How well any model can predict responses to a frozen stimulus: repeats tell signal from noise."""

from __future__ import annotations

import numpy as np


def smooth(rows: np.ndarray, sd: float) -> np.ndarray:
    """Convolve the last axis with a Gaussian of this standard deviation, in bins."""
    reach = max(1, int(np.ceil(4 * sd)))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sd) ** 2)
    kernel /= kernel.sum()
    return np.apply_along_axis(lambda row: np.convolve(row, kernel, mode="same"), -1, rows)


def signal_power(responses: np.ndarray) -> float:
    """Variance of the part of responses that repeats itself (Sahani & Linden 2003).

    Parameters
    ----------
    responses : ndarray, shape (n_repeats, n)

    Returns
    -------
    float
        Unbiased, so that it may be below zero; NaN with a single repeat.
    """
    n = len(responses)
    if n < 2:
        return np.nan
    return float((responses.sum(axis=0).var() - responses.var(axis=1).sum()) / (n * (n - 1)))


def noise_ceiling(responses: np.ndarray) -> float:
    """Largest correlation with the mean response that a model can have (Schoppe et al. 2016, doi:10.3389/fncom.2016.00010).

    Parameters
    ----------
    responses : ndarray, shape (n_repeats, n)
        Smoothed.

    Returns
    -------
    float
        From 0 to 1; NaN with a single repeat, or without spikes.
    """
    power, variance = signal_power(responses), float(responses.mean(axis=0).var())
    if np.isnan(power) or not variance > 0:
        return np.nan
    return float(np.sqrt(np.clip(power / variance, 0.0, 1.0)))


def correlation(prediction: np.ndarray, responses: np.ndarray) -> float:
    """Pearson correlation of a prediction with the mean response; NaN where one of them is constant."""
    mean = responses.mean(axis=0)
    spread = float(prediction.std() * mean.std())
    if not spread > 0:
        return np.nan
    return float(np.mean((prediction - prediction.mean()) * (mean - mean.mean())) / spread)
