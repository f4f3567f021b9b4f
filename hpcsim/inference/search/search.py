"""A run of the sampler NSGA-II for an inference method: a study with ``[sampler]``, begun with what is simulated already."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcsim.errors import ResultsError
from hpcsim.inference.inputs import Options, ResultsLike, Simulate
from hpcsim.inference.predictive import likewise, varied
from hpcsim.inference.prior import Prior
from hpcsim.inference.search.objectives import Objective
from hpcsim.inference.search.pareto import best
from hpcsim.space.distribution import Loguniform

if TYPE_CHECKING:
    from pandas import DataFrame

#: Of the sampler: of how many points that are known it looks for the best.
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
        Of what was tried, an entry a generation, which is counted by points: with a constraint, those of the sampler are
        smaller. NaN where a point failed.
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
            Of the study's own points that are ok.

        Raises
        ------
        ResultsError
            If all points fail.
        """
        theta, values = self._begin(features)
        population = int(self.options["population"])
        # the sampler draws one at least
        drawn = max(population - len(theta), 1)
        n = drawn + population * (self.options["generations"] - 1) if self.options["generations"] > 1 else population - len(theta)
        if self.simulate is None and not len(theta):
            raise ResultsError(f"{self.results.path}: no point has finite features, and none can be simulated here")
        tried, found = self._simulated(n, theta) if self.simulate and n > 0 else (theta[:0], values[:0])
        self._remember(np.concatenate([theta, tried[:drawn]]), np.concatenate([values, found[:drawn]]))
        for start in range(drawn, len(tried), population):
            self._remember(tried[start : start + population], found[start : start + population])
        if not any(map(len, self.alive)):
            raise ResultsError(
                f"inference.nsga2: none of {sum(map(len, self.theta))} points gave finite features; see `hpcsim status`"
            )

    def _remember(self, theta: np.ndarray, values: np.ndarray) -> None:
        self.theta.append(theta)
        self.values.append(values)
        together = np.concatenate([*self.alive[-1:], values[np.isfinite(values).all(axis=1)]])
        self.alive.append(together[best(together, self.options["population"])] if len(together) else together)

    def _begin(self, features: DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """The study's own points with which the sampler begins: the best of those that did not fail."""
        theta = self.results.theta(self.prior.names).loc[features.index].to_numpy(float)
        values = self.measured(features)
        good = np.flatnonzero(np.isfinite(values).all(axis=1) & self.prior.support(theta))[:_SORTED]
        good = good[best(values[good], self.options["population"])] if len(good) else good
        return theta[good], values[good]

    def measured(self, features: DataFrame) -> np.ndarray:
        """Objectives of simulations, shape (n, objectives); NaN where a feature is not finite."""
        return np.stack([objective(features) for objective in self.objectives], axis=1)

    def _simulated(self, n: int, begun: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Parameters and objectives of at most `n` points that the sampler suggests, in that order; NaN where one failed."""
        assert self.simulate is not None
        names, tables = list(self.prior.names), self._tables()
        # another search has another folder; one with more evaluations goes on
        told = json.dumps([tables["sampler"], tables["study"]["seed"], begun.tolist()], sort_keys=True)
        tables["sampler"] |= {"evaluations": n, **({"known": str(self.results.path)} if len(begun) else {})}
        with self.simulate(tables, f"search_{hashlib.sha256(told.encode()).hexdigest()[:8]}") as found:
            points = found.parameters[names][:n]
            values = np.full((len(points), len(self.objectives)), np.nan)
            features = found.features(self.outputs)
            features = features[features.index.isin(points.index)]
            if len(features):
                values[points.index.get_indexer(features.index)] = self.measured(features)
            return points.to_numpy(float), values

    def _tables(self) -> dict[str, Any]:
        """A study with the sampler, otherwise as that of the results."""
        head = self.results.study["study"]
        tables = self._likewise(f"{head['name']}_search", self.seed)
        bounds = {
            name: {"loguniform" if isinstance(drawn, Loguniform) else "uniform": [float(drawn.low), float(drawn.high)]}
            for name, drawn in self.prior.distributions.items()
        }
        sampler = {"use": "nsga2", "population": self.options["population"], "objectives": dict(map(_told, self.objectives))}
        design = {"design": {"constraint": self.prior.constraint}} if self.prior.constraint else {}
        return {**tables, "space": bounds, "sampler": sampler, **design}

    def _likewise(self, name: str, seed: int) -> dict[str, Any]:
        """A study as that of the results, with what is not searched fixed at the one value that it has there."""
        tables = likewise(self.results, name, seed % 2**63)
        others = [key for key in varied(self.results.study.get("space", {})) if key not in self.prior.names]
        fixed = dict(tables.get("fixed", {}))
        for key in others:
            rows = self.results.theta([key]).drop_duplicates()
            if len(rows) != 1:
                raise ResultsError(
                    f"inference.nsga2: {key} has {len(rows)} values, and a search goes between bounds; give it one"
                )
            values = rows.iloc[0].tolist()
            fixed[key] = values[0] if len(values) == 1 else values
        return {**tables, "fixed": fixed}

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
        if self.simulate is None or not self.options["checks"]:
            return None
        head = self.results.study["study"]
        tables = self._likewise(f"{head['name']}_check", int(head["seed"]) + self.seed + 1)
        tables["study"]["replicates"] = self.options["checks"]
        tables["space"] = {"zip": {name: [value] for name, value in zip(self.prior.names, theta.tolist(), strict=True)}}
        with self.simulate(tables, "check") as found:
            # points of an earlier compromise may lie there as well
            same = np.isclose(found.theta(self.prior.names).to_numpy(float), theta, rtol=1e-11, atol=0).all(axis=1)
            return found.features(self.outputs)[same]


def _told(objective: Objective) -> tuple[str, Mapping[str, Any]]:
    """An objective as ``[sampler.objectives]`` has it."""
    aim = objective.aim
    return aim.name, {"of": aim.of, "target": objective.target.tolist(), "distance": aim.distance}
