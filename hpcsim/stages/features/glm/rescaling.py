"""Time rescaling in discrete time: whether spikes come from the predicted rate, whatever the width of a bin."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


def rescaled_intervals(pieces: Iterable[tuple[np.ndarray, np.ndarray]], random: np.random.Generator) -> np.ndarray:
    """Interspike intervals on the axis of the integrated rate; exponential with mean one where the model is right.

    The plain theorem rejects right models where bins are wide for the rate. Here the time of a spike within its bin is drawn from
    its distribution in the bin (Haslinger, Pipa & Brown 2010, doi:10.1162/NECO_a_00015).

    Parameters
    ----------
    pieces : iterable of (counts, rates)
        Of each uninterrupted piece of a recording, shape (n,) both. What is left of a piece after its last spike is continued in
        the next one, as the exponential distribution has no memory.
    random : Generator

    Returns
    -------
    ndarray, shape (n_spikes,)
        A bin with several spikes counts once.
    """
    intervals: list[np.ndarray] = []
    left = 0.0
    for counts, rates in pieces:
        at = np.flatnonzero(counts)
        integrated = np.concatenate([[0.0], np.cumsum(rates)])
        drawn = random.random(len(at))
        # the rest of the bin after a spike is no time of waiting: its survival is that of the whole bin
        inside = -np.log1p(drawn * np.expm1(-rates[at]))
        begins = np.concatenate([[-left], integrated[at + 1]])
        intervals.append(integrated[at] + inside - begins[:-1])
        left = float(integrated[-1] - begins[-1])
    return np.concatenate(intervals) if intervals else np.empty(0)


def ks_test(intervals: np.ndarray) -> tuple[float, float]:
    """Kolmogorov and Smirnov's test of rescaled intervals against the exponential distribution.

    Parameters
    ----------
    intervals : ndarray, shape (n,)

    Returns
    -------
    distance, p : float
        Largest distance of the cumulative distributions, and the probability of a larger one under the model, with
        Stephens' (1970) correction for finite n; NaN without intervals.
    """
    from scipy.special import kolmogorov

    n = len(intervals)
    if not n:
        return np.nan, np.nan
    uniform = np.sort(-np.expm1(-intervals))
    steps = np.arange(n + 1) / n
    distance = float(max((steps[1:] - uniform).max(), (uniform - steps[:-1]).max()))
    root = np.sqrt(n)
    return distance, float(kolmogorov((root + 0.12 + 0.11 / root) * distance))
