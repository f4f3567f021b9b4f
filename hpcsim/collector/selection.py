"""Some rows of results, as results: what is drawn of millions of points."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from hpcsim.collector.format.column import POINT
from hpcsim.collector.format.pick import pick
from hpcsim.collector.format.table import Table
from hpcsim.collector.results import Results
from hpcsim.outputs import Batch

if TYPE_CHECKING:
    import xarray as xr

#: Chunks of the file that a sample of rows is read from, at most.
_CHUNKS = 256
#: Rows of a file above which a sample is taken from some of its chunks.
_WHOLE = 200_000


class SelectedTable(Table):
    """Some rows of a table that is open; closing it leaves that one open.

    Parameters
    ----------
    whole : Table
    rows : ndarray of int
        Ascending.
    """

    def __init__(self, whole: Table, rows: np.ndarray) -> None:
        self.path, self.file = whole.path, whole.file
        self._members, self._dims = {}, {}
        self._whole, self._rows = whole, rows

    def close(self) -> None:
        """The file belongs to the whole table."""

    def __len__(self) -> int:
        return len(self._rows)

    def read(self, name: str, rows: slice = slice(None)) -> np.ndarray:
        """Values of the rows as they are stored; a column that has no rows of points is whole."""
        if not self._whole.member(name).shape or self.roles.get(name) not in ("record", "parameter", "output", "count"):
            return self._whole.read(name, rows)
        if self.dims(name)[0] != POINT:
            return self._whole.read(name, rows)
        return pick(self._whole, name, self._rows[rows], raw=True)

    def ragged(self, name: str, i: int) -> np.ndarray:
        """The values of the `i`-th row of a ragged output."""
        return self._whole.ragged(name, int(self._rows[i]))

    def batch(self, name: str, start: int, stop: int) -> Batch:
        """The rows from `start` to `stop` of one output."""
        if name in self.ragged_dims:
            return [self.ragged(name, i) for i in range(start, min(stop, len(self)))]
        return self.array(name, slice(start, stop))


class Selection(Results):
    """Some rows of results; what belongs to the study, such as its versions, is whole.

    Parameters
    ----------
    whole : Results
        It stays open.
    rows : ndarray of int
        Ascending.
    """

    def __init__(self, whole: Results, rows: np.ndarray) -> None:
        self.path = whole.path
        self.table: Table = SelectedTable(whole.table, rows)
        self._whole, self._rows = whole, rows

    @property
    def whole_rows(self) -> np.ndarray:
        """Which rows of the whole results they are."""
        return self._rows

    @cached_property
    def dataset(self) -> xr.Dataset:
        """As of the whole results, with these rows alone."""
        return self._whole.dataset.isel(point=self._rows)

    def point(self, point: int | str) -> xr.Dataset:
        """As of the whole results; a number counts the rows that were chosen."""
        return self._whole.point(point if isinstance(point, str) else int(self._rows[point]))


def sample(results: Results, size: int) -> Results:
    """The results, or where they have more rows, so many of them by chance, always the same ones.

    Of very many rows, some chunks of the file are chosen first: the cost does not grow with the number of points.

    Parameters
    ----------
    results : Results
    size : int
        How many rows, about.
    """
    return results if len(results) <= size else Selection(results, sample_rows(results, size))


def sample_rows(results: Results, size: int) -> np.ndarray:
    """The rows of :func:`sample`, ascending."""
    n = len(results)
    if n <= size:
        return np.arange(n)
    generator = np.random.default_rng(0)
    block = results.table.block
    chunks = -(-n // block)
    if n <= _WHOLE or chunks <= _CHUNKS:
        return np.sort(generator.choice(n, size, replace=False))
    chosen = np.sort(generator.choice(chunks, _CHUNKS, replace=False))
    each = min(block, -(-size // _CHUNKS))
    # in each chunk other rows: a sequence such as Sobol's has the same few values at equal distances
    places = [np.sort(generator.choice(block, each, replace=False)) for _ in chosen]
    rows = np.concatenate([chunk * block + place for chunk, place in zip(chosen, places, strict=True)])
    return np.asarray(rows[rows < n])
