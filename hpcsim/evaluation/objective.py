"""Objectives: a feature of a recording, the mean and standard deviation that experiments gave it, and a group."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from hpcsim.errors import Problem, StudyError, nearest, shown


@dataclass(frozen=True)
class Objective:
    """A feature and its target.

    Parameters
    ----------
    name : str
    protocol : str
        The stimulus.
    feature : str
        Of :data:`hpcsim.evaluation.hay_features.FEATURES`, or of eFEL.
    mean, sd : float
        In the unit of the feature.
    group : str
        Of which the largest deviation counts.
    location : str
        ``soma``, or ``site_1``, ``site_2``, ...: where eFEL looks; a Hay feature knows itself.
    library : str
        Who computes the feature: ``hay`` or ``efel``.
    shift : tuple of (str, float, float), optional
        ``(objective, value, by)``: the mean is shifted where the first value of another objective is this one.
    """

    name: str
    protocol: str
    feature: str
    mean: float
    sd: float
    group: str
    location: str = "soma"
    library: str = "hay"
    shift: tuple[str, float, float] | None = None


def _finite(value: float) -> bool:
    try:
        return isfinite(value)
    except OverflowError:
        # a whole number that no float holds
        return False


def checked(objectives: Iterable[Objective], where: str) -> tuple[Objective, ...]:
    """Refuse objectives that nothing can be measured against.

    Raises
    ------
    StudyError
        With every mistake: a mean or a standard deviation that is none, a name that is there twice, an unknown feature.
    """
    from hpcsim.evaluation.hay_features import FEATURES

    found, problems, names = tuple(objectives), [], set()
    for objective in found:
        for key in ("mean", "sd"):
            value: Any = getattr(objective, key)
            if isinstance(value, bool) or not isinstance(value, int | float) or not _finite(value):
                problems.append(Problem(f"{objective.name}.{key}", f"found {shown(value)}, expected a number", f"give its {key}"))
            elif key == "sd" and not value > 0:
                problems.append(Problem(f"{objective.name}.sd", f"found {value:g}, expected a number above 0"))
        if objective.name in names:
            problems.append(Problem(objective.name, "is there twice", "name an objective once"))
        names.add(objective.name)
        if objective.library == "hay" and objective.feature not in FEATURES:
            hint = nearest(objective.feature, FEATURES)
            problems.append(Problem(f"{objective.name}.feature", f'there is no feature "{objective.feature}"', hint))
    if not found:
        problems.append(Problem("objectives", "there is none", "name at least one"))
    if problems:
        raise StudyError(problems, where)
    return found


def with_targets(
    objectives: Sequence[Objective],
    means: Mapping[str, float] | None = None,
    sds: Mapping[str, float] | None = None,
    groups: Mapping[str, str] | None = None,
    where: str = "objectives",
) -> tuple[Objective, ...]:
    """The same objectives with other means, standard deviations or groups.

    Raises
    ------
    StudyError
        If a name is of no objective, or a value is none.
    """
    known = [objective.name for objective in objectives]
    problems = [
        Problem(f"{key}.{name}", "there is no such objective", nearest(name, known))
        for key, given in (("means", means), ("sds", sds), ("groups", groups))
        for name in given or {}
        if name not in known
    ]
    if problems:
        raise StudyError(problems, where)
    from dataclasses import replace

    changed = (
        replace(
            objective,
            mean=(means or {}).get(objective.name, objective.mean),
            sd=(sds or {}).get(objective.name, objective.sd),
            group=(groups or {}).get(objective.name, objective.group),
        )
        for objective in objectives
    )
    return checked(changed, where)
