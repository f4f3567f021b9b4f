"""Whether a file is built as hpcsim builds it: a look at all its parts, without reading values."""

from __future__ import annotations

from typing import Any

import h5py

from hpcsim.collector.format.column import POINT
from hpcsim.collector.format.guard import damaged, member, reading
from hpcsim.collector.format.schema import PROVENANCE, RECIPE, RECORDS
from hpcsim.collector.format.table import Table
from hpcsim.collector.format.text import kind_of, shape_of

#: Roles of the datasets that have a row, or a run of values, for each point.
COLUMNS = ("record", "parameter", "count", "output")


def inspect(table: Table) -> Table:
    """Look at all that a file is made of; returns the table.

    Raises
    ------
    DamagedError
        If it is not what hpcsim writes: links, values in other files, columns of other lengths, types or blocks.
    """
    with reading(table.path):
        if PROVENANCE in table.file:
            group = member(table.path, table.file, PROVENANCE)
            for name in group:
                member(table.path, group, name)
        dtypes = {column.name: column.dtype for column in RECORDS if column.dtype != "float64"}
        for name in {*dtypes, *table.roles}:
            kind, role = kind_of(table.member(name)), table.roles[name]
            if name in dtypes and (role != "record" or kind != dtypes[name]):
                raise damaged(table.path, f'"{name}" is {role} of type {kind}, expected a record of {dtypes[name]}')
            if role in COLUMNS:
                _inspect_column(table, name)
    return table


def _inspect_column(table: Table, name: str) -> None:
    dataset = table.member(name)
    if dataset.dtype.kind not in "biufS" or not dataset.chunks:
        raise damaged(table.path, f'"{name}" has the type {dataset.dtype} and the blocks {dataset.chunks}')
    if table.dims(name)[0] == POINT and (len(dataset) != len(table) or dataset.chunks[0] != table.block):
        found = f"{len(dataset)} rows in blocks of {dataset.chunks[0]}"
        raise damaged(table.path, f'"{name}" has {found}, expected {len(table)} and {table.block}')


def structure(table: Table) -> tuple[Any, ...]:
    """What must be equal for blocks of one table to be moved into another: names, types, shapes, blocks."""
    # only results have the column of recipes
    names = [(name, role) for name, role in table.roles.items() if role in COLUMNS and name != RECIPE]
    return tuple(sorted((name, role, *_layout(table.member(name)), table.dims(name)) for name, role in names))


def _layout(dataset: h5py.Dataset) -> tuple[str, tuple[int, ...], tuple[int, ...]]:
    """Type, shape of a row, and blocks of a column, but for how text is stored."""
    shape = shape_of(dataset)
    return str(kind_of(dataset)), shape[1:], dataset.chunks[: len(shape)]
