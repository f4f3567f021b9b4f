"""A study under watch: everything that the page shows, counted in threads of its own."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from pathlib import Path

from hpcsim.dashboard.history import History, Sample
from hpcsim.dashboard.live import Live, Word
from hpcsim.dashboard.points import Count, Points
from hpcsim.dashboard.tasks import Queue, Tasks, of_sweep
from hpcsim.dashboard.watch import Watch
from hpcsim.scheduler.task.runner import FLUSH_SECONDS
from hpcsim.study.directory import StudyDirectory
from hpcsim.study.study import Study

#: Seconds between two counts: at least, at most while somebody looks, and while nobody does.
COUNT = (1.0, 10.0, 15.0)
#: Seconds between two calls of Slurm's, at least and at most; none while nobody looks.
CALL = (5.0, 60.0)
#: Seconds that a page waits for the first count.
_FIRST = 1.0


@dataclass(frozen=True)
class Progress:
    """A study at one moment.

    Parameters
    ----------
    study, model, version : str
    executor : str
        Empty where another process may run tasks.
    host : str
    directory : Path
    at, since : float
        Now, and when counting began; seconds since the epoch.
    count : Count or None
        None before the first count.
    rate : float or None
        Points a second since counting began, as far as it was seen lately.
    still : float or None
        Seconds without a new point, where that is unusually long.
    tasks : Tasks
    word : Word
        Of a sweep in this process.
    curve : list of (at, done)
    errors : tuple of str
        Why something could not be counted.
    results : bool
        Whether there are results.
    report : bool
        Whether there is a report.
    """

    study: str
    model: str
    version: str
    executor: str
    host: str
    directory: Path
    at: float
    since: float
    count: Count | None
    rate: float | None
    still: float | None
    tasks: Tasks
    word: Word
    curve: list[Sample]
    errors: tuple[str, ...]
    results: bool
    report: bool

    @property
    def seconds_left(self) -> float | None:
        """Until all points are finished, at this rate."""
        if self.count is None or not self.rate or not self.count.left:
            return None
        return self.count.left / self.rate


class Monitor:
    """Watches a study's directory, its jobs on Slurm, and a sweep in this process.

    Parameters
    ----------
    study : Study
    directory : StudyDirectory
    executor : str
        That of the sweep in this process.
    live : Live, optional
        That sweep.
    retry_failed : bool
        Whether it simulates failed points again.
    """

    def __init__(
        self,
        study: Study,
        directory: StudyDirectory,
        *,
        executor: str = "",
        live: Live | None = None,
        retry_failed: bool = False,
    ) -> None:
        self.study, self.directory, self.executor, self.live = study, directory, executor, live
        self._since = time.time()
        # shards come once a minute; what a sweep says itself comes at once
        told = live is not None and executor != "slurm"
        self.history = History(5.0 if told else FLUSH_SECONDS)
        self._points = Points(study, directory, live, retry_failed=retry_failed)
        least, most, idle = COUNT
        self._counts = Watch(self._count, least=least, most=most, idle=idle)
        # tasks that a sweep in this process starts itself are not Slurm's
        self._queue = None if told else Watch(Queue(directory).look, least=CALL[0], most=CALL[1])

    def start(self) -> None:
        """Begin to count; two threads that end with the process."""
        self._counts.start()
        if self._queue is not None:
            self._queue.start()

    def hurry(self) -> None:
        """Count now."""
        self._counts.hurry()

    def stop(self) -> None:
        """Count no more."""
        self._counts.stop()
        if self._queue is not None:
            self._queue.stop()

    def _count(self) -> Count:
        count = self._points.count()
        self.history.add(time.time(), count.done)
        return count

    def progress(self) -> Progress:
        """What is known; nothing is counted and nobody asked for it."""
        count = self._counts.answer(_FIRST)
        word = self.live.word if self.live is not None else Word()
        tasks = of_sweep(word) if self._queue is None else self._queue.answer(_FIRST) or Tasks()
        now = time.time()
        errors = [f"The points cannot be counted: {self._counts.error}"] if self._counts.error else []
        errors += [f"Slurm: {self._queue.error}"] if self._queue is not None and self._queue.error else []
        return Progress(
            study=self.study.name,
            model=self.study.model.name,
            version=self.study.model.version,
            executor=self.executor or ("slurm" if tasks.slurm else ""),
            host=socket.gethostname(),
            directory=self.directory.path.resolve(),
            at=now,
            since=self._since,
            count=count,
            rate=self.history.rate(now),
            still=self.history.still(now),
            tasks=tasks,
            word=word,
            curve=self.history.curve(),
            errors=tuple(errors),
            results=self.directory.results.exists(),
            report=self.directory.report.exists(),
        )
