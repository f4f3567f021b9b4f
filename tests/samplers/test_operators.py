"""Operators and selections of the evolutions against their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from hpcsim.inference.search.pareto import front
from hpcsim.samplers.evolution.ibea import survivors
from hpcsim.samplers.evolution.operators import crossover, mutation
from hpcsim.samplers.evolution.steady_state import crowding, dominates, ranks_of


def test_children_are_in_bounds_and_their_mean_is_that_of_their_parents():
    random = np.random.default_rng(0)
    one, other = np.full(4, 0.2), np.full(4, 0.7)
    children = np.array([crossover(one, other, 10.0, random) for _ in range(20_000)])
    assert children.min() >= 0 and children.max() <= 1
    assert abs(children.mean() - 0.45) < 0.005
    # spread and contraction of half of the genes
    crossed = children[(children != 0.2) & (children != 0.7)]
    assert 0.45 < len(crossed) / children.size < 0.55
    same = crossover(one, one, 10.0, random)
    assert np.array_equal(same[0], one) and np.array_equal(same[1], one)


@pytest.mark.parametrize("place", [0.0, 0.3, 1.0])
def test_mutants_are_in_bounds_and_near(place):
    random = np.random.default_rng(0)
    mutants = np.array([mutation(np.full(2, place), 20.0, 0.5, random) for _ in range(5000)])
    changed = mutants[mutants != place]
    assert mutants.min() >= 0 and mutants.max() <= 1
    assert np.median(np.abs(changed - place)) < 0.05
    if place == 0.3:
        assert abs(len(changed) / mutants.size - 0.5) < 0.03


def test_ranks_are_those_of_pymoo():
    values = np.random.default_rng(0).random((60, 3))
    beats = np.array([dominates(row, values) for row in values])
    ranks, left = ranks_of(beats), np.arange(60)
    for rank in range(ranks.max() + 1):
        best = left[front(values[left])]
        assert set(best) == set(np.flatnonzero(ranks == rank))
        left = np.setdiff1d(left, best)


def test_crowding():
    values = np.array([[0.0, 4.0], [1.0, 3.0], [3.0, 1.0], [4.0, 0.0]])
    np.testing.assert_allclose(crowding(values), [np.inf, 1.5, 1.5, np.inf])


def test_survivors_by_indicator_keep_the_front():
    random = np.random.default_rng(0)
    x = random.random(20)
    good = np.stack([x, 1 - x], axis=1)
    values = np.concatenate([good + 1, good])
    kept, fitness = survivors(values, 20)
    assert kept.tolist() == list(range(20, 40)) and len(fitness) == 20
    kept, _ = survivors(values, 100)
    assert len(kept) == 40
    # of equal points one is as good as the other, and none is lost by division by nothing
    kept, fitness = survivors(np.ones((5, 2)), 2)
    assert len(kept) == 2 and np.isfinite(fitness).all()
