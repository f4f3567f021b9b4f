"""Columns of a CSV file, as lists of a space."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hpcsim.errors import SpaceError, nearest, shown
from hpcsim.files import regular

#: Bytes of the longest table that is read as a whole.
_LARGEST = 2**30


def read_columns(path: Path, names: Sequence[str] = ()) -> dict[str, list[Any]]:
    """Columns of a CSV file with a header, a value a row.

    Parameters
    ----------
    path : Path
    names : sequence of str
        The columns that are wanted; all without it.

    Returns
    -------
    dict of str to list
        A number where it is one; a word, or a number with its unit, otherwise.

    Raises
    ------
    SpaceError
        If the file cannot be read, has no rows, or a row has more or fewer values than the header.
    LookupError
        If it lacks a column.
    """
    try:
        # spreadsheets begin UTF-8 with a mark
        with regular(path, _LARGEST).open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            header = next(reader, [])
            rows = [(reader.line_num, row) for row in reader if row]
    except OSError as error:
        raise SpaceError(f"cannot be read: {error.strerror}") from error
    except (ValueError, csv.Error) as error:
        raise SpaceError(f"cannot be read: {error}; expected a CSV file in UTF-8") from error
    if not rows:
        raise SpaceError("has no rows")
    for number, row in rows:
        if len(row) != len(header):
            raise SpaceError(f"has {len(row)} values in line {number}, expected {len(header)}, as in its header")
    twice = {name for name in header if header.count(name) > 1}
    for name in names or header:
        if name not in header:
            raise LookupError(f'there is no column "{shown(name)}"; {nearest(str(name), header)}')
        if name in twice:
            raise SpaceError(f'has the column "{shown(name)}" more than once; keep one')
    places = {name: header.index(name) for name in names or header}
    return {name: [_value(row[place]) for _, row in rows] for name, place in places.items()}


def _value(text: str) -> Any:
    # Python reads 1_000 as a number, and no other program does
    try:
        return text if "_" in text else float(text)
    except ValueError:
        return text
