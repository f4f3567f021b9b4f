"""Checks of a gate of a channel against its published steady state and time constant (ms) at potentials in mV."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.testing import assert_allclose

#: Steady state and time constant, ms, at a potential or an array of them, mV.
Published = Callable[[Any], tuple[Any, Any]]


def check_steady_state(
    h: Any, section: Any, mechanism: str, gate: str, published: Published, potentials: Sequence[float], rel: float
) -> None:
    """Steady state and time constant are as published, to a relative tolerance, and the gate starts in its steady state."""
    for v, steady, tau in zip(potentials, *published(np.asarray(potentials)), strict=True):
        h.finitialize(v)
        channel = getattr(section(0.5), mechanism)
        found = getattr(channel, f"{gate}_inf"), getattr(channel, f"{gate}_tau")
        assert_allclose(found, (steady, tau), rtol=rel, err_msg=f"steady state and time constant at {v} mV")
        assert getattr(channel, gate) == found[0]


def check_continuity(h: Any, section: Any, mechanism: str, gate: str, v: float, rel: float) -> None:
    """The time constant on both sides of a potential and there is one, to a relative tolerance within 1e-7 mV."""
    found = []
    for potential in (v - 1e-4, v - 1e-7, v, v + 1e-7, v + 1e-4):
        h.finitialize(potential)
        found.append(getattr(getattr(section(0.5), mechanism), f"{gate}_tau"))
    limit = (found[0] + found[4]) / 2
    assert_allclose(found, limit, rtol=1e-4)
    assert_allclose(found[1:4], limit, rtol=rel)


def check_relaxation(h: Any, section: Any, mechanism: str, gate: str, published: Published) -> None:
    """After a step under voltage clamp, exponentially from the old steady state to the new one."""
    before, after, h.dt = -80.0, -30.0, 2.0**-6
    clamp = h.SEClamp(section(0.5))
    clamp.rs, clamp.dur1, clamp.amp1 = 1e-7, 1e9, after
    h.finitialize(before)
    (start, _), (end, tau) = published(before), published(after)
    found = []
    for _ in range(65):
        h.fadvance()
        found.append(getattr(getattr(section(0.5), mechanism), gate))
        # the first step brings the potential, and the rates of the gates, to the new value
        assert_allclose(section(0.5).v, after, rtol=0, atol=1e-3)
    assert_allclose(found, end + (found[0] - end) * np.exp(-np.arange(65) * h.dt / tau), rtol=1e-4)
    assert abs(found[0] - start) < abs(end - start) < 1.1
