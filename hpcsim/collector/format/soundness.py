"""Whether every value of a file can be read as it was written, block by block."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import h5py
import numpy as np

from hpcsim.collector.format.column import POINT
from hpcsim.collector.format.guard import damaged
from hpcsim.collector.format.inspection import COLUMNS
from hpcsim.collector.format.schema import PROVENANCE, STATUSES
from hpcsim.collector.format.table import Table
from hpcsim.errors import HpcsimError
from hpcsim.outputs import Batch

#: The attribute with the checksum of the provenance; results of early versions have none.
CHECKSUM = "provenance_crc32"


@dataclass(frozen=True)
class Block:
    """Some points of a file, with all that is known of them.

    Parameters
    ----------
    start, stop : int
        First row and one past the last.
    records, parameters, outputs : mapping of str to array or list of arrays
        Empty where they cannot be read.
    damage : str
        Why they cannot be read, or what is wrong with them; empty for a block that is as it was written.
    """

    start: int
    stop: int
    records: Mapping[str, Any]
    parameters: Mapping[str, Any]
    outputs: Mapping[str, Batch]
    damage: str = ""


def blocks(table: Table) -> Iterator[Block]:
    """All points of a file, a block of rows at a time; what is damaged is told, and does not end it.

    Where the lengths of a ragged output are lost, nothing says where the values of later points begin: they are damaged, too.
    """
    lost = missing_chunks(table)
    ends = dict.fromkeys(set(table.ragged_dims.values()), 0)
    broken = ""
    for start in range(0, len(table), table.block):
        stop = min(start + table.block, len(table))
        damage = broken or lost.get(start, "")
        if not damage:
            try:
                yield _block(table, start, stop, ends)
                continue
            except HpcsimError as error:
                damage = getattr(error, "reason", str(error))
        if ends and not broken:
            broken = _skip(table, start, stop, ends)
        yield Block(start, stop, {}, {}, {}, damage)


def _block(table: Table, start: int, stop: int, ends: dict[str, int]) -> Block:
    rows = slice(start, stop)
    records = {name: table.array(name, rows) for name in table.names("record")}
    records["id"] = table.ids(start, stop)
    parameters = {name: table.array(name, rows) for name in table.names("parameter")}
    outputs: dict[str, Batch] = {}
    if (records["status"] >= len(STATUSES)).any():
        raise damaged(table.path, "rows have a status that does not exist")
    begins = dict(ends)
    counts = {dim: table.array(f"{dim}_count", rows) for dim in ends}
    for name in table.names("output"):
        dim = table.ragged_dims.get(name)
        if dim is None:
            outputs[name] = table.array(name, rows)
            continue
        expected = int(counts[dim].sum())
        values = table.array(name, slice(begins[dim], begins[dim] + expected))
        if (counts[dim] < 0).any() or len(values) != expected:
            raise damaged(table.path, f'"{name}" has {len(values)} values where {expected} are expected')
        outputs[name] = np.split(values, np.cumsum(counts[dim])[:-1])
    for dim, values in counts.items():
        ends[dim] += int(values.sum())
    return Block(start, stop, records, parameters, outputs)


def _skip(table: Table, start: int, stop: int, ends: dict[str, int]) -> str:
    """Find where the values of the next block begin; otherwise why not."""
    try:
        for dim in ends:
            ends[dim] += int(table.array(f"{dim}_count", slice(start, stop)).sum())
    except HpcsimError as error:
        return f"the lengths of earlier points are lost: {getattr(error, 'reason', str(error))}"
    return ""


def provenance_checksum(file: h5py.File) -> int:
    """The crc32 of what a file says about where it comes from."""
    group = file[PROVENANCE]
    return crc32("\0".join(f"{name}\0{group[name].asstr()[()]}" for name in sorted(group)).encode())


def missing_chunks(table: Table) -> dict[int, str]:
    """Blocks of rows of which HDF5 has lost a piece: it would give zeros for them, or bytes that it did not unpack."""
    lost: dict[int, str] = {}
    for name in table.roles:
        dataset = table.member(name)
        if not dataset.chunks or 0 in dataset.shape or table.roles[name] not in COLUMNS:
            continue
        if table.dims(name)[0] != POINT:
            continue
        present = _chunks(dataset)
        for start in range(0, len(dataset), dataset.chunks[0]):
            if start not in present:
                lost.setdefault(start, f'"{name}" has lost the values of rows {start} to {start + dataset.chunks[0]}')
    return lost


def _chunks(dataset: h5py.Dataset) -> set[int]:
    """First rows of the pieces that are there, with all filters applied."""
    found: set[int] = set()

    def see(info: Any) -> None:
        if not info.filter_mask:
            found.add(int(info.chunk_offset[0]))

    dataset.id.chunk_iter(see)
    return found
