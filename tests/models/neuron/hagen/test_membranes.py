"""Linear membranes of the network's neurons against the published open fractions and forms."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from published import Ih_m, Ih_m_slope, boltzmann, calcium_open, open_fractions

from hpcsim.errors import SimulationError
from hpcsim.models.neuron.hagen import cells, membranes
from hpcsim.models.neuron.hagen.ball_and_sticks_network import ball_and_sticks_network
from hpcsim.models.neuron.hay.calcium import resting_calcium
from hpcsim.models.neuron.kernels.approximation import approximation
from hpcsim.models.neuron.kernels.kernel import kernel
from hpcsim.models.neuron.morphology.cell import Cell
from hpcsim.models.neuron.nmodl import linear, quasi_active
from hpcsim.models.neuron.nmodl.mechanisms import empty_session

VALUES = {**ball_and_sticks_network.defaults(), "cell_E": "hay2011_synthetic"}
V = -70.0


@pytest.fixture(autouse=True)
def loaded(neuron_cache: Path) -> None:
    membranes.load(neuron_cache)


@pytest.fixture(scope="module")
def pyramid() -> Cell:
    return cells.cell(VALUES, "E")


def linearised(cell: Cell, membrane: str) -> list[tuple[linear.Expansion, ...]]:
    return membranes.linearised(cell, np.full(len(cell.segments), V), membrane)


def conductance(made: list[tuple[linear.Expansion, ...]]) -> np.ndarray:
    return np.array([sum(expansion.g for expansion in own) for own in made])


def gates(made: list[tuple[linear.Expansion, ...]], kinds: np.ndarray) -> dict[str, set[int]]:
    """How many gates follow, by kind of section."""
    counts = np.array([sum(len(expansion.gates) for expansion in own) for own in made])
    return {kind: set(counts[kinds == kind].tolist()) for kind in set(kinds.tolist())}


def test_sticks_have_leak_and_open_fractions():
    """Of the neuron of I, in soma and sticks."""
    shared = open_fractions(V)
    soma = 3.38e-5 + 2e-4 * shared["Ih"] + 2.04 * shared["NaTa_t"] + 0.693 * shared["SKv3_1"]
    sticks = 5.89e-5 + 2e-3 * shared["Ih"] + 0.0213 * shared["NaTa_t"] + 0.000261 * shared["SKv3_1"]
    found = conductance(linearised(cells.cell(VALUES, "I"), "frozen"))
    np.testing.assert_allclose(found, [soma, *10 * [sticks]], rtol=1e-10)


def test_pyramid_has_leak_and_open_fractions(pyramid: Cell):
    """At the soma, in the basal dendrites and in the axon, from the published steady states; SK opens at the resting calcium."""
    found, kinds = conductance(linearised(pyramid, "frozen")), pyramid.segments.section
    opened, shared = calcium_open(V), open_fractions(V)
    calcium = resting_calcium(pyramid, np.full(len(pyramid.segments), V))[0]
    soma = 3.38e-5 + 2e-4 * shared["Ih"] + 2.04 * shared["NaTa_t"] + 0.693 * shared["SKv3_1"]
    soma += 0.00172 * boltzmann(V, -52.6, 4.6) ** 3 * boltzmann(V, -48.8, -10)
    soma += 0.00223 * boltzmann(V, -11, 12) ** 2 * boltzmann(V, -64, -11)
    soma += 0.0812 * boltzmann(V, -10, 19) ** 4 * boltzmann(V, -76, -10)
    soma += 0.000992 * opened["Ca_HVA"] + 0.00343 * opened["Ca_LVAst"]
    soma += 0.0441 / (1 + (0.00043 / calcium) ** 4.8)
    assert found[kinds == "soma"] == pytest.approx([soma], rel=1e-8)
    assert found[kinds == "dend"] == pytest.approx(4.67e-5 + 2e-4 * shared["Ih"], rel=1e-8)
    np.testing.assert_allclose(found[kinds == "axon"], 3.25e-5, rtol=1e-10)
    assert (found >= pyramid.density("g_pas") * (1 - 1e-10)).all()


def test_potassium_channel_of_calcium_opens_with_its_own_segment(pyramid: Cell):
    """At -50 mV calcium differs between soma, calcium zone and the rest of the apical dendrite."""
    v, zone = -50.0, pyramid.site(785.0)
    potentials = np.full(len(pyramid.segments), v)
    calcium, made = resting_calcium(pyramid, potentials), membranes.linearised(pyramid, potentials, "frozen")
    assert abs(calcium[zone] / calcium[0] - 1) > 1e-3
    for place in (0, zone, pyramid.site(300.0)):
        own = next(expansion for expansion in made[place] if expansion.mechanism == "SK_E2")
        opened = 1 / (1 + (0.00043 / calcium[place]) ** 4.8)
        assert own.g == pytest.approx(pyramid.density("gbar_SK_E2")[place] * opened, rel=1e-8)


@pytest.mark.parametrize("membrane", list(membranes.LINEARISED_GATES))
@pytest.mark.parametrize("cell_E", ["ball_and_sticks", "hay2011_synthetic"])
def test_the_neuron_of_the_kernels_has_the_same_membrane(neuron_cache: Path, cell_E: str, membrane: str):
    """As LFPy builds it for LFPykernels: segment by segment, around the potential that is asked for."""
    from LFPy import TemplateCell

    values, v = {**kernel.defaults(), "cell_E": cell_E, "membrane": membrane}, -72.0
    cell = cells.cell(values, "E")
    expected = membranes.linearised(cell, np.full(len(cell.segments), v), membrane)
    with empty_session():
        network = approximation(values, "E", v, {"E": 0.0, "I": 0.0}, neuron_cache)
        made = TemplateCell(**network.cellParameters)
        points = [point for section in made.allseclist for point in section]
        np.testing.assert_allclose([point.g_pas for point in points], conductance(expected), rtol=1e-12)
        assert {point.e_pas for point in points} == {v} and {section.Ra for section in made.allseclist} == {cell.Ra}
        np.testing.assert_array_equal([point.cm for point in points], cell.capacitance)
        np.testing.assert_allclose(made.area, cell.segments.area, rtol=1e-6)
        np.testing.assert_allclose(made.z, cell.segments.z, atol=1e-3)
        for point, own in zip(points, expected, strict=True):
            gates = [gate for expansion in own for gate in expansion.gates]
            if gates:
                file = quasi_active.source(len(gates), neuron_cache).stem
                assert [getattr(point, f"slow{k}_{file}") for k in range(len(gates))] == [gate.slow for gate in gates]
        del network, made, points, point


def test_cells_without_a_reversal_potential_are_refused(pyramid: Cell):
    """It would be that of NEURON's default."""
    lacking = replace(pyramid, reversals={"e_pas": -90.0})
    with pytest.raises(SimulationError, match="the cell has Ih and no reversal potential ehcn_Ih"):
        linearised(lacking, "linear_Ih")


def test_gates_that_follow(pyramid: Cell):
    """All but those of calcium; as published, Ih, and persistent sodium in the soma; none. Each number has its mechanism."""
    kinds, sticks = pyramid.segments.section, cells.cell(VALUES, "I")
    made = {membrane: gates(linearised(pyramid, membrane), kinds) for membrane in membranes.LINEARISED_GATES}
    assert made["linear"] == {"soma": {10}, "apic": {5}, "dend": {1}, "axon": {0}}
    assert made["linear_Ih"] == {"soma": {3}, "apic": {1}, "dend": {1}, "axon": {0}}
    assert made["frozen"] == {kind: {0} for kind in ("soma", "apic", "dend", "axon")}
    assert gates(linearised(sticks, "linear"), sticks.segments.section) == {kind: {4} for kind in ("soma", "apic", "dend")}
    used = {n for each in made.values() for numbers in each.values() for n in numbers} | {4}
    assert used - {0} == set(membranes.GATES)


def test_Ih_that_grows_along_the_dendrite_is_the_published_linear_form(pyramid: Cell):
    """In each segment in proportion to its peak conductance: ``g m' (v - E)`` with the slope of the steady state."""
    made = linearised(pyramid, "linear_Ih")
    peak = pyramid.density("gbar_Ih")
    for i in np.flatnonzero(pyramid.segments.section == "apic")[::50]:
        own = next(expansion for expansion in made[i] if expansion.mechanism == "Ih")
        (gate,) = own.gates
        assert own.g == pytest.approx(peak[i] * Ih_m(V)[0], rel=1e-9)
        assert gate.slow == pytest.approx(peak[i] * Ih_m_slope(V) * (V + 45), rel=1e-6)
        assert gate.tau == pytest.approx(Ih_m(V)[1], rel=1e-9)


def test_each_segment_has_its_own_potential():
    """Holding potentials are those that were given."""
    cell = cells.cell(VALUES, "I")
    potentials = np.linspace(-75, -65, len(cell.segments))
    made = membranes.linearised(cell, potentials, "linear_Ih")
    assert [own[0].v for own in made] == potentials.tolist() and all(len({each.v for each in own}) == 1 for own in made)
    alone = membranes.linearised(cell, np.full(len(potentials), potentials[4]), "linear_Ih")
    assert conductance(alone)[4] == pytest.approx(conductance(made)[4], rel=1e-12)
