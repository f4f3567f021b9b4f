"""The columns of a table file: what every point has, how it is laid out in HDF5, and how values become arrays.

Shards and results share one format. Everything stands at the root, with dimension scales as netCDF-4 makes them,
so that any netCDF reader opens a file as it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from typing import Any

import h5py
import numpy as np

from hpcsim.collector.format.column import POINT, Column
from hpcsim.collector.format.text import string_type
from hpcsim.errors import ResultsError
from hpcsim.outputs import Batch, Layout, Output
from hpcsim.space.parameter import Parameter

SHARD_FORMAT = "hpcsim-shard/2"
RESULTS_FORMAT = "hpcsim-results/2"
#: Formats that are read, with the present one of their kind; in the first, text is arrays of characters.
FORMATS = {
    "hpcsim-shard/1": SHARD_FORMAT,
    "hpcsim-results/1": RESULTS_FORMAT,
    SHARD_FORMAT: SHARD_FORMAT,
    RESULTS_FORMAT: RESULTS_FORMAT,
}
CONVENTIONS = "CF-1.11"
PROVENANCE = "provenance"  # the group that says where the results come from
RECIPE = "recipe"  # the column that says which code made a row, where there are several
ORDER = "order"  # the attribute of results that names the design whose order the rows have
STATUSES = ("ok", "failed", "crashed", "timeout")
OK, FAILED, CRASHED, TIMEOUT = range(4)

ID_BYTES = 32
ERROR_BYTES = 400
HOST_BYTES = 64
WORD_BYTES = 256  # a word parameter that may be any text

_BLOCK_BYTES = 2**20
_BLOCK_ROWS = 8192
_RAGGED_CHUNK_BYTES = 2**17
_RESERVED = (POINT, PROVENANCE, RECIPE)
# netCDF-4 marks a dimension that has no values of its own with this name (netcdf-c, nc4internal.h)
_NO_VARIABLE = "This is a netCDF dimension but not a netCDF variable."


def _text(name: str, role: str, width: int, **more: Any) -> Column:
    return Column(name, role, f"S{width}", **more)


RECORDS = (
    _text("id", "record", ID_BYTES, description="identity of the point: model, parameter values, replicate", filled=True),
    Column("replicate", "record", "int32", description="number of the replicate"),
    Column("seed", "record", "uint64", description="random seed of the point"),
    Column("status", "record", "uint8", description="how the point ended"),
    _text("error", "record", ERROR_BYTES, description="why the point failed", cut=True),
    Column("attempts", "record", "int32", description="how many times the point was tried"),
    Column("wall_time", "record", "float64", unit="s", description="wall time of the point"),
    Column("cpu_time", "record", "float64", unit="s", description="CPU time of the point"),
    Column("peak_memory", "record", "float64", unit="MB", description="most memory the process had"),
    _text("host", "record", HOST_BYTES, description="where the point ran", cut=True),
)


def _parameter_column(parameter: Parameter) -> Column:
    value = parameter.default
    dims: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()
    kind: Any = value
    if isinstance(value, tuple):
        dims, shape = (f"{parameter.name}_element",), (len(value),)
        kind = value[0] if value and isinstance(value[0], str) else 0.0
    more: dict[str, Any] = {"unit": parameter.unit, "description": parameter.description}
    if isinstance(kind, str):
        words = [*parameter.choices, kind] if parameter.choices else []
        width = max((len(word.encode()) for word in words), default=WORD_BYTES) or 1
        return Column(parameter.name, "parameter", f"S{width}", dims, shape, **more)
    switch = isinstance(kind, bool)
    dtype = "int8" if switch else "int64" if isinstance(kind, int) else "float64"
    return Column(parameter.name, "parameter", dtype, dims, shape, switch=switch, **more)


def _output_column(output: Output, layout: Layout) -> Column:
    kind = np.dtype(output.dtype).kind
    if kind not in "biuf":
        raise ResultsError(f"output {output.name}: the type {output.dtype} cannot be kept; use float, int or bool")
    switch = kind == "b"
    dtype = "int8" if switch else output.dtype
    dims, shape, leading = output.dims, layout.shape(output.name), POINT
    if output.ragged:
        dims, shape, leading = (), (), output.dims[0]
    return Column(
        output.name,
        "output",
        dtype,
        dims,
        shape,
        output.unit,
        output.description,
        leading,
        switch=switch,
        drawn_as=output.drawn_as,
    )


@dataclass(frozen=True, eq=False)
class Schema:
    """What the table of a study holds.

    Parameters
    ----------
    parameters : tuple of Parameter
        The default's type (and length, of a tuple) is the type of the column.
    layout : Layout
        The outputs that are kept.
    level : int
        gzip level of all compressed datasets; 0 for none.
    precision : str
        ``float32`` or ``float64``, for all outputs and parameters that are float64.

    Raises
    ------
    ResultsError
        If two columns or dimensions have the same name, or a name cannot stand in a file.
    """

    parameters: tuple[Parameter, ...]
    layout: Layout
    level: int = 1
    precision: str = "float64"

    def __post_init__(self) -> None:
        owner = dict.fromkeys(_RESERVED, "name that the file format keeps for itself")
        named = [(column.name, column.role) for column in self.columns]
        dims = {dim for column in self.columns for dim in (*column.dims, column.leading)} - {POINT}
        for name, what in [*named, *((dim, "dimension") for dim in sorted(dims))]:
            if not name or "/" in name or name == "." or not name.isprintable():
                raise ResultsError(f'the {what} "{name}" cannot be a name in a file; use letters, digits and "_"')
            if name in owner:
                raise ResultsError(f'the {what} "{name}" has the name of a {owner[name]}; give one another name')
            owner[name] = what

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """Every dataset that has a row or a run of values for each point."""
        outputs = [_output_column(output, self.layout) for output in self.layout.outputs.values()]
        ragged = dict.fromkeys(column.leading for column in outputs if column.leading != POINT)
        counts = [Column(f"{dim}_count", "count", "int64", description=f"values along {dim}") for dim in ragged]
        values = [self._rounded(column) for column in (*map(_parameter_column, self.parameters), *counts, *outputs)]
        return (*RECORDS, *values)

    def _rounded(self, column: Column) -> Column:
        return replace(column, dtype=self.precision) if column.dtype == "float64" else column

    @cached_property
    def ragged(self) -> tuple[str, ...]:
        """The ragged dimensions."""
        return tuple(dict.fromkeys(column.leading for column in self.columns if column.leading != POINT))

    @cached_property
    def block(self) -> int:
        """Rows of one chunk of every per-point dataset: a power of two, about 1 MiB in all."""
        rows = max(1, _BLOCK_BYTES // sum(column.row_bytes for column in self.columns))
        return min(_BLOCK_ROWS, 1 << (rows.bit_length() - 1))

    @cached_property
    def digest(self) -> str:
        """Hash of everything that must be equal for rows of two files to stand in one."""
        coordinates = [
            [dim, coordinate.unit, coordinate.values.dtype.kind, coordinate.values.tolist()]
            for dim, coordinate in sorted(self.layout.coordinates.items())
        ]
        # the rows of both versions of the format may stand in one file
        what = json.dumps(["hpcsim-shard/1", self.block, self.level, [*map(_described, self.columns)], coordinates], default=str)
        return blake2b(what.encode(), digest_size=16).hexdigest()

    def create(self, file: h5py.File, header: Mapping[str, str]) -> None:
        """Make an empty table in a new file."""
        file.attrs["Conventions"] = CONVENTIONS
        file.attrs["format"] = SHARD_FORMAT
        file.attrs["schema"] = self.digest
        file.attrs["block"] = self.block
        # which variables are coordinates, by the CF conventions: xarray opens the file labelled
        labels = ["id", "replicate", *(column.name for column in self.columns if column.role == "parameter")]
        file.attrs["coordinates"] = " ".join(name for name in labels if " " not in name)
        for key, value in header.items():
            file.attrs[key] = value
        scales = self._dimensions(file)
        for column in self.columns:
            dataset = self._column(file, column)
            for axis, dim in enumerate((column.leading, *column.dims)):
                dataset.dims[axis].attach_scale(scales[dim])

    def _dimensions(self, file: h5py.File) -> dict[str, h5py.Dataset]:
        sizes: dict[str, int | None] = {POINT: None, **dict.fromkeys(self.ragged)}
        for column in self.columns:
            sizes.update(zip(column.dims, column.shape, strict=True))
        scales = {}
        for number, (dim, size) in enumerate(sizes.items()):
            scales[dim] = self._coordinate(file, dim) if dim in self.layout.coordinates else _bare(file, dim, size)
            scales[dim].attrs["_Netcdf4Dimid"] = np.int32(number)
        return scales

    def _coordinate(self, file: h5py.File, dim: str) -> h5py.Dataset:
        coordinate = self.layout.coordinates[dim]
        values = coordinate.values
        if values.dtype.kind in "USO":
            # never moved as chunks, so these may be strings of any length
            words = [_without_zeros(word) for word in values.astype(str).tolist()]
            dataset = file.create_dataset(dim, data=np.array(words, object), dtype=h5py.string_dtype())
        else:
            dataset = file.create_dataset(dim, data=values)
        dataset.attrs["hpcsim_role"] = "coordinate"
        if coordinate.unit:
            dataset.attrs["units"] = coordinate.unit
        dataset.make_scale(dim)
        return dataset

    def _column(self, file: h5py.File, column: Column) -> h5py.Dataset:
        if column.leading == POINT:
            chunks = (self.block, *(max(1, size) for size in column.shape))
        else:
            chunks = (_RAGGED_CHUNK_BYTES // column.width,)
        # ids are random digits, which do not shrink, and they are read more often than anything else
        level = self.level if column.name != "id" and self.level > 0 else None
        dataset = file.create_dataset(
            column.name,
            shape=(0, *column.shape),
            maxshape=(None, *(size or None for size in column.shape)),  # HDF5 wants room for a chunk
            chunks=chunks,
            dtype=string_type(column.width, filled=column.filled) if column.text else column.dtype,
            # not of text: blocks of ids are the same in both versions of the format, and empty texts take less
            shuffle=level is not None and column.width > 1 and not column.text,
            # deflate has a checksum of its own, Adler-32
            fletcher32=level is None,
            compression=level,
        )
        attributes: dict[str, Any] = {"hpcsim_role": column.role, "units": column.unit, "long_name": column.description}
        attributes["hpcsim_drawn_as"] = column.drawn_as
        if column.text:
            # xarray gives str
            attributes["_Encoding"] = "utf-8"
        if column.switch:
            attributes["dtype"] = "bool"
        if column.name == "status":
            attributes["flag_values"] = np.arange(len(STATUSES), dtype="uint8")
            attributes["flag_meanings"] = " ".join(STATUSES)
        if column.role == "count":
            attributes["sample_dimension"] = column.name.removesuffix("_count")
        for key, value in attributes.items():
            if not isinstance(value, str) or value:
                dataset.attrs[key] = _without_zeros(value) if isinstance(value, str) else value
        return dataset


def _described(column: Column) -> list[Any]:
    """What of a column must agree; text as the first version of the format has it, so that its files fit."""
    dtype, dims, shape = column.dtype, column.dims, column.shape
    if column.text:
        dtype, dims, shape = "S1", (*dims, f"string{column.width}"), (*shape, column.width)
    return [column.name, column.role, dtype, column.leading, dims, shape, column.unit]


def _without_zeros(text: str) -> str:
    """A text as HDF5 holds it: there, a zero byte ends one."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _bare(file: h5py.File, dim: str, size: int | None) -> h5py.Dataset:
    """A dimension without values: netCDF-4 keeps an empty dataset for it."""
    limits = {"maxshape": (None,), "chunks": (1024,)} if not size else {}
    dataset = file.create_dataset(dim, shape=(size or 0,), dtype=">f4", **limits)
    dataset.attrs["hpcsim_role"] = "dimension"
    dataset.make_scale(f"{_NO_VARIABLE}{size or 0:10d}")
    return dataset


def blank_rows(layout: Layout, n: int) -> dict[str, Batch]:
    """The outputs of `n` points that failed: NaN, 0 in integers, nothing where ragged."""
    return {name: layout.blank(name, n) for name in layout.outputs}
