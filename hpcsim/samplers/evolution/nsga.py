"""NSGA-II and NSGA-III of pymoo, a generation at a time."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from math import comb
from typing import Any

import numpy as np

from hpcsim.inference.search.pareto import best
from hpcsim.samplers.evolution.genetic import Evolution
from hpcsim.samplers.plugin import sampler
from hpcsim.samplers.problem import SearchProblem
from hpcsim.samplers.sampler import Generational
from hpcsim.space.parameter import Parameter

_OPTIONS = [Parameter("population", 100, bounds=(4, None), description="points of a generation")]


class _Pymoo(Generational):
    """A genetic algorithm of pymoo."""

    # sorting takes the square of it
    most_known = 5000

    def __init__(
        self,
        problem: SearchProblem,
        seed: int = 0,
        start: Sequence[Mapping[str, Any]] = (),
        *,
        population: int = 100,
    ) -> None:
        super().__init__(problem, seed, start)
        self.population = population
        self._evolution: Evolution | None = None

    @property
    def batch(self) -> int:
        """A generation."""
        return self.population

    @abstractmethod
    def _make(self, first: Any) -> Any:
        """The algorithm of pymoo, with its first population."""

    def _next(self, random: np.random.Generator) -> np.ndarray:
        if self._evolution is None:
            return self._begin(random)
        asked = self._evolution.ask()
        if not len(asked):
            # nothing is left that was not tried: new blood
            asked = random.random((self.population, len(self.problem.names)))
            self._evolution.add(asked)
        return asked

    def _begin(self, random: np.random.Generator) -> np.ndarray:
        """The first generation: the best of what is known, and draws where these are too few."""
        positions, objectives = self.take_known()
        kept = best(objectives, self.population) if len(positions) else np.empty(0, int)
        self._elders = positions[kept], objectives[kept]
        n = max(self.population - len(kept), 1)
        return np.array([self.anywhere(random) for _ in range(n)])

    def _select(self, positions: np.ndarray, objectives: np.ndarray) -> None:
        if self._evolution is not None:
            self._evolution.tell(objectives)
            return
        positions, objectives = (np.concatenate(pair) for pair in zip(self._elders, (positions, objectives), strict=True))
        if np.isfinite(objectives).all(axis=1).any():
            self._evolution = Evolution(self._make, positions, objectives, self.seed)


@sampler("nsga2", options=_OPTIONS, engine="pymoo", extra="samplers", requires=("pymoo",))
class NSGA2(_Pymoo):
    """NSGA-II of pymoo: the Pareto front of a few objectives.

    Deb et al. 2002, doi:10.1109/4235.996017.
    """

    def _make(self, first: Any) -> Any:
        from pymoo.algorithms.moo.nsga2 import NSGA2 as Algorithm

        return Algorithm(pop_size=self.population, n_offsprings=self.population, sampling=first)


@sampler("nsga3", options=_OPTIONS, engine="pymoo", extra="samplers", requires=("pymoo",))
class NSGA3(_Pymoo):
    """NSGA-III of pymoo: the Pareto front of four objectives and more.

    Deb and Jain 2014, doi:10.1109/TEVC.2013.2281535; its directions are those of Das and Dennis, as many as the population
    has room for.
    """

    def _make(self, first: Any) -> Any:
        from pymoo.algorithms.moo.nsga3 import NSGA3 as Algorithm
        from pymoo.util.ref_dirs import get_reference_directions

        n = len(self.problem.objectives)
        parts = 1
        while n > 1 and comb(n + parts, parts + 1) <= self.population:
            parts += 1
        directions = get_reference_directions("das-dennis", n, n_partitions=parts)
        size = max(self.population, len(directions))
        return Algorithm(ref_dirs=directions, pop_size=size, n_offsprings=self.population, sampling=first)
