"""How many rows a study's directory holds, and why some failed: cheap to ask again and again."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from hpcsim.collector.format.pick import pick
from hpcsim.collector.format.schema import STATUSES
from hpcsim.collector.format.table import Table
from hpcsim.errors import HpcsimError
from hpcsim.scheduler.state.failures import merged
from hpcsim.study.directory import StudyDirectory

#: Failed rows of a file whose reasons are read: the last ones.
_REASONS = 2000
#: How often files are counted that do not stand still, and seconds between.
_TRIES, _PAUSE = 5, 0.05


@dataclass(frozen=True)
class RowCount:
    """Rows of some files.

    Parameters
    ----------
    rows, failed : int
        All, and those that did not succeed.
    reasons : Counter of (status, error)
        Of the failed ones; where they are very many, of the last ones. Those that say the same are added up.
    complete : str
        What the results carry when they hold every point.
    """

    rows: int = 0
    failed: int = 0
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    complete: str = ""


#: A file as it was counted: its size and the time of its last change in nanoseconds.
_Version = tuple[int, int]


class RowCounter:
    """Counts the rows of results and shards; a file that did not change is not read again.

    That is nearly the number of finished points: a point may stand in two rows while it moves into the results, or when
    it failed and is tried again.

    Parameters
    ----------
    directory : StudyDirectory
    """

    def __init__(self, directory: StudyDirectory) -> None:
        self.directory = directory
        self._known: dict[Path, tuple[_Version, RowCount]] = {}
        self._last: RowCount | None = None

    def count(self) -> RowCount:
        """As the files are now.

        Tasks merge their shards and the collector removes those that it has moved: rows would be counted twice or not
        at all. So a count stands only if no file has gone meanwhile; after some tries, the last one that stood does.
        """
        found = self._count(present := self._files())
        for _ in range(_TRIES):
            if present.items() <= (now := self._files()).items():
                self._last = found
                return found
            time.sleep(_PAUSE)
            found = self._count(present := now)
        return found if self._last is None else self._last

    def _files(self) -> dict[Path, _Version]:
        versions = {}
        for path in self.directory.result_files():
            try:
                entry = path.stat()
            except OSError:
                continue
            versions[path] = (entry.st_size, entry.st_mtime_ns)
        return versions

    def _count(self, present: dict[Path, _Version]) -> RowCount:
        known = {}
        for path, version in present.items():
            before = self._known.get(path)
            try:
                known[path] = before if before is not None and before[0] == version else (version, _read(path))
            except (OSError, KeyError, RuntimeError, HpcsimError):
                # gone meanwhile, or damaged: the collector will say so
                continue
        self._known = known
        reasons = Counter[tuple[str, str]]()
        for _, count in known.values():
            reasons.update(count.reasons)
        counts = [count for _, count in known.values()]
        complete = next((count.complete for count in counts if count.complete), "")
        return RowCount(sum(count.rows for count in counts), sum(count.failed for count in counts), merged(reasons), complete)


def _read(path: Path) -> RowCount:
    with Table(path) as table:
        rows, ended, failed = table.failed(_REASONS)
        errors = pick(table, "error", rows)
        reasons = Counter((STATUSES[kind], str(error)) for kind, error in zip(ended, errors, strict=True))
        return RowCount(len(table), failed, reasons, str(table.attrs.get("complete", "")))
