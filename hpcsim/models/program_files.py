"""Files by which a program is told its parameters, and those in which it leaves numbers."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from hpcsim.errors import SimulationError, nearest, shown
from hpcsim.files import read_arrays
from hpcsim.space.parameter import Value

#: In place of a file's name: what the program prints.
STANDARD_OUTPUT = "-"
#: Bytes of columns of text that are read.
_LARGEST = 2**30


def write_parameters(path: Path, values: Mapping[str, Value], seed: int, template: Path | str | None = None) -> None:
    """Write a file with parameters: JSON, TOML, or a template that is filled.

    Raises
    ------
    SimulationError
        If the template names something else, or the format is neither of both.
    """
    every = {"seed": seed, **{name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}}
    path.parent.mkdir(parents=True, exist_ok=True)
    if template is not None:
        path.write_text(_filled(Path(template), every), encoding="utf-8")
    elif path.suffix == ".json":
        path.write_text(json.dumps(every, indent=1) + "\n", encoding="utf-8")
    elif path.suffix == ".toml":
        import tomli_w

        path.write_text(tomli_w.dumps(every), encoding="utf-8")
    else:
        raise SimulationError(f'parameters are written as .json or .toml, or with a template; found "{path.name}"')


def _filled(template: Path, values: Mapping[str, Any]) -> str:
    try:
        text = template.read_text(encoding="utf-8")
    except OSError as error:
        raise SimulationError(f"the template {template} cannot be read: {error.strerror}") from error
    try:
        return Template(text).substitute(values)
    except KeyError as error:
        name = str(error.args[0])
        raise SimulationError(f"{template.name}: there is no parameter ${name}; {nearest(name, values)}") from None
    except ValueError as error:
        raise SimulationError(f"{template.name}: {error}; write $$ for a dollar") from None


def read_output(path: Path, written: Iterable[str] = ()) -> dict[str, np.ndarray]:
    """The arrays of a file by their names.

    Parameters
    ----------
    path : Path
        ``.npy``, ``.npz``, ``.h5``, or columns of text.
    written : iterable of str
        What the program wrote, for the message.

    Raises
    ------
    SimulationError
        If it is not there, or not what its name says.
    """
    if not path.is_file():
        there = ", ".join(written)
        raise SimulationError(f"wrote no {path.name}; it wrote {shown(there) if there else 'nothing'}")
    try:
        if path.suffix in (".npy", ".npz"):
            return {name or path.stem: values for name, values in read_arrays(path).items()}
        if path.suffix in (".h5", ".hdf5"):
            return _datasets(path)
    except (OSError, ValueError, LookupError, RuntimeError, TypeError) as error:
        raise SimulationError(f"{path.name} cannot be read: {shown(error)}") from error
    return _columns(path)


def _datasets(path: Path) -> dict[str, np.ndarray]:
    import h5py

    found: dict[str, np.ndarray] = {}

    def take(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = np.asarray(item[()])

    with h5py.File(path, "r") as file:
        file.visititems(take)
    return found


def _columns(path: Path) -> dict[str, np.ndarray]:
    """Columns of text, each as long as to its last number; what is blank before is NaN."""
    if path.stat().st_size > _LARGEST:
        raise SimulationError(f"{path.name} has {path.stat().st_size:,} bytes; expected at most {_LARGEST:,}; write .npy or .h5")
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        lines = list(_rows(file))
    if not lines:
        raise SimulationError(f"{path.name} is empty")
    number, first = lines[0]
    named = not all(map(_is_number, first))
    names = [name.strip() for name in first] if named else [str(i) for i in range(len(first))]
    columns: list[list[float]] = [[] for _ in names]
    lengths = [0] * len(names)
    for number, row in lines[1:] if named else lines:
        if len(row) > len(names):
            raise SimulationError(f"{path.name}, line {number}: {len(row)} values; expected {len(names)} ({', '.join(names)})")
        cells = [*row, *[""] * (len(names) - len(row))]
        for i, (name, column, cell) in enumerate(zip(names, columns, cells, strict=True)):
            if not _is_number(cell):
                raise SimulationError(f'{path.name}, line {number}: "{shown(cell)}" in the column {name} is no number')
            column.append(float(cell) if cell.strip() else math.nan)
            # columns may end before others do
            lengths[i] = len(column) if cell.strip() else lengths[i]
    return {name: np.array(column[:length]) for name, column, length in zip(names, columns, lengths, strict=True)}


def _rows(file: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """Lines with their numbers, cut at commas, semicolons, tabs or spaces; a sharp before the names is no part of them."""
    mark: str | None = None
    for number, line in enumerate(file, 1):
        text = line.strip("\r\n\ufeff")
        if mark is not None and text.lstrip().startswith("#"):
            continue
        text = text.lstrip().lstrip("#") if mark is None else text
        if not text.strip():
            continue
        if mark is None:
            mark = next((sign for sign in ",;\t" if sign in text), " ")
        yield number, text.split() if mark == " " else next(csv.reader([text], delimiter=mark))


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return not cell.strip()
    return True
