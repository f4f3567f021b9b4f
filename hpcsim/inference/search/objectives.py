"""Objectives: how far the features of a simulation are from their targets, each as one number that should be small."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcsim.errors import Problem, ResultsError, StudyError, nearest
from hpcsim.outputs import columns_meant, split_unit

if TYPE_CHECKING:
    from pandas import DataFrame

    from hpcsim.inference.inputs import ResultsLike

#: From features, shape (n, k), and targets, shape (k,), to one number a row.
DISTANCES: Mapping[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "absolute": lambda x, target: np.abs(x - target).sum(axis=1),
    "squared": lambda x, target: ((x - target) ** 2).sum(axis=1),
    "relative": lambda x, target: np.abs(x - target).sum(axis=1) / np.abs(target).sum(),
}
_KEYS = ("of", "target", "distance")


@dataclass(frozen=True)
class Aim:
    """What a study says of an objective.

    Parameters
    ----------
    name : str
    of : str
        An output, or one of its columns such as ``rate.E``.
    target : float, optional
        In place of the observation.
    distance : str
        One of `DISTANCES`.
    """

    name: str
    of: str
    target: float | None = None
    distance: str = "absolute"

    @property
    def output(self) -> str:
        """The output that it is about."""
        return self.of.split(".")[0]


@dataclass(frozen=True, eq=False)
class Objective:
    """A distance of features from their targets.

    Parameters
    ----------
    aim : Aim
    columns : tuple of str
        Features.
    target : ndarray, shape (columns,)
    """

    aim: Aim
    columns: tuple[str, ...]
    target: np.ndarray

    def __call__(self, features: DataFrame) -> np.ndarray:
        """The distance of each row; NaN where a feature is not finite.

        Parameters
        ----------
        features : DataFrame, shape (n, features)

        Returns
        -------
        ndarray, shape (n,)
        """
        values = features[list(self.columns)].to_numpy(float)
        whole = np.where(np.isfinite(values), values, np.nan)
        return np.asarray(DISTANCES[self.aim.distance](whole, self.target))


def aims(table: Mapping[str, Any] | None, where: str) -> list[Aim]:
    """Objectives as a study writes them.

    Parameters
    ----------
    table : mapping of str to str or mapping
        ``name = "output"``, ``name = "output.column"``, or a table with the keys ``of``, ``target`` and ``distance``.
    where : str
        For the message.

    Raises
    ------
    StudyError
        With every mistake.
    """
    problems, found = [], []
    for name, entry in (table or {}).items():
        given = {"of": entry} if isinstance(entry, str) else entry
        if not isinstance(given, Mapping) or not isinstance(given.get("of"), str):
            problems.append(Problem(f"objectives.{name}", f'found {entry!r}, expected a feature or {{ of = "feature" }}'))
            continue
        problems += [
            Problem(f"objectives.{name}.{key}", "there is no such key", nearest(key, _KEYS)) for key in given if key not in _KEYS
        ]
        distance: Any = given.get("distance", "absolute")
        target: Any = given.get("target")
        if distance not in DISTANCES:
            hint = f"allowed: {', '.join(DISTANCES)}"
            problems.append(Problem(f"objectives.{name}.distance", f"found {distance!r}", hint))
        if target is not None and (isinstance(target, bool) or not isinstance(target, int | float) or not np.isfinite(target)):
            problems.append(Problem(f"objectives.{name}.target", f"found {target!r}, expected a finite number"))
        found.append(Aim(name, given["of"], target, distance))
    if not table:
        problems.append(Problem("objectives", "there is none", 'name some, such as { rate_E = "rate.E" }'))
    if problems:
        raise StudyError(problems, where)
    return found


def named(aim: Aim, results: ResultsLike) -> Aim:
    """The same by the full name of what it is about; a full name of an output or a column stays as it is.

    Raises
    ------
    ResultsError
        If there is no such feature.
    """
    columns = [str(name) for name in results.features([aim.of]).columns]
    full = [name for name in (aim.of, split_unit(aim.of)[0]) if name in {*columns, columns[0].split(".")[0]}]
    return replace(aim, of=full[0] if full else columns[0])


def columns_of(aim: Aim, features: Sequence[str]) -> tuple[str, ...]:
    """Features that an objective is about: a column of that name, or all columns of an output.

    Raises
    ------
    ResultsError
        If there is none.
    """
    columns = columns_meant(aim.of, aim.output, features)
    if not columns:
        raise ResultsError(f'objective {aim.name}: there is no feature "{aim.of}"; {nearest(aim.of, features)}')
    return columns


def against(aims: Sequence[Aim], features: Sequence[str], observed: DataFrame | None) -> list[Objective]:
    """Objectives with their targets.

    Parameters
    ----------
    aims : sequence of Aim
    features : sequence of str
        All columns of the outputs that they are about.
    observed : DataFrame, shape (1, features), optional
        With the features whose targets the aims do not say.

    Raises
    ------
    ResultsError
        If a feature or a target is not there.
    """
    objectives = []
    for aim in aims:
        columns = columns_of(aim, features)
        if aim.target is not None:
            target = np.full(len(columns), float(aim.target))
        elif observed is None:
            raise ResultsError(f"objective {aim.name}: there is no target; give it one, or the method observations")
        else:
            target = observed[list(columns)].to_numpy(float)[0]
        if aim.distance == "relative" and not np.abs(target).sum() > 0:
            raise ResultsError(f"objective {aim.name}: its target is 0, to which nothing is relative; use another distance")
        objectives.append(Objective(aim, columns, target))
    return objectives
