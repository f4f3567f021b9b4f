"""Calcium of the resting Hay neuron against the published equations, and against long simulations."""

from __future__ import annotations

from dataclasses import replace
from math import log
from pathlib import Path

import numpy as np
import pytest
from published import calcium_open

from hpcsim.models.neuron.hay import cell as hay_cell
from hpcsim.models.neuron.hay.calcium import resting_calcium
from hpcsim.models.neuron.hay.cell import synthetic
from hpcsim.models.neuron.morphology.cell import Cell
from hpcsim.models.neuron.nmodl import mechanisms

V = -70.0


@pytest.fixture(scope="module")
def cell(neuron_cache: Path) -> Cell:
    hay_cell.load(neuron_cache)
    return synthetic()


def at_rest(cell: Cell, v: float = V) -> np.ndarray:
    return resting_calcium(cell, np.full(len(cell.segments), v))


def test_calcium_rests_where_current_and_decay_balance(cell: Cell):
    """The derivative that CaDynamics_E2 computes is zero there; without calcium channels it is 1e-4 mM."""
    found = at_rest(cell)
    place = cell.site(785.0)
    current = sum(cell.density(f"gbar_{name}")[place] * fraction for name, fraction in calcium_open(V).items())
    current *= V - 1e3 * 8.31446 * 307.15 / (2 * 96485.33) * log(2 / found[place])
    assert -1e4 * current * 0.000509 / (2 * 96485.33 * 0.1) == pytest.approx((found[place] - 1e-4) / 122, rel=1e-5)
    assert found[place] > 1.001e-4 and (found[cell.segments.section == "dend"] == 1e-4).all()


def test_large_currents_have_a_balance(cell: Cell):
    """Near the reversal potential of calcium, where a fixed-point iteration would leave the domain of the logarithm."""
    many = {**cell.membrane, "somatic": {**cell.membrane["somatic"], "gbar_Ca_HVA": 1.0, "gamma_CaDynamics_E2": 0.05}}
    for v in (-60.0, -20.0, 40.0, 200.0):
        [found] = np.unique(at_rest(replace(cell, membrane=many), v)[cell.segments.section == "soma"])
        fractions = calcium_open(v)
        reversal = 1e3 * 8.31446261815324 * 307.15 / (2 * 96485.33212) * log(2 / found)
        current = (fractions["Ca_HVA"] + 0.00343 * fractions["Ca_LVAst"]) * (v - reversal)
        assert -1e4 * current * 0.05 / (2 * 96485.33212 * 0.1) == pytest.approx((found - 1e-4) / 460, rel=1e-5)


def test_each_segment_has_its_own_potential(cell: Cell):
    """What a segment has does not depend on the others."""
    potentials = np.where(np.arange(len(cell.segments)) % 2, V, -60.0)
    expected = np.where(potentials == V, at_rest(cell), at_rest(cell, -60.0))
    np.testing.assert_allclose(resting_calcium(cell, potentials), expected, rtol=1e-12)
    assert (at_rest(cell, -60.0) >= at_rest(cell)).all() and (at_rest(cell, -60.0) > at_rest(cell)).any()


def test_calcium_rests_where_a_long_simulation_brings_it(cell: Cell):
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
    assert at_rest(cell)[place] == pytest.approx(expected, rel=1e-4)
