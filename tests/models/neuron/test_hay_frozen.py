"""The frozen membrane of the Hay neuron against the published open fractions, and as LFPykernels take it."""

from __future__ import annotations

from math import exp, log
from pathlib import Path

import numpy as np
import pytest
from published import open_fractions

from hpcsim.models.neuron import hay_cell, hay_frozen, mechanisms
from hpcsim.models.neuron.hay_cell import HayCell, synthetic

V = -70.0


@pytest.fixture(scope="module")
def cell(neuron_cache: Path) -> HayCell:
    hay_cell.load(neuron_cache)
    return synthetic()


def gate(half: float, scale: float) -> float:
    """Boltzmann steady state at V."""
    return 1 / (1 + exp(-(V - half) / scale))


def calcium_open() -> dict[str, float]:
    """Open fractions of the calcium channels at V from the published equations."""
    a, b = 0.055 * (-27 - V) / (exp((-27 - V) / 3.8) - 1), 0.94 * exp((-75 - V) / 17)
    c, d = 0.000457 * exp((-13 - V) / 50), 0.0065 / (exp((-V - 15) / 28) + 1)
    return {"Ca_HVA": (a / (a + b)) ** 2 * c / (c + d), "Ca_LVAst": gate(-40, 6) ** 2 * gate(-90, -6.4)}


def test_conductance_is_leak_and_open_fractions(cell: HayCell):
    """At the soma, in the basal dendrites and in the axon, from the published steady states."""
    found, kinds = hay_frozen.frozen_conductance(cell, V), cell.segments.section
    open_calcium = calcium_open()
    calcium = hay_frozen.resting_calcium(cell, V)[0]
    shared = open_fractions(V)
    soma = 3.38e-5 + 2e-4 * shared["Ih"] + 2.04 * shared["NaTa_t"] + 0.693 * shared["SKv3_1"]
    soma += 0.00172 * gate(-52.6, 4.6) ** 3 * gate(-48.8, -10)
    soma += 0.00223 * gate(-11, 12) ** 2 * gate(-64, -11) + 0.0812 * gate(-10, 19) ** 4 * gate(-76, -10)
    soma += 0.000992 * open_calcium["Ca_HVA"] + 0.00343 * open_calcium["Ca_LVAst"]
    soma += 0.0441 / (1 + (0.00043 / calcium) ** 4.8)
    assert found[kinds == "soma"] == pytest.approx([soma], rel=1e-8)
    assert found[kinds == "dend"] == pytest.approx(4.67e-5 + 2e-4 * shared["Ih"], rel=1e-8)
    assert (found[kinds == "axon"] == 3.25e-5).all()
    assert (found >= cell.density("g_pas")).all()


def test_calcium_rests_where_current_and_decay_balance(cell: HayCell):
    """The derivative that CaDynamics_E2 computes is zero there; without calcium channels it is 1e-4 mM."""
    found = hay_frozen.resting_calcium(cell, V)
    place = cell.site(785.0)
    current = sum(cell.density(f"gbar_{name}")[place] * fraction for name, fraction in calcium_open().items())
    current *= V - 1e3 * 8.31446 * 307.15 / (2 * 96485.33) * log(2 / found[place])
    assert -1e4 * current * 0.000509 / (2 * 96485.33 * 0.1) == pytest.approx((found[place] - 1e-4) / 122, rel=1e-5)
    assert found[place] > 1.001e-4 and (found[cell.segments.section == "dend"] == 1e-4).all()


def test_calcium_rests_where_a_long_simulation_brings_it(neuron_cache: Path, cell: HayCell):
    """The whole table of the calcium zone in one compartment under voltage clamp."""
    place = cell.site(785.0)
    with mechanisms.empty_session() as h:
        h.celsius = hay_cell.TEMPERATURE
        section = h.Section(name="zone")
        section.L = section.diam = 5
        for name in ("Ca_HVA", "Ca_LVAst", "CaDynamics_E2"):
            section.insert(name)
        for name in ("gbar_Ca_HVA", "gbar_Ca_LVAst", "gamma_CaDynamics_E2", "decay_CaDynamics_E2"):
            setattr(section, name, cell.density(name)[place])
        clamp = h.SEClamp(section(0.5))
        clamp.rs, clamp.dur1, clamp.amp1 = 1e-6, 1e9, V
        h.dt = 0.5
        h.finitialize(V)
        while h.t < 3000:
            h.fadvance()
        expected = section.cai
        del clamp, section
    assert hay_frozen.resting_calcium(cell, V)[place] == pytest.approx(expected, rel=1e-4)


def test_kernels_of_the_neuron(neuron_cache: Path, cell: HayCell, tmp_path: Path):
    """LFPykernels take the neuron for a population: it rests, and excitation onto the apical dendrite makes a dipole."""
    from lfpykernels import KernelApprox, KernelApproxCurrentDipoleMoment
    from scipy.stats import norm

    parameters = hay_frozen.template_parameters(cell, V, tmp_path)
    with mechanisms.empty_session():
        mechanisms.load(["Exp2SynI"], neuron_cache)
        network = KernelApprox(
            X=["E"], Y="E", N_X=np.array([100]), N_Y=100, C_YX=np.array([0.1]),
            cellParameters=parameters,
            populationParameters={"radius": 150.0, "loc": 0.0, "scale": 75.0},
            rotationParameters={"x": 0.0, "y": 0.0},
            multapseParameters=[{"a": -2.5, "b": 20.0, "loc": 2.0, "scale": 0.4}],
            delayParameters=[{"a": -4.0, "b": np.inf, "loc": 1.5, "scale": 0.3}],
            synapseParameters=[{"syntype": "Exp2Syn", "weight": 0.00015, "tau1": 0.2, "tau2": 1.8, "e": 0.0}],
            synapsePositionArguments=[
                {"section": ["apic"], "fun": [norm], "funargs": [{"loc": 900.0, "scale": 100.0}], "funweights": [1.0]}
            ],
            extSynapseParameters={"syntype": "Exp2Syn", "weight": 0.0002, "tau1": 0.2, "tau2": 1.8},
            nu_ext=40.0, n_ext=465, nu_X={"E": 2.0},
        )  # fmt: skip
        kernel = network.get_kernel(
            [KernelApproxCurrentDipoleMoment(cell=None)], Vrest=V, dt=2**-4, X="E", t_X=50.0, tau=50.0, g_eff=False
        )["KernelApproxCurrentDipoleMoment"]
        network.cell = None
    lags = np.arange(kernel.shape[1]) * 2**-4 - 50.0
    assert not kernel[:, lags < 0].any()
    # a sink at the top: negative along z, and along z alone; synapses come after 0.3 ms at the earliest
    assert lags[np.abs(kernel[2]).argmax()] == pytest.approx(4, abs=3) and kernel[2].min() < -1
    assert kernel[2].min() == -np.abs(kernel[2]).max()
