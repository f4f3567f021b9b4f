"""What the statistics of a voltage trace cost: the compiled pass, eFEL, and plain numpy and scipy, on the same traces.

Reads the public traces from the folder that HPCSIM_DATA names. Prints CPU milliseconds a trace and the ratio to the
compiled pass; run it as ``python benchmarks/ephys.py [ROUNDS]``.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np

from hpcsim.data.public import fetch
from hpcsim.stages.features.efel import DEFAULT
from hpcsim.stages.features.efel import efel as efel_stage
from hpcsim.stages.features.ephys import OPTIONS, Extractor
from hpcsim.stages.features.trace import VoltageTrace

TARGET = 0.15
START, STOP, STEP = 100.0, 700.0, 0.04


def plain(v: np.ndarray, start: int = 2500, stop: int = 17500, step: float = STEP, third_from: int = 5) -> np.ndarray:
    """The 23 published statistics of one trace, with numpy and scipy, a rule after the other."""
    values = np.full(23, np.nan)
    during = v[start + 1 : stop]
    values[19:22] = v[:start].mean(), during.mean(), during.var()
    values[22] = np.mean((during - during.mean()) ** 3) / during.std() ** 3
    found = plain_spikes(v, start, stop, step)
    if not found:
        return values
    threshold = np.array([spike[0] for spike in found])
    ends = start + (stop - start) // np.array([8, 4, 2])
    counts = [len(found), *((threshold < end).sum() for end in ends), (threshold >= ends[2]).sum()]
    values[8:13] = np.log(np.array(counts) + 3.0)
    if all(spike[2] is None for spike in found):
        return values
    for number, place in ((0, 0), (2, 4)):
        if number == 0 or len(found) >= third_from:
            values[place : place + 4] = plain_shape(v, step, *found[number])
    height = np.array([v[peak] - v[thr] for thr, peak, _ in found])
    interval = np.diff(threshold) * step
    with np.errstate(divide="ignore", invalid="ignore"):
        if len(found) > 1:
            ratio = np.mean(height[1:] / height[:-1])
            values[13:15] = np.log(height[1] / height[0]), 1 / (1 + np.exp(-50 * (ratio - 1)))
            values[15] = np.log(height.std() / height.mean())
        if len(found) > 2:
            spread = 0.0 if len(set(np.diff(threshold))) == 1 else interval.std()
            values[16:18] = np.log(interval[1] / interval[0]), np.log(spread / interval.mean())
        values[18] = np.log((threshold[0] - start) * step + 0.4)
    values[np.isinf(values)] = np.nan
    return values


def plain_shape(v: np.ndarray, step: float, thr: int, peak: int, trough: int | None) -> tuple[float, ...]:
    if trough is None:
        return v[thr], v[peak] - v[thr], np.nan, np.nan
    level = (v[peak] - v[thr]) / 2 + v[thr]
    rising, falling = np.flatnonzero(v[peak:thr:-1] <= level), np.flatnonzero(v[peak:trough] <= level)
    width = (rising[0] + falling[0]) * step if len(rising) and len(falling) else np.nan
    return v[thr], v[peak] - v[thr], width, v[trough] - v[thr]


def plain_slope(v: np.ndarray, step: float) -> np.ndarray:
    from scipy import signal

    b, a = signal.bessel(4, 20 * step)
    return np.diff(signal.filtfilt(b, a, v)) / step


def plain_spikes(v: np.ndarray, start: int, stop: int, step: float) -> list[tuple[int, int, int | None]]:
    """Threshold, peak and fast trough of each action potential; no trough where it is clipped."""
    dv, within = plain_slope(v, step), plain_slope(v[start : stop + 1], step)
    over = within >= 20
    onset = [0] * bool(within[0] > 20) + list(np.flatnonzero(~over[:-1] & over[1:]))
    onset = [k + start for n, k in enumerate(onset) if n == 0 or (within[onset[n - 1] : k] < 0).any()]
    if not onset:
        return []
    peak = [a + int(np.argmax(v[a:b])) for a, b in zip(onset, [*onset[1:], stop], strict=True)]
    falls = [bool((dv[p:k] < 0).any()) for p, k in zip(peak[:-1], onset[1:], strict=True)]
    onset = [k for k, keep in zip(onset, [True, *falls], strict=False) if keep]
    peak = [k for k, keep in zip(peak, [*falls, True], strict=False) if keep]
    pairs = [(k, p) for k, p in zip(onset, peak, strict=True) if v[p] >= -30 and v[p] - v[k] >= 2]
    if not pairs:
        return []
    peak = [p for _, p in pairs]
    upstroke = [k + int(np.argmax(dv[k:p])) for k, p in pairs]
    slow, rise = 0.05 * np.mean(dv[upstroke]), round(5 / step)
    threshold = []
    for before, up in zip([0, *upstroke[:-1]], upstroke, strict=True):
        low = np.flatnonzero(dv[up:before:-1] <= slow)
        threshold.append(up - int(low[0]) if len(low) else before)
    if threshold[0] < start:
        third = plain_slope(plain_slope(dv, step), step)
        lowest = [p + int(np.argmin(v[p:up])) for p, up in zip([0, *peak[:-1]], upstroke, strict=True)]
        other = [up - int(np.argmax(third[up:low:-1])) for low, up in zip(lowest, upstroke, strict=True)]
        threshold = other if other[0] > threshold[0] else threshold
    if threshold[0] > peak[0]:
        return []
    joined = [after <= p + 1 for p, after in zip(peak[:-1], threshold[1:], strict=True)]
    threshold = [k for k, drop in zip(threshold, [False, *joined], strict=True) if not drop]
    peak, upstroke = ([k for k, drop in zip(ks, [*joined, False], strict=True) if not drop] for ks in (peak, upstroke))
    slow, kept = 0.05 * np.mean(dv[upstroke]), []
    for n, (thr, p, up) in enumerate(zip(threshold, peak, upstroke, strict=True)):
        if p - thr >= rise:
            low = np.flatnonzero(dv[up : p - rise : -1] <= slow)
            nearer = thr + int(np.argmax(v[thr : thr + 2 * rise]))
            if len(low):
                thr = up - int(low[0])
            elif nearer - thr < rise and (n + 1 == len(peak) or nearer < threshold[n + 1]):
                p = nearer
            else:
                continue
        kept.append((thr, p))
    overlap = any(p >= after for (_, p), (after, _) in pairwise(kept))
    if overlap or any(thr >= p for thr, p in kept) or not kept:
        return []
    complete = bool((v[kept[-1][1] : stop + 1] <= v[kept[-1][0]] + 1).any())
    following = [*(thr for thr, _ in kept[1:]), stop]
    open_end = [complete or n + 1 < len(kept) for n in range(len(kept))]
    real = [not whole or np.argmin(v[p:end]) > 0 for (_, p), end, whole in zip(kept, following, open_end, strict=True)]
    kept, open_end = ([x for x, keep in zip(xs, real, strict=True) if keep] for xs in (kept, open_end))
    whole = [spike for spike, is_whole in zip(kept, open_end, strict=True) if is_whole]
    spikes: list[tuple[int, int, int | None]] = []
    for (thr, p), end in zip(whole, [*(thr for thr, _ in whole[1:]), stop], strict=False):
        down = p + int(np.argmin(dv[p:end]))
        back = np.flatnonzero(dv[down:end] >= 0.003 * dv[down])
        spikes.append((thr, p, down + int(back[0]) if len(back) else None))
    return spikes + [(*spike, None) for spike in kept[len(whole) :]]


def efel_values(traces: np.ndarray) -> np.ndarray:
    from hpcsim import Coordinate, Layout, Output
    from hpcsim.models.model import Context

    times = Coordinate(np.arange(traces.shape[1]) * STEP, "ms")
    layout = Layout.of([Output("v", ("time",), "mV")], {"time": times})
    options = {option.name: option.default for option in efel_stage.options}
    return np.asarray(efel_stage.apply({"v": traces}, options, Context(layout=layout))["efel"])


def cpu(compute: Callable[[np.ndarray], object], traces: np.ndarray) -> float:
    """CPU milliseconds a trace."""
    began = time.process_time()
    compute(traces)
    return 1e3 * (time.process_time() - began) / len(traces)


def main(rounds: int) -> None:
    traces = np.load(fetch("bernaerts2025/m1_traces.npz"), allow_pickle=False)["V_mV"]
    options = {option.name: option.default for option in OPTIONS} | {"definition": "bernaerts2025"}
    extractor = Extractor(VoltageTrace(traces.shape[1], STEP), options)
    ways: dict[str, Callable[[np.ndarray], object]] = {
        "compiled pass": extractor,
        "numpy and scipy": lambda batch: np.array([plain(v) for v in batch]),
        f"eFEL ({len(DEFAULT)} features)": efel_values,
    }
    spent: dict[str, list[float]] = {}
    for name, compute in ways.items():
        print(f"{name}: first trace {cpu(compute, traces[:1]):.0f} ms CPU (imports, and compilation where the cache is cold)")
    for _ in range(rounds):
        for name, compute in ways.items():
            spent.setdefault(name, []).append(cpu(compute, traces))
    own = float(np.median(spent["compiled pass"]))
    for name, values in spent.items():
        median = float(np.median(values))
        print(f"{name:24} {median:6.2f} ms CPU a trace, {median / own:5.1f} times the compiled pass")
    print(f"target: at most {TARGET:g} ms; {'reached' if own <= TARGET else 'missed'}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
