"""Shards: the immutable files in which a task leaves its finished points."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import h5py
import numpy as np

from hpcsim.collector.appender import Appender
from hpcsim.collector.format.column import POINT, gather, pieces
from hpcsim.collector.format.inspection import inspect, structure
from hpcsim.collector.format.schema import FORMATS, SHARD_FORMAT, Schema
from hpcsim.collector.format.storage import checksum, copy, reserve, storage_error, write
from hpcsim.collector.format.table import Table
from hpcsim.collector.format.text import put
from hpcsim.collector.format.upgrade import upgrade
from hpcsim.errors import ResultsError, ShardError
from hpcsim.files import publish
from hpcsim.outputs import Batch

_GROWTH = 2**21


@dataclass(frozen=True)
class ShardInfo:
    """What is known of a shard that can be trusted."""

    path: Path
    rows: int
    fingerprint: str
    schema_digest: str
    structure: tuple[Any, ...] = ()


class ShardWriter:
    """Collects the finished points of a task and writes them as shards.

    Parameters
    ----------
    directory : Path
        Where the shards go; made if missing.
    schema : Schema
    header : mapping of str to str
        ``study``, ``model`` and ``fingerprint`` (the identity of the code that made the numbers).
    stem : str
        Names the task.
    """

    def __init__(self, directory: Path, schema: Schema, header: Mapping[str, str], stem: str) -> None:
        self.directory = Path(directory)
        self.schema = schema
        self.header = dict(header)
        self.stem = stem
        # two copies of one task never write the same name
        self._token = secrets.token_hex(4)
        self._sequence = 0
        self._shapes = {column.name: column.shape for column in schema.columns if column.leading == POINT}
        self._needs = {
            role: [column.name for column in schema.columns if column.role == role] for role in ("record", "parameter", "output")
        }
        self._fixed_bytes = sum(column.row_bytes for column in schema.columns)
        self._ragged = [column.name for column in schema.columns if column.leading != POINT]
        self._clear()

    def _clear(self) -> None:
        self.rows = 0
        self.bytes = 0
        self._held: dict[str, list[Any]] = {name: [] for names in self._needs.values() for name in names}

    def append(self, records: Mapping[str, Any], parameters: Mapping[str, Any], outputs: Mapping[str, Batch]) -> None:
        """Hold some rows until the next flush. The arrays are kept, not copied.

        Parameters
        ----------
        records, parameters, outputs : mapping of str to batch
            All columns of the schema, each with a leading axis of points; others are not written.

        Raises
        ------
        ResultsError
            If a column is missing, or differs in its number of rows or its shape.
        """
        rows = len(records["id"]) if "id" in records else 0
        added = []
        for role, given in (("record", records), ("parameter", parameters), ("output", outputs)):
            for name in self._needs[role]:
                if name not in given:
                    raise ResultsError(f"{role} {name}: missing in the rows of {self.stem}; given: {', '.join(given)}")
                values = given[name]
                if len(values) != rows:
                    raise ResultsError(f"{role} {name}: {len(values)} rows, but there are {rows} ids")
                shape = self._shapes.get(name, ())
                if role == "output" and isinstance(values, np.ndarray) and values.shape[1:] != shape:
                    raise ResultsError(f"output {name}: a point has shape {values.shape[1:]}, declared is {shape}")
                added.append((name, values))
        for name, values in added:
            self._held[name].append(values)
        self.rows += rows
        self.bytes += rows * self._fixed_bytes
        for name in self._ragged:
            self.bytes += sum(np.asarray(values).nbytes for values in outputs[name])

    def flush(self) -> Path | None:
        """Write the rows that are held as one shard; None when there are none.

        The shard is there as a whole or not at all. After an error the rows are still held.

        Raises
        ------
        ResultsError
            If values do not fit their columns.
        StorageError
            If the shard cannot be written.
        """
        if not self.rows:
            return None
        image = self._image()
        path = self.directory / f"{self.stem}.{self._token}.{self._sequence}.{crc32(image):08x}.h5"
        temporary = self.directory / f".{self.stem}.{self._token}.tmp"
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb", buffering=0) as file:
                write(file.fileno(), image)
            publish(temporary, path)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise storage_error(error, f"{len(image)} bytes of shard {path.name}", self.directory) from error
        self._sequence += 1
        self._clear()
        return path

    def _image(self) -> bytes:
        # made in memory: HDF5 does not survive a full disk, a plain write does
        memory: dict[str, Any] = {"driver": "core", "backing_store": False, "block_size": _GROWTH}
        # the columns are listed in the order of the schema
        # the headers of this format have checksums, and no mark that is left when a writer dies
        with h5py.File(f"{self.stem}.{self._token}", "w", track_order=True, libver=("v108", "latest"), **memory) as file:
            self.schema.create(file, self.header)
            file[POINT].resize((self.rows,))
            self._fill_ragged(file)
            for column in self.schema.columns:
                if column.leading == POINT and column.role != "count":
                    _extend(file[column.name], gather(self._held[column.name], column))
            file.flush()
            image: bytes = file.id.get_file_image()
            return image

    def _fill_ragged(self, file: h5py.File) -> None:
        for dim in self.schema.ragged:
            counts: np.ndarray | None = None
            for column in self.schema.columns:
                if column.leading != dim:
                    continue
                held = self._held[column.name]
                lengths = np.array([len(values) for batch in held for values in batch], np.int64)
                if counts is not None and not np.array_equal(counts, lengths):
                    raise ResultsError(f'output {column.name}: not as long as the others along "{dim}" in each point')
                counts = lengths
                # a piece at a time: a second copy of all would double the memory
                file[column.name].resize((int(counts.sum()),))
                place = 0
                for piece in pieces(held, column):
                    file[column.name][place : place + len(piece)] = piece
                    place += len(piece)
            if counts is not None:
                _extend(file[f"{dim}_count"], counts)
                file[dim].resize((int(counts.sum()),))


def _extend(dataset: h5py.Dataset, values: np.ndarray) -> None:
    dataset.resize(len(values), axis=0)
    if values.size:
        put(dataset, ..., values)


def shard_files(directory: Path) -> list[Path]:
    """The shards of a directory, sorted by name."""
    # a pipe of that name would be waited for
    return sorted(path for path in Path(directory).glob("*.h5") if not path.name.startswith(".") and path.is_file())


def verify(path: Path) -> ShardInfo:
    """Check that a shard is as it was written.

    Raises
    ------
    ShardError
        If its checksum is not that of its name, HDF5 cannot open it, or it is no shard.
    FileNotFoundError
        If it is gone.
    """
    path = Path(path)
    expected = path.name.split(".")[-2:-1]
    try:
        if [checksum(path)] != expected:
            raise ShardError(f"{path}: the checksum is not that of the name: damaged; its points will run again")
        with Table(path) as table:
            if FORMATS[table.attrs["format"]] != SHARD_FORMAT:
                raise ShardError(f'{path}: the format is "{table.attrs["format"]}", expected {SHARD_FORMAT}')
            fingerprint, digest = str(table.attrs["fingerprint"]), str(table.attrs["schema"])
            return ShardInfo(path, len(table), fingerprint, digest, structure(inspect(table)))
    except (FileNotFoundError, ShardError):
        raise
    except (OSError, KeyError, RuntimeError, ResultsError) as error:
        raise ShardError(f"{path}: cannot be read as a shard ({error}); its points will run again") from error


def merge(paths: Iterable[Path], directory: Path, stem: str) -> Path:
    """Make one shard of several; these are removed once it is safe.

    Parameters
    ----------
    paths : iterable of Path
        At least one; all of one schema and made by the same code.
    directory : Path
    stem : str
        Names the task.

    Raises
    ------
    ShardError
        If there are none, one is damaged, or they do not fit together.
    StorageError
        If the new shard cannot be written.
    """
    infos = [verify(path) for path in paths]
    if len({(info.fingerprint, info.schema_digest, info.structure) for info in infos}) != 1:
        what = "differ in their schema or in the code that made them" if infos else "none given"
        raise ShardError(f"cannot merge {len(infos)} shards into {stem}: {what}")
    token = secrets.token_hex(4)
    temporary = Path(directory) / f".{stem}.{token}.tmp"
    first, *others = [info.path for info in infos]
    try:
        copy(first, temporary)
        upgrade(temporary)
        reserve(temporary, sum(path.stat().st_size for path in others))
        with h5py.File(temporary, "r+", locking=False) as file:
            appender = Appender(file)
            for path in others:
                with Table(path) as table:
                    appender.add(table)
            appender.finish()
        merged = temporary.with_name(f"{stem}.{token}.0.{checksum(temporary)}.h5")
        publish(temporary, merged)
    except (OSError, RuntimeError) as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise storage_error(error, f"shard {stem}", Path(directory)) from error
    for info in infos:
        info.path.unlink(missing_ok=True)
    return merged
