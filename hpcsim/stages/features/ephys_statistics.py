"""The 23 statistics of a voltage trace under a current step, in one compiled pass."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hpcsim.stages.features.compiled import compiled
from hpcsim.stages.features.spike_detection import Criteria, Sweep, find_spikes
from hpcsim.stages.features.zero_phase import Filter

#: How many.
N_STATISTICS = 23
#: What is added to counts, and to the latency in ms, before their logarithm; steepness of the sigmoid of the mean
#: amplitude ratio (Bernaerts et al. 2025, Methods, summary statistics).
COUNT_OFFSET, LATENCY_OFFSET, STEEPNESS = 3, 0.4, 50.0
_FIRST, _THIRD = 0, 2
_SPARSE = 32


class Definition(NamedTuple):
    """What differs between definitions of the statistics.

    Parameters
    ----------
    third_from : int
        Fewest action potentials with which the features of the third one count.
    rest_after : bool
        Whether the rest is also taken after the stimulus.
    """

    third_from: int
    rest_after: bool


@compiled
def statistics(v: np.ndarray, sweep: Sweep, criteria: Criteria, definition: Definition, design: Filter) -> np.ndarray:
    """Compute the statistics of one trace.

    Parameters
    ----------
    v : ndarray of float64
        Shape (n_time,), mV.
    sweep : Sweep
    criteria : Criteria
    definition : Definition
    design : Filter

    Returns
    -------
    ndarray of float64
        Shape (23,), in the order of :data:`hpcsim.stages.features.ephys.STATISTICS`; NaN where a statistic is not
        defined, and everywhere for a trace that is constant or not finite.
    """
    values = np.full(N_STATISTICS, np.nan)
    if not _varies(v):
        return values
    _subthreshold(v, sweep, definition.rest_after, values[19:])
    threshold, peak, trough, clipped = find_spikes(v, sweep, criteria, design)
    if len(threshold):
        _counts(threshold, sweep, values[8:13])
    if not np.all(clipped):
        _shape(v, sweep.step, threshold[_FIRST], peak[_FIRST], trough[_FIRST], values[0:4])
        if len(threshold) >= definition.third_from:
            _shape(v, sweep.step, threshold[_THIRD], peak[_THIRD], trough[_THIRD], values[4:8])
        _amplitudes(v[peak] - v[threshold], values[13:16])
        _intervals(np.diff(threshold), values[16:18])
        values[18] = _log((threshold[_FIRST] - sweep.start) * sweep.step + LATENCY_OFFSET)
    for k in range(N_STATISTICS):
        # divided by nothing, or beyond float64
        if values[k] - values[k] != 0:
            values[k] = np.nan
    return values


@compiled
def _varies(v: np.ndarray) -> bool:
    """Whether all values are finite, and one differs from the first."""
    strange = 0
    for k in range(len(v)):
        strange += v[k] - v[k] != 0
    return bool(strange == 0 and np.any(v != v[0]))


@compiled
def _log(x: float) -> float:
    """The logarithm; NaN where there is no finite one."""
    return float(np.log(x)) if x > 0 else np.nan


@compiled
def _counts(threshold: np.ndarray, sweep: Sweep, out: np.ndarray) -> None:
    """Logarithms of counts: in all, until an eighth, a quarter and half of the stimulus, and since then."""
    out[0] = len(threshold)
    out[1] = np.sum(threshold < sweep.eighth)
    out[2] = np.sum(threshold < sweep.quarter)
    out[3] = np.sum(threshold < sweep.half)
    out[4] = np.sum(threshold >= sweep.half)
    out[:] = np.log(out + COUNT_OFFSET)


@compiled
def _shape(v: np.ndarray, step: float, threshold: int, peak: int, trough: int, out: np.ndarray) -> None:
    """Threshold, amplitude, width and afterhyperpolarisation of one action potential."""
    out[0] = v[threshold]
    out[1] = v[peak] - v[threshold]
    if trough < 0:
        return
    middle = (v[peak] - v[threshold]) / 2 + v[threshold]
    for k in range(peak, threshold, -1):
        if v[k] <= middle:
            for j in range(peak, trough):
                if v[j] <= middle:
                    out[2] = (j - k) * step
                    break
            break
    out[3] = v[trough] - v[threshold]


@compiled
def _amplitudes(height: np.ndarray, out: np.ndarray) -> None:
    """Adaptation of the amplitude from the first to the second, on average, and its variation."""
    if len(height) < 2:
        return
    out[0] = _log(height[1] / height[0])
    out[1] = 1 / (1 + np.exp(-STEEPNESS * (np.mean(height[1:] / height[:-1]) - 1)))
    out[2] = _log(np.std(height) / np.mean(height))


@compiled
def _intervals(interval: np.ndarray, out: np.ndarray) -> None:
    """Adaptation from the first to the second interval, and variation of the intervals."""
    if len(interval) < 2:
        return
    out[0] = _log(interval[1] / interval[0])
    # equal intervals have exactly no deviation: NaN, where rounded times would give the logarithm of a rounding error
    out[1] = _log(np.std(interval) / np.mean(interval))


@compiled
def _subthreshold(v: np.ndarray, sweep: Sweep, rest_after: bool, out: np.ndarray) -> None:
    """Mean before (and after) the stimulus; mean, variance and skewness during it."""
    total, n = np.sum(v[: sweep.start]), sweep.start
    if rest_after:
        total, n = total + np.sum(v[sweep.after :]), n + len(v) - sweep.after
    out[0] = total / n
    during = v[sweep.inside : sweep.stop]
    # powers of the distance from nearly the mean: one pass, and nothing large that cancels
    near = np.mean(during[::_SPARSE])
    first, second, third = 0.0, 0.0, 0.0
    for x in during:
        distance = x - near
        first += distance
        second += distance * distance
        third += distance * distance * distance
    first, second, third = first / len(during), second / len(during), third / len(during)
    variance = second - first * first
    out[1] = near + first
    out[2] = variance
    if variance > 0:
        out[3] = (third - 3 * first * second + 2 * first**3) / variance**1.5
