"""Results that are damaged: they are set aside, what can be read goes on as a shard, the rest is simulated again."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from hpcsim.collector.format.inspection import inspect
from hpcsim.collector.format.schema import RECIPE, Schema
from hpcsim.collector.format.soundness import Block, blocks
from hpcsim.collector.format.storage import copy, storage_error
from hpcsim.collector.format.table import Table
from hpcsim.collector.shard import ShardWriter
from hpcsim.errors import DamagedError, HpcsimError, ResultsError
from hpcsim.outputs import Batch
from hpcsim.space.identity import point_ids
from hpcsim.study.directory import StudyDirectory
from hpcsim.study.history import fingerprints, known_fingerprints
from hpcsim.study.recipe import digest
from hpcsim.study.study import Study

#: Bytes of points that are held before they are written.
_FLUSH_BYTES = 2**26
#: A file that claims to have been so many times longer is not believed.
_MOST_CUT = 64


def recover(study: Study, directory: StudyDirectory, reason: str = "", *, accept_changes: bool = False) -> list[str]:
    """Set damaged results aside under another name, and keep their readable points as shards.

    Call it only where no other process runs the study.

    Parameters
    ----------
    study : Study
    directory : StudyDirectory
    reason : str
        What is known to be wrong with them; without it, what a sweep needs is read: structure, ids and status.
    accept_changes : bool
        Points of code that has changed since are kept as well.

    Returns
    -------
    list of str
        What was done, for people; empty for results that are sound, or not there.

    Raises
    ------
    StorageError
        If the disk is full or cannot be written.
    """
    path = directory.results
    held = directory.recipe()
    recipes = known_fingerprints(study, directory) if accept_changes else fingerprints(study, directory)
    if not path.exists() or (held and digest(held) not in recipes):
        # nothing there, or another study's: whoever opens the directory says so
        return []
    reason = reason or _damage(path)
    if not reason:
        return []
    aside = next(place for i in range(1, 10**6) if not (place := path.with_name(f"results.damaged-{i}.h5")).exists())
    try:
        kept = _salvage(study, path, directory, recipes)
        path.rename(aside)
    except OSError as error:
        if isinstance(error, HpcsimError):
            raise
        raise storage_error(error, aside.name, directory.path) from error
    return [f"{path} is damaged ({reason}): it is {aside.name} now, {kept:,} of its points are kept; the others run again"]


def identities(study: Study, block: Block) -> np.ndarray:
    """Ids that follow from the parameters of some points, as they stand in a file.

    Returns
    -------
    ndarray of S32
        The ids in the file where parameters are kept with fewer digits than they had.
    """
    if study.file.outputs.precision != "float64":
        return np.asarray(block.records["id"])
    columns = {}
    for name, values in block.parameters.items():
        if values.ndim > 1:
            rows = np.empty(len(values), object)
            rows[:] = [tuple(row) for row in values.tolist()]
            columns[name] = rows
        else:
            columns[name] = values
    try:
        return point_ids(study.model.name, columns, block.records["replicate"])
    except (HpcsimError, ValueError):
        # values that no point has
        return np.full(block.stop - block.start, b"", "S32")


def _damage(path: Path) -> str:
    try:
        with Table(path) as table:
            inspect(table)
            for _, ids in table.scan_ids():
                del ids
            table.array("status")
            return ""
    except (DamagedError, ResultsError, KeyError) as error:
        return getattr(error, "reason", str(error))


def _salvage(study: Study, path: Path, directory: StudyDirectory, recipes: Sequence[str]) -> int:
    """Write the points of a damaged file that can be read as shards; returns how many."""
    schema = Schema(study.columns, study.layout, precision=study.file.outputs.precision)
    header = {"study": study.name, "model": study.model.name}
    writers = {
        name: ShardWriter(directory.shards, schema, {**header, "fingerprint": name}, stem=f"recovered-{number}")
        for number, name in enumerate(recipes)
    }
    kept = 0
    try:
        with _lengthened(path) as readable, Table(readable) as table:
            inspect(table)
            if table.attrs.get("fingerprint") not in recipes or table.attrs.get("schema") != schema.digest:
                return 0
            for block in blocks(table):
                kept += _keep(study, table, block, writers)
    except (DamagedError, ResultsError, KeyError):
        # nothing tells any more where its points are
        pass
    for writer in writers.values():
        writer.flush()
    return kept


def _keep(study: Study, table: Table, block: Block, writers: Mapping[str, ShardWriter]) -> int:
    """Give the sound rows of a block to the writers, by the recipes that made them."""
    if block.damage:
        return 0
    sound = identities(study, block) == block.records["id"]
    if RECIPE not in block.records:
        return _write(block, np.flatnonzero(sound), writers[str(table.attrs["fingerprint"])])
    names = str(table.member(RECIPE).attrs["flag_meanings"]).split()
    rows = {name: np.flatnonzero(sound & (block.records[RECIPE] == i)) for i, name in enumerate(names)}
    return sum(_write(block, rows[name], writer) for name, writer in writers.items() if name in rows)


def _write(block: Block, good: np.ndarray, writer: ShardWriter) -> int:
    records, parameters = ({name: values[good] for name, values in each.items()} for each in (block.records, block.parameters))
    outputs = {name: _some(values, good) for name, values in block.outputs.items()}
    writer.append(records, parameters, outputs)
    if writer.bytes > _FLUSH_BYTES:
        writer.flush()
    return len(good)


def _some(values: Batch, rows: np.ndarray) -> Batch:
    return values[rows] if isinstance(values, np.ndarray) else [values[i] for i in rows]


@contextmanager
def _lengthened(path: Path) -> Iterator[Path]:
    """The file, or where its end was cut off, a copy that is as long as it was: HDF5 opens no other."""
    length, size = _length(path), path.stat().st_size
    if not size < length <= size * _MOST_CUT:
        yield path
        return
    whole = path.with_name(f".recovered.{os.getpid()}.tmp")
    try:
        copy(path, whole)
        os.truncate(whole, length)
        yield whole
    finally:
        whole.unlink(missing_ok=True)


def _length(path: Path) -> int:
    """How long HDF5 left the file; 0 where it does not say (HDF5 file format specification, II.A, the superblock)."""
    with path.open("rb") as file:
        head = file.read(48)
    if head[:8] != b"\x89HDF\r\n\x1a\n" or len(head) < 48:
        return 0
    at = 40 if head[8] < 2 else 28
    return int.from_bytes(head[at : at + 8], "little")
