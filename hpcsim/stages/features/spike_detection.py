"""Action potentials of a voltage trace: their thresholds, peaks and fast troughs.

The rules are those of the Allen Institute's feature extractor with the changes of Bernaerts et al. 2025, written anew
in counts of samples: times that differ by whole samples are never compared as rounded fractions of a second.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hpcsim.stages.features.compiled import compiled
from hpcsim.stages.features.zero_phase import Filter, slope, slope_within


class Sweep(NamedTuple):
    """When the stimulus stands, in samples.

    Parameters
    ----------
    step : float, ms
        Between two samples.
    start, stop : int
        First sample at or after the begin, and the end, of the stimulus.
    inside : int
        First sample after the begin of the stimulus, which is not at it.
    after : int
        First sample after the end of the stimulus, which is not at it.
    eighth, quarter, half : int
        First sample at or after these parts of the stimulus are over.
    """

    step: float
    start: int
    stop: int
    inside: int
    after: int
    eighth: int
    quarter: int
    half: int


class Criteria(NamedTuple):
    """What is an action potential.

    Parameters
    ----------
    onset : float, mV/ms
        Slope that its upstroke crosses.
    peak : float, mV
        Lowest peak.
    height : float, mV
        Least height of the peak above the crossing.
    rise : int
        Fewest samples from threshold to peak that are too many.
    past_clipped : bool
        Whether the downstroke of an action potential whose follower is clipped is searched behind the follower, up to
        the end of the stimulus, as published.
    """

    onset: float
    peak: float
    height: float
    rise: int
    past_clipped: bool


#: The threshold is where the slope is this part of the mean steepest upstroke (Gouwens et al. 2019,
#: doi:10.1038/s41593-019-0417-0).
THRESHOLD_FRACTION = 0.05
#: The fast trough is where the slope has come back to this part of the steepest downstroke (Bernaerts et al. 2025).
TROUGH_FRACTION = 0.003
#: How near to its threshold the voltage must come back after the last action potential, mV.
RETURN_TOLERANCE = 1.0
#: In the place of an index that does not exist.
NOWHERE = -1


@compiled
def find_spikes(
    v: np.ndarray, sweep: Sweep, criteria: Criteria, design: Filter
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Find the action potentials during the stimulus.

    Parameters
    ----------
    v : ndarray of float64
        Shape (n_time,), mV.
    sweep : Sweep
    criteria : Criteria
    design : Filter
        Of the slope.

    Returns
    -------
    threshold, peak, trough : ndarray of int64
        Shape (n_spike,), samples; the trough is -1 where none was found.
    clipped : ndarray of bool
        Shape (n_spike,): the stimulus or the trace ended before the action potential did.
    """
    nothing = np.empty(0, np.int64)
    none = (nothing, nothing, nothing, np.empty(0, np.bool_))
    dv = slope(v, sweep.step, design)
    onset = _crossings(slope_within(v, dv, sweep.start, sweep.stop, sweep.step, design), criteria.onset) + sweep.start
    peak = _highest(v, onset, sweep.stop)
    onset, peak = _plausible(v, dv, onset, peak, criteria)
    if not len(onset):
        return none
    upstroke = _steepest(dv, onset, peak)
    threshold = _slow_point(dv, upstroke)
    if threshold[0] < sweep.start:
        bend = _sharpest_bend(v, dv, peak, upstroke, sweep.step, design)
        if bend[0] > threshold[0]:
            threshold = bend
    if threshold[0] > peak[0]:
        return none
    threshold, peak, upstroke = _merged(threshold, peak, upstroke)
    threshold, peak = _short_rise(v, dv, threshold, peak, upstroke, criteria.rise)
    if not len(threshold) or np.any(threshold >= peak) or np.any(peak[:-1] >= threshold[1:]):
        return none
    complete = _comes_back(v, threshold[-1], peak[-1], sweep.stop)
    threshold, peak, clipped = _falling(v, threshold, peak, complete, sweep.stop)
    trough = _fast_troughs(dv, threshold, peak, clipped, sweep.stop, criteria.past_clipped)
    return threshold, peak, trough, clipped | (trough == NOWHERE)


@compiled
def _crossings(dv: np.ndarray, level: float) -> np.ndarray:
    """The samples before the slope grows over a level, if it has been negative since the one before."""
    found = np.empty(len(dv), np.int64)
    n = 0
    fallen = True
    if dv[0] > level:
        found[0], n, fallen = 0, 1, False
    for k in range(len(dv) - 1):
        if dv[k] < level and dv[k + 1] >= level:
            if fallen:
                found[n] = k
                n += 1
            fallen = False
        fallen = fallen or dv[k] < 0
    return found[:n].copy()


@compiled
def _first_below(x: np.ndarray, start: int, stop: int, level: float) -> int:
    """First sample from start up to stop (which is not looked at) that is at most the level; backwards if stop < start."""
    towards = 1 if stop >= start else -1
    for k in range(start, stop, towards):
        if x[k] <= level:
            return k
    return NOWHERE


@compiled
def _highest(v: np.ndarray, onset: np.ndarray, end: int) -> np.ndarray:
    """Where the voltage is highest between an onset and the next."""
    peak = np.empty_like(onset)
    for k in range(len(onset)):
        following = onset[k + 1] if k + 1 < len(onset) else end
        peak[k] = onset[k] + np.argmax(v[onset[k] : following])
    return peak


@compiled
def _plausible(
    v: np.ndarray, dv: np.ndarray, onset: np.ndarray, peak: np.ndarray, criteria: Criteria
) -> tuple[np.ndarray, np.ndarray]:
    """Join what has no falling flank in between, and drop what is too low."""
    n = len(onset)
    first, last = np.ones(n, np.bool_), np.ones(n, np.bool_)
    for k in range(n - 1):
        falls = np.any(dv[peak[k] : onset[k + 1]] < 0)
        last[k] = falls
        first[k + 1] = falls
    onset, peak = onset[first], peak[last]
    high = np.ones(len(onset), np.bool_)
    for k in range(len(onset)):
        high[k] = v[peak[k]] >= criteria.peak and v[peak[k]] - v[onset[k]] >= criteria.height
    return onset[high], peak[high]


@compiled
def _steepest(dv: np.ndarray, onset: np.ndarray, peak: np.ndarray) -> np.ndarray:
    """Where the slope is largest between onset and peak."""
    upstroke = np.empty_like(onset)
    for k in range(len(onset)):
        upstroke[k] = onset[k] + np.argmax(dv[onset[k] : peak[k]])
    return upstroke


@compiled
def _slow_point(dv: np.ndarray, upstroke: np.ndarray) -> np.ndarray:
    """The last slow point before an upstroke, or the upstroke before it."""
    slow = THRESHOLD_FRACTION * np.mean(dv[upstroke])
    threshold = np.empty_like(upstroke)
    for k in range(len(upstroke)):
        previous = upstroke[k - 1] if k else 0
        found = _first_below(dv, upstroke[k], previous, slow)
        threshold[k] = previous if found == NOWHERE else found
    return threshold


@compiled
def _sharpest_bend(
    v: np.ndarray, dv: np.ndarray, peak: np.ndarray, upstroke: np.ndarray, step: float, design: Filter
) -> np.ndarray:
    """Where the third derivative is largest between the lowest point since the last peak and the upstroke.

    This is the threshold of an action potential that rises straight from the onset of the stimulus.
    """
    # the slope is filtered where it is needed, and three memories around: two filters may be wrong at a cut end
    begin = max(0, int(np.argmin(v[: upstroke[0]])) - 3 * design.memory)
    part = dv[begin : upstroke[-1] + 3 * design.memory]
    third = slope(slope(part, step, design), step, design)
    threshold = np.empty_like(upstroke)
    for k in range(len(upstroke)):
        previous = peak[k - 1] if k else 0
        lowest = previous + np.argmin(v[previous : upstroke[k]])
        best = min(upstroke[k] - begin, len(third) - 1)
        for j in range(best - 1, lowest - begin, -1):
            if third[j] > third[best]:
                best = j
        threshold[k] = begin + best
    return threshold


@compiled
def _merged(threshold: np.ndarray, peak: np.ndarray, upstroke: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Join action potentials whose threshold is not behind the peak before it."""
    overlap = threshold[1:] <= peak[:-1] + 1
    first, last = np.ones(len(peak), np.bool_), np.ones(len(peak), np.bool_)
    first[1:] = ~overlap
    last[:-1] = ~overlap
    return threshold[first], peak[last], upstroke[last]


@compiled
def _short_rise(
    v: np.ndarray, dv: np.ndarray, threshold: np.ndarray, peak: np.ndarray, upstroke: np.ndarray, rise: int
) -> tuple[np.ndarray, np.ndarray]:
    """Find another threshold, or else another peak, where both are too far apart; drop the others."""
    slow = THRESHOLD_FRACTION * np.mean(dv[upstroke])
    threshold, peak, keep = threshold.copy(), peak.copy(), np.ones(len(peak), np.bool_)
    for k in range(len(peak)):
        if peak[k] - threshold[k] < rise:
            continue
        earliest = max(0, peak[k] - rise)
        found = _first_below(dv, upstroke[k], earliest, slow) if upstroke[k] > earliest else NOWHERE
        if found != NOWHERE:
            threshold[k] = found
            continue
        nearer = threshold[k] + np.argmax(v[threshold[k] : threshold[k] + 2 * rise])
        before_next = k + 1 == len(peak) or nearer < threshold[k + 1]
        keep[k] = nearer - threshold[k] < rise and before_next
        if keep[k]:
            peak[k] = nearer
    return threshold[keep], peak[keep]


@compiled
def _comes_back(v: np.ndarray, threshold: int, peak: int, end: int) -> bool:
    """Whether the voltage falls to the threshold again before the end."""
    return bool(_first_below(v, peak, max(peak, end + 1), v[threshold] + RETURN_TOLERANCE) != NOWHERE)


@compiled
def _falling(
    v: np.ndarray, threshold: np.ndarray, peak: np.ndarray, complete: bool, end: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Drop bumps that are lowest where they are highest; say which is clipped (the last one alone can be)."""
    n = len(peak)
    keep, clipped = np.ones(n, np.bool_), np.zeros(n, np.bool_)
    clipped[-1] = not complete
    for k in range(n if complete else n - 1):
        following = threshold[k + 1] if k + 1 < n else max(end, peak[k] + 1)
        keep[k] = np.argmin(v[peak[k] : following]) != 0
    return threshold[keep], peak[keep], clipped[keep]


@compiled
def _fast_troughs(
    dv: np.ndarray, threshold: np.ndarray, peak: np.ndarray, clipped: np.ndarray, end: int, past_clipped: bool
) -> np.ndarray:
    """Where the slope has come back after the steepest downstroke."""
    trough = np.full_like(peak, NOWHERE)
    for k in range(len(peak)):
        if clipped[k]:
            continue
        last = k + 1 == len(peak) or (past_clipped and clipped[k + 1])
        following = end if last else threshold[k + 1]
        downstroke = peak[k] + np.argmin(dv[peak[k] : following])
        for j in range(downstroke, following):
            if dv[j] >= TROUGH_FRACTION * dv[downstroke]:
                trough[k] = j
                break
    return trough
