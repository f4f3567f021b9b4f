"""Score stored evaluations again: other means, standard deviations, cutoffs and groups need no simulation.

The stage ``features.objectives`` keeps all raw values; from these follow what it gave, and what it would have given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcsim.errors import Problem, ResultsError, StudyError
from hpcsim.evaluation import bluepyopt, hay
from hpcsim.evaluation.objective import Objective, with_targets
from hpcsim.evaluation.raw import Raw
from hpcsim.evaluation.score import accepted, deviations, group_maxima, groups_of
from hpcsim.inference.finding import Finding
from hpcsim.inference.inputs import Options, ResultsLike
from hpcsim.inference.method import method
from hpcsim.space.parameter import Parameter

if TYPE_CHECKING:
    from hpcsim.inference.planned import Planned

_NAME = "inference.rescore"
_HAY = "hay2011"
#: What the stage keeps for it.
_COLUMNS = ("objective_count", "objective_passed", "protocol_penalty", "protocol_fault")
_NEEDED = (*_COLUMNS, "objective_values")


def _check(options: Options, planned: Planned) -> Iterator[Problem]:
    """What can be seen before anything is simulated."""
    yield from planned.problems_of(list(_COLUMNS), "table")
    try:
        table = with_targets(_table(options), _numbers(options, "means"), _numbers(options, "sds"), _words(options), _NAME)
        accepted(table, np.zeros((1, len(table))), _numbers(options, "cutoffs") or {"all": 1.0})
    except StudyError as error:
        # cutoffs of protocols that do not run are told when it runs
        yield from (problem for problem in error.problems if problem.message != "there is none")


@method(
    _NAME,
    options=[Parameter("table", _HAY, description="as of the stage: hay2011, or a JSON file of features")],
    tables=("means", "sds", "groups", "cutoffs"),
    check=_check,
)
def rescore(results: ResultsLike, options: Options, directory: Path, seed: int) -> Finding:
    """Score stored evaluations again, against other means, standard deviations, groups and cutoffs."""
    del directory, seed
    import pandas as pd

    raw, names = stored(results)
    known = {objective.name: objective for objective in _table(options)}
    missing = [name for name in names if name not in known]
    if missing:
        raise ResultsError(f"{_NAME}: {options['table']} has no objective {', '.join(missing)}; name the table of the stage")
    own = tuple(known[name] for name in names)
    table = with_targets(own, _numbers(options, "means"), _numbers(options, "sds"), _words(options), _NAME)
    found = deviations(table, raw)
    index = results.theta().index
    scores = pd.DataFrame(found, index=index, columns=names)
    for group, column in zip(groups_of(table), group_maxima(table, found).T, strict=True):
        scores[f"max.{group}"] = column
    scores["worst"] = found.max(axis=1) if len(found) else np.empty(0)
    metrics: dict[str, Any] = {"evaluations": float(len(found))}
    if len(found):
        metrics["best worst"] = float(scores["worst"].min())
    cutoffs = _numbers(options, "cutoffs")
    if cutoffs:
        scores["accepted"] = accepted(table, found, cutoffs)
        metrics["accepted"] = float(scores["accepted"].sum())
    # the best first, equal ones in the order of the results
    return Finding(_NAME, "Objectives scored again", metrics, {"scores": scores.sort_values("worst", kind="stable")})


def stored(results: ResultsLike) -> tuple[Raw, list[str]]:
    """Raw values of the points that are ok, and the names of their objectives.

    Raises
    ------
    ResultsError
        If the stage ``features.objectives`` did not keep them.
    """
    missing = [name for name in _NEEDED if name not in results.units]
    if missing:
        raise ResultsError(
            f"{_NAME}: the results do not hold {', '.join(missing)}; keep what the stage features.objectives gives, with "
            f"keep = [{', '.join(repr(name) for name in _NEEDED)}, ...]"
        )
    columns = {name: results.features([name]) for name in _COLUMNS}
    ok = (results.records["status"] == "ok").to_numpy() if len(results) else np.zeros(0, bool)
    values = [array for array, good in zip(results.ragged("objective_values"), ok, strict=True) if good]
    names = [str(name).partition(".")[2] for name in columns["objective_count"].columns]
    count, passed, penalty, fault = (columns[name].to_numpy() for name in _COLUMNS)
    return Raw(values, count.astype(int), passed.astype(bool), penalty.astype(float), fault.astype(int)), names


def _table(options: Options) -> tuple[Objective, ...]:
    return hay.OBJECTIVES if options["table"] == _HAY else bluepyopt.read(options["table"])


def _numbers(options: Options, key: str) -> Mapping[str, float] | None:
    given = options[key]
    wrong = [
        Problem(f"{key}.{name}", f"found {value!r}, expected a number")
        for name, value in (given or {}).items()
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value)
    ]
    if wrong:
        raise StudyError(wrong, _NAME)
    return None if given is None else {name: float(value) for name, value in given.items()}


def _words(options: Options) -> Mapping[str, str] | None:
    given: Mapping[str, str] | None = options["groups"]
    wrong = [Problem(f"groups.{name}", f"found {value!r}, expected a name") for name, value in (given or {}).items()
             if not isinstance(value, str)]  # fmt: skip
    if wrong:
        raise StudyError(wrong, _NAME)
    return given
