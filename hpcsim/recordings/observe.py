"""A folder of recordings becomes one table of observations; what cannot be used is left out with its reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hpcsim.errors import ResultsError
from hpcsim.recordings.observations import save_observations

if TYPE_CHECKING:
    from pandas import DataFrame

#: ``extract(file)``: a table with one row.
Extract = Callable[[Path], "DataFrame"]


def recordings(paths: Iterable[Path]) -> list[Path]:
    """NWB files: those that are named, and those in folders that are named.

    Raises
    ------
    ResultsError
        If there is none, or two have one name.
    """
    files = [file for path in paths for file in (sorted(path.rglob("*.nwb")) if path.is_dir() else [path])]
    if not files:
        raise ResultsError("there is no NWB file; expected files, or folders with files that end in .nwb")
    named: dict[str, Path] = {}
    for file in files:
        other = named.setdefault(file.stem, file)
        if other != file:
            raise ResultsError(f"{file} and {other} have one name; expected one name per cell: rename one")
    return files


def observe(files: Sequence[Path], extract: Extract, path: Path) -> tuple[DataFrame, dict[str, str]]:
    """Extract the features of every file, and write those that have them.

    Parameters
    ----------
    files : sequence of Path
    extract : callable
        Such as :func:`hpcsim.recordings.nwb.observed_table` of one file.
    path : Path
        A CSV file; how it was made goes into a JSON file beside it.

    Returns
    -------
    table : DataFrame
        A row a cell.
    left_out : dict of str to str
        By file, why it is not in the table; also in ``attrs["left_out"]``.

    Raises
    ------
    ResultsError
        If no file can be used.
    """
    import pandas

    tables: list[DataFrame] = []
    left_out: dict[str, str] = {}
    for file in files:
        try:
            tables.append(extract(file))
        except ResultsError as error:
            left_out[file.name] = str(error).removeprefix(f"{file}: ")
    if not tables:
        first = next(iter(left_out.items()))
        raise ResultsError(f"none of {len(files)} files can be used; {first[0]}: {first[1]}")
    table = pandas.concat([each.rename_axis("cell") for each in tables])
    table.attrs = dict(tables[0].attrs)
    for each in tables[1:]:
        for key, value in each.attrs.items():
            if isinstance(value, dict):
                table.attrs[key] = {**table.attrs.get(key, {}), **value}
    table.attrs["left_out"] = left_out
    path.parent.mkdir(parents=True, exist_ok=True)
    save_observations(table, path)
    return table, left_out
