"""The order of a grid: it follows from names and values, never from how or in which order they are written down.

A study file, its rewritten copy in the study's directory and a Python dictionary put keys, tables and lists in different
orders. All of them must give every point the same number.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from hpcsim.errors import SpaceError
from hpcsim.space.distribution import Distribution, Linspace, Logspace, Values
from hpcsim.space.parameter import Value
from hpcsim.space.space import Axis

#: Values of an axis up to which the digest looks at them; a longer one is known by how it is written.
_LISTED = 2**16


@dataclass(frozen=True, eq=False)
class OrderedAxis:
    """An axis whose values stand in ascending order.

    Parameters
    ----------
    axis : Axis
        As it was written.
    order : ndarray of int, optional
        Where each value stands in the axis as it was written; None where that is the order already.
    """

    axis: Axis
    order: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.axis)

    def at(self, index: np.ndarray) -> dict[str, np.ndarray]:
        """See :meth:`Axis.at`."""
        return self.axis.at(index if self.order is None else self.order[index])

    def described(self) -> list[list[Any]]:
        """Names and values as plain values, the same for every spelling."""
        names = sorted(self.axis.names)
        if len(self) > _LISTED and self.order is None:
            return [[name, described(self.axis.lists[name])] for name in names]
        columns = self.at(np.arange(len(self)))
        return [[name, _shortest(columns[name].tolist())] for name in names]


def ordered(axes: Iterable[Axis]) -> tuple[OrderedAxis, ...]:
    """The axes of a grid in the order of their names (that of several is the first), each with its values in order.

    Values are sorted as numbers or words, lists by their elements, switches with "on" first. Where several lists go
    together, the list whose name comes first leads.

    Parameters
    ----------
    axes : iterable of Axis

    Returns
    -------
    tuple of OrderedAxis
    """
    return tuple(OrderedAxis(axis, _order(axis)) for axis in sorted(axes, key=lambda axis: min(axis.names)))


def described(distribution: Distribution) -> list[Any]:
    """Kind and numbers of a distribution, without what follows from them."""
    numbers = [getattr(distribution, part.name) for part in fields(distribution) if part.init]  # type: ignore[arg-type]
    return [type(distribution).__name__, *numbers]


def _order(axis: Axis) -> np.ndarray | None:
    """Where each value stands as it was written; None where they stand in order."""
    names = sorted(axis.names)
    if isinstance(axis.lists[names[0]], (Linspace, Logspace)):
        return None
    columns = axis.at(np.arange(len(axis)))
    rows = list(zip(*(map(_key, columns[name].tolist()) for name in names), strict=True))
    order = sorted(range(len(rows)), key=rows.__getitem__)
    return None if order == list(range(len(rows))) else np.array(order, np.int64)


def _key(value: Value) -> tuple[Any, ...]:
    """What a value is sorted by."""
    if isinstance(value, (tuple, list)):
        return (2, *map(_key, value))
    if isinstance(value, str):
        return (1, value)
    return (0, not value if isinstance(value, bool) else value)


def _shortest(values: Sequence[Value]) -> list[Any]:
    """Values at equal distances or ratios by their ends, as a study file would: a list of them is the same axis."""
    for kind in (Linspace, Logspace):
        if len(values) > 1 and all(type(value) is float for value in values):
            try:
                line = kind(float(values[0]), float(values[-1]), len(values))  # type: ignore[arg-type]
            except SpaceError:
                continue
            if line.at(np.arange(len(line))).tolist() == list(values):
                return described(line)
    return described(Values(tuple(values)))
