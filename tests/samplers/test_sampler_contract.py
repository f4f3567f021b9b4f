"""Every sampler keeps the contract: what is shipped, and what is made by others."""

from __future__ import annotations

import numpy as np
import pytest
from absent import needed

from hpcsim.errors import PluginError, SimulationError
from hpcsim.samplers import Sampler, SamplerPlugin, get_sampler, sampler_names
from hpcsim.testing import check_sampler

SMALL = {"population": 8}
CENTRE = [{"a": 0.25, "b": 1.0, "c": 2.5}]
CASES = {
    "uniform": ({}, ()),
    "cma_es": ({}, ()),
    "nsga2": (SMALL, ()),
    "nsga3": (SMALL, ()),
    "ibea": (SMALL, ()),
    "steady_state": (SMALL, ()),
    "tsnpe": ({"simulations": 10, "draws": 100, "epochs": 3, "hidden": 8, "transforms": 2}, ()),
    "walk": ({"walkers": 3, "max_step": 0.1}, CENTRE),
    "optuna": ({"kind": "tpe"}, ()),
    "gest": ({"generator": "gest_toys:Nearby"}, ()),
}
NEEDS = {"tsnpe": "sbi", "optuna": "optuna", "gest": "gest_api", "cma_es": "cma", "nsga2": "pymoo", "nsga3": "pymoo"}


def test_every_sampler_is_tried():
    assert sampler_names() == sorted(CASES)


# networks are trained in each search: once is enough
@pytest.mark.parametrize(("name", "objectives"), [(n, k) for n in CASES for k in (1, 2, 5) if n != "tsnpe" or k == 2])
def test_the_contract(name, objectives):
    if name in NEEDS:
        needed(NEEDS[name])
    options, start = CASES[name]
    check_sampler(name, options, objectives=objectives, start=start, evaluations=30)


@pytest.mark.parametrize("name", ["cma_es", "nsga2", "ibea", "steady_state", "uniform"])
def test_the_contract_with_start_points(name):
    options, _ = CASES[name]
    plan = check_sampler(name, options, start=[*CENTRE, {"a": -1, "b": 10, "c": 3}], evaluations=30)
    made = plan.plugin(plan.problem, 0, plan.start).suggest(3)
    assert made[0] == {"a": 0.25, "b": 1.0, "c": 2.5, "_id": 0}
    assert made[1] == {"a": -1.0, "b": 10.0, "c": 3.0, "_id": 1}


@pytest.mark.parametrize("kind", ["nsga2", "nsga3"])
def test_evolutions_of_optuna(kind):
    needed("optuna")
    check_sampler("optuna", {"kind": kind, "population": 6}, evaluations=24)


@pytest.mark.parametrize("mode", ["expand", "aim"])
def test_ways_of_walking(mode):
    aim = {"aim": {"a": 0.9}} if mode == "aim" else {}
    check_sampler("walk", {"mode": mode, "walkers": 3, "max_step": 0.1, **aim}, start=CENTRE, evaluations=30)


class Outside(Sampler):
    """Suggests beyond the bounds, which the base class does not let pass; and draws from a generator that goes on."""

    def __init__(self, problem, seed=0, start=()):
        super().__init__(problem, seed, start)
        self.own = np.random.default_rng()

    def _propose(self, n, first):
        return self.own.random((n, len(self.problem.names))) * 3 - 1

    def _learn(self, number, position, objectives):
        pass


class Hasty(Sampler):
    """Does not survive a failed point."""

    def _propose(self, n, first):
        return np.array([self.random(first + i).random(len(self.problem.names)) for i in range(n)])

    def _learn(self, number, position, objectives):
        assert np.isfinite(objectives).all()


class Timed(Hasty):
    """Suggests by how many are back."""

    seen = 0

    def _propose(self, n, first):
        return np.array([self.random(self.seen + i).random(len(self.problem.names)) for i in range(n)])

    def _learn(self, number, position, objectives):
        Timed.seen += 1


class Blind(Sampler):
    """Does not look at the constraint."""

    def _propose(self, n, first):
        return np.array([self.random(first + i).random(len(self.problem.names)) for i in range(n)])

    def _learn(self, number, position, objectives):
        pass


def test_broken_promises_are_named():
    with pytest.raises(PluginError, match=r"Blind suggests a point that the constraint .* forbids; draw it again until self"):
        check_sampler(SamplerPlugin("Blind", "1", Blind))
    with pytest.raises(SimulationError, match="Outside: the same seed"):
        check_sampler(SamplerPlugin("Outside", "1", Outside))
    with pytest.raises(AssertionError):
        check_sampler(SamplerPlugin("Hasty", "1", Hasty))
    with pytest.raises(SimulationError, match="Timed: the same seed"):
        check_sampler(SamplerPlugin("Timed", "1", Timed))


def test_names():
    with pytest.raises(PluginError, match='there is no sampler "cma"; did you mean "cma_es"'):
        get_sampler("cma")
    with pytest.raises(PluginError, match="is a type, not a sampler"):
        get_sampler("pathlib:Path")
    assert get_sampler("test_sampler_contract:Hasty").kind.__name__ == "Hasty"
