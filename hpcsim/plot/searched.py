"""A search as figures want it: values and objectives of its evaluations, one row each, in the order of suggestion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcsim.errors import Problem, ResultsError
from hpcsim.plot.kept import with_points
from hpcsim.samplers.objectives import Objective, scores
from hpcsim.samplers.problem import SearchProblem, Variable
from hpcsim.samplers.table import told
from hpcsim.space.distribution import Loguniform, Uniform
from hpcsim.space.parameter import Parameter
from hpcsim.space.table import read

if TYPE_CHECKING:
    from pandas import DataFrame

    from hpcsim.collector.results import Results


#: Outputs of the stage ``features.objectives`` that are in standard deviations.
IN_SD = ("objective_sd", "objective_max", "objective_worst")


@dataclass(frozen=True, eq=False)
class Searched:
    """Evaluations of a search; replicates of a point are averaged.

    Parameters
    ----------
    problem : SearchProblem
    wanted : tuple of Objective
    ids : ndarray of str, shape (n,)
        Of the points, of each its first replicate.
    values : ndarray, shape (n, variables)
    objectives : ndarray, shape (n, objectives)
        NaN where a point failed.
    cpu : ndarray, s, shape (n,)
        CPU time of each evaluation.
    """

    problem: SearchProblem
    wanted: tuple[Objective, ...]
    ids: np.ndarray
    values: np.ndarray
    objectives: np.ndarray
    cpu: np.ndarray

    @classmethod
    def of(cls, results: Results) -> Searched:
        """The search of a study from its results.

        Raises
        ------
        ResultsError
            If the study has no sampler, no point succeeded, or an output of an objective was not kept.
        """
        with_points(results)
        table: Mapping[str, Any] = results.study.get("sampler", {})
        if not table:
            name = results.study.get("study", {}).get("name", "this study")
            raise ResultsError(f"{results.path}: {name} has no [sampler], so there is no search to draw")
        problems: list[Problem] = []
        layout = results.table.layout
        wanted = told(table, layout, results.path.parent, problems)
        problems += [problem for objective in wanted for problem in objective.problems(layout)]
        if problems:
            raise ResultsError(f"{results.path}: " + "; ".join(map(str, problems)))
        variables = bounded(results)
        names = tuple(objective.name for objective in wanted)
        problem = SearchProblem(variables, names, {k: float(v) for k, v in table.get("cutoffs", {}).items()})
        values = results.parameters[list(problem.names)].to_numpy(float)
        found = scores(wanted, results.table, np.arange(len(results)))
        cpu = results.records["cpu_time"].to_numpy(float)
        ids = results.table.ids().astype(str)
        return cls(problem, wanted, *_averaged(ids, values, found, cpu))

    @cached_property
    def accepted(self) -> np.ndarray:
        """Which evaluations pass all cutoffs, shape (n,)."""
        return self.problem.accepted(self.objectives)

    @cached_property
    def limit(self) -> float | None:
        """Below which the largest objective is accepted, if there are cutoffs."""
        cutoffs = set(self.problem.cutoffs.values())
        return None if not cutoffs else cutoffs.pop() if len(cutoffs) == 1 else 1.0

    @cached_property
    def largest(self) -> np.ndarray:
        """The largest objective of each evaluation, of those with a cutoff if there are any, shape (n,); inf where it failed.

        In units of its cutoff where these differ.
        """
        cutoffs = self.problem.cutoffs
        used = [i for i, name in enumerate(self.problem.objectives) if name in cutoffs or not cutoffs]
        several = len(set(cutoffs.values())) > 1
        scale = np.array([cutoffs[self.problem.objectives[i]] if several else 1.0 for i in used])
        largest = (self.objectives[:, used] / scale).max(axis=1)
        return np.where(np.isfinite(largest), largest, np.inf)

    @property
    def largest_label(self) -> str:
        """What `largest` is."""
        if len(set(self.problem.cutoffs.values())) > 1:
            return "largest objective (in units of its cutoff)"
        return "largest objective" + (" (standard deviations)" if self.in_sd else "")

    @cached_property
    def in_sd(self) -> bool:
        """Whether all objectives are distances in standard deviations."""
        return all(o.target is not None or o.output in IN_SD for o in self.wanted)

    @cached_property
    def best(self) -> int:
        """Which evaluation has the least largest objective."""
        return int(self.largest.argmin())


def accepted(results: Results) -> DataFrame:
    """Parameters of the points that a search accepted, by id, the best first.

    Parameters
    ----------
    results : Results
        Of a study with a sampler.

    Raises
    ------
    ResultsError
        If it is no search, or no point succeeded.
    """
    found = Searched.of(results)
    order = np.argsort(found.largest, kind="stable")
    chosen = found.ids[order[found.accepted[order]]]
    return results.parameters.loc[chosen, list(found.problem.names)]


def bounded(results: Results) -> tuple[Variable, ...]:
    """Parameters that are drawn between two bounds, in the units of the results."""
    found = []
    for name in sorted({*results.study.get("space", {})} & {*results.table.names("parameter")}):
        drawn = read(results.study["space"][name], Parameter(name, 0.0, results.units[name]))
        if isinstance(drawn, Uniform | Loguniform):
            found.append(Variable(name, float(drawn.low), float(drawn.high), isinstance(drawn, Loguniform)))
    return tuple(found)


def _averaged(ids: np.ndarray, values: np.ndarray, *columns: np.ndarray) -> tuple[np.ndarray, ...]:
    """One row for all replicates of a point, in the order of their first; times are summed, objectives averaged."""
    _, first, group = np.unique(values, axis=0, return_index=True, return_inverse=True)
    place = np.empty(len(first), int)
    place[np.argsort(first)] = np.arange(len(first))
    group, first = place[np.ravel(group)], np.sort(first)
    number = np.bincount(group)
    objectives, cpu = columns
    mean = np.zeros((len(first), objectives.shape[1]))
    np.add.at(mean, group, objectives)
    return ids[first], values[first], mean / number[:, None], np.bincount(group, cpu)
