"""Traces of rectangles, whose features are known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hpcsim.evaluation.recording import Recording

STEP = 0.025


def trace(tstop: float, rest: float, events: Sequence[tuple[float, float, float]]) -> np.ndarray:
    """A potential that rests (mV), and has events: begin and end (ms), and height (mV)."""
    v = np.full(round(tstop / STEP), rest)
    for start, stop, height in events:
        v[round(start / STEP) : round(stop / STEP)] = height
    return v


def recording(soma: np.ndarray, *sites: np.ndarray, onset: float = 295.0, duration: float = 45.0) -> Recording:
    time = np.arange(len(soma)) * STEP
    return Recording(time, soma, np.array(sites).reshape(-1, len(soma)), onset, duration)


def burst(times: Sequence[float] = (298.0, 308.0, 317.0), calcium: tuple[float, float, float] = (300.0, 337.0, 7.0)) -> Recording:
    """Spikes of 1 ms and 25 mV, -65 mV between them, and at the first site a calcium spike, highest in its second half."""
    soma = trace(600, -75, [(times[0], times[-1], -65.0), *((time, time + 1, 25.0) for time in times)])
    start, stop, height = calcium
    return recording(soma, trace(600, -70, [(start, stop, height - 1), ((start + stop) / 2, stop, height)]))


def step(times: Sequence[float]) -> Recording:
    """Spikes of 2 ms and 20 mV under a step from 700 to 2700 ms; -60 mV in the 5 ms after a spike, then -55, and -58 half-way."""
    events = [(700.0, 2700.0, -55.0)]
    for time, after in zip(times, [*times[1:], 2700.0], strict=True):
        events += [
            (time, min(time + 5, after), -60.0),
            ((time + after) / 2, (time + after) / 2 + 0.1, -58.0),
            (time, time + 2, 20.0),
        ]
    return recording(trace(3000, -75, events), onset=700.0, duration=2000.0)
