"""Which rows to leave out when the same point stands in several files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hpcsim.collector.format.ids import Ids
from hpcsim.collector.format.schema import OK
from hpcsim.collector.format.table import Table


@dataclass(frozen=True)
class Drops:
    """Rows to leave out, ascending: of the table that is there, and of each new file."""

    old: np.ndarray
    new: dict[Path, np.ndarray]


def find_duplicates(table: Table, paths: Sequence[Path]) -> Drops:
    """Compare the ids of new files with one another and with those of a table.

    Equal points are equal, so the first one stays; but a point that succeeded replaces one that failed.

    Parameters
    ----------
    table : Table
        Read a piece at a time.
    paths : sequence of Path
        Files whose ids fit in memory together; those that are gone have no rows.
    """
    sizes, ids, ok = _read(paths)
    known = Ids(ids)
    keep = _winners(known.first, ok)
    # the row that speaks for all rows of its id
    winner = np.zeros(len(ids), np.intp)
    winner[known.first[keep]] = np.flatnonzero(keep)
    old = []
    for start, present in table.scan_ids():
        first = known.find(present)
        rows = np.flatnonzero(first >= 0)
        if not len(rows):
            continue
        status = table.read("status", slice(start, start + len(present)))[rows]
        new = winner[first[rows]]
        better = (status != OK) & ok[new]
        keep[new[~better]] = False
        old.append(start + rows[better])
    parts = np.split(keep, np.cumsum(sizes)[:-1]) if sizes else []
    new_drops = {path: np.flatnonzero(~part) for path, part in zip(paths, parts, strict=True)}
    return Drops(np.concatenate(old) if old else np.empty(0, np.int64), new_drops)


def _read(paths: Sequence[Path]) -> tuple[list[int], np.ndarray, np.ndarray]:
    sizes, ids, ok = [], [np.empty(0, "S32")], [np.empty(0, bool)]
    for path in paths:
        try:
            with Table(path) as shard:
                ids.append(shard.ids())
                ok.append(shard.read("status") == OK)
        except FileNotFoundError:
            ids.append(ids[0])
            ok.append(ok[0])
        sizes.append(len(ids[-1]))
    return sizes, np.concatenate(ids), np.concatenate(ok)


def _winners(first: np.ndarray, ok: np.ndarray) -> np.ndarray:
    """Of all rows with one id: the first that succeeded, or the first."""
    rows = np.arange(len(first))
    keep: np.ndarray = first == rows
    again = np.unique(first[~keep])
    rivals = np.flatnonzero(np.isin(first, again))
    keep[rivals] = False
    order = rivals[np.lexsort((rivals, ~ok[rivals], first[rivals]))]
    keep[order[np.unique(first[order], return_index=True)[1]]] = True
    return keep
