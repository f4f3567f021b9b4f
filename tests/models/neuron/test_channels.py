"""Active channels against the published equations: steady states, time constants, and currents."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy import exp
from published import Ih_m, NaTa_t_h, NaTa_t_m, SKv3_1_m

from hpcsim.models.neuron import mechanisms
from hpcsim.models.neuron.network import MECHANISMS

#: Away from -38, -66 and -154.9 mV, where the published rates are zero over zero.
POTENTIALS = np.array([-150.0, -100.3, -80.0, -70.2, -65.0, -50.7, -37.0, -20.5, 0.0, 18.7, 40.0])

GATES = [("Ih", "m", Ih_m), ("SKv3_1", "m", SKv3_1_m), ("NaTa_t", "m", NaTa_t_m), ("NaTa_t", "h", NaTa_t_h)]


@pytest.fixture
def patch_of_membrane(neuron_cache: Path):
    """NEURON and a single compartment with all three channels."""
    mechanisms.load(MECHANISMS, neuron_cache)
    with mechanisms.empty_session() as h:
        section = h.Section(name="soma")
        section.L = section.diam = 10
        for mechanism in MECHANISMS:
            section.insert(mechanism)
        section.ena, section.ek = 50, -85
        yield h, section


@pytest.mark.parametrize(("mechanism", "gate", "published"), GATES)
def test_steady_states_and_time_constants(patch_of_membrane: Any, mechanism: str, gate: str, published: Callable):
    """As published, over the whole range; the gate starts in its steady state."""
    h, section = patch_of_membrane
    for v, steady, tau in zip(POTENTIALS, *published(POTENTIALS), strict=True):
        h.finitialize(v)
        channel = getattr(section(0.5), mechanism)
        assert getattr(channel, f"{gate}_inf") == pytest.approx(steady, rel=1e-10)
        assert getattr(channel, f"{gate}_tau") == pytest.approx(tau, rel=1e-10)
        assert getattr(channel, gate) == getattr(channel, f"{gate}_inf")


@pytest.mark.parametrize(("mechanism", "gate", "v"), [("NaTa_t", "m", -38.0), ("NaTa_t", "h", -66.0), ("Ih", "m", -154.9)])
def test_rates_are_continuous_where_they_are_zero_over_zero(patch_of_membrane: Any, mechanism: str, gate: str, v: float):
    """Both sides of a removable singularity agree with its limit."""
    h, section = patch_of_membrane
    found = []
    for potential in (v - 1e-4, v, v + 1e-4):
        h.finitialize(potential)
        found.append(getattr(getattr(section(0.5), mechanism), f"{gate}_tau"))
    assert found[1] == pytest.approx((found[0] + found[2]) / 2, rel=1e-8)


@pytest.mark.parametrize(("mechanism", "gate", "published"), GATES)
def test_gates_relax_with_their_time_constants(patch_of_membrane: Any, mechanism: str, gate: str, published: Callable):
    """After a step under voltage clamp, exponentially from the old steady state to the new one."""
    h, section = patch_of_membrane
    before, after, h.dt = -80.0, -30.0, 2.0**-6
    clamp = h.SEClamp(section(0.5))
    clamp.rs, clamp.dur1, clamp.amp1 = 1e-7, 1e9, after
    h.finitialize(before)
    (start, _), (end, tau) = published(before), published(after)
    # the first step brings the potential, and the rates of the gates, to the new value
    h.fadvance()
    first = getattr(getattr(section(0.5), mechanism), gate)
    assert section(0.5).v == pytest.approx(after, abs=1e-3)
    for _ in range(32):
        h.fadvance()
    expected = end + (first - end) * exp(-32 * h.dt / tau)
    assert getattr(getattr(section(0.5), mechanism), gate) == pytest.approx(expected, rel=1e-4)
    assert abs(first - start) < abs(end - start)
    del clamp


def test_currents_in_the_steady_state(patch_of_membrane: Any):
    """Peak conductance times gates times driving force; temperature changes nothing."""
    h, section = patch_of_membrane
    v = -30.0
    section.gbar_NaTa_t, section.gbar_SKv3_1, section.gbar_Ih, section.ehcn_Ih = 2.04, 0.693, 0.0002, -45
    for celsius in (6.3, 34.0):
        h.celsius = celsius
        h.finitialize(v)
        m, h_gate = NaTa_t_m(v)[0], NaTa_t_h(v)[0]
        assert section(0.5).ina == pytest.approx(2.04 * m**3 * h_gate * (v - 50), rel=1e-10)
        assert section(0.5).ik == pytest.approx(0.693 * SKv3_1_m(v)[0] * (v + 85), rel=1e-10)
        assert section(0.5).i_Ih == pytest.approx(0.0002 * Ih_m(v)[0] * (v + 45), rel=1e-10)
        assert section(0.5).NaTa_t.m_tau == pytest.approx(NaTa_t_m(v)[1], rel=1e-10)
