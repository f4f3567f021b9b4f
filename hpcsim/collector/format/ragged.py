"""An output whose length differs from point to point, as a sequence of arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

import numpy as np

from hpcsim.collector.format.table import Table


class Ragged(Sequence[np.ndarray]):
    """An output whose length differs from point to point; read when asked for.

    Parameters
    ----------
    table : Table
    name : str
        A ragged output.
    """

    def __init__(self, table: Table, name: str) -> None:
        self._table = table
        self._name = name
        if len(table):
            table.ragged(name, 0)  # says at once when there is no such output

    def __len__(self) -> int:
        return len(self._table)

    @overload
    def __getitem__(self, index: int) -> np.ndarray: ...

    @overload
    def __getitem__(self, index: slice) -> list[np.ndarray]: ...

    def __getitem__(self, index: int | slice) -> np.ndarray | list[np.ndarray]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return self._table.ragged(self._name, index)

    def __iter__(self) -> Iterator[np.ndarray]:
        for start in range(0, len(self), self._table.block):
            yield from self._table.batch(self._name, start, min(start + self._table.block, len(self)))

    def __repr__(self) -> str:
        return f"<Ragged {self._name}: {len(self)} points>"

    def to_list(self) -> list[np.ndarray]:
        """The arrays of all points."""
        return list(self)
