"""A space: which values each parameter of a model may take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from hpcsim.errors import Problem, SpaceError, StudyError, UnitError, nearest
from hpcsim.space.distribution import Distribution, Enumerated, Fixed, Normal, Sampled, Truncnormal, Values
from hpcsim.space.parameter import Parameter, Value, check_text
from hpcsim.space.table import read


@dataclass(frozen=True)
class Axis:
    """One direction of a grid: a listed parameter, or several whose lists go together.

    Parameters
    ----------
    lists : mapping of str to Enumerated
        All of equal length.
    """

    lists: Mapping[str, Enumerated]

    @property
    def names(self) -> tuple[str, ...]:
        """Parameters along this axis."""
        return tuple(self.lists)

    def __len__(self) -> int:
        return len(next(iter(self.lists.values())))

    def at(self, index: np.ndarray) -> dict[str, np.ndarray]:
        """Values at the given positions, a column a parameter.

        Parameters
        ----------
        index : ndarray of int, shape (n,)

        Returns
        -------
        dict of str to ndarray, shape (n,)
        """
        return {name: values.at(index) for name, values in self.lists.items()}


@dataclass(frozen=True)
class Space:
    """Values that the parameters of a model may take.

    Parameters
    ----------
    parameters : tuple of Parameter
        All of the model.
    axes : tuple of Axis
        The grid; its size is the product of their lengths.
    sampled : mapping of str to Sampled
        Parameters that are drawn.
    fixed : mapping of str to value
        Parameters that have one value.
    """

    parameters: tuple[Parameter, ...]
    axes: tuple[Axis, ...] = ()
    sampled: Mapping[str, Sampled] = field(default_factory=dict)
    fixed: Mapping[str, Value] = field(default_factory=dict)

    @cached_property
    def cut(self) -> dict[str, Truncnormal]:
        """Parameters whose normal distribution reaches over their bounds, with what is left of it within them.

        A design replaces draws outside of the bounds by further draws.

        Raises
        ------
        StudyError
            If hardly anything of one lies within them.
        """
        found: dict[str, Truncnormal] = {}
        problems: list[Problem] = []
        for parameter in self.parameters:
            normal = self.sampled.get(parameter.name)
            try:
                rest = normal.within(*parameter.bounds) if isinstance(normal, Normal) else normal
            except SpaceError as error:
                problems.append(Problem(f"space.{parameter.name}", f"{error}; allowed {parameter.range}"))
                continue
            if isinstance(normal, Normal) and isinstance(rest, Truncnormal):
                found[parameter.name] = rest
        if problems:
            raise StudyError(problems)
        return found

    @classmethod
    def from_tables(
        cls,
        parameters: Sequence[Parameter],
        space: Mapping[str, Any],
        fixed: Mapping[str, Any],
        *,
        presets: Mapping[str, Any] | None = None,
    ) -> Space:
        """A space from the tables of a study.

        Parameters
        ----------
        parameters : sequence of Parameter
            All of the model.
        space : mapping
            A parameter's name to a table, a list or a value; ``zip`` to a table of lists that go together,
            or to several such tables.
        fixed : mapping
            A parameter's name to its value.
        presets : mapping, optional
            Values that replace the model's defaults.

        Returns
        -------
        Space
            Parameters that no table mentions are fixed at their default.

        Raises
        ------
        StudyError
            With every mistake.

        Examples
        --------
        >>> space = Space.from_tables([Parameter("a", 1.0), Parameter("b", 2.0)], {"a": [1, 2, 3]}, {})
        >>> len(space.axes[0]), dict(space.fixed)
        (3, {'b': 2.0})
        """
        reader = _Reader({parameter.name: parameter for parameter in parameters})
        defaults = reader.values("presets", presets or {})
        reader.space(space)
        given = reader.values("fixed", fixed)
        values = {parameter.name: parameter.default for parameter in parameters} | defaults | given | reader.fixed
        reader.texts(values)
        if reader.problems:
            raise StudyError(reader.problems)
        for name in (*reader.sampled, *(name for axis in reader.axes for name in axis.names)):
            del values[name]
        return cls(tuple(parameters), tuple(reader.axes), reader.sampled, values)


class _Reader:
    """Reads the tables of a study, and goes on after a mistake to find the next."""

    def __init__(self, parameters: Mapping[str, Parameter]) -> None:
        self.parameters = parameters
        self.problems: list[Problem] = []
        self.axes: list[Axis] = []
        self.sampled: dict[str, Sampled] = {}
        self.fixed: dict[str, Value] = {}
        self._seen: dict[str, str] = {}

    def space(self, entries: Mapping[str, Any]) -> None:
        """Read ``[space]``."""
        for name, entry in entries.items():
            if name == "zip" and name not in self.parameters:
                for key, group in _groups(entry):
                    self._group(key, group)
            else:
                distribution = self._read(f"space.{name}", name, entry)
                if distribution is not None:
                    self._place(f"space.{name}", name, distribution)

    def values(self, table: str, entries: Mapping[str, Any]) -> dict[str, Value]:
        """Read a table of single values."""
        if not isinstance(entries, Mapping):
            self._problem(table, f"found {entries}, expected a table of parameters and values")
            return {}
        found: dict[str, Value] = {}
        for name, entry in entries.items():
            key = f"{table}.{name}"
            distribution = self._read(key, name, _as_fixed(entry), once=table != "presets")
            if isinstance(distribution, Fixed):
                found[name] = distribution.value
            elif distribution is not None:
                self._problem(key, "found several values, expected one", f"write it as space.{name}")
        return found

    def texts(self, values: Mapping[str, Value]) -> None:
        """Check texts that no table gave."""
        for name, value in values.items():
            try:
                check_text(value)
            except SpaceError as error:
                self._problem(f"fixed.{name}", f"{error} (the default of the model)")

    def _problem(self, key: str, message: str, hint: str = "") -> None:
        self.problems.append(Problem(key, message, hint))

    def _read(self, key: str, name: str, entry: Any, once: bool = True) -> Distribution | None:
        """One entry; None after a mistake, which is noted."""
        parameter = self.parameters.get(name)
        if parameter is None:
            self._problem(key, f'there is no parameter "{name}"', nearest(name, self.parameters))
            return None
        if once and self._seen.setdefault(name, key) != key:
            self._problem(key, f"the parameter is in {self._seen[name]} already", "keep one of the two")
        try:
            return read(entry, parameter)
        except (SpaceError, UnitError) as error:
            self._problem(key, str(error))
            return None

    def _place(self, key: str, name: str, distribution: Distribution) -> None:
        if isinstance(distribution, Fixed):
            self.fixed[name] = distribution.value
        elif isinstance(distribution, Sampled):
            self.sampled[name] = distribution
        else:
            self._add(key, {name: distribution})

    def _group(self, key: str, group: object) -> None:
        """Read one table of lists that go together."""
        if not isinstance(group, Mapping) or not group:
            self._problem(key, f"found {group}, expected a table of parameters and lists of equal length")
            return
        lists: dict[str, Enumerated] = {}
        for name, entry in group.items():
            distribution = self._read(f"{key}.{name}", name, entry)
            if isinstance(distribution, (Sampled, Fixed)):
                kind = "a distribution" if isinstance(distribution, Sampled) else "one value"
                self._problem(f"{key}.{name}", f"found {kind}, expected a list", "only lists go together")
            elif distribution is not None:
                lists[name] = distribution
        if len({len(values) for values in lists.values()}) > 1:
            lengths = ", ".join(f"{name} has {len(values)}" for name, values in lists.items())
            self._problem(key, f"lists of different lengths: {lengths}", "lists that go together are equally long")
        elif lists:
            self._add(key, lists)

    def _add(self, key: str, lists: Mapping[str, Enumerated]) -> None:
        twice = _repeated(lists)
        if twice:
            self._problem(key, f"{twice} stands twice", "for more runs of the same values use replicates")
        self.axes.append(Axis(lists))


def _groups(entry: object) -> Iterator[tuple[str, object]]:
    if isinstance(entry, (list, tuple)):
        yield from ((f"space.zip[{i}]", group) for i, group in enumerate(entry))
    else:
        yield "space.zip", entry


def _as_fixed(entry: Any) -> Any:
    return entry if isinstance(entry, Mapping) else {"fixed": entry}


def _repeated(lists: Mapping[str, Enumerated]) -> str:
    """The first row of an axis that stands in it twice, or nothing."""
    if not all(isinstance(values, Values) for values in lists.values()):
        return ""
    seen = set()
    for row in zip(*(values.values for values in lists.values() if isinstance(values, Values)), strict=True):
        if row in seen:
            return ", ".join(f"{name} = {value}" for name, value in zip(lists, row, strict=True))
        seen.add(row)
    return ""
