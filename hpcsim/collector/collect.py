"""The collector: the one writer of the results of a study.

The results that are there are never changed. A copy is, and takes their name when it is safe on the disk;
only then are the shards that it holds removed. A kill at any instant leaves the old results or the new ones, and
rows that stand both in the results and in a shard are recognised by their id.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py

from hpcsim.collector.appender import Appender
from hpcsim.collector.duplicates import Drops, find_duplicates
from hpcsim.collector.intake import SetAside, fitting, set_aside, verified
from hpcsim.collector.schema import PROVENANCE, RESULTS_FORMAT
from hpcsim.collector.shard import ShardInfo, shard_files
from hpcsim.collector.storage import copy, modified, publish, reserve, storage, storage_error
from hpcsim.collector.table import Table
from hpcsim.errors import HpcsimError, StorageError

RESULTS = "results.h5"
SHARDS = "shards"
_GROUP_ROWS = 2**19  # ids of so many new rows are in memory at a time
_STALE = 3600.0  # s; no live process leaves a temporary file alone for so long


@dataclass(frozen=True)
class CollectReport:
    """What a collection did.

    Parameters
    ----------
    path : Path
        The results.
    rows_added, rows_total : int
        New points, and all points in the results.
    duplicates, replaced : int
        Rows that were there already; failed rows that gave way to ones that succeeded.
    damaged, refused : tuple of SetAside
        Shards that cannot be trusted; shards that were made by other code or have other columns.
    shards : int
        Shards that are now in the results.
    bytes : int
        Size of the results.
    waiting : int
        Bytes of shards that are left for a later collection.
    """

    path: Path
    rows_added: int = 0
    rows_total: int = 0
    duplicates: int = 0
    replaced: int = 0
    damaged: tuple[SetAside, ...] = ()
    refused: tuple[SetAside, ...] = ()
    shards: int = 0
    bytes: int = 0
    waiting: int = 0


def collect(
    directory: Path | str,
    *,
    final: bool = False,
    client: Any = None,
    provenance: Mapping[str, str] | None = None,
    complete: str = "",
    threshold: float = 0.25,
    wait: float = 10.0,
) -> CollectReport:
    """Move all finished points from the shards of a study into its results.

    Parameters
    ----------
    directory : Path
        Of the study: ``shards/`` and ``results.h5`` stand in it.
    final : bool
        Collect however little there is.
    client : distributed.Client, optional
        Where shards are checked; threads of this process without it.
    provenance : mapping of str to str, optional
        What the results say about where they come from: ``study`` (TOML), ``versions`` (JSON), and so on.
        Written when there are new rows.
    complete : str
        A digest that is written into the results when they hold everything; implies `final`. It is not written
        when a shard had to be set aside.
    threshold : float
        The results are copied each time, so a collection that is not final waits until the shards have this
        fraction of the bytes of the results.
    wait : float, s
        How long to wait for another collector.

    Returns
    -------
    CollectReport

    Raises
    ------
    StorageError
        If another collector is at work, the disk is full, or the results cannot be read or written. The results
        are as they were, and so are the shards.
    """
    directory = Path(directory)
    with _alone(directory, wait):
        _tidy(directory)
        report = CollectReport(directory / RESULTS)
        shards = _sized(shard_files(directory / SHARDS))
        old = _size(report.path)
        if not (final or complete) and sum(shards.values()) < threshold * old:
            return replace(report, rows_total=_rows(report.path), bytes=old, waiting=sum(shards.values()))
        infos, damaged = verified(list(shards), client)
        infos, refused = fitting(infos, report.path)
        report = replace(
            report,
            damaged=tuple(set_aside(path, "damaged", reason) for path, reason in damaged),
            refused=tuple(set_aside(path, "refused", reason) for path, reason in refused),
        )
        with storage(report.path):
            # what was set aside is missing, whatever the caller counted before
            whole = "" if damaged or refused else complete
            return _renew(report, infos, dict(provenance or {}), whole)


def _renew(report: CollectReport, infos: Sequence[ShardInfo], provenance: Mapping[str, str], complete: str) -> CollectReport:
    """Write new results, and remove the shards that they hold."""
    path = report.path
    if not infos and not (complete and path.exists() and _lacks(path, complete)):
        return replace(report, rows_total=_rows(path), bytes=_size(path))
    temporary = path.with_name(f".results.{secrets.token_hex(4)}.tmp")
    try:
        done: list[Path] = []
        report = replace(report, rows_total=_rows(path))
        start = path if path.exists() else infos[0].path
        copy(start, temporary)
        if start != path:
            _edit(temporary, lambda file: Appender(file).truncate())
        for group in _groups(infos):
            report = _append(report, group, temporary, done)
        _edit(temporary, lambda file: _sign(file, provenance, complete))
        publish(temporary, path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    for shard in done:
        shard.unlink(missing_ok=True)
    return replace(report, shards=len(done), bytes=_size(path))


def _append(report: CollectReport, group: Sequence[ShardInfo], temporary: Path, done: list[Path]) -> CollectReport:
    with Table(temporary) as table:
        before = len(table)
        drops = find_duplicates(table, [info.path for info in group])
    if len(drops.old):
        _rebuild(temporary, group[0].path, drops)

    reserve(temporary, sum(_size(info.path) for info in group))

    def add(file: h5py.File) -> int:
        appender = Appender(file)
        for info in group:
            # a task may have merged its shards meanwhile: their rows are in a newer one
            with suppress(FileNotFoundError), Table(info.path) as shard:
                appender.add(shard, drops.new[info.path])
                done.append(info.path)
        return appender.finish()

    total = _edit(temporary, add)
    return replace(
        report,
        rows_added=report.rows_added + total - before,
        rows_total=total,
        duplicates=report.duplicates + sum(map(len, drops.new.values())),
        replaced=report.replaced + len(drops.old),
    )


def _rebuild(temporary: Path, pattern: Path, drops: Drops) -> None:
    """The same table without some rows; blocks that lose none are still moved as they are."""
    target = temporary.with_name(f".results.{secrets.token_hex(4)}.tmp")
    try:
        copy(pattern, target)
        reserve(target, _size(temporary))
        with Table(temporary) as table:

            def fill(file: h5py.File) -> None:
                appender = Appender(file)
                appender.truncate()
                appender.add(table, drops.old)
                appender.finish()
                file.attrs.update(table.file.attrs)
                if PROVENANCE in table.file:
                    table.file.copy(PROVENANCE, file)

            _edit(target, fill)
        target.replace(temporary)
    finally:
        target.unlink(missing_ok=True)


def _edit(path: Path, change: Callable[[h5py.File], Any]) -> Any:
    with h5py.File(path, "r+", locking=False) as file:
        return change(file)


def _sign(file: h5py.File, provenance: Mapping[str, str], complete: str) -> None:
    file.attrs["format"] = RESULTS_FORMAT
    file.attrs["complete"] = complete or file.attrs.get("complete", "")
    group = file.require_group(PROVENANCE)
    for key, value in provenance.items():
        if key in group:
            del group[key]
        group.create_dataset(key, data=value, dtype=h5py.string_dtype())


def _lacks(path: Path, complete: str) -> bool:
    with Table(path) as table:
        return complete != table.attrs.get("complete")


def _groups(infos: Sequence[ShardInfo]) -> Iterator[list[ShardInfo]]:
    group: list[ShardInfo] = []
    for info in infos:
        if group and sum(member.rows for member in group) + info.rows > _GROUP_ROWS:
            yield group
            group = []
        group.append(info)
    if group:
        yield group


@contextmanager
def _alone(directory: Path, wait: float) -> Iterator[None]:
    """Only one collector works on a study at a time."""
    from filelock import FileLock, Timeout

    lock = directory / ".collect.lock"
    try:
        with FileLock(lock, timeout=wait):
            yield
    except Timeout as error:
        raise StorageError(
            f"{directory}: another collector has been at work for {wait:g} s (it holds {lock.name}); "
            "wait for it, or end that process"
        ) from error
    except HpcsimError:
        raise
    except OSError as error:
        raise storage_error(error, lock.name, directory) from error


def _tidy(directory: Path) -> None:
    """Remove what killed processes left half-written."""
    for folder, pattern in ((directory, ".results.*.tmp"), (directory / SHARDS, ".*.tmp")):
        for path in folder.glob(pattern):
            if time.time() - modified(path) > _STALE:
                path.unlink(missing_ok=True)


def _sized(paths: Sequence[Path]) -> dict[Path, int]:
    return {path: _size(path) for path in paths}


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _rows(path: Path) -> int:
    if not path.exists():
        return 0
    with storage(path), Table(path) as table:
        return len(table)
