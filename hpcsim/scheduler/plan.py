"""A plan: which points are still to be simulated, and how they are cut into tasks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hpcsim.collector.table import Table, finished

if TYPE_CHECKING:
    from hpcsim.directory import StudyDirectory
    from hpcsim.study import Study

#: Points that are looked at together; bounds the memory of planning.
BLOCK = 100_000


@dataclass(frozen=True)
class Plan:
    """What is left to do.

    Parameters
    ----------
    total, done : int
        Points in the design, and those that are finished (with any status).
    pending : tuple of (start, stop)
        Runs of indices that are not finished, in order.
    """

    total: int
    done: int
    pending: tuple[tuple[int, int], ...]

    @property
    def left(self) -> int:
        """Points that are still to be simulated."""
        return self.total - self.done


def plan(study: Study, directory: StudyDirectory, *, retry_failed: bool = False) -> Plan:
    """Compare the design with what the directory holds.

    The state of a point is read from shards and results. Memory does not grow with the
    number of points, apart from one bit for each run of pending ones.
    """
    total = len(study.design)
    if complete(study, directory) and not retry_failed:
        return Plan(total, total, ())
    held = holdings(directory)
    if not held:
        return Plan(total, 0, ((0, total),))
    done, pending = 0, list[tuple[int, int]]()
    for start in range(0, total, BLOCK):
        stop = min(start + BLOCK, total)
        mask = finished(held, study.design.ids(start, stop), study.fingerprint, ok=retry_failed)
        done += int(mask.sum())
        for first, last in _runs(~mask):
            if pending and pending[-1][1] == start + first:
                pending[-1] = (pending[-1][0], start + last)
            else:
                pending.append((start + first, start + last))
    return Plan(total, done, tuple(pending))


def holdings(directory: StudyDirectory) -> list[Path]:
    """Files that may hold finished points: the results and the shards."""
    from hpcsim.collector.shard import shard_files

    results = [directory.results] if directory.results.exists() else []
    return [*results, *shard_files(directory.shards)]


def complete(study: Study, directory: StudyDirectory) -> bool:
    """Whether the results say that they hold every point of this very design."""
    if not directory.results.exists():
        return False
    with Table(directory.results) as table:
        return bool(table.attrs.get("complete") == study.completeness)


def _runs(mask: np.ndarray) -> Iterator[tuple[int, int]]:
    """Start and stop of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return ((int(start), int(stop)) for start, stop in zip(edges[::2], edges[1::2], strict=True))


@dataclass
class Slices:
    """Cuts pending points into tasks while tasks run: large ones first, small ones towards the end.

    No task is so short that starting a process costs more than it does, nor so long that the
    others wait for it at the end.

    Parameters
    ----------
    pending : list of (start, stop)
    workers : int
        How many tasks run side by side.
    size : int, optional
        A fixed size instead.
    batch : int
        How many points a model simulates together; sizes are multiples of it where there are enough points.
    least_seconds : float
        What a task should last at least, once the cost of a point is known.
    most : int
        The largest task.
    """

    pending: list[tuple[int, int]]
    workers: int
    size: int | None = None
    batch: int = 1
    least_seconds: float = 10.0
    most: int = 100_000
    _left: int = field(init=False)

    def __post_init__(self) -> None:
        self.pending = list(self.pending)
        self._left = sum(stop - start for start, stop in self.pending)

    def take(self, seconds_per_point: float | None = None) -> tuple[int, int] | None:
        """The next task as (start, stop), or None when all are taken."""
        if not self.pending:
            return None
        start, stop = self.pending.pop(0)
        stop, rest = min(stop, start + self._next_size(seconds_per_point)), stop
        if stop < rest:
            self.pending.insert(0, (stop, rest))
        self._left -= stop - start
        return start, stop

    def _next_size(self, seconds_per_point: float | None) -> int:
        if self.size:
            return self.size
        share = -(-self._left // self.workers)
        share = -(-share // self.batch) * self.batch
        fair = max(1, self._left // (4 * self.workers))
        if seconds_per_point is None:
            # a pilot: what a point costs is not known yet
            wanted = min(fair, 16)
        else:
            enough = int(self.least_seconds / max(seconds_per_point, 1e-9))
            wanted = min(max(fair, enough), self.most)
        return max(1, min(-(-wanted // self.batch) * self.batch, share))
