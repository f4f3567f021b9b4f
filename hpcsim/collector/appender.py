"""Adding the rows of one table to another by moving compressed chunks as they are."""

from __future__ import annotations

import h5py
import numpy as np

from hpcsim.collector.column import POINT
from hpcsim.collector.table import Table

_PIECE = 2**18
_NONE = np.empty(0, np.int64)


class Appender:
    """Adds rows to a table file that is open for writing; the order of rows is the same in all columns.

    A chunk can only be moved to a multiple of its own size. So whole blocks go to the next such place as
    they are, and all other rows wait in memory (less than two blocks) until they fill a block or all is done.

    Parameters
    ----------
    file : h5py.File
        A table that nothing else has open.
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
        self._ends = {dim: len(self._file[dim]) - int(self._tail[n][0].sum()) for dim, n in self._counts.items()}
        for name, (values, dim) in self._ragged.items():
            self._tail[name] = [values[self._ends[dim] :]]

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

    def add(self, table: Table, drop: np.ndarray = _NONE) -> int:
        """Add the rows of a table of the same schema.

        Parameters
        ----------
        table : Table
        drop : ndarray of int64
            Rows to leave out, in ascending order.

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
            self._move(table, start, block)
            start = min(block + self._block, rows)
            self._hold(table, block, start, drop)
        return rows - len(drop)

    def finish(self) -> int:
        """Write the rows that still wait; returns how many rows there are."""
        self._write_tail(self._waiting)
        self._resize(self._position)
        for dim, end in self._ends.items():
            self._resize_ragged(dim, end)
        return self._position

    def _move(self, table: Table, start: int, stop: int) -> None:
        """Move whole blocks without decompressing them."""
        if start >= stop:
            return
        shift = self._position - start
        self._resize(self._position + stop - start)
        for name, column in self._columns.items():
            if 0 in column.shape[1:]:
                continue
            source, target = table.file[name].id, column.id
            rest = (0,) * (column.ndim - 1)
            for row in range(start, stop, self._block):
                mask, chunk = source.read_direct_chunk((row, *rest))
                target.write_direct_chunk((row + shift, *rest), chunk, mask)
        self._position += stop - start
        for dim in self._counts:
            self._copy_ragged(table, dim, *table.extent(dim, start, stop))

    def _copy_ragged(self, table: Table, dim: str, first: int, last: int) -> None:
        end = self._ends[dim]
        self._resize_ragged(dim, end + last - first)
        for name, (target, its) in self._ragged.items():
            if its == dim:
                for start in range(first, last, _PIECE):
                    stop = min(start + _PIECE, last)
                    target[end + start - first : end + stop - first] = table.file[name][start:stop]
        self._ends[dim] = end + last - first

    def _hold(self, table: Table, start: int, stop: int, drop: np.ndarray) -> None:
        """Keep rows in memory, and write them when they fill a block."""
        if start >= stop:
            return
        keep = np.ones(stop - start, bool)
        keep[drop[(drop >= start) & (drop < stop)] - start] = False
        for name in self._columns:
            self._tail[name].append(table.file[name][start:stop][keep])
        for dim, counts_name in self._counts.items():
            first, last = table.extent(dim, start, stop)
            kept = np.repeat(keep, table.file[counts_name][start:stop])
            for name, (_, its) in self._ragged.items():
                if its == dim:
                    self._tail[name].append(table.file[name][first:last][kept])
        self._waiting += int(keep.sum())
        if self._waiting >= self._block:
            self._write_tail(self._block)

    def _write_tail(self, rows: int) -> None:
        """Write the first of the waiting rows."""
        self._resize(self._position + rows)
        joined = {name: np.concatenate(parts) for name, parts in self._tail.items()}
        for name, column in self._columns.items():
            if rows and column.size:
                column[self._position : self._position + rows] = joined[name][:rows]
            self._tail[name] = [joined[name][rows:]]
        for dim, counts_name in self._counts.items():
            size = int(joined[counts_name][:rows].sum())
            end = self._ends[dim]
            self._resize_ragged(dim, end + size)
            for name, (values, its) in self._ragged.items():
                if its == dim:
                    if size:
                        values[end : end + size] = joined[name][:size]
                    self._tail[name] = [joined[name][size:]]
            self._ends[dim] = end + size
        self._position += rows
        self._waiting -= rows

    def _resize(self, rows: int) -> None:
        for column in (self._file[POINT], *self._columns.values()):
            column.resize(rows, axis=0)

    def _resize_ragged(self, dim: str, size: int) -> None:
        self._file[dim].resize(size, axis=0)
        for values, its in self._ragged.values():
            if its == dim:
                values.resize(size, axis=0)
