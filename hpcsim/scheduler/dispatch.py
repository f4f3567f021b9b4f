"""Hands out the points of a job, a task at a time, to whatever runs tasks here or elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol, Self

from hpcsim.scheduler.executor import Feed, Job
from hpcsim.scheduler.plan import Slices

#: Seconds between two chances to collect.
COLLECT_EVERY = 60.0


class Runner(Protocol):
    """What runs tasks: threads of this process, or the workers of a Dask cluster."""

    def room(self) -> int:
        """How many tasks may run side by side now; at least one."""

    def submit(self, start: int, stop: int) -> Any:
        """Start a task; returns its future, whose result is the seconds that its points took."""

    def finished(self, running: list[Any]) -> list[Any]:
        """Futures that are done; waits a little where none is."""

    def watch(self) -> None:
        """Called about twice a second: a chance to look at the workers, and to give up."""


def dispatch(job: Job, runner: Runner, running: dict[Any, tuple[int, int]]) -> None:
    """Keep as many tasks running as there is room for until there are no more; sizes follow from what the first ones took.

    Parameters
    ----------
    job : Job
    runner : Runner
    running : dict of future to (start, stop)
        Kept up to date, for whoever has to stop what still runs after an error.

    Raises
    ------
    StorageError, HpcsimError, Interrupted
        What a task raised.
    """
    resources, batch = job.study.file.resources, job.study.model.batch or 1
    feed: Feed = job.feed or Slices(list(job.plan.pending), runner.room(), resources.task_size, batch)
    seconds, points, over = 0.0, 0, 0
    with _Collecting(job.on_shards) as collecting:
        while _keep_busy(runner, feed, running, seconds / points if points else None):
            job.on_tasks(len(running), over)
            for future in runner.finished(list(running)):
                start, stop = running.pop(future)
                seconds += future.result()
                points += stop - start
                over += 1
                feed.finished(start, stop)
            runner.watch()
            collecting.when_due()


def _keep_busy(runner: Runner, feed: Feed, running: dict[Any, tuple[int, int]], cost: float | None) -> bool:
    """Submit tasks while there is room; returns whether any is running."""
    room = runner.room()
    if isinstance(feed, Slices):
        feed.workers = room
    while len(running) < room and (taken := feed.take(cost)):
        running[runner.submit(*taken)] = taken
    return bool(running)


class PointCount:
    """Points that are over, as the tasks tell it; a task that was moved to another worker tells only what it did there.

    Parameters
    ----------
    job : Job
        Whose `on_progress` is told the sums, by one thread at a time.
    """

    def __init__(self, job: Job) -> None:
        self._job, self._lock = job, threading.Lock()
        self._known: dict[tuple[int, str], tuple[int, int]] = {}

    def add(self, start: int, worker: str, done: int, failed: int) -> None:
        """Take in what the task of the points from `start` on has done on a worker so far."""
        with self._lock:
            self._known[start, worker] = done, failed
            over, bad = (sum(column) for column in zip(*self._known.values(), strict=True))
            # what a lost worker had not written is done twice
            self._job.on_progress(min(over, self._job.plan.left), bad)

    def all_over(self) -> None:
        """Tell that no point is left, whatever a lost worker could not tell."""
        with self._lock:
            self._job.on_progress(self._job.plan.left, sum(bad for _, bad in self._known.values()))


class _Collecting:
    """Collects now and then beside the running tasks: copying large results must not hold up new tasks."""

    def __init__(self, collect: Callable[[], None]) -> None:
        self._collect = collect
        self._pool = ThreadPoolExecutor(1)
        self._present: Future[None] | None = None
        self._last = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown(wait=True)

    def when_due(self) -> None:
        """Start a collection when the last is long ago; raises what the last one raised."""
        if self._present is not None and self._present.done():
            self._present.result()
            self._present = None
        if self._present is None and time.monotonic() - self._last > COLLECT_EVERY:
            self._present, self._last = self._pool.submit(self._collect), time.monotonic()
