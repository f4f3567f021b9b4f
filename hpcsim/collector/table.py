"""Reading a shard or the results with nothing but numpy and h5py."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import h5py
import numpy as np

from hpcsim.collector.column import POINT
from hpcsim.collector.ids import Ids
from hpcsim.collector.schema import ID_BYTES, OK, RESULTS_FORMAT, SHARD_FORMAT
from hpcsim.errors import HpcsimError, ResultsError, nearest
from hpcsim.outputs import Batch, Coordinate, Layout, Output

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
    ResultsError
        If the file is no table of hpcsim, or of a version that this hpcsim cannot read.
    OSError
        If the file cannot be read.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.file = _open(self.path)
        found = self.attrs.get("format")
        if found not in (SHARD_FORMAT, RESULTS_FORMAT):
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
        return int(self.file["id"].shape[0])

    def __repr__(self) -> str:
        return f"<Table {self.path}: {len(self)} points>" if self.file else f"<Table {self.path}: closed>"

    @cached_property
    def attrs(self) -> dict[str, Any]:
        """What the file says about itself: format, study, model, fingerprint, schema, block, complete."""
        attrs = self.file.attrs.items()
        return {name: value.item() if isinstance(value, np.generic) else value for name, value in attrs}

    @property
    def block(self) -> int:
        """Rows of one chunk."""
        return int(self.attrs["block"])

    @cached_property
    def roles(self) -> dict[str, str]:
        """Role of every dataset by its name."""
        datasets = {name: item for name, item in self.file.items() if isinstance(item, h5py.Dataset)}
        return {name: _word(item.attrs.get("hpcsim_role", "")) for name, item in datasets.items()}

    @property
    def good(self) -> np.ndarray:
        """Which rows went well, shape (n_row,)."""
        return np.asarray(self.array("status") == OK)

    def names(self, role: str) -> list[str]:
        """Names of all datasets of one role: record, parameter, output, coordinate or count."""
        return [name for name, its in self.roles.items() if its == role]

    @cached_property
    def ragged_dims(self) -> dict[str, str]:
        """The ragged dimension of every ragged output."""
        counted = {_word(self.file[name].attrs["sample_dimension"]) for name in self.names("count")}
        leading = {name: self._dims(name)[0] for name in self.names("output")} if counted else {}
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
        return self.file[name]

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
        values = dataset[rows if rows is not None else slice(None)]
        if dataset.dtype == "S1":
            return _strings(values)
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
        counts = self.file[f"{dim}_count"][start:stop]
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
        counts = self.file[f"{dim}_count"][base * self.block : stop]
        first = int(self._starts[dim][base] + counts[: start - base * self.block].sum())
        return first, first + int(counts[start - base * self.block :].sum())

    @cached_property
    def _starts(self) -> dict[str, np.ndarray]:
        """Along each ragged dimension, where each block of points starts."""
        starts = {}
        for name in self.names("count"):
            sums = [0]
            for start in range(0, len(self), SCAN_ROWS):  # a multiple of every block
                counts = self.file[name][start : start + SCAN_ROWS]
                sums += np.add.reduceat(counts, np.arange(0, len(counts), self.block)).tolist()
            starts[_word(self.file[name].attrs["sample_dimension"])] = np.cumsum(sums)
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
        dataset = self.file[name]
        dims = self._dims(name)
        dtype = "bool" if dataset.attrs.get("dtype") == "bool" else dataset.dtype.name
        description = _word(dataset.attrs.get("long_name", ""))
        ragged = dims[0] != POINT
        return Output(name, dims if ragged else dims[1:], self.unit(name), dtype, ragged, description)

    def _dims(self, name: str) -> tuple[str, ...]:
        # the attribute that dimension scales are made of; h5py's own view of it is ten times slower
        references = self.file[name].attrs["DIMENSION_LIST"]
        return tuple(self.file[reference[0]].name.lstrip("/") for reference in references)

    def ids(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Ids of the points from `start` to `stop`, an array of S32."""
        stop = len(self) if stop is None else min(stop, len(self))
        characters = np.empty((max(0, stop - start), ID_BYTES), "S1")
        if len(characters):
            self.file["id"].read_direct(characters, np.s_[start:stop])
        return characters.view(f"S{ID_BYTES}")[:, 0]

    def scan_ids(self, block: int = SCAN_ROWS) -> Iterator[tuple[int, np.ndarray]]:
        """All ids a piece at a time: the number of the first point, and the ids."""
        for start in range(0, len(self), block):
            yield start, self.ids(start, start + block)


def finished(paths: Iterable[Path], ids: np.ndarray, fingerprint: str, *, ok: bool = False) -> np.ndarray:
    """Which points are finished in any of these files.

    Parameters
    ----------
    paths : iterable of Path
        Shards and results. Those that cannot be read, or were made by other code, do not count.
    ids : ndarray of S32
    fingerprint : str
        Identity of the code that made the numbers.
    ok : bool
        Whether only points that succeeded count; otherwise a failed one is finished too.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    ids = np.asarray(ids, f"S{ID_BYTES}")
    wanted = Ids(ids)
    found = np.zeros(len(ids), bool)
    for path in paths:
        try:
            with Table(path) as table:
                if table.attrs.get("fingerprint") == fingerprint:
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


def _open(path: Path) -> h5py.File:
    # HDF5 wants the same locking from all who open a file in one process, and others (xarray) take the default;
    # where that fails, since another process has it open for writing or there are no locks, do without
    try:
        return h5py.File(path, "r")
    except FileNotFoundError:
        raise
    except OSError:
        return h5py.File(path, "r", locking=False)


def _word(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _strings(characters: np.ndarray) -> np.ndarray:
    """From characters along the last axis to str."""
    shape, width = characters.shape[:-1], characters.shape[-1]
    packed = np.ascontiguousarray(characters).view(f"S{width}").reshape(shape)
    # as wide as the longest text, not as the column: str takes four bytes a character
    longest = int(np.strings.str_len(packed).max(initial=1)) or 1
    return np.strings.decode(packed.astype(f"S{longest}"), "utf-8")
