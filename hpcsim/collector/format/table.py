"""Reading a shard or the results with nothing but numpy and h5py."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import h5py
import numpy as np

from hpcsim.collector.format import guard
from hpcsim.collector.format.column import POINT
from hpcsim.collector.format.guard import damaged, fits_memory, reading
from hpcsim.collector.format.ids import Ids
from hpcsim.collector.format.opening import open_file, read_rows
from hpcsim.collector.format.schema import FORMATS, ID_BYTES, OK, RESULTS_FORMAT, SHARD_FORMAT
from hpcsim.collector.format.text import decoded, has_characters, joined
from hpcsim.errors import HpcsimError, ResultsError, nearest
from hpcsim.outputs import DRAWN_AS, Batch, Coordinate, Layout, Output

SCAN_ROWS = 2**17
_PIECE_BYTES = 2**24


class Table:
    """One file of points, open for reading; a context manager.

    It may be open elsewhere, and it may be replaced (never changed) while it is read.

    Parameters
    ----------
    path : Path
        A shard or a results file.

    Raises
    ------
    DamagedError
        If the file is there and cannot be read, or is made of what hpcsim never writes.
    ResultsError
        If the file is no table of hpcsim, or of a version that this hpcsim cannot read.
    FileNotFoundError
        If there is no such file.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.file = open_file(self.path)
        self._members: dict[str, h5py.Dataset] = {}
        self._dims: dict[str, tuple[str, ...]] = {}
        try:
            found = self.attrs.get("format")
        except HpcsimError:
            self.close()
            raise
        if found not in FORMATS:
            self.close()
            raise ResultsError(
                f'{self.path}: the format is "{found}", expected {SHARD_FORMAT} or {RESULTS_FORMAT}; '
                "is this a file of hpcsim, and of this version?"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    def __len__(self) -> int:
        return int(self.member("id").shape[0])

    def __repr__(self) -> str:
        return f"<Table {self.path}: {len(self)} points>" if self.file else f"<Table {self.path}: closed>"

    @cached_property
    def attrs(self) -> dict[str, Any]:
        """What the file says about itself: format, study, model, fingerprint, schema, block, complete."""
        with reading(self.path):
            attrs = list(self.file.attrs.items())
        return {name: value.item() if isinstance(value, np.generic) else value for name, value in attrs}

    @property
    def block(self) -> int:
        """Rows of one chunk."""
        block = self.attrs.get("block")
        if not isinstance(block, int) or block < 1:
            raise damaged(self.path, f"its block is {block!r}, expected a number of rows")
        return block

    @cached_property
    def roles(self) -> dict[str, str]:
        """Role of every dataset by its name."""
        with reading(self.path):
            for name in self.file:
                item = guard.member(self.path, self.file, name)
                if isinstance(item, h5py.Dataset):
                    self._members[name] = item
            # in the order of the file, whatever was asked for before
            datasets = {name: self._members[name] for name in self.file if name in self._members}
            return {name: _word(item.attrs.get("hpcsim_role", "")) for name, item in datasets.items()}

    def member(self, name: str) -> h5py.Dataset:
        """A dataset by its name, after a look at what it is made of.

        Raises
        ------
        DamagedError
            If it is not there, or is no dataset that hpcsim would write.
        """
        if name not in self._members:
            with reading(self.path, name):
                item = guard.member(self.path, self.file, name) if name in self.file else None
            if not isinstance(item, h5py.Dataset):
                raise damaged(self.path, f'there is no dataset "{name}"')
            self._members[name] = item
        return self._members[name]

    def read(self, name: str, rows: slice = slice(None)) -> np.ndarray:
        """Values of a dataset as they are stored, text as bytes.

        Raises
        ------
        DamagedError
            If they are not as they were written.
        ResultsError
            If they are more than the memory holds.
        """
        dataset = self.member(name)
        with reading(self.path, name):
            n = len(range(*rows.indices(len(dataset)))) if dataset.shape else 1
            fits_memory(self.path, name, n * math.prod(dataset.shape[1:]) * dataset.dtype.itemsize)
            values = read_rows(dataset, rows)
        return joined(values) if has_characters(dataset) else values

    @property
    def good(self) -> np.ndarray:
        """Which rows succeeded, shape (n_row,)."""
        return np.asarray(self.array("status") == OK)

    def names(self, role: str) -> list[str]:
        """Names of all datasets of one role: record, parameter, output, coordinate or count."""
        return [name for name, its in self.roles.items() if its == role]

    @cached_property
    def ragged_dims(self) -> dict[str, str]:
        """The ragged dimension of every ragged output."""
        counted = {_word(self.member(name).attrs["sample_dimension"]) for name in self.names("count")}
        leading = {name: self.dims(name)[0] for name in self.names("output")} if counted else {}
        return {name: dim for name, dim in leading.items() if dim in counted}

    def dataset(self, name: str) -> h5py.Dataset:
        """The HDF5 dataset itself.

        Raises
        ------
        ResultsError
            If there is none of that name.
        """
        if self.roles.get(name, "dimension") == "dimension":
            known = [name for name, role in self.roles.items() if role != "dimension"]
            raise ResultsError(f'{self.path}: there is no "{name}"; {nearest(name, known)}')
        return self.member(name)

    def array(self, name: str, rows: slice | None = None) -> np.ndarray:
        """One column, or the values of a coordinate.

        Parameters
        ----------
        name : str
        rows : slice, optional
            Which points; all without it. Of a ragged output, which of all values.

        Returns
        -------
        ndarray of shape (n, ...)
            Text as str, switches as bool.
        """
        dataset = self.dataset(name)
        values = self.read(name, rows if rows is not None else slice(None))
        if values.dtype.kind == "S":
            return decoded(values)
        if values.dtype == object:
            return np.array([value.decode() for value in values], str)
        numbers: np.ndarray = values.astype(bool) if dataset.attrs.get("dtype") == "bool" else values
        return numbers

    def piece(self, name: str) -> int:
        """How many rows of a column to read at once: whole blocks, a few MiB."""
        dataset = self.dataset(name)
        row = max(1, int(np.prod(dataset.shape[1:]) * dataset.dtype.itemsize))
        return max(1, min(SCAN_ROWS, _PIECE_BYTES // row) // self.block) * self.block

    def batch(self, name: str, start: int, stop: int) -> Batch:
        """The points from `start` to `stop` of one output: an array, or a list of arrays where ragged."""
        if name not in self.ragged_dims:
            return self.array(name, slice(start, stop))
        dim = self.ragged_dims[name]
        first, last = self.extent(dim, start, stop)
        counts = self.read(f"{dim}_count", slice(start, stop))
        return np.split(self.array(name, slice(first, last)), np.cumsum(counts)[:-1]) if len(counts) else []

    def ragged(self, name: str, i: int) -> np.ndarray:
        """The values of point `i` of a ragged output.

        Raises
        ------
        ResultsError
            If the output is not ragged.
        IndexError
            If there is no point `i`.
        """
        self.dataset(name)
        if name not in self.ragged_dims:
            raise ResultsError(f'{self.path}: "{name}" is not ragged; {nearest(name, self.ragged_dims)}')
        if not -len(self) <= i < len(self):
            raise IndexError(f"{self.path}: there is no point {i}, there are {len(self)}")
        i %= len(self)
        first, last = self.extent(self.ragged_dims[name], i, i + 1)
        return self.array(name, slice(first, last))

    def extent(self, dim: str, start: int, stop: int) -> tuple[int, int]:
        """Where the values of the points from `start` to `stop` stand along a ragged dimension."""
        base = start // self.block
        counts = self.read(f"{dim}_count", slice(base * self.block, stop))
        first = int(self._starts[dim][base] + counts[: start - base * self.block].sum())
        return first, first + int(counts[start - base * self.block :].sum())

    @cached_property
    def _starts(self) -> dict[str, np.ndarray]:
        """Along each ragged dimension, where each block of points starts."""
        starts = {}
        for name in self.names("count"):
            sums = [0]
            for start in range(0, len(self), SCAN_ROWS):  # a multiple of every block
                counts = self.read(name, slice(start, start + SCAN_ROWS))
                sums += np.add.reduceat(counts, np.arange(0, len(counts), self.block)).tolist()
            starts[_word(self.member(name).attrs["sample_dimension"])] = np.cumsum(sums)
        return starts

    def unit(self, name: str) -> str:
        """Unit of a column or coordinate; empty for a pure number."""
        return _word(self.dataset(name).attrs.get("units", ""))

    def coordinate(self, dim: str) -> Coordinate:
        """Positions along a dimension."""
        if self.roles.get(dim) != "coordinate":
            raise ResultsError(f'{self.path}: no coordinate "{dim}"; {nearest(dim, self.names("coordinate"))}')
        return Coordinate(self.array(dim), self.unit(dim))

    @cached_property
    def layout(self) -> Layout:
        """The outputs with the coordinates of their dimensions."""
        return Layout.of(
            [self._output(name) for name in self.names("output")],
            {dim: self.coordinate(dim) for dim in self.names("coordinate")},
        )

    def _output(self, name: str) -> Output:
        dataset = self.member(name)
        dims = self.dims(name)
        dtype = "bool" if dataset.attrs.get("dtype") == "bool" else dataset.dtype.name
        description = _word(dataset.attrs.get("long_name", ""))
        ragged, drawn = dims[0] != POINT, _word(dataset.attrs.get("hpcsim_drawn_as", ""))
        # of a later version perhaps
        drawn = drawn if drawn in DRAWN_AS else ""
        return Output(name, dims if ragged else dims[1:], self.unit(name), dtype, ragged, description, drawn)

    def dims(self, name: str) -> tuple[str, ...]:
        """Names of the dimensions of a dataset, `point` or a ragged one first, but not that of characters."""
        # the attribute that dimension scales are made of; h5py's own view of it is ten times slower
        if name not in self._dims:
            with reading(self.path, f"dimensions of {name}"):
                references = self.member(name).attrs["DIMENSION_LIST"]
                if has_characters(self.member(name)):
                    references = references[:-1]
                found = (h5py.h5r.dereference(reference[0], self.file.id) for reference in references)
                self._dims[name] = tuple(self._addresses[h5py.h5o.get_info(item).addr] for item in found)
        return self._dims[name]

    @cached_property
    def _addresses(self) -> dict[int, str]:
        """Name of every dataset by its place in the file: h5py takes fifty times as long to find a name."""
        return {h5py.h5o.get_info(self.member(name).id).addr: name for name in self.roles}

    def ids(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Ids of the points from `start` to `stop`, an array of S32."""
        stop = len(self) if stop is None else min(stop, len(self))
        found = np.empty(max(0, stop - start), f"S{ID_BYTES}")
        if len(found):
            values = self.read("id", slice(start, stop))
            if (values.shape, values.dtype) != (found.shape, found.dtype):
                raise damaged(self.path, f'"id" has the type {values.dtype} and the shape {values.shape}')
            found[...] = values
        return found

    def scan_ids(self, block: int = SCAN_ROWS) -> Iterator[tuple[int, np.ndarray]]:
        """All ids a piece at a time: the number of the first point, and the ids."""
        for start in range(0, len(self), block):
            yield start, self.ids(start, start + block)

    def scan(self, name: str) -> Iterator[tuple[int, np.ndarray]]:
        """All values of a column a piece at a time: the number of the first point, and the values."""
        step = self.piece(name)
        for start in range(0, len(self), step):
            yield start, self.array(name, slice(start, start + step))

    def failed(self, most: int) -> tuple[np.ndarray, np.ndarray, int]:
        """Rows that did not succeed, the last of them at most, how they ended, and how many there are in all.

        Parameters
        ----------
        most : int
        """
        rows, ended, count = np.empty(0, np.intp), np.empty(0, np.uint8), 0
        for start, status in self.scan("status"):
            bad = np.flatnonzero(status != OK)
            rows, ended = np.append(rows, start + bad)[-most:], np.append(ended, status[bad])[-most:]
            count += len(bad)
        return rows, ended, count


def finished(paths: Iterable[Path], ids: np.ndarray, recipes: str | Collection[str], *, ok: bool = False) -> np.ndarray:
    """Which points are finished in any of these files.

    Parameters
    ----------
    paths : iterable of Path
        Shards and results. Those that cannot be read, or were made by other code, do not count.
    ids : ndarray of S32
    recipes : str or collection of str
        Fingerprints of the recipes whose points count: identities of the code that made the numbers.
    ok : bool
        Whether only points that succeeded count; otherwise a failed one is finished too.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    ids = np.asarray(ids, f"S{ID_BYTES}")
    known = {recipes} if isinstance(recipes, str) else set(recipes)
    wanted = Ids(ids)
    found = np.zeros(len(ids), bool)
    for path in paths:
        try:
            with Table(path) as table:
                if table.attrs.get("fingerprint") in known:
                    _mark(table, wanted, found, ok)
        except (OSError, KeyError, RuntimeError, HpcsimError):
            continue
    result: np.ndarray = found[wanted.first]
    return result


def _mark(table: Table, wanted: Ids, found: np.ndarray, ok: bool) -> None:
    for start, present in table.scan_ids():
        index = wanted.find(present)
        hits = np.flatnonzero(index >= 0)
        if ok and len(hits):
            hits = hits[table.array("status", slice(start, start + len(present)))[hits] == OK]
        found[index[hits]] = True


def _word(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
