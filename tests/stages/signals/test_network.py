"""The signals of the replayed network beside those of the replay: which network, which shape."""

from __future__ import annotations

import numpy as np
import pytest

from hpcsim.errors import ResultsError
from hpcsim.models.model import Context
from hpcsim.outputs import Coordinate, Layout, Output
from hpcsim.stages.signals.compare import compare
from hpcsim.stages.signals.network import network

SEEDS = np.array([2**63 + 1, 2**63 + 3], np.uint64)
N_TIME = 200


class FakeTable:
    """Results of a network with two points."""

    def __init__(self) -> None:
        random = np.random.default_rng(1)
        shapes = {"dipole": (2, 2, N_TIME), "lfp": (2, 2, 3, N_TIME)}
        self.columns = {"seed": SEEDS, **{f"population_{name}": random.normal(size=shape) for name, shape in shapes.items()}}

    def array(self, name, rows=None):
        return self.columns[name][rows or slice(None)]


def layout(n_time: int = N_TIME) -> Layout:
    outputs = [
        Output("population_dipole", ("population", "time_bin"), "nA um"),
        Output("population_lfp", ("population", "contact", "time_bin"), "mV"),
        Output("network_seed", dtype="uint64"),
    ]
    coordinates = {
        "population": Coordinate(np.array(["E", "I"])),
        "contact": Coordinate(np.arange(3.0), "um"),
        "time_bin": Coordinate(np.arange(float(n_time)), "ms"),
    }
    return Layout.of(outputs, coordinates)


def run(recorded: Layout, seeds: np.ndarray):
    options = {"network": "study:base", "signals": ("dipole", "lfp")}
    context = Context(inputs={"base": FakeTable()}, layout=recorded.union(network.declare(options, recorded)))
    return network.apply({"network_seed": seeds}, options, context), context


def test_each_replay_has_the_signals_of_its_network_with_populations_added_up():
    found, _ = run(layout(), SEEDS[::-1])
    table = FakeTable()
    np.testing.assert_array_equal(found["network_dipole"], table.columns["population_dipole"][::-1].sum(axis=1))
    np.testing.assert_array_equal(found["network_lfp"], table.columns["population_lfp"][::-1].sum(axis=1))


def test_a_replay_of_an_unknown_network_and_other_times_are_said():
    with pytest.raises(ResultsError, match="made for a network with the seed 5, which study:base has not"):
        run(layout(), np.array([5], np.uint64))
    with pytest.raises(ResultsError, match=r"has the shape \(200,\) and the replay's \(100,\).*same tstop"):
        run(layout(100), SEEDS)


def test_the_replay_is_compared_with_its_populations_added_up():
    found, context = run(layout(), SEEDS)
    own = FakeTable().columns["population_dipole"]
    options = {option.name: option.default for option in compare.options}
    options |= {"of": "network_dipole", "prediction": "population_dipole", "skip": 0.0}
    data = {**found, "population_dipole": own}
    context.layout = context.layout.union(compare.declare(options, context.layout))
    compared = compare.apply(data, options, context)
    np.testing.assert_allclose(compared["population_dipole_r2"], 1)
    np.testing.assert_allclose(compared["population_dipole_std_ratio"], 1)
