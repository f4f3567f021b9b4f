"""Multi-objective search with NSGA-II of pymoo: the Pareto front of several objectives, and a compromise on it.

The search is a study of its own with the sampler ``nsga2``, in the method's folder; it begins with the study's own points. Its
log is on the disk before its points run, so that the same command goes on where a kill stopped it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hpcsim.errors import Problem, ResultsError, StudyError
from hpcsim.inference.finding import Finding
from hpcsim.inference.inputs import Options, ResultsLike, Simulate, unit_of
from hpcsim.inference.method import method
from hpcsim.inference.observations import checked_observations
from hpcsim.inference.prior import Prior
from hpcsim.inference.search.objectives import Aim, against, aims, columns_of, named
from hpcsim.inference.search.search import Search
from hpcsim.space.parameter import Parameter

if TYPE_CHECKING:
    from pandas import DataFrame

    from hpcsim.inference.planned import Planned

_NAME = "inference.nsga2"


def _check(options: Options, planned: Planned) -> Iterator[Problem]:
    """What can be seen before anything is simulated."""
    try:
        wanted = aims(options["objectives"], _NAME)
        _weights(options["weights"], len(wanted))
    except StudyError as error:
        yield from error.problems
        return
    for name in sorted(set(planned.varied) - set(planned.drawn)):
        yield Problem(f"space.{name}", "has several values, and a search goes between bounds", "use uniform, or one value")
    for aim in wanted:
        yield from planned.problems_of([aim.of], f"objectives.{aim.name}.of")
    untold = [aim.name for aim in wanted if aim.target is None]
    if untold and not options["observations"]:
        yield Problem("observations", f"there are none, and {', '.join(untold)} has no target", "give one of the two")


@method(
    _NAME,
    options=[
        Parameter("observations", "", description="study:NAME, a CSV file with a row an observation, or data:NAME"),
        Parameter("where", "", description="which observation: a condition on columns that holds in one row"),
        Parameter("population", 100, bounds=(4, None), description="points of a generation"),
        Parameter("generations", 20, bounds=(1, None), description="with the first: the best of the study's own points"),
        # no study that was run before it went is to be refused
        Parameter("start", "best", choices=("first", "best"), description="of no effect any more: the best begin"),
        Parameter("weights", (), description="importance of each objective for the compromise; none: all equal"),
        Parameter("checks", 5, bounds=(0, None), description="simulations of the compromise with other noise"),
    ],
    tables=("objectives",),
    engine="pymoo",
    extra="inference",
    requires=("pymoo",),
    check=_check,
    simulates=True,
)
def nsga2(results: ResultsLike, options: Options, directory: Path, seed: int, simulate: Simulate | None = None) -> Finding:
    """Search the Pareto front of several objectives with NSGA-II, and a compromise on it."""
    from hpcsim.inference.search.report import report

    # by their full names, however the user spelled them
    wanted = [named(aim, results) for aim in aims(options["objectives"], _NAME)]
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
