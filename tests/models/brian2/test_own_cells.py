"""Users' own equations under injected current, against a solution written out in numpy."""

from __future__ import annotations

import numpy as np
import pytest

from hpcsim.errors import PluginError, SimulationError, UnitError
from hpcsim.models.brian2.equations import CELLS
from hpcsim.models.brian2.own_cells import injected_cell
from hpcsim.models.brian2.own_equations import CellEquations
from hpcsim.models.brian2.protocol import waveforms
from hpcsim.models.model import Context
from hpcsim.outputs import Layout
from hpcsim.paths import cache_directory
from hpcsim.space.design import Design
from hpcsim.space.parameter import Parameter
from hpcsim.space.space import Space
from hpcsim.space.units import base_units

PASSIVE = CellEquations(
    """
    dv/dt = (E + w*mV - v)/tau + I_injected/C : volt
    dw/dt = (1 - w)/tau : 1
    E : volt (constant)
    tau : second (constant)
    C : farad (constant)
    """,
    {"v": "E"},
)
PARAMETERS = (Parameter("E", -70.0, "mV"), Parameter("tau", 20.0, "ms"), Parameter("C", 100.0, "pF"))
SHORT = {"sweeps": ["noise1"], "lead": 5.0, "pulse": 40.0, "gap": 5.0, "tail": 5.0, "lowest_frequency": 25.0, "sample": 0.05}


#: Initial values that read what is constant over a step, and ``count``, which would grow from group to group.
RESTING = CellEquations(
    """
    dv/dt = (rest - v)/tau + I_injected/C : volt
    dq/dt = (target - q)/tau : 1
    rest = E + 5*mV + q*mV : volt (constant over dt)
    target = v/mV + count + I_injected/pA + t_in_timesteps : 1 (constant over dt)
    count : 1
    E : volt (constant)
    tau : second (constant)
    C : farad (constant)
    """,
    {"v": "rest", "count": "count + 1", "q": "target"},
)


def run(space, fixed, equations=PASSIVE, parameters=PARAMETERS):
    cell = injected_cell("my.passive", equations, parameters)
    design = Design(Space.from_tables(cell.parameters, space, fixed), model=cell.name)
    points = design.block(0, len(design))
    return points, cell.simulate(points, Context(cache=cache_directory(), layout=Layout()))


def test_it_is_exponential_euler_of_the_users_equations():
    """In a membrane that charges to more than the level, every crossing is called a spike; `w` begins at 0 in all cells."""
    capacitances = np.linspace(50, 200, CELLS + 3).tolist()
    points, found = run({"C": {"values": capacitances}}, {**SHORT, "tau": 10.0, "amplitude": 300.0})
    waves = waveforms(points[0].values)
    current = waves.current(points.columns, 0, len(waves.base))
    capacitance = points.columns["C"][:, np.newaxis]
    v = np.full((CELLS + 3, len(waves.base)), -70.0)
    for step in range(len(waves.base) - 1):
        target = -69 - np.exp(-0.05 * step / 10) + 10 * current[:, [step]] / capacitance
        v[:, [step + 1]] = target + (v[:, [step]] - target) * np.exp(-0.05 / 10)
    np.testing.assert_allclose(found["v"], v, rtol=0, atol=1e-9)
    crossed = [(np.diff((row >= -20).astype(int)) == 1).sum() for row in v]
    assert [len(times) for times in found["spike_times"]] == crossed and crossed[0] > 0


def test_initial_values_know_subexpressions_and_no_other_cell():
    """Those of the parameters and of earlier initial values; each cell of two groups has the values that it has alone."""
    held = {**SHORT, "holding": 10.0}
    potentials = np.linspace(-80, -60, CELLS + 6)
    together = run({"E": {"values": potentials.tolist()}}, held, RESTING)[1]["v"]
    np.testing.assert_allclose(together[:, 0], potentials + 5, rtol=0, atol=1e-12)
    # v is at rest for q = 0; then q = v + 1, where no current flows yet, and 10 pA through 200 Mohm move it
    moved = (potentials + 6 + 2) * (1 - np.exp(-0.05 / 20))
    np.testing.assert_allclose(together[:, 1] - together[:, 0], moved, rtol=0, atol=1e-9)
    # cells 8 to 15 rounded otherwise where the compiler wrote out loops
    for cell in (0, 8, CELLS - 1, CELLS, CELLS + 5):
        alone = run({"E": {"values": [potentials[cell]]}}, held, RESTING)[1]["v"]
        np.testing.assert_array_equal(alone[0], together[cell])


def test_parameters_are_floats_of_every_cell():
    cell = CellEquations("dv/dt = -(j + k)*v/ms : volt\nj : 1 (shared, constant)\nk : integer (constant)")
    with pytest.raises(SimulationError, match='no variable j of their own; declare it as "j : unit'):
        run({"j": {"values": [1.0, 2.0]}}, SHORT, cell, [Parameter("j", 1.0)])
    with pytest.raises(SimulationError, match='variable k is integer or boolean; declare it as "k : 1 '):
        run({"k": {"values": [1.0, 2.0]}}, SHORT, cell, [Parameter("k", 1.0)])


def test_equations_that_brian2_does_not_know_are_told(tmp_path):
    wrong = CellEquations("dv/dt = (E - v)/tau : volt\nE : volt (constant)\ntau : volt (constant)", {"v": "E"})
    with pytest.raises(SimulationError, match=r"cannot use these equations: (.|\n)*DimensionMismatch"):
        wrong.program(tmp_path)


def test_the_identity_is_that_of_the_equations():
    cell, other = (injected_cell("my.cell", CellEquations(PASSIVE.text, {"v": v}), PARAMETERS) for v in ("E", "E + 1*mV"))
    assert cell.identity() != other.identity()
    assert cell.identity() == injected_cell("my.cell", PASSIVE, PARAMETERS).identity()


def test_names_of_the_protocol_are_taken_and_units_have_no_offset():
    with pytest.raises(PluginError, match='"amplitude" is one of the protocol'):
        injected_cell("my.cell", PASSIVE, [Parameter("amplitude", 1.0)])
    with pytest.raises(UnitError, match="offset"):
        injected_cell("my.cell", PASSIVE, [Parameter("temperature", 1.0, "degC")])


def test_base_units():
    assert [float(base_units(unit)) for unit in ("mS/cm**2", "uF/cm**2", "Mohm", "ms", "")] == [10, 0.01, 1e6, 1e-3, 1]
