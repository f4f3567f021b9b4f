"""A genetic algorithm of pymoo in the unit cube, a generation at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


class Evolution:
    """A genetic algorithm of pymoo after its first generation.

    A point that failed breaks a constraint, so that it is behind all others, whatever their objectives are.

    Parameters
    ----------
    make : callable
        From the first population to the algorithm.
    positions : ndarray, shape (n, variables)
        Of the first generation, between 0 and 1.
    objectives : ndarray, shape (n, objectives)
        Theirs; NaN where a point failed.
    seed : int
    """

    def __init__(self, make: Callable[[Any], Any], positions: np.ndarray, objectives: np.ndarray, seed: int) -> None:
        from pymoo.config import Config
        from pymoo.core.population import Population
        from pymoo.core.problem import Problem

        # what is slow here is the simulator
        Config.warnings["not_compiled"] = False
        n = positions.shape[1]
        space = Problem(n_var=n, n_obj=objectives.shape[1], n_ieq_constr=1, xl=np.zeros(n), xu=np.ones(n))
        self._failed = 0
        self._algorithm = make(Population.new(X=positions))
        self._algorithm.setup(space, seed=seed % 2**32)
        self._asked = self._algorithm.ask()
        # pymoo drops what stands twice
        where = {row.tobytes(): number for number, row in enumerate(positions)}
        self.tell(objectives[[where[row.tobytes()] for row in np.asarray(self._asked.get("X"), float)]])

    def ask(self) -> np.ndarray:
        """Positions of the next generation, shape (n, variables); none where nothing is left that was not tried."""
        self._asked = self._algorithm.ask()
        if self._asked is None or not len(self._asked):
            return np.empty((0, self._algorithm.problem.n_var))
        return np.asarray(self._asked.get("X"), float)

    def add(self, positions: np.ndarray) -> None:
        """Take other positions for the generation that is told next."""
        from pymoo.core.population import Population

        self._asked = Population.new(X=positions)

    def tell(self, objectives: np.ndarray) -> None:
        """Objectives of the generation that was asked for, shape (n, objectives); NaN where a point failed."""
        failed = ~np.isfinite(objectives).all(axis=1, keepdims=True)
        self._asked.set("F", np.where(failed, 0.0, objectives))
        # no two break it alike: pymoo would toss a coin of which nobody knows the seed
        self._failed += int(failed.sum())
        self._asked.set("G", np.where(failed, self._failed - np.cumsum(failed)[:, None] + 1.0, -1.0))
        for one in self._asked:
            one.evaluated.update(("F", "G"))
        self._algorithm.tell(infills=self._asked)

    @property
    def alive(self) -> np.ndarray:
        """Objectives of those that survived and did not fail, shape (n, objectives)."""
        population = self._algorithm.pop
        return np.asarray(population.get("F")[(population.get("G") <= 0).all(axis=1)], float)
