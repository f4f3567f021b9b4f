"""The Pareto front of several objectives that should all be small: what is on it, how far it reaches, and a compromise."""

from __future__ import annotations

import numpy as np


def front(values: np.ndarray) -> np.ndarray:
    """Which points no other point beats in all objectives.

    Parameters
    ----------
    values : ndarray, shape (points, objectives)
        Rows with NaN (failed points) are on no front.

    Returns
    -------
    ndarray of int, shape (n,)
        In ascending order; equal points are all on it.
    """
    from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

    good = np.flatnonzero(np.isfinite(values).all(axis=1))
    if not len(good):
        return good
    return np.sort(good[NonDominatedSorting().do(values[good], only_non_dominated_front=True)])


def best(values: np.ndarray, n: int) -> np.ndarray:
    """The points that NSGA-II would let survive: by rank, and within the last rank the least crowded ones.

    Parameters
    ----------
    values : ndarray, shape (points, objectives)
        Finite.
    n : int

    Returns
    -------
    ndarray of int, shape (n,)
        In ascending order; all where there are no more.
    """
    from pymoo.core.population import Population
    from pymoo.core.problem import Problem
    from pymoo.operators.survival.rank_and_crowding import RankAndCrowding

    points = Population.new(F=values, number=np.arange(len(values)))
    problem = Problem(n_var=1, n_obj=values.shape[1])
    alive = RankAndCrowding().do(problem, points, n_survive=min(n, len(values)), random_state=np.random.default_rng(0))
    return np.sort(np.asarray(alive.get("number"), int))


def compromise(values: np.ndarray, weights: np.ndarray) -> int:
    """The point whose pseudo-weights (Deb 2001, section 2.3.3) are nearest to the wanted ones.

    The pseudo-weight of an objective is its distance from the worst value on the front over the width of the front, as
    a share of the sum over objectives.

    Parameters
    ----------
    values : ndarray, shape (n, objectives)
        Of the points of a front.
    weights : ndarray, shape (objectives,)
        With the sum 1.

    Returns
    -------
    int
        Number of the point.
    """
    worst, ideal = values.max(axis=0), values.min(axis=0)
    # an objective that is the same everywhere says nothing
    differs = worst > ideal
    if not differs.any() or not weights[differs].any():
        return 0
    share = ((worst - values) / np.where(differs, worst - ideal, 1.0))[:, differs]
    # a point that is the worst in all has no pseudo-weights: shares of nothing are 0
    share /= np.maximum(share.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    return int(np.abs(share - weights[differs] / weights[differs].sum()).sum(axis=1).argmin())


def hypervolume(values: np.ndarray, ideal: np.ndarray, worst: np.ndarray) -> float:
    """Share of the box between the ideal and the worst values that the points dominate; 0 without points in it.

    Parameters
    ----------
    values : ndarray, shape (n, objectives)
    ideal, worst : ndarray, shape (objectives,)
    """
    from pymoo.indicators.hv import HV

    width = np.where(worst > ideal, worst - ideal, 1.0)
    inside = (values - ideal) / width
    inside = inside[np.isfinite(inside).all(axis=1) & (inside <= 1).all(axis=1)]
    return float(HV(ref_point=np.ones(len(ideal))).do(np.maximum(inside, 0))) if len(inside) else 0.0
