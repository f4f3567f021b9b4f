"""A run of NSGA-II: generations of points, simulated and remembered."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from hpcsim.errors import ResultsError
from hpcsim.inference.inputs import Options, ResultsLike, Simulate
from hpcsim.inference.predictive import Resimulation, follow_up
from hpcsim.inference.prior import Prior
from hpcsim.inference.search.evolution import Evolution, nsga2
from hpcsim.inference.search.objectives import Objective
from hpcsim.inference.search.pareto import best

if TYPE_CHECKING:
    from pandas import DataFrame

#: Proposals are rounded to so many decimals of a parameter's range: processors differ in the last bits of powers.
_DECIMALS = 10
#: Points of the study among which the best are looked for, at most: sorting takes the square of it.
_SORTED = 5000


@dataclass(eq=False)
class Search:
    """A run of NSGA-II over the parameters that a study draws.

    Parameters
    ----------
    results : ResultsLike
        Of the study.
    prior : Prior
        Its support is what is searched.
    objectives : list of Objective
    outputs : tuple of str
        Whose values are the features.
    simulate : callable, optional
        Without it, the search is over with the study's own points.
    options : mapping
        Of ``inference.nsga2``.
    seed : int

    Attributes
    ----------
    theta, values : list of ndarray, shapes (n, parameters) and (n, objectives)
        Of what was tried, an entry a generation; NaN where a point failed, or was not simulated since the study's
        constraint forbids it.
    alive : list of ndarray, shape (n, objectives)
        Of those that survive each generation and did not fail.
    """

    results: ResultsLike
    prior: Prior
    objectives: list[Objective]
    outputs: tuple[str, ...]
    simulate: Simulate | None
    options: Options
    seed: int
    theta: list[np.ndarray] = field(default_factory=list)
    values: list[np.ndarray] = field(default_factory=list)
    alive: list[np.ndarray] = field(default_factory=list)

    def run(self, features: DataFrame) -> None:
        """Simulate generation after generation.

        Parameters
        ----------
        features : DataFrame, shape (points, features)
            Of the study's own points that are ok, sorted by their ids.

        Raises
        ------
        ResultsError
            If all points fail.
        """
        theta, values = self._start(features)
        make = partial(nsga2, population=self.options["population"])
        evolution = Evolution(make, self.prior.position(theta), values, self.seed)
        self._remember(evolution, theta, values)
        while self.simulate and len(self.alive) < self.options["generations"]:
            proposed = evolution.ask()
            if not len(proposed):
                # there is nothing left that was not tried
                break
            theta = self.prior.at(np.round(proposed, _DECIMALS))
            values = self._simulated(theta)
            evolution.tell(values)
            self._remember(evolution, theta, values)
        if not any(map(len, self.alive)):
            tried = sum(map(len, self.theta))
            raise ResultsError(f"inference.nsga2: none of {tried} points gave finite features; see `hpcsim status`")

    def _remember(self, evolution: Evolution, theta: np.ndarray, values: np.ndarray) -> None:
        self.theta.append(theta)
        self.values.append(values)
        self.alive.append(evolution.alive)

    def _start(self, features: DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """The first generation: points of the study, and where these are too few, more draws from the prior."""
        n = self.options["population"]
        theta = self.results.theta(self.prior.names).loc[features.index].to_numpy(float)
        values = self.measured(features)
        good = np.flatnonzero(np.isfinite(values).all(axis=1) & self.prior.support(theta))[: max(_SORTED, n)]
        if self.options["start"] == "best":
            good = good[best(values[good], n)]
        theta, values = theta[good[:n]], values[good[:n]]
        if self.simulate and len(theta) < n:
            more = self.prior.sample(n - len(theta), self.seed)
            theta, values = np.concatenate([theta, more]), np.concatenate([values, self._simulated(more)])
        if not len(theta):
            raise ResultsError(f"{self.results.path}: no point has finite features, and none can be simulated here")
        return theta, values

    def measured(self, features: DataFrame) -> np.ndarray:
        """Objectives of simulations, shape (n, objectives); NaN where a feature is not finite."""
        return np.stack([objective(features) for objective in self.objectives], axis=1)

    def _simulated(self, theta: np.ndarray) -> np.ndarray:
        """Objectives of parameters; NaN where simulations fail, or the study's constraint forbids them."""
        import pandas

        assert self.simulate is not None
        values = np.full((len(theta), len(self.objectives)), np.nan)
        allowed = self.prior.support(theta)
        if allowed.any():
            resimulate = Resimulation(self.results, self.outputs, pandas.DataFrame(), self.simulate)
            tried = pandas.DataFrame(theta[allowed], columns=list(self.prior.names))
            values[allowed] = self.measured(resimulate(tried, "search"))
        return values

    def check(self, theta: np.ndarray) -> DataFrame | None:
        """Features of one set of parameters with other noise than that of the search, a row a simulation.

        Parameters
        ----------
        theta : ndarray, shape (parameters,)

        Returns
        -------
        DataFrame, shape (n, features), or None
            Simulations that failed are left out; None where nothing can be simulated.
        """
        import pandas

        if self.simulate is None or not self.options["checks"]:
            return None
        head = self.results.study["study"]
        point = pandas.DataFrame([theta], columns=list(self.prior.names))
        tables = follow_up(self.results, point, f"{head['name']}_check", (int(head["seed"]) + 1) % 2**63)
        tables["study"]["replicates"] = self.options["checks"]
        with self.simulate(tables, "check") as found:
            # points of an earlier compromise may lie there as well
            same = np.isclose(found.theta(self.prior.names).to_numpy(float), theta, rtol=1e-11, atol=0).all(axis=1)
            return found.features(self.outputs)[same]
