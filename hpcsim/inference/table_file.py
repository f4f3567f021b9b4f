"""Tables that people send: CSV with a row an observation or cell, as spreadsheets of any country write it."""

from __future__ import annotations

import csv
import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hpcsim.errors import ResultsError, shown
from hpcsim.files import regular

if TYPE_CHECKING:
    from pandas import DataFrame

_SEPARATORS = (",", ";", "\t")
#: What stands for a value that is not there.
_ABSENT = ["", "NA", "N/A", "n/a", "nan", "NaN", "-nan", "-NaN", "null", "NULL", "None", "<NA>", "#N/A", "#NA"]
#: How much of the numbers tells whether they have a decimal comma, in characters.
_LOOKED_AT = 2**18
_SHOWN = 5


def read_rows(path: Path, what: str = "table") -> DataFrame:
    """A CSV file whose first column names the rows, and whose first row names the columns; names may be there twice.

    A byte order mark, semicolons or tabs between columns, and with these a decimal comma, are understood.

    Parameters
    ----------
    path : Path
    what : str
        What it holds, for the message.

    Returns
    -------
    DataFrame
        Names of rows and columns are texts as they stand in the file.

    Raises
    ------
    ResultsError
        If no table can be read.
    """
    import pandas

    try:
        with regular(path).open(encoding="utf-8-sig", newline="") as file:
            header, sample = file.readline(), file.read(_LOOKED_AT)
        separator = max(_SEPARATORS, key=lambda mark: len(_cells(header, mark)))
        names = _cells(header, separator)
        if not names:
            raise ValueError("its first line names no columns")
        comma = separator != "," and re.search(r"\d,\d", sample) and not re.search(r"\d\.\d", sample)
        absent = dict.fromkeys(range(1, len(names)), _ABSENT)
        with warnings.catch_warnings():
            # a row with more columns than the header would lose some, silently
            warnings.simplefilter("error", pandas.errors.ParserWarning)
            table = pandas.read_csv(
                path,
                sep=separator,
                decimal="," if comma else ".",
                encoding="utf-8-sig",
                index_col=False,
                header=0,
                names=list(range(len(names))),
                converters={0: str.strip},
                keep_default_na=False,
                na_values=absent,  # a cell may be called NA
                low_memory=False,
            )
    except pandas.errors.ParserWarning as error:
        raise ResultsError(
            f"{path}: a row has more values than the header has names ({len(names)}); correct the table"
        ) from error
    except (OSError, ValueError, IndexError) as error:
        raise ResultsError(f"{path}: no {what} can be read here ({error}); expected CSV with a row a cell") from error
    table = table.set_index(0).rename_axis(names[0] or None)
    table.columns = pandas.Index(names[1:], dtype=object)
    return table


def _cells(line: str, separator: str) -> list[str]:
    """The cells of one line; none where it is not written with this separator."""
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=separator), [])]
    except csv.Error:
        return []


def read_table(path: str | Path) -> DataFrame:
    """A CSV file with a row a cell, whose first column names the cells.

    Raises
    ------
    ResultsError
        If there is no such table, or a cell or column is there twice.
    """
    table = read_rows(Path(path))
    check_names(table, path)
    return table


def check_names(table: DataFrame, path: str | Path, lines: np.ndarray | None = None) -> None:
    """Complain about a row or column that is there twice.

    Parameters
    ----------
    table : DataFrame
    path : path
    lines : ndarray of int, shape (rows,), optional
        Where the rows stand in the file; the message names them.

    Raises
    ------
    ResultsError
    """
    for word, names in (("cell", table.index), ("column", table.columns)):
        twice = names[names.duplicated()].unique()
        if len(twice):
            where = ""
            if word == "cell" and lines is not None:
                found = [f"{name} in lines {', '.join(map(str, lines[names == name]))}" for name in twice[:_SHOWN]]
                where = f": {'; '.join(found)}"
            raise ResultsError(f"{path}: {listed(twice, word)} there more than once{where}; expected each name once")


def listed(names: Iterable[object], what: str) -> str:
    """A few names and their number: ``3 cells (a, b, c)``."""
    every = [str(name) for name in names]
    shown = ", ".join(every[:_SHOWN]) + (", ..." if len(every) > _SHOWN else "")
    return f"{len(every)} {what}{'s' if len(every) != 1 else ''} ({shown})"


def stored_names(found: object) -> tuple[str, ...]:
    """Names as a JSON file holds them.

    Raises
    ------
    TypeError, ValueError
        If it is no list of texts, each there once.
    """
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise TypeError(f"found {shown(found)}, expected names")
    if len(set(found)) < len(found):
        raise ValueError(f"found {shown(found)}, expected each name once")
    return tuple(found)
