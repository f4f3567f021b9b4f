"""Adding the rows of one table to another by moving compressed chunks as they are."""

from __future__ import annotations

import math
from collections.abc import Mapping

import h5py
import numpy as np

from hpcsim.collector.format.column import POINT
from hpcsim.collector.format.runs import runs
from hpcsim.collector.format.table import Table
from hpcsim.collector.format.text import put

_PIECE = 2**18
#: Bytes of ragged values that wait in memory with their rows; where there are more, they go to the file at once.
_HELD_BYTES = 2**24
_NONE = np.empty(0, np.int64)
_NO_FILL: Mapping[str, int] = {}


class Appender:
    """Adds rows to a table file that is open for writing; the order of rows is the same in all columns.

    A chunk can only be moved to a multiple of its own size. So whole blocks go to the next such place as
    they are, and all other rows wait in memory (less than two blocks) until they fill a block or all is done.
    Their ragged values may be large: those are written before their rows, and then all rows that come later wait behind them.

    Parameters
    ----------
    file : h5py.File
        A table of the present format that nothing else has open.
    """

    def __init__(self, file: h5py.File) -> None:
        self._file = file
        self._block = int(file.attrs["block"])
        roles = {name: file[name].attrs.get("hpcsim_role") for name in file if isinstance(file[name], h5py.Dataset)}
        self._counts = {str(file[n].attrs["sample_dimension"]): n for n, role in roles.items() if role == "count"}
        with_rows = [name for name, role in roles.items() if role in ("record", "parameter", "count", "output")]
        leading = {name: file[file[name].attrs["DIMENSION_LIST"][0][0]].name.lstrip("/") for name in with_rows}
        self._columns = {name: file[name] for name in with_rows if leading[name] == POINT}
        self._ragged = {name: (file[name], leading[name]) for name in with_rows if leading[name] != POINT}
        self._tail: dict[str, list[np.ndarray]] = {}
        self._clear(len(file["id"]))

    def _clear(self, rows: int) -> None:
        """Take the rows of the last block, which is not full, out of the file and into memory."""
        self._position = rows - rows % self._block
        self._waiting = rows - self._position
        self._tail = {name: [column[self._position : rows]] for name, column in self._columns.items()}
        self._ends = {dim: len(self._file[dim]) for dim in self._counts}
        waiting = {dim: int(self._tail[name][0].sum()) for dim, name in self._counts.items()}
        self._held = self._bytes(waiting)
        self._written_ahead = self._held > _HELD_BYTES
        if not self._written_ahead:
            self._ends = {dim: end - waiting[dim] for dim, end in self._ends.items()}
        for name, (values, dim) in self._ragged.items():
            self._tail[name] = [values[self._ends[dim] :]]

    def _bytes(self, lengths: Mapping[str, int]) -> int:
        """Bytes of so many values along each ragged dimension."""
        return sum(lengths[dim] * values.dtype.itemsize for values, dim in self._ragged.values())

    @property
    def rows(self) -> int:
        """How many rows there are now."""
        return self._position + self._waiting

    def truncate(self) -> None:
        """Drop all rows."""
        self._resize(0)
        for dim in self._counts:
            self._resize_ragged(dim, 0)
        self._clear(0)

    def add(self, table: Table, drop: np.ndarray = _NONE, fill: Mapping[str, int] = _NO_FILL) -> int:
        """Add the rows of a table of the same schema.

        Parameters
        ----------
        table : Table
        drop : ndarray of int64
            Rows to leave out, in ascending order.
        fill : mapping of str to int
            Values of columns that the table does not have.

        Returns
        -------
        int
            How many rows were added.
        """
        rows = len(table)
        whole = rows - rows % self._block
        touched = np.unique(drop[drop < whole] // self._block) * self._block
        start = 0
        for block in [*touched.tolist(), whole]:
            self._move(table, start, block, fill)
            start = min(block + self._block, rows)
            self._hold(table, block, start, drop, fill)
        return rows - len(drop)

    def finish(self) -> int:
        """Write the rows that still wait; returns how many rows there are."""
        self._write_tail(self._waiting)
        self._resize(self._position)
        for dim, end in self._ends.items():
            self._resize_ragged(dim, end)
        return self._position

    def _move(self, table: Table, start: int, stop: int, fill: Mapping[str, int]) -> None:
        """Move whole blocks without decompressing them, where no values stand in the file before their rows."""
        while self._written_ahead and start < stop:
            self._hold(table, start, start + self._block, _NONE, fill)
            start += self._block
        if start >= stop:
            return
        shift = self._position - start
        others = self._packed_otherwise(table, fill)
        self._resize(self._position + stop - start)
        for name, column in self._columns.items():
            if name in fill:
                column[self._position : self._position + stop - start] = fill[name]
            if name in fill or 0 in column.shape[1:]:
                continue
            if name in others:
                put(column, slice(self._position, self._position + stop - start), table.read(name, slice(start, stop)))
                continue
            source = table.member(name)
            there, here = (0,) * (source.ndim - 1), (0,) * (column.ndim - 1)
            for row in range(start, stop, self._block):
                mask, chunk = source.id.read_direct_chunk((row, *there))
                column.id.write_direct_chunk((row + shift, *here), chunk, mask)
        self._position += stop - start
        for dim in self._counts:
            self._copy_ragged(table, dim, *table.extent(dim, start, stop))

    def _packed_otherwise(self, table: Table, fill: Mapping[str, int]) -> set[str]:
        """Columns whose blocks must be unpacked and packed again: another version wrote them in another way."""
        names = [name for name in self._columns if name not in fill]
        return {name for name in names if _packing(self._columns[name]) != _packing(table.member(name))}

    def _copy_ragged(self, table: Table, dim: str, first: int, last: int) -> None:
        end = self._ends[dim]
        self._resize_ragged(dim, end + last - first)
        for name, (target, its) in self._ragged.items():
            if its == dim:
                for start in range(first, last, _PIECE):
                    stop = min(start + _PIECE, last)
                    target[end + start - first : end + stop - first] = table.read(name, slice(start, stop))
        self._ends[dim] = end + last - first

    def _hold(self, table: Table, start: int, stop: int, drop: np.ndarray, fill: Mapping[str, int]) -> None:
        """Keep rows in memory, and write them when they fill a block."""
        if start >= stop:
            return
        keep = np.ones(stop - start, bool)
        keep[drop[(drop >= start) & (drop < stop)] - start] = False
        self._hold_ragged(table, start, stop, keep)
        for name, column in self._columns.items():
            rows = np.full(stop - start, fill[name], column.dtype) if name in fill else table.read(name, slice(start, stop))
            self._tail[name].append(rows[keep])
        self._waiting += int(keep.sum())
        if self._waiting >= self._block:
            self._write_tail(self._block)

    def _hold_ragged(self, table: Table, start: int, stop: int, keep: np.ndarray) -> None:
        """Keep ragged values in memory while they are few, or else write them."""
        extents = {dim: table.extent(dim, start, stop) for dim in self._counts}
        self._held += self._bytes({dim: last - first for dim, (first, last) in extents.items()})
        if self._written_ahead or self._held > _HELD_BYTES:
            self._write_ahead()
            for first, last in runs(keep):
                for dim in self._counts:
                    self._copy_ragged(table, dim, *table.extent(dim, start + first, start + last))
            return
        for dim, counts_name in self._counts.items():
            kept = np.repeat(keep, table.read(counts_name, slice(start, stop)))
            for name, (_, its) in self._ragged.items():
                if its == dim:
                    self._tail[name].append(table.read(name, slice(*extents[dim]))[kept])

    def _write_ahead(self) -> None:
        """Write the ragged values of the waiting rows before the rows themselves."""
        if self._written_ahead:
            return
        self._write_ragged({dim: sum(int(part.sum()) for part in self._tail[name]) for dim, name in self._counts.items()})
        self._written_ahead = True

    def _write_tail(self, rows: int) -> None:
        """Write the first of the waiting rows."""
        self._resize(self._position + rows)
        joined = {name: np.concatenate(self._tail[name]) for name in self._columns}
        if not self._written_ahead:
            self._write_ragged({dim: int(joined[name][:rows].sum()) for dim, name in self._counts.items()})
        for name, column in self._columns.items():
            if rows and column.size:
                put(column, slice(self._position, self._position + rows), joined[name][:rows])
            self._tail[name] = [joined[name][rows:]]
        self._position += rows
        self._waiting -= rows
        self._written_ahead = self._written_ahead and self._waiting > 0
        if not self._written_ahead:
            self._held = sum(part.nbytes for name in self._ragged for part in self._tail[name])

    def _write_ragged(self, sizes: Mapping[str, int]) -> None:
        """Write the first of the waiting values along each ragged dimension."""
        for dim, size in sizes.items():
            end = self._ends[dim]
            self._resize_ragged(dim, end + size)
            for name, (values, its) in self._ragged.items():
                if its == dim:
                    joined = np.concatenate(self._tail[name])
                    if size:
                        values[end : end + size] = joined[:size]
                    self._tail[name] = [joined[size:]]
            self._ends[dim] = end + size

    def _resize(self, rows: int) -> None:
        for column in (self._file[POINT], *self._columns.values()):
            column.resize(rows, axis=0)

    def _resize_ragged(self, dim: str, size: int) -> None:
        self._file[dim].resize(size, axis=0)
        for values, its in self._ragged.values():
            if its == dim:
                values.resize(size, axis=0)


def _packing(dataset: h5py.Dataset) -> tuple[int, list[tuple]]:
    """How many bytes a block of a dataset has, and how they are packed."""
    made = dataset.id.get_create_plist()
    size = math.prod(dataset.chunks) * dataset.dtype.itemsize
    return size, [made.get_filter(i)[:3] for i in range(made.get_nfilters())]
