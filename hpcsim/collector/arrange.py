"""The order of rows in results: that of the design, whatever the order in which points arrived."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from hpcsim.collector.format.ids import Ids
from hpcsim.collector.format.storage import copy, reserve
from hpcsim.collector.format.table import Table

#: What results say about the order of their rows where no design is known.
BY_ID = "id"
#: Points of the design that are looked up together, and bytes of a column that are moved together.
_BLOCK, _PIECE = 100_000, 2**22
_NOWHERE = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Wanted:
    """What the results of a study are to hold.

    Parameters
    ----------
    complete : str
        Digest of recipe and design, for results that hold every point; empty where they cannot be complete.
    order : str
        Digest of the design.
    total : int
        Points of the design.
    ids : callable
        ``ids(start, stop)`` are those of the points from `start` to `stop`.
    """

    complete: str
    order: str
    total: int
    ids: Callable[[int, int], np.ndarray]


def arrangement(table: Table, wanted: Wanted | None) -> tuple[np.ndarray, bool]:
    """Which row is to stand where, and whether every point of the design has a row.

    Parameters
    ----------
    table : Table
    wanted : Wanted, optional
        Without it, rows stand in the order of their ids.

    Returns
    -------
    order : ndarray of int, shape (n_row,)
        First the points of the design in its order, then those that it no longer has in the order of their ids.
    whole : bool
    """
    ids = table.ids()
    place, whole = _places(ids, wanted) if wanted is not None else (np.full(len(ids), _NOWHERE), False)
    inside, outside = np.flatnonzero(place != _NOWHERE), np.flatnonzero(place == _NOWHERE)
    return np.concatenate([inside[np.argsort(place[inside])], outside[np.argsort(ids[outside])]]), whole


def _places(ids: np.ndarray, wanted: Wanted) -> tuple[np.ndarray, bool]:
    """Number of each row in the design, and whether the design has no other points."""
    known, place, whole = Ids(ids), np.full(len(ids), _NOWHERE), True
    waiting = len(ids)
    for start in range(0, wanted.total, _BLOCK):
        rows = known.find(wanted.ids(start, min(start + _BLOCK, wanted.total)))
        numbers = start + np.flatnonzero(rows >= 0)
        whole = whole and len(numbers) == len(rows)
        # a choice may draw the same values again: the first one counts
        rows, first = np.unique(rows[rows >= 0], return_index=True)
        new = place[rows] == _NOWHERE
        place[rows[new]] = numbers[first[new]]
        waiting -= int(new.sum())
        if not (whole or waiting):
            break
    return place, whole


def rearrange(path: Path, order: np.ndarray) -> None:
    """Put the rows of a table that nobody else has open into an order; blocks that have it already are not touched.

    Parameters
    ----------
    path : Path
    order : ndarray of int, shape (n_row,)
        The row that is to stand at each place.
    """
    if bool((order == np.arange(len(order))).all()):
        return
    target = path.with_name(f".results.{secrets.token_hex(4)}.tmp")
    try:
        copy(path, target)
        reserve(target, path.stat().st_size)
        with Table(path) as table, h5py.File(target, "r+", locking=False) as file:
            for dim in dict.fromkeys(table.ragged_dims.values()):
                _move_ragged(table, file, dim, order)
            for role in ("record", "parameter", "count", "output"):
                for name in table.names(role):
                    if name not in table.ragged_dims:
                        _move_column(table, file[name], order)
        # both names are this process's own: the collector publishes the result
        target.replace(path)
    finally:
        target.unlink(missing_ok=True)


def _move_column(table: Table, column: h5py.Dataset, order: np.ndarray) -> None:
    """Write one column in an order: whole blocks as they are where they stay together, else value by value."""
    if 0 in column.shape[1:]:
        return
    source, block = table.file[column.name], table.block
    step = _step(column, block)
    for start in range(0, len(order), step):
        rows = order[start : start + step]
        if rows[0] == start and _consecutive(rows):
            continue
        if rows[0] % block == 0 and _consecutive(rows) and len(rows) % block == 0:
            rest = (0,) * (column.ndim - 1)
            for at in range(0, len(rows), block):
                mask, chunk = source.id.read_direct_chunk((int(rows[at]), *rest))
                column.id.write_direct_chunk((start + at, *rest), chunk, mask)
        else:
            column[start : start + len(rows)] = _gathered(source, rows, step)


def _step(column: h5py.Dataset, block: int) -> int:
    """Rows of a column that are moved together: whole blocks."""
    row = max(1, int(np.prod(column.shape[1:])) * column.dtype.itemsize)
    return max(1, int(_PIECE // row // block)) * block


def _consecutive(rows: np.ndarray) -> bool:
    return bool((np.diff(rows) == 1).all())


def _gathered(source: h5py.Dataset, rows: np.ndarray, step: int) -> np.ndarray:
    """Some rows of a column in the order of `rows`; neighbours are read together."""
    values = np.empty((len(rows), *source.shape[1:]), source.dtype)
    for part in _neighbours(rows, rows, step):
        first, last = int(rows[part[0]]), int(rows[part[-1]]) + 1
        values[part] = source[first:last][rows[part] - first]
    return values


def _neighbours(rows: np.ndarray, where: np.ndarray, step: int) -> Iterator[np.ndarray]:
    """Places in `rows`, those that lie within the same `step` of the file together and in ascending order."""
    ascending = np.argsort(rows, kind="stable")
    return iter(np.split(ascending, np.flatnonzero(np.diff(where[ascending] // step)) + 1))


def _move_ragged(table: Table, file: h5py.File, dim: str, order: np.ndarray) -> None:
    """Write the values of all outputs along one ragged dimension in the order of the points."""
    counts = table.file[f"{dim}_count"][:]
    ends, moved = np.cumsum(counts), np.cumsum(counts[order])
    starts, columns = ends - counts, [name for name, its in table.ragged_dims.items() if its == dim]
    first = 0
    while first < len(order):
        begin = int(moved[first] - counts[order[first]])
        # values that are moved together: of one point at least
        last = max(first + 1, int(np.searchsorted(moved, begin + _PIECE // 8, side="right")))
        rows = order[first:last]
        if not (_consecutive(rows) and starts[rows[0]] == begin):
            for name in columns:
                file[name][begin : int(moved[last - 1])] = _gathered_ragged(table.file[name], rows, starts, counts)
        first = last


def _gathered_ragged(source: h5py.Dataset, rows: np.ndarray, starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The values of some points, one after the other."""
    sizes = counts[rows]
    values, places = np.empty(int(sizes.sum()), source.dtype), np.cumsum(sizes) - sizes
    for part in _neighbours(rows, starts[rows], _PIECE // 8):
        first, last = int(starts[rows[part[0]]]), int((starts + counts)[rows[part]].max())
        found = source[first:last]
        values[_ranges(places[part], sizes[part])] = found[_ranges(starts[rows[part]] - first, sizes[part])]
    return values


def _ranges(starts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """All whole numbers of several runs, one run after the other."""
    ends = np.cumsum(sizes)
    numbers: np.ndarray = np.arange(int(ends[-1]) if len(ends) else 0) + np.repeat(starts - (ends - sizes), sizes)
    return numbers
