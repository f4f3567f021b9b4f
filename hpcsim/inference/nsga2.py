"""Multi-objective search with NSGA-II of pymoo: the Pareto front of several objectives, and a compromise on it.

NSGA-II is that of Deb et al. (2002), doi:10.1109/4235.996017. Each generation is simulated as points of a study of its
own, ``simulated/search`` in the method's folder. Points are known by their values, and the search follows from the seed
and from what they gave: the same command finds the generations again that were finished before a kill.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcsim.errors import Problem, ResultsError, StudyError
from hpcsim.inference.front import best
from hpcsim.inference.method import Finding, Options, ResultsLike, Simulate, method, unit_of
from hpcsim.inference.objectives import Aim, Objective, against, aims, columns_of
from hpcsim.inference.observations import checked_observations
from hpcsim.inference.predictive import Resimulation, follow_up
from hpcsim.inference.prior import Prior
from hpcsim.space.parameter import Parameter

if TYPE_CHECKING:
    from pandas import DataFrame

_NAME = "inference.nsga2"
#: Proposals are rounded to so many decimals of a parameter's range: processors differ in the last bits of powers.
_DECIMALS = 10
#: Points of the study among which the best are looked for, at most: sorting takes the square of it.
_SORTED = 5000
#: Objectives of a point that failed: all others are better in each.
_WORST = 1e30


@method(
    _NAME,
    options=[
        Parameter("observations", "", description="study:NAME, a CSV file with a row an observation, or data:NAME"),
        Parameter("where", "", description="which observation: a condition on columns that holds in one row"),
        Parameter("population", 100, bounds=(4, None), description="points of a generation"),
        Parameter("generations", 20, bounds=(1, None), description="with the first one, which are the study's own points"),
        Parameter("start", "first", choices=("first", "best"), description="which of the study's points begin"),
        Parameter("weights", (), description="importance of each objective for the compromise; none: all equal"),
        Parameter("checks", 5, bounds=(0, None), description="simulations of the compromise with other noise"),
    ],
    tables=("objectives",),
    engine="pymoo",
    extra="inference",
    requires=("pymoo",),
    simulates=True,
)
def nsga2(results: ResultsLike, options: Options, directory: Path, seed: int, simulate: Simulate | None = None) -> Finding:
    """Search the Pareto front of several objectives with NSGA-II, and a compromise on it."""
    from hpcsim.inference.search_report import report

    wanted = aims(options["objectives"], _NAME)
    weights = _weights(options["weights"], len(wanted))
    outputs = tuple(dict.fromkeys(aim.output for aim in wanted))
    features = results.features(outputs)
    columns = [str(name) for name in features.columns]
    objectives = against(wanted, columns, _observed(results, options, wanted, columns))
    search = Search(results, _bounded(Prior.of(results)), objectives, outputs, simulate, options, seed)
    search.run(features)
    return report(search, weights, directory)


def _weights(given: tuple[float, ...], n: int) -> np.ndarray:
    weights = np.array(given or np.ones(n), float)
    if len(weights) != n or (weights < 0).any() or not weights.sum() > 0:
        problem = Problem("weights", f"found {list(given)}, expected {n} numbers, none below 0 and not all 0, for {n} objectives")
        raise StudyError([problem], _NAME)
    return np.asarray(weights / weights.sum())


def _observed(results: ResultsLike, options: Options, wanted: list[Aim], columns: list[str]) -> DataFrame | None:
    """The observation as a table of one row, with the features whose targets it tells."""
    untold = [aim for aim in wanted if aim.target is None]
    if not options["observations"] or not untold:
        return None
    needed = list(dict.fromkeys(column for aim in untold for column in columns_of(aim, columns)))
    units = {name: unit_of(results, name) for name in needed}
    observed = checked_observations(results, options["observations"], needed, units, where=options["where"])
    if len(observed) != 1:
        raise ResultsError(
            f"{options['observations']}: found {len(observed)} observations ({', '.join(map(str, observed.index[:5]))}), "
            'expected one; choose it with where = "condition"'
        )
    return observed


def _bounded(prior: Prior) -> Prior:
    endless = [name for name, low, high in zip(prior.names, prior.low, prior.high, strict=True) if not np.isfinite(high - low)]
    if endless:
        raise ResultsError(f"{_NAME}: {', '.join(endless)} has no bounds to search between; use uniform or truncnormal")
    return prior


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
        from pymoo.algorithms.moo.nsga2 import NSGA2
        from pymoo.config import Config
        from pymoo.core.population import Population
        from pymoo.core.problem import Problem as Bounds

        # what is slow here is the simulator
        Config.warnings["not_compiled"] = False
        n = len(self.prior.names)
        space = Bounds(n_var=n, n_obj=len(self.objectives), xl=np.zeros(n), xu=np.ones(n))
        theta, values = self._start(features)
        first = self._told(space, Population.new(X=self.prior.position(theta)), theta, values)
        algorithm = NSGA2(pop_size=self.options["population"], sampling=first)
        algorithm.setup(space, termination=("n_gen", self.options["generations"]), seed=self.seed)
        self._advance(algorithm, algorithm.ask())
        while self.simulate and algorithm.has_next():
            proposed = algorithm.ask()
            if proposed is None:
                # there is nothing left that was not tried
                break
            theta = self.prior.at(np.round(proposed.get("X"), _DECIMALS))
            self._advance(algorithm, self._told(space, proposed, theta, self._simulated(theta)))
        if not any(map(len, self.alive)):
            raise ResultsError(f"{_NAME}: none of {sum(map(len, self.theta))} points gave finite features; see `hpcsim status`")

    def _advance(self, algorithm: Any, points: Any) -> None:
        algorithm.tell(infills=points)
        alive = algorithm.pop.get("F")
        self.alive.append(alive[(alive < _WORST).all(axis=1)])

    def _told(self, space: Any, points: Any, theta: np.ndarray, values: np.ndarray) -> Any:
        """Points of pymoo with their objectives, which are remembered."""
        from pymoo.core.evaluator import Evaluator
        from pymoo.problems.static import StaticProblem

        self.theta.append(theta)
        self.values.append(values)
        failed = ~np.isfinite(values).all(axis=1, keepdims=True)
        return Evaluator().eval(StaticProblem(space, F=np.where(failed, _WORST, values)), points)

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
