"""Features of a recording by the definitions of Hay et al. (2011) PLOS Comput Biol 7: e1002107.

Times, heights and widths are those at a threshold (:data:`~hpcsim.evaluation.recording.SPIKE`) on evenly sampled traces. A
feature is all its values, one a spike where it is about spikes; none where it does not exist.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise

import numpy as np

from hpcsim.evaluation.recording import Recording, base, crossings, peaks

#: mV: a dendrite that crosses it upwards has a calcium spike.
CALCIUM = -55.0
#: ms after a spike, in which its afterhyperpolarisation is a fast one.
FAST = 5.0
#: mV above the resting potential: a spike that has arrived in the dendrite.
_ARRIVED = 2.0
_NONE = np.empty(0)

Feature = Callable[[Recording], np.ndarray]


def spike_count(r: Recording) -> np.ndarray:
    """Number of spikes."""
    return np.array([float(len(r.spike_times))])


def height(r: Recording) -> np.ndarray:
    """Highest potential of each spike, mV."""
    return peaks(r.soma, r.spikes)


def width(r: Recording) -> np.ndarray:
    """Duration of each spike, ms."""
    return np.array([r.time[stop] - r.time[start] for start, stop in zip(*r.spikes, strict=False)])


def ahp_depth(r: Recording) -> np.ndarray:
    """Lowest potential between the end of each spike and the next one, mV."""
    up, down = r.spikes
    return np.array([r.soma[stop:start].min() for stop, start in zip(down, up[1:], strict=False)])


def burst_isi(r: Recording) -> np.ndarray:
    """Mean interval of a burst: of both if there are three spikes, otherwise the first, ms."""
    if len(r.spike_times) < 2:
        return _NONE
    intervals = np.diff(r.spike_times)
    return np.array([intervals.mean() if len(intervals) == 2 else intervals[0]])


def arrived(r: Recording, v: np.ndarray) -> np.ndarray:
    """How far above its base a potential is at most in the first event after the onset, mV."""
    rest = base(r, v)
    events = crossings(v, rest + _ARRIVED)
    after = [peak for start, peak in zip(events[0], peaks(v, events), strict=False) if r.time[start] >= r.onset]
    return np.array(after[:1]) - rest


def calcium_events(r: Recording) -> tuple[np.ndarray, np.ndarray]:
    """Samples where the first site crosses `CALCIUM` upwards and downwards."""
    return crossings(r.sites[0], CALCIUM)


def calcium_height(r: Recording) -> np.ndarray:
    """Highest potential of the first calcium spike after the onset, mV."""
    events = calcium_events(r)
    found = [peak for start, peak in zip(events[0], peaks(r.sites[0], events), strict=False) if r.time[start] >= r.onset]
    return np.array(found[:1])


def calcium_width(r: Recording) -> np.ndarray:
    """Duration of the first calcium spike, ms."""
    up, down = calcium_events(r)
    return np.array([r.time[down[0]] - r.time[up[0]]]) if len(down) else _NONE


def frequency(r: Recording) -> np.ndarray:
    """Spikes over the duration of the stimulus, 1/s."""
    return 1e3 * spike_count(r) / r.duration


def intervals(r: Recording) -> np.ndarray:
    """Intervals without the first; the time from the last spike to the end counts if it is longer than the last, ms."""
    found = np.diff(r.spike_times[1:])
    if not len(found):
        return found
    tail = r.stop - r.spike_times[-1]
    return np.append(found, tail) if tail > found[-1] else found


def adaptation(r: Recording) -> np.ndarray:
    """Mean of the differences of successive intervals over their sums."""
    found = intervals(r)
    return np.array([np.mean(np.diff(found) / (found[1:] + found[:-1]))]) if len(found) > 1 else _NONE


def isi_cv(r: Recording) -> np.ndarray:
    """Standard deviation of the intervals (of a sample) over their mean."""
    found = intervals(r)
    return np.array([found.std(ddof=1) / found.mean()]) if len(found) > 1 else _NONE


def first_isi(r: Recording) -> np.ndarray:
    """First interval, ms."""
    return np.diff(r.spike_times[:2])


def latency(r: Recording) -> np.ndarray:
    """From the onset to the first spike, ms."""
    return np.asarray(r.spike_times[:1] - r.onset)


def fast_ahp_depth(r: Recording) -> np.ndarray:
    """Lowest potential in the 5 ms after each spike but the first and last, or up to the next spike if it comes earlier, mV."""
    found = []
    for start, after in _gaps(r):
        stop = after if _dense(r, start, after) else r.index(r.time[start] + FAST)
        found.append(r.soma[start : stop + 1].min())
    return np.array(found)


def slow_ahp_depth(r: Recording) -> np.ndarray:
    """Lowest potential from 5 ms after each spike but the first and last to the next spike, mV."""
    return np.array([r.soma[place] for _, place, _ in _slow(r)])


def slow_ahp_time(r: Recording) -> np.ndarray:
    """When that is, as a part of the interval."""
    return np.array([(r.time[place] - r.time[start]) / (r.time[after] - r.time[start]) for start, place, after in _slow(r)])


def _gaps(r: Recording) -> list[tuple[int, int]]:
    """Samples of successive spikes from the second on."""
    return list(pairwise(r.spikes[0][1:].tolist()))


def _dense(r: Recording, start: int, after: int) -> bool:
    return bool(r.time[after] - r.time[start] <= FAST)


def _slow(r: Recording) -> list[tuple[int, int, int]]:
    """Of each gap: its first spike, the sample of its lowest potential, its second spike."""
    found = []
    for start, after in _gaps(r):
        first = start if _dense(r, start, after) else r.index(r.time[start] + FAST)
        found.append((start, first + int(r.soma[first : after + 1].argmin()), after))
    return found


#: By name. ``attenuation_1`` is at the first site, ``attenuation_2`` at the second.
FEATURES: Mapping[str, Feature] = {
    "spike_count": spike_count,
    "height": height,
    "width": width,
    "ahp_depth": ahp_depth,
    "burst_isi": burst_isi,
    "attenuation_1": lambda r: arrived(r, r.sites[0]),
    "attenuation_2": lambda r: arrived(r, r.sites[1]),
    "calcium_height": calcium_height,
    "calcium_width": calcium_width,
    "frequency": frequency,
    "adaptation": adaptation,
    "isi_cv": isi_cv,
    "first_isi": first_isi,
    "latency": latency,
    "fast_ahp_depth": fast_ahp_depth,
    "slow_ahp_depth": slow_ahp_depth,
    "slow_ahp_time": slow_ahp_time,
}
