"""From the format of earlier versions to the present one: arrays of characters become strings."""

from __future__ import annotations

import secrets
from pathlib import Path

import h5py
import numpy as np

from hpcsim.collector.format.schema import FORMATS, PROVENANCE
from hpcsim.collector.format.storage import reserve
from hpcsim.collector.format.table import Table
from hpcsim.collector.format.text import has_characters, put, string_type, width_of

#: The attributes by which HDF5 ties a dimension to what has it; they are made anew.
_TIES = ("DIMENSION_LIST", "REFERENCE_LIST")
#: Blocks of text that are read together.
_BLOCKS = 16


def upgrade(path: Path) -> None:
    """Bring a table that nobody else has open into the present format; one that has it is not touched.

    Parameters
    ----------
    path : Path
        A shard or results.
    """
    with Table(path) as table:
        if FORMATS[table.attrs["format"]] == table.attrs["format"]:
            return
        # a collector that is killed leaves a name that the next one removes
        target = path.with_name(f".results.{secrets.token_hex(4)}.tmp")
        try:
            with h5py.File(target, "w", track_order=True, libver=("v108", "latest"), locking=False):
                pass
            reserve(target, path.stat().st_size)
            with h5py.File(target, "r+", locking=False) as file:
                _fill(table, file)
            # both names are this process's own: what it makes is published at the end
            target.replace(path)
        finally:
            target.unlink(missing_ok=True)


def _fill(table: Table, file: h5py.File) -> None:
    """Write everything that a table holds, in the same order."""
    texts = [name for name in table.roles if has_characters(table.member(name))]
    used = {dim for name, role in table.roles.items() if role != "dimension" for dim in _dims(table, name)}
    for name, role in table.roles.items():
        if name in texts:
            _write_text(table, name, file)
        elif role != "dimension" or name in used:
            # packed blocks are copied as they are
            table.file.copy(name, file)
            for tie in {*_TIES} & {*file[name].attrs}:
                del file[name].attrs[tie]
    for name, role in table.roles.items():
        if role != "dimension":
            for axis, dim in enumerate(_dims(table, name)):
                file[name].dims[axis].attach_scale(file[dim])
    if PROVENANCE in table.file:
        table.file.copy(PROVENANCE, file)
    for key, value in table.file.attrs.items():
        file.attrs[key] = value
    file.attrs["format"] = FORMATS[table.attrs["format"]]


def _dims(table: Table, name: str) -> tuple[str, ...]:
    """Dimensions of a dataset without the length of text; none of what is a dimension itself."""
    return table.dims(name) if "DIMENSION_LIST" in table.member(name).attrs else ()


def _write_text(table: Table, name: str, file: h5py.File) -> None:
    source = table.member(name)
    width, filters = width_of(source), source.compression
    dataset = file.create_dataset(
        name,
        shape=source.shape[:-1],
        maxshape=source.maxshape[:-1],
        chunks=source.chunks[:-1],
        dtype=string_type(width, filled=name == "id"),
        fletcher32=source.fletcher32,
        compression=source.compression_opts if filters else None,
    )
    for key, value in source.attrs.items():
        if key not in _TIES:
            dataset.attrs[key] = value
    step = table.block * _BLOCKS
    for start in range(0, len(source) if source.size else 0, step):
        put(dataset, np.s_[start : start + step], table.read(name, slice(start, start + step)))
