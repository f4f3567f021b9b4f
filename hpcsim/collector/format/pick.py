"""Single rows of a file, without the rest of it."""

from __future__ import annotations

import numpy as np

from hpcsim.collector.format.table import Table

#: One of how many rows is so few that each chunk is read alone.
_SPARSE = 32


def pick(table: Table, name: str, rows: np.ndarray, *, raw: bool = False) -> np.ndarray:
    """Some rows of a column; only pieces of the file in which they stand are read.

    Parameters
    ----------
    table : Table
    name : str
        A column that has a row a point.
    rows : ndarray of int
        Ascending.
    raw : bool
        Values as they are stored, in place of text as str.
    """
    read = table.read if raw else table.array
    # of few rows here and there, no more than their chunks
    step = table.block if len(rows) * _SPARSE < len(table) else table.piece(name)
    parts = [
        read(name, slice(int(part[0]), int(part[-1]) + 1))[part - part[0]]
        for part in np.split(rows, np.flatnonzero(np.diff(rows // step)) + 1)
        if len(part)
    ]
    return np.concatenate(parts) if parts else read(name, slice(0, 0))
