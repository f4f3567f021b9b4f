"""The point of another study that a point of a model goes back to."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hpcsim.errors import SimulationError

#: Values that a message lists.
_SHOWN = 5


def parent_row(table: Any, values: Mapping[str, Any], replicate: int = 0, *, free: Collection[str] = ()) -> int:
    """Find the row of a parent study whose parameters are those of a point, as far as both have them.

    Parameters
    ----------
    table : Table
        Results of the parent, as :meth:`Context.input` gives them.
    values : mapping
        Parameters of the point.
    replicate : int
        Of the point; the parent's first one where it has no such.
    free : collection of str
        Parameters that may differ.

    Returns
    -------
    int
        Of a row that succeeded.

    Raises
    ------
    SimulationError
        If there is none; the message names parameters and what the parent has.
    """
    shared = [name for name in table.names("parameter") if name in values and name not in free]
    good = table.good
    agree = {name: _equal(table.array(name), values[name]) for name in shared}
    found = np.flatnonzero(np.logical_and.reduce([good, *agree.values()]))
    if not len(found):
        raise SimulationError(_complaint(table, values, good, agree))
    same = found[table.array("replicate")[found] == replicate]
    return int(same[0] if len(same) else found[0])


def _equal(column: np.ndarray, value: Any) -> np.ndarray:
    """Which rows of a column hold a value; a parent may have been written with the digits of float32."""
    if column.dtype == np.float32:
        value = np.asarray(value, np.float32)
    if column.ndim == 1:
        return np.asarray(column == value)
    wanted = np.asarray(value)
    if column.shape[1:] != wanted.shape:
        return np.zeros(len(column), bool)
    return np.asarray((column == wanted).all(axis=tuple(range(1, column.ndim))))


def _complaint(table: Any, values: Mapping[str, Any], good: np.ndarray, agree: Mapping[str, np.ndarray]) -> str:
    place = Path(table.path).parent.name
    if not good.any():
        return f"the study {place} has no point that succeeded; see `hpcsim status {place}`"
    never = [name for name, rows in agree.items() if not (rows & good).any()]
    if not never:
        return f"the study {place} has each of the parameters' values in some point, but no point with all of them"
    words = []
    for name in never[:_SHOWN]:
        there = sorted({str(item) for item in table.array(name)[good].tolist()})
        words.append(f"{name} is {values[name]!r} here and {', '.join(there[:_SHOWN])} there")
    return f"no point of the study {place} was made with these parameters: {'; '.join(words)}"
