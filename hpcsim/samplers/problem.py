"""What is searched: variables with bounds, objectives that should be small, and cutoffs that make a point acceptable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcsim.errors import Problem, SpaceError, StudyError, nearest
from hpcsim.space.constraint import Constraint

if TYPE_CHECKING:
    from gest_api.vocs import VOCS

#: Decimals of a position: processors differ in the last bits of powers, and suggestions must not.
DECIMALS = 10


@dataclass(frozen=True)
class Variable:
    """A parameter that is searched.

    Parameters
    ----------
    name : str
    low, high : float
        Both are included.
    log : bool
        Whether equal ratios count as equal steps.
    """

    name: str
    low: float
    high: float
    log: bool = False

    def problems(self) -> list[Problem]:
        """What is wrong with the bounds."""
        key = f"variables.{self.name}"
        if not (np.isfinite(self.low) and np.isfinite(self.high)):
            return [Problem(key, f"found bounds {self.low} and {self.high}, expected finite ones", "use uniform or loguniform")]
        if self.low == self.high:
            return [Problem(key, f"found equal bounds {self.low:g}", "a parameter with one value is fixed")]
        if self.low > self.high:
            return [Problem(key, f"found bounds {self.low:g} to {self.high:g}, expected the lower one first", "swap them")]
        if self.log and self.low <= 0:
            return [Problem(key, f"found the lower bound {self.low:g} on a logarithmic scale, expected one above 0")]
        return []


@dataclass(frozen=True)
class SearchProblem:
    """Variables, objectives and cutoffs.

    Positions are variables as shares of their ranges: a sampler works in the unit cube.

    Parameters
    ----------
    variables : tuple of Variable
    objectives : tuple of str
        Names; each should be small.
    cutoffs : mapping of str to float
        Objectives up to which a point is accepted; objectives without one do not matter for that.
    signed : bool
        Whether objectives have a sign, and should be near 0 instead of small.
    constraint : str
        A condition that all points meet, over variables and `constants`; may be empty.
    constants : mapping of str to float

    Raises
    ------
    StudyError
        With every mistake.

    Examples
    --------
    >>> problem = SearchProblem((Variable("a", 0, 2), Variable("b", 1, 100, log=True)), ("error",), {"error": 0.1})
    >>> problem.at(np.array([[0.5, 0.5]])).round(9).tolist(), problem.accepted(np.array([[0.05], [0.2], [np.nan]])).tolist()
    ([[1.0, 10.0]], [True, False, False])
    """

    variables: tuple[Variable, ...]
    objectives: tuple[str, ...]
    cutoffs: Mapping[str, float] = field(default_factory=dict)
    signed: bool = False
    constraint: str = ""
    constants: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        problems = [problem for variable in self.variables for problem in variable.problems()]
        for word, names in (("variables", self.names), ("objectives", self.objectives)):
            if not names:
                problems.append(Problem(word, "there is none", "name at least one"))
            problems += [Problem(word, f"{name} stands twice") for name in sorted({n for n in names if names.count(n) > 1})]
        for name, cutoff in self.cutoffs.items():
            if name not in self.objectives:
                problems.append(Problem(f"cutoffs.{name}", "there is no such objective", nearest(name, self.objectives)))
            elif not np.isfinite(cutoff):
                problems.append(Problem(f"cutoffs.{name}", f"found {cutoff}, expected a finite number"))
        if self.constraint:
            try:
                Constraint(self.constraint).check([*self.names, *self.constants])
            except SpaceError as error:
                problems.append(Problem("design.constraint", str(error)))
        if problems:
            raise StudyError(problems, "sampler")

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the variables, in the order of all columns."""
        return tuple(variable.name for variable in self.variables)

    def at(self, position: np.ndarray) -> np.ndarray:
        """Values of the variables at positions, never outside of their bounds.

        Parameters
        ----------
        position : ndarray, shape (n, variables)
            Shares of the ranges; those outside of 0 to 1 are moved to the bounds, all are rounded.

        Returns
        -------
        ndarray, shape (n, variables)
        """
        share = np.round(np.clip(position, 0.0, 1.0), DECIMALS)
        low, high = self._ends
        inner = low + share * (high - low)
        # elsewhere the exponential might overflow
        values = np.clip(np.where(self._log, np.exp(np.where(self._log, inner, 0.0)), inner), self._low, self._high)
        # the ends are met exactly, in spite of logarithms
        return np.where(share == 0, self._low, np.where(share == 1, self._high, values))

    def position(self, values: np.ndarray) -> np.ndarray:
        """Shares of the ranges, the way back from :meth:`at`, shape (n, variables)."""
        low, high = self._ends
        inner = np.where(self._log, np.log(np.where(self._log, np.maximum(values, 1e-300), 1.0)), values)
        return np.asarray(np.round((inner - low) / (high - low), DECIMALS))

    def inside(self, values: np.ndarray) -> np.ndarray:
        """Which rows are within the bounds, shape (n,)."""
        return np.asarray(((values >= self._low) & (values <= self._high)).all(axis=-1))

    def allowed(self, values: np.ndarray) -> np.ndarray:
        """Which rows of values the constraint allows, shape (n,); all where there is none."""
        if self._condition is None or not len(values):
            return np.ones(len(values), bool)
        columns = {name: np.full(len(values), value) for name, value in self.constants.items()}
        return self._condition({**columns, **dict(zip(self.names, values.T, strict=True))})

    def accepted(self, objectives: np.ndarray) -> np.ndarray:
        """Which rows pass all cutoffs; none where there are no cutoffs.

        Parameters
        ----------
        objectives : ndarray, shape (n, objectives)
            NaN where a point failed.

        Returns
        -------
        ndarray of bool, shape (n,)
        """
        if not self.cutoffs:
            return np.zeros(len(objectives), bool)
        limits = np.array([self.cutoffs.get(name, np.inf) for name in self.objectives])
        sizes = np.abs(objectives) if self.signed else objectives
        return np.asarray(np.isfinite(objectives).all(axis=1) & (sizes <= limits).all(axis=1))

    def rows(self, table: Sequence[Mapping[str, Any]]) -> np.ndarray:
        """Values of the variables from mappings by name, shape (n, variables).

        Raises
        ------
        StudyError
            If a name is missing, a value is no number, one lies outside of its bounds, or the constraint forbids a row.
        """
        problems, rows = [], []
        for number, entry in enumerate(table):
            key = f"points[{number}]"
            problems += [Problem(f"{key}.{name}", "is missing", "give it a value") for name in self.names if name not in entry]
            row = []
            for variable in self.variables:
                value = entry.get(variable.name, variable.low)
                if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
                    problems.append(Problem(f"{key}.{variable.name}", f"found {value!r}, expected a number"))
                elif not variable.low <= value <= variable.high:
                    message = f"found {value:g}, allowed {variable.low:g} to {variable.high:g}"
                    problems.append(Problem(f"{key}.{variable.name}", message, "move the point or widen the bounds"))
                else:
                    row.append(float(value))
            rows.append(row)
        if problems:
            raise StudyError(problems, "sampler")
        values = np.array(rows, float).reshape(len(rows), len(self.variables))
        if len(forbidden := np.flatnonzero(~self.allowed(values))):
            told = f"the constraint {self.constraint} forbids it"
            raise StudyError([Problem(f"points[{k}]", told, "move the point") for k in forbidden.tolist()], "sampler")
        return values

    def vocs(self) -> VOCS:
        """The same for a generator of gest-api; cutoffs do not bind the search, and are no constraints."""
        from gest_api.vocs import VOCS

        variables = {variable.name: [variable.low, variable.high] for variable in self.variables}
        return VOCS(variables=variables, objectives=dict.fromkeys(self.objectives, "MINIMIZE"))

    def described(self) -> dict[str, Any]:
        """Plain values by which another problem is recognised; cutoffs may change, and are no part of it."""
        variables = [[v.name, v.low, v.high, v.log] for v in self.variables]
        limits = {"constraint": [self.constraint, dict(self.constants)]} if self.constraint else {}
        return {"variables": variables, "objectives": list(self.objectives), **limits}

    @cached_property
    def _condition(self) -> Constraint | None:
        return Constraint(self.constraint) if self.constraint else None

    @cached_property
    def _low(self) -> np.ndarray:
        return np.array([variable.low for variable in self.variables], float)

    @cached_property
    def _high(self) -> np.ndarray:
        return np.array([variable.high for variable in self.variables], float)

    @cached_property
    def _log(self) -> np.ndarray:
        return np.array([variable.log for variable in self.variables], bool)

    @cached_property
    def _ends(self) -> tuple[np.ndarray, np.ndarray]:
        """Bounds on the scales on which positions are even."""
        with np.errstate(all="ignore"):
            return np.where(self._log, np.log(self._low), self._low), np.where(self._log, np.log(self._high), self._high)
