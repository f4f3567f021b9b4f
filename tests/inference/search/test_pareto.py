from __future__ import annotations

import numpy as np
import pytest

from hpcsim.inference.search.pareto import best, compromise, front, hypervolume

#: Two fronts, and a point that failed.
VALUES = np.array([[0.0, 3.0], [1.0, 1.0], [3.0, 0.0], [2.0, 2.0], [3.0, 2.5], [np.nan, 0.0], [1.0, 1.0]])


def test_a_front_is_what_nothing_beats():
    assert front(VALUES).tolist() == [0, 1, 2, 6]
    random = np.random.default_rng(1).random((200, 3))
    beaten = [any((other <= point).all() and (other < point).any() for other in random) for point in random]
    assert front(random).tolist() == np.flatnonzero(~np.array(beaten)).tolist()
    assert front(np.full((3, 2), np.nan)).tolist() == []


def test_the_best_come_by_rank_and_then_the_lonely_ones():
    good = VALUES[:5]
    assert best(good, 3).tolist() == [0, 1, 2]
    assert best(good, 4).tolist() == [0, 1, 2, 3]
    assert best(good, 9).tolist() == [0, 1, 2, 3, 4]
    # within a front, the ends and what stands apart stay
    x = np.array([0.0, 0.5, 0.51, 0.52, 1.0])
    assert best(np.column_stack([x, 1 - x]), 3).tolist()[::2] == [0, 4]


def test_a_compromise_is_nearest_to_the_wanted_pseudo_weights():
    """As pymoo has it, whose module imports a part of SciPy that goes away."""
    random = np.random.default_rng(2)
    for _ in range(20):
        values = random.random((30, 4)) * [1, 10, 100, 1000]
        weights = random.random(4)
        weights /= weights.sum()
        worst, ideal = values.max(axis=0), values.min(axis=0)
        pseudo = (worst - values) / (worst - ideal)
        pseudo /= pseudo.sum(axis=1)[:, None]
        assert compromise(values, weights) == np.abs(pseudo - weights).sum(axis=1).argmin()
    line = np.column_stack([np.linspace(0, 1, 11), np.linspace(5, 3, 11)])
    assert compromise(line, np.array([0.5, 0.5])) == 5
    assert compromise(line, np.array([0.9, 0.1])) == 1  # the first objective counts more, so it is small
    assert compromise(line, np.array([0.1, 0.9])) == 9


def test_a_compromise_without_a_choice():
    assert compromise(np.array([[1.0, 2.0]]), np.array([0.5, 0.5])) == 0
    # one objective is the same everywhere
    assert compromise(np.array([[1.0, 2.0], [1.0, 1.0]]), np.array([0.5, 0.5])) == 1


def test_hypervolume_by_hand():
    """Boxes from (0.2, 0.6) and (0.6, 0.2) to (1, 1), which share a part."""
    points = np.array([[2.0, 60.0], [6.0, 20.0], [11.0, 0.0], [np.nan, 0.0]])
    share = hypervolume(points, np.zeros(2), np.array([10.0, 100.0]))
    assert share == pytest.approx(0.8 * 0.4 + 0.4 * 0.8 - 0.4 * 0.4)
    assert hypervolume(points[2:], np.zeros(2), np.array([10.0, 100.0])) == 0
