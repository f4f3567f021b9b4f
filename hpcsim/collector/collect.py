"""The collector: the one writer of the results of a study.

The results that are there are never changed. A copy is, and takes their name when it is safe on the disk;
only then are the shards that it holds removed. A kill at any instant leaves the old results or the new ones, and
rows that stand both in the results and in a shard are recognised by their id.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from hpcsim.collector.appender import Appender
from hpcsim.collector.arrange import BY_ID, Wanted, arrangement, rearrange
from hpcsim.collector.duplicates import Drops, find_duplicates
from hpcsim.collector.format.recipes import add_column, add_recipes, recipe_number
from hpcsim.collector.format.schema import ORDER, PROVENANCE, RECIPE, RESULTS_FORMAT
from hpcsim.collector.format.soundness import CHECKSUM, provenance_checksum
from hpcsim.collector.format.storage import copy, modified, reserve, storage, storage_error
from hpcsim.collector.format.table import Table
from hpcsim.collector.format.upgrade import upgrade
from hpcsim.collector.intake import SetAside, fitting, set_aside, verified
from hpcsim.collector.shard import ShardInfo, shard_files
from hpcsim.errors import BusyError, StorageError
from hpcsim.files import publish
from hpcsim.lock import hold

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
    recipes: Sequence[str] = (),
    wanted: Wanted | None = None,
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
    recipes : sequence of str
        Fingerprints of all recipes whose points the results may hold, always in the same order, the study's own last unless
        it was an earlier one. Where rows come from several, the column ``recipe`` says which made which. Without it: that of
        the results.
    wanted : Wanted, optional
        What the results are to hold: rows stand in the order of the design, and `complete` follows from a look at the rows;
        without it rows stand in the order of their ids. A collection that is
        not final only adds rows at the end.
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
    DirectoryError
        If the results are of another recipe than the one that is wanted.
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
        infos, refused = fitting(infos, report.path, recipes)
        report = replace(
            report,
            damaged=tuple(set_aside(path, "damaged", reason) for path, reason in damaged),
            refused=tuple(set_aside(path, "refused", reason) for path, reason in refused),
        )
        with storage(report.path):
            # what was set aside is missing, whatever the caller counted before
            whole = "" if damaged or refused else complete
            arranging = _Arranging(wanted, whole, final or bool(complete))
            return _renew(report, infos, dict(provenance or {}), arranging, recipes)


@dataclass(frozen=True)
class _Arranging:
    """What is done after the last new row: at the end of a collection that is final, rows are put into their order."""

    wanted: Wanted | None
    complete: str
    final: bool

    @property
    def order(self) -> str:
        """What the results say about the order of their rows."""
        if not self.final:
            return ""
        return self.wanted.order if self.wanted else BY_ID

    def lacks(self, path: Path) -> bool:
        """Whether results without new rows have something to be done."""
        if not self.final or not path.exists():
            return False
        with Table(path) as table:
            order, complete, rows = table.attrs.get(ORDER), table.attrs.get("complete"), len(table)
        wanted = self.wanted.complete if self.wanted and rows >= self.wanted.total else self.complete
        return order != self.order or (bool(wanted) and complete != wanted)

    def apply(self, path: Path) -> str:
        """Put the rows into their order; returns what the results say when they hold everything."""
        if not self.final:
            return self.complete
        with Table(path) as table:
            order, whole = arrangement(table, self.wanted)
        rearrange(path, order)
        return self.wanted.complete if self.wanted and whole else self.complete


def _renew(
    report: CollectReport,
    infos: Sequence[ShardInfo],
    provenance: Mapping[str, str],
    arranging: _Arranging,
    recipes: Sequence[str],
) -> CollectReport:
    """Write new results, and remove the shards that they hold."""
    path = report.path
    if not infos and not arranging.lacks(path):
        return replace(report, rows_total=_rows(path), bytes=_size(path))
    temporary = path.with_name(f".results.{secrets.token_hex(4)}.tmp")
    try:
        done: list[Path] = []
        report = replace(report, rows_total=_rows(path))
        start = path if path.exists() else infos[0].path
        copy(start, temporary)
        upgrade(temporary)
        if start != path:
            _edit(temporary, lambda file: Appender(file).truncate())
        _edit(temporary, lambda file: add_recipes(file, recipes, (info.fingerprint for info in infos)))
        for group in _groups(infos):
            report = _append(report, group, temporary, done, recipes)
        complete = arranging.apply(temporary)
        _edit(temporary, lambda file: _sign(file, provenance, complete, arranging.order))
        publish(temporary, path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    for shard in done:
        shard.unlink(missing_ok=True)
    return replace(report, shards=len(done), bytes=_size(path))


def _append(
    report: CollectReport, group: Sequence[ShardInfo], temporary: Path, done: list[Path], recipes: Sequence[str]
) -> CollectReport:
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
                fill = {RECIPE: recipe_number(recipes, info.fingerprint)} if RECIPE in file else {}
                appender.add(shard, drops.new[info.path], fill)
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
        upgrade(target)
        reserve(target, _size(temporary))
        with Table(temporary) as table:

            def fill(file: h5py.File) -> None:
                if RECIPE in table.file:
                    add_column(file, table.file[RECIPE])
                appender = Appender(file)
                appender.truncate()
                appender.add(table, drops.old)
                appender.finish()
                file.attrs.update(table.file.attrs)
                if PROVENANCE in table.file:
                    table.file.copy(PROVENANCE, file)

            _edit(target, fill)
        # both names are this process's own: `temporary` is published at the end
        target.replace(temporary)
    finally:
        target.unlink(missing_ok=True)


def _edit(path: Path, change: Callable[[h5py.File], Any]) -> Any:
    with h5py.File(path, "r+", locking=False) as file:
        return change(file)


def _sign(file: h5py.File, provenance: Mapping[str, str], complete: str, order: str) -> None:
    file.attrs["format"] = RESULTS_FORMAT
    file.attrs[ORDER] = order
    file.attrs["complete"] = complete or file.attrs.get("complete", "")
    group = file.require_group(PROVENANCE)
    for key, value in provenance.items():
        if key in group:
            del group[key]
        group.create_dataset(key, data=value, dtype=h5py.string_dtype())
    file.attrs[CHECKSUM] = np.uint32(provenance_checksum(file))


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
    until = time.monotonic() + wait
    with ExitStack() as stack:
        try:
            stack.enter_context(hold(directory / ".collect.run", "a collector", wait))
            stack.enter_context(_kernel_lock(directory / ".collect.lock", until - time.monotonic()))
        except BusyError as error:
            raise StorageError(
                f"{directory}: another collector has been at work for {wait:g} s: {error.holder}; wait for it, or end it"
            ) from error
        yield


@contextmanager
def _kernel_lock(lock: Path, wait: float) -> Iterator[None]:
    """What earlier versions hold, and other programs may; nothing where the file system has no such locks."""
    from filelock import FileLock, Timeout

    with ExitStack() as stack:
        try:
            stack.enter_context(FileLock(lock, timeout=max(0.0, wait)))
        except Timeout:
            raise BusyError(f"{lock} is held", f"a process that holds {lock.name}") from None
        except NotImplementedError:
            pass
        except OSError as error:
            raise storage_error(error, lock.name, lock.parent) from error
        yield


def _tidy(directory: Path) -> None:
    """Remove what killed processes left half-written: collectors at once, since only one is alive; others when they are stale."""
    for folder, pattern, age in (
        (directory, ".results.*.tmp", 0.0),
        (directory, ".*.tmp", _STALE),
        (directory / SHARDS, ".*.tmp", _STALE),
    ):
        for path in folder.glob(pattern):
            if not age or time.time() - modified(path) > age:
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
