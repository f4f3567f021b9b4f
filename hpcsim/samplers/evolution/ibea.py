"""IBEA: selection by an indicator, as BluePyOpt fits neurons with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from hpcsim.samplers.evolution.operators import crossover, mutation
from hpcsim.samplers.plugin import sampler
from hpcsim.samplers.problem import SearchProblem
from hpcsim.samplers.sampler import Generational
from hpcsim.space.parameter import Parameter

#: Scale of the indicator (Zitzler and Künzli 2004, section 4).
_KAPPA = 0.05


@sampler(
    "ibea",
    options=[
        Parameter("population", 100, bounds=(4, None), description="points of a generation, and those that survive it"),
        Parameter("eta", 10.0, bounds=(0, None), description="distribution index of crossover and mutation"),
        Parameter("mutation", 0.5, bounds=(0, 1), description="share of a child's variables that change"),
    ],
)
class IBEA(Generational):
    """IBEA with the additive epsilon indicator, simulated binary crossover and polynomial mutation.

    Zitzler and Künzli 2004, doi:10.1007/978-3-540-30217-9_84; with the operators and their numbers as Van Geit et al. 2016
    (BluePyOpt), doi:10.3389/fninf.2016.00017.
    """

    def __init__(
        self,
        problem: SearchProblem,
        seed: int = 0,
        start: Sequence[Mapping[str, Any]] = (),
        *,
        population: int = 100,
        eta: float = 10.0,
        mutation: float = 0.5,
    ) -> None:
        super().__init__(problem, seed, start)
        self.population, self.eta, self.mutation = population, eta, mutation
        self._alive = np.empty((0, len(problem.names)))
        self._objectives = np.empty((0, len(problem.objectives)))
        self._fitness = np.empty(0)

    @property
    def batch(self) -> int:
        """A generation."""
        return self.population

    def _next(self, random: np.random.Generator) -> np.ndarray:
        known, objectives = self.take_known()
        if len(known):
            self._survive(known, objectives)
        if len(self._alive) < 2:
            return np.array([self.anywhere(random) for _ in range(self.population)])
        children: dict[bytes, np.ndarray] = {}
        for _ in range(self.population):
            child = self.fresh(partial(self._child, random), children)
            children[child.tobytes()] = child
        return np.array(list(children.values()))

    def _child(self, random: np.random.Generator) -> np.ndarray:
        pair = crossover(self._parent(random), self._parent(random), self.eta, random)
        return mutation(pair[int(random.integers(2))], self.eta, self.mutation, random)

    def _select(self, positions: np.ndarray, objectives: np.ndarray) -> None:
        good = np.isfinite(objectives).all(axis=1)
        self._survive(positions[good], objectives[good])

    def _survive(self, positions: np.ndarray, objectives: np.ndarray) -> None:
        everyone = np.concatenate([self._alive, positions]), np.concatenate([self._objectives, objectives])
        kept, self._fitness = survivors(everyone[1], self.population)
        self._alive, self._objectives = everyone[0][kept], everyone[1][kept]

    def _parent(self, random: np.random.Generator) -> np.ndarray:
        """The better one of two."""
        pair = random.integers(len(self._alive), size=2)
        return np.asarray(self._alive[pair[int(self._fitness[pair].argmax())]])


def survivors(values: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The points that are left when the one with the lowest fitness goes, again and again.

    Parameters
    ----------
    values : ndarray, shape (points, objectives)
        Finite.
    n : int

    Returns
    -------
    kept : ndarray of int, shape (m,)
        In ascending order; all where there are no more than `n`.
    fitness : ndarray, shape (m,)
        Theirs.
    """
    if not len(values):
        return np.empty(0, int), np.empty(0)
    low, high = values.min(axis=0), values.max(axis=0)
    scaled = (values - low) / np.where(high > low, high - low, 1.0)
    # how much worse a point is than another, in the objective where it is worst: rows are the others
    indicator = (scaled[:, None, :] - scaled[None, :, :]).max(axis=2)
    loss = np.exp(-indicator / (max(float(np.abs(indicator).max()), 1e-300) * _KAPPA))
    np.fill_diagonal(loss, 0.0)
    fitness, left = -loss.sum(axis=0), np.ones(len(values), bool)
    for _ in range(len(values) - n):
        worst = int(np.where(left, fitness, np.inf).argmin())
        left[worst] = False
        fitness = fitness + loss[worst]
    return np.flatnonzero(left), fitness[left]
