"""Evolution without generations: each result that lands takes its place at once, and nobody waits for the slowest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from hpcsim.samplers.evolution.operators import crossover, mutation
from hpcsim.samplers.plugin import sampler
from hpcsim.samplers.problem import SearchProblem
from hpcsim.samplers.sampler import Sampler
from hpcsim.space.parameter import Parameter


@sampler(
    "steady_state",
    options=[
        Parameter("population", 100, bounds=(4, None), description="points that are alive"),
        Parameter("eta", 15.0, bounds=(0, None), description="distribution index of crossover"),
        Parameter("eta_mutation", 20.0, bounds=(0, None), description="distribution index of mutation"),
    ],
)
class SteadyState(Sampler):
    """NSGA-II in a steady state: rank and crowding decide who is a parent and who leaves, at every arrival.

    Deb et al. 2002, doi:10.1109/4235.996017, with one child at a time (Durillo et al. 2009, doi:10.1007/978-3-642-01020-0_18).
    """

    stateless = True

    def __init__(
        self,
        problem: SearchProblem,
        seed: int = 0,
        start: Sequence[Mapping[str, Any]] = (),
        *,
        population: int = 100,
        eta: float = 15.0,
        eta_mutation: float = 20.0,
    ) -> None:
        super().__init__(problem, seed, start)
        self.population, self.eta, self.eta_mutation = population, eta, eta_mutation
        self._alive = np.empty((0, len(problem.names)))
        self._fitness = np.empty((0, len(problem.objectives)))
        #: which row dominates which column
        self._beats = np.empty((0, 0), bool)
        self._ranks: np.ndarray | None = None
        self._crowding: dict[int, np.ndarray] = {}

    def _propose(self, n: int, first: int) -> np.ndarray:
        made: dict[bytes, np.ndarray] = {}
        for number in range(first, first + n):
            child = self.fresh(partial(self._child, self.random(number)), made)
            made[child.tobytes()] = child
        return np.array(list(made.values()))

    def _child(self, random: np.random.Generator) -> np.ndarray:
        dims = len(self.problem.names)
        if len(self._alive) < self.population:
            return random.random(dims)
        pair = crossover(self._parent(random), self._parent(random), self.eta, random)
        return mutation(pair[int(random.integers(2))], self.eta_mutation, 1 / dims, random)

    def _learn(self, number: int | None, position: np.ndarray, objectives: np.ndarray) -> None:
        if not np.isfinite(objectives).all():
            return
        values = np.concatenate([self._fitness, objectives[None]])
        beats = np.zeros((len(values), len(values)), bool)
        beats[:-1, :-1] = self._beats
        beats[-1, :-1] = dominates(objectives, self._fitness)
        beats[:-1, -1] = dominates(self._fitness, objectives)
        self._alive, self._fitness, self._beats = np.concatenate([self._alive, position[None]]), values, beats
        self._ranks, self._crowding = None, {}
        if len(values) > self.population:
            self._drop()

    def _drop(self) -> None:
        """The most crowded point of the last rank leaves."""
        ranks = self._rank()
        last = np.flatnonzero(ranks == ranks.max())
        worst = int(last[int(crowding(self._fitness[last]).argmin())])
        self._alive, self._fitness = np.delete(self._alive, worst, axis=0), np.delete(self._fitness, worst, axis=0)
        self._beats = np.delete(np.delete(self._beats, worst, axis=0), worst, axis=1)
        # it was on the last rank, and so beats nobody: the others keep their ranks
        self._ranks = np.delete(ranks, worst)

    def _rank(self) -> np.ndarray:
        if self._ranks is None:
            self._ranks = ranks_of(self._beats)
        return self._ranks

    def _parent(self, random: np.random.Generator) -> np.ndarray:
        """The better one of two: of lower rank, or in a lonelier place."""
        ranks = self._rank()
        one, other = (int(i) for i in random.integers(len(self._alive), size=2))
        if ranks[one] == ranks[other]:
            rank = int(ranks[one])
            if rank not in self._crowding:
                distance = np.zeros(len(ranks))
                same = np.flatnonzero(ranks == rank)
                distance[same] = crowding(self._fitness[same])
                self._crowding[rank] = distance
            better = one if self._crowding[rank][one] >= self._crowding[rank][other] else other
        else:
            better = one if ranks[one] < ranks[other] else other
        return np.asarray(self._alive[better])


def dominates(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Whether the rows of one beat those of the other, broadcast over the last axis: never worse, once better."""
    return np.asarray((one <= other).all(axis=-1) & (one < other).any(axis=-1))


def ranks_of(beats: np.ndarray) -> np.ndarray:
    """Rank of each point: 0 where nobody beats it, 1 where nobody of the others does, and so on; shape (n,)."""
    ranks, left, rank = np.zeros(len(beats), int), np.ones(len(beats), bool), 0
    beaten = beats.sum(axis=0)
    while left.any():
        front = left & (beaten == 0)
        ranks[front] = rank
        left &= ~front
        beaten = beaten - beats[front].sum(axis=0)
        rank += 1
    return ranks


def crowding(values: np.ndarray) -> np.ndarray:
    """Crowding distance of the points of a front (Deb et al. 2002, section III B); those at its ends are infinitely lonely."""
    n = len(values)
    if n <= 2:
        return np.full(n, np.inf)
    order = np.argsort(values, axis=0, kind="stable")
    ordered = np.take_along_axis(values, order, axis=0)
    width = ordered[-1] - ordered[0]
    gaps = np.full(values.shape, np.inf)
    gaps[1:-1] = (ordered[2:] - ordered[:-2]) / np.where(width > 0, width, 1.0)
    back = np.empty_like(gaps)
    np.put_along_axis(back, order, gaps, axis=0)
    return np.asarray(back.sum(axis=1))
