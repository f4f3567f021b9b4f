"""Active channels against the published equations: steady states, time constants, and currents."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gates import check_continuity, check_relaxation, check_steady_state
from published import Ih_m, NaTa_t_h, NaTa_t_m, SKv3_1_m

from hpcsim.models.neuron.nmodl import mechanisms

MECHANISMS = ("Ih", "NaTa_t", "SKv3_1")
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
    check_steady_state(*patch_of_membrane, mechanism, gate, published, POTENTIALS, rel=1e-10)


@pytest.mark.parametrize(("mechanism", "gate", "v"), [("NaTa_t", "m", -38.0), ("NaTa_t", "h", -66.0), ("Ih", "m", -154.9)])
def test_rates_are_continuous_where_they_are_zero_over_zero(patch_of_membrane: Any, mechanism: str, gate: str, v: float):
    """Both sides of a removable singularity agree with its limit."""
    check_continuity(*patch_of_membrane, mechanism, gate, v, rel=1e-8)


@pytest.mark.parametrize(("mechanism", "gate", "published"), GATES)
def test_gates_relax_with_their_time_constants(patch_of_membrane: Any, mechanism: str, gate: str, published: Callable):
    """After a step under voltage clamp, exponentially from the old steady state to the new one."""
    check_relaxation(*patch_of_membrane, mechanism, gate, published)


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
