"""Points: complete sets of parameter values, one by one and in batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hpcsim.errors import SpaceError, nearest
from hpcsim.space.parameter import Value


@dataclass(frozen=True)
class Point:
    """One complete set of parameter values and a replicate number.

    Parameters
    ----------
    values : mapping of str to value
        Every parameter of the model, in the unit that the model declares.
    id : str
        32 hexadecimal digits, see :mod:`hpcsim.space.identity`.
    replicate : int
        Counts from 0.
    seed : int
        64 bits, from the study's seed and the id.
    """

    values: Mapping[str, Value]
    id: str
    replicate: int
    seed: int

    def __getitem__(self, name: str) -> Any:
        if name not in self.values:
            raise _unknown(name, self.values)
        return self.values[name]

    def __contains__(self, name: object) -> bool:
        return name in self.values

    def __iter__(self) -> Iterator[str]:
        return iter(self.values)


@dataclass(frozen=True, eq=False)
class Points(Sequence[Point]):
    """A batch of points by columns: ``points["tau"]`` is an array with a value a point, ``points[0]`` a point.

    ``points[2:5]``, a mask, and an array of positions give fewer points.

    Parameters
    ----------
    columns : mapping of str to ndarray
        One array of length n a parameter, in the unit that the model declares (numbers as float64/int64, the others as objects).
    ids : sequence of str
    replicates, seeds : ndarray of int64 and uint64
    """

    columns: Mapping[str, np.ndarray]
    ids: Sequence[str]
    replicates: np.ndarray
    seeds: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, str):
            if index not in self.columns:
                raise _unknown(index, self.columns)
            own = self.columns[index].view()
            # a model that scales it in place would change its points
            own.flags.writeable = False
            return own
        if isinstance(index, (int, np.integer)):
            values = {
                name: column[index].item() if isinstance(column[index], np.generic) else column[index]
                for name, column in self.columns.items()
            }
            return Point(values, self.ids[int(index)], int(self.replicates[index]), int(self.seeds[index]))
        ids = self.ids[index] if isinstance(index, slice) else [self.ids[i] for i in np.arange(len(self))[index]]
        return Points(
            {name: column[index] for name, column in self.columns.items()},
            ids,
            self.replicates[index],
            self.seeds[index],
        )

    def __iter__(self) -> Iterator[Point]:
        return (self[i] for i in range(len(self)))

    def __contains__(self, item: object) -> bool:
        """Whether there is a parameter of that name, or such a point."""
        return item in self.columns if isinstance(item, str) else any(item == point for point in self)


def _unknown(name: object, known: Mapping[str, Any]) -> SpaceError:
    return SpaceError(f'the points have no parameter "{name}"; {nearest(str(name), known)}')


def column(values: Sequence[Value]) -> np.ndarray:
    """Values of one type as an array: float64, int64, or objects.

    Parameters
    ----------
    values : sequence of value, length n

    Returns
    -------
    ndarray, shape (n,)
    """
    if all(type(value) is float for value in values):
        return np.array(values, np.float64)
    if all(type(value) is int and -(2**63) <= value < 2**63 for value in values):
        return np.array(values, np.int64)
    objects = np.empty(len(values), object)
    for i, value in enumerate(values):
        objects[i] = value
    return objects
