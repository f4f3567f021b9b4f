"""CMA-ES, for one objective made of all: the fastest way to a first acceptable point where there are few good ones."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hpcsim.samplers.plugin import sampler
from hpcsim.samplers.problem import SearchProblem
from hpcsim.samplers.sampler import Generational
from hpcsim.space.parameter import Parameter

#: Of a restart against the population before it (Auger and Hansen 2005, doi:10.1109/CEC.2005.1554902).
_GROWTH = 2


@sampler(
    "cma_es",
    options=[
        Parameter("population", 0, bounds=(0, None), description="points of a generation; 0: 4 + 3 log(variables)"),
        Parameter("sigma", 0.3, bounds=(1e-6, 1), description="first step, as a share of the ranges"),
        Parameter("combine", "max", choices=("max", "sum"), description="one number of all objectives"),
    ],
    engine="cma",
    extra="samplers",
    requires=("cma",),
)
class CMAES(Generational):
    """CMA-ES of `cma` on the largest (or the sum) of all objectives, with restarts of growing population.

    Objectives with a cutoff count in units of it, so that a largest one below 1 is accepted. Hansen and Ostermeier 2001,
    doi:10.1162/106365601750190398. It begins at the best point that is known, or in the middle.
    """

    follows_cutoffs = True

    def __init__(
        self,
        problem: SearchProblem,
        seed: int = 0,
        start: Sequence[Mapping[str, Any]] = (),
        *,
        population: int = 0,
        sigma: float = 0.3,
        combine: str = "max",
    ) -> None:
        super().__init__(problem, seed, start)
        dims = len(problem.names)
        self.population = max(population or 4 + int(3 * np.log(dims)), 4)
        self.sigma, self.combine = sigma, combine
        cutoffs = [problem.cutoffs.get(name, 1.0) for name in problem.objectives]
        self._scale = np.array([cutoff if cutoff > 0 else 1.0 for cutoff in cutoffs])
        self._strategy: Any = None
        self._asked: list[np.ndarray] = []

    @property
    def batch(self) -> int:
        """A generation."""
        return self.population

    def _next(self, random: np.random.Generator) -> np.ndarray:
        known, objectives = self.take_known()
        if self._strategy is None:
            best = known[int(self._one(objectives).argmin())] if len(known) else np.full(len(self.problem.names), 0.5)
            self._strategy = self._begin(best, random)
        elif self._strategy.stop():
            self.population *= _GROWTH
            self._strategy = self._begin(random.random(len(self.problem.names)), random)
        self._asked = self._strategy.ask(self.population)
        return np.array(self._asked)

    def _select(self, positions: np.ndarray, objectives: np.ndarray) -> None:
        values = self._one(objectives)
        good = np.isfinite(values)
        # nothing is learnt where all failed: the next generation is another draw from the same distribution
        if good.any():
            failed = np.abs(values[good]).max() * 2 + 1
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._strategy.tell(self._asked, np.where(good, values, failed).tolist())

    def _one(self, objectives: np.ndarray) -> np.ndarray:
        scaled = objectives / self._scale
        return np.asarray(scaled.max(axis=1) if self.combine == "max" else scaled.sum(axis=1))

    def _begin(self, place: np.ndarray, random: np.random.Generator) -> Any:
        # plots, which nobody asked for, would want the whole of matplotlib
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import cma

            own = np.random.default_rng(int(random.integers(2**63)))
            options = {
                "bounds": [0, 1],
                "popsize": self.population,
                "verbose": -9,
                "verb_log": 0,
                "verb_disp": 0,
                # numpy's global generator is everybody's: this one is given its own
                "seed": np.nan,
                "randn": lambda *shape: own.standard_normal(shape),
                "maxfevals": np.inf,
                "maxiter": np.inf,
                "tolflatfitness": 20,
            }
            return cma.CMAEvolutionStrategy(np.clip(place, 0, 1).tolist(), self.sigma, options)
