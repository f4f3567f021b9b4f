"""Derived linear membranes against the published ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from published import Ih_m, Ih_m_slope, open_fractions

from hpcsim.errors import SimulationError
from hpcsim.models.neuron.hagen.membranes import MECHANISMS
from hpcsim.models.neuron.hay import cell as hay_cell
from hpcsim.models.neuron.nmodl import linear, mechanisms

PEAKS = {"NaTa_t": 2.04, "SKv3_1": 0.693, "Ih": 0.0002}
VALUES = {
    "NaTa_t": {"gbar_NaTa_t": PEAKS["NaTa_t"], "ena": 50.0},
    "SKv3_1": {"gbar_SKv3_1": PEAKS["SKv3_1"], "ek": -85.0},
    "Ih": {"gbar_Ih": PEAKS["Ih"], "ehcn_Ih": -45.0},
    "pas": {"g_pas": 3.38e-5, "e_pas": -90.0},
}


@pytest.fixture(autouse=True)
def loaded(neuron_cache: Path) -> None:
    """All mechanisms."""
    mechanisms.load(MECHANISMS, neuron_cache)


def expansions(v: float) -> list[linear.Expansion]:
    return [linear.expand(mechanism, v, values) for mechanism, values in VALUES.items()]


def response(insert: Any, weight: float = 0.1) -> np.ndarray:
    """Potential of a soma with a stick after a synaptic current of so many nA, about rest."""
    with mechanisms.empty_session() as h:
        soma, stick = h.Section(name="soma"), h.Section(name="stick")
        soma.L, soma.diam, stick.L, stick.diam, stick.nseg = 20, 20, 300, 2, 7
        stick.connect(soma)
        for section in (soma, stick):
            section.Ra = 100
            insert(section)
        synapse = h.Exp2SynI(stick(0.7))
        event = h.NetStim()
        event.number, event.start = 1, 1.0
        connection = h.NetCon(event, synapse, 0, 0, weight)
        potential = h.Vector().record(soma(0.5)._ref_v)
        h.dt = 2.0**-4
        h.finitialize(-70.0)
        while h.t < 60:
            h.fadvance()
        found = potential.as_numpy().copy()
        del connection, event, synapse, potential, section, soma, stick
    return found


@pytest.mark.parametrize("v", [-80.0, -70.0, -65.0])
def test_frozen_conductances_are_open_fractions_times_peaks(v: float):
    """From the mechanisms as from the published steady states."""
    found = {expansion.mechanism: expansion for expansion in expansions(v)}
    for channel, fraction in open_fractions(v).items():
        assert found[channel].g == pytest.approx(PEAKS[channel] * fraction, rel=1e-10)
    assert found["pas"].g == pytest.approx(3.38e-5, rel=1e-10)
    assert found["Ih"].current == pytest.approx(found["Ih"].g * (v + 45), rel=1e-10)
    assert [gate.name for gate in found["NaTa_t"].gates] == ["m_NaTa_t", "h_NaTa_t"]
    assert found["pas"].gates == ()


def test_derived_frozen_cell_is_the_passive_equivalent_cell(neuron_cache: Path):
    """To 1e-10 of the response."""
    v = -70.0
    derived = expansions(v)

    def passive(section: Any) -> None:
        section.insert("pas")
        open_channels = sum(PEAKS[channel] * fraction for channel, fraction in open_fractions(v).items())
        section.g_pas, section.e_pas = 3.38e-5 + open_channels, v

    expected = response(passive) - v
    found = response(lambda section: linear.insert(section, derived, neuron_cache, frozen=True)) - v
    assert expected.max() > 1
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10 * expected.max())


@pytest.mark.parametrize("v", [-90.0, -70.0, -55.0])
def test_derived_linear_Ih_is_the_published_linear_form(neuron_cache: Path, v: float):
    """g w (v - E) with dw/dt = (w_inf(v) - w) / tau, to first order by hand; and it is not the frozen one."""
    gbar, E_h = 0.002, -45.0
    derived = linear.expand("Ih", v, {"gbar_Ih": gbar, "ehcn_Ih": E_h})
    (w, tau), (gate,) = Ih_m(v), derived.gates
    assert derived.g == pytest.approx(gbar * w, rel=1e-9)
    assert gate.slow == pytest.approx(gbar * Ih_m_slope(v) * (v - E_h), rel=1e-8)
    assert gate.tau == pytest.approx(tau, rel=1e-9)
    by_hand = replace(derived, g=gbar * w, gates=(linear.Gate("m", gbar * Ih_m_slope(v) * (v - E_h), tau),))
    expected, found, frozen = (
        response(lambda section, one=one, frozen=frozen: linear.insert(section, [one], neuron_cache, frozen=frozen, rest=-70.0))
        for one, frozen in ((by_hand, False), (derived, False), (derived, True))
    )
    height = (expected + 70).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-7 * height)
    assert np.abs(frozen - expected).max() > 0.02 * height


def test_quasi_active_membrane_follows_the_active_one_for_small_currents(neuron_cache: Path):
    """All gates of all channels, where what is left is of second order; frozen gates do not follow."""
    v = -70.0
    derived = expansions(v)
    balance = sum(expansion.current for expansion in derived)

    def active(section: Any) -> None:
        for mechanism, values in VALUES.items():
            section.insert(mechanism)
            for name, value in values.items():
                setattr(section, name, value)
        # the holding potential is made the resting potential by a shift of the leak
        section.e_pas = -90.0 + balance / 3.38e-5

    expected = response(active, 1e-3) - v
    quasi = response(lambda section: linear.insert(section, derived, neuron_cache, frozen=False), 1e-3) - v
    frozen = response(lambda section: linear.insert(section, derived, neuron_cache, frozen=True), 1e-3) - v
    assert np.abs(quasi - expected).max() < 2e-3 * expected.max()
    assert np.abs(frozen - expected).max() > 1e-2 * expected.max()


def test_mechanisms_without_this_form_are_refused():
    """One that is not there, and expansions around different potentials."""
    with pytest.raises(SimulationError, match='knows no mechanism "Ih_frozen"'):
        linear.expand("Ih_frozen", -65.0, {})
    different = [linear.expand("pas", v, {}) for v in (-65.0, -70.0)]
    with pytest.raises(SimulationError, match=r"potentials \[-70.0, -65.0\]"):
        linear.insert(None, different, Path(), frozen=True)


def test_coupled_gates_are_refused(neuron_cache: Path, tmp_path: Path):
    """A gate that depends on another one has no time constant of its own."""
    text = """NEURON { SUFFIX coupled NONSPECIFIC_CURRENT i }
ASSIGNED { v (mV) i (mA/cm2) }
STATE { p q }
INITIAL { p = 0.5 q = 0.5 }
BREAKPOINT { SOLVE relax METHOD derivimplicit i = p * (v + 70) }
DERIVATIVE relax { p' = q - p q' = 0.5 - q }
"""
    mechanisms.load([mechanisms.write_once(tmp_path / "coupled.mod", text)], neuron_cache)
    with pytest.raises(SimulationError, match="p_coupled depends on q_coupled"):
        linear.expand("coupled", -65.0, {})


@pytest.mark.parametrize(("mechanism", "gates"), [("Nap_Et2", 2), ("K_Pst", 2), ("K_Tst", 2), ("Im", 1), ("SKv3_1", 1)])
def test_further_channels_have_both_forms(neuron_cache: Path, mechanism: str, gates: int):
    """Chord conductance at fixed gates; with gates that follow, the slope of the steady current against the potential."""
    hay_cell.load(neuron_cache)
    v, step, values = -60.5, 0.01, {f"gbar_{mechanism}": 0.1}
    found, low, high = (linear.expand(mechanism, v + shift, values) for shift in (0.0, -step, step))
    assert len(found.gates) == gates and found.concentrations == ()
    slope = (high.current - low.current) / (2 * step)
    assert found.g + sum(gate.slow for gate in found.gates) == pytest.approx(slope, rel=1e-3)
    assert abs(slope - found.g) > 0.05 * found.g


@pytest.mark.parametrize("mechanism", ["Ca_HVA", "Ca_LVAst"])
def test_calcium_channels_have_both_forms_at_a_fixed_reversal_potential(neuron_cache: Path, mechanism: str):
    """As the other channels; that of calcium is given."""
    hay_cell.load(neuron_cache)
    v, step, values = -50.0, 0.01, {f"gbar_{mechanism}": 0.1, "eca": 130.0}
    found, low, high = (linear.expand(mechanism, v + shift, values) for shift in (0.0, -step, step))
    assert found.current == pytest.approx(found.g * (v - 130), rel=1e-5)
    slope = (high.current - low.current) / (2 * step)
    assert found.g + sum(gate.slow for gate in found.gates) == pytest.approx(slope, rel=1e-3)


def test_a_channel_of_calcium_can_be_frozen_alone(neuron_cache: Path):
    """Its open fraction is that of the concentration that was given; following calcium is beyond this form, and is refused."""
    hay_cell.load(neuron_cache)
    found = linear.expand("SK_E2", -65.0, {"gbar_SK_E2": 2.0, "cai": 4.3e-4})
    assert found.g == pytest.approx(1.0, rel=1e-9) and found.concentrations == ("cai",)
    with mechanisms.empty_session() as h:
        section = h.Section(name="soma")
        linear.insert(section, [found], neuron_cache, frozen=True)
        assert section.g_pas == pytest.approx(1.0)
        with pytest.raises(SimulationError, match="SK_E2 depends on cai, which follows the currents of other mechanisms"):
            linear.insert(section, [found], neuron_cache, frozen=False)
        del section


def test_a_mechanism_that_changes_a_concentration_is_refused(neuron_cache: Path):
    """It has no current, and couples the others."""
    hay_cell.load(neuron_cache)
    with pytest.raises(SimulationError, match="CaDynamics_E2 changes cai and has no linear form of its own"):
        linear.expand("CaDynamics_E2", -65.0, {})
