"""A task: one slice of the design, simulated by worker processes that may die.

``hpcsim task STUDY K`` is this, and the only thing that an executor ever starts. It stays small (no numpy, no
simulator), so that it survives what its worker does not: when a worker dies or takes too long, the points of
that moment are tried again in smaller batches until the failing one is alone, and that one is recorded as failed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from hpcsim.errors import DirectoryError, Interrupted, StorageError
from hpcsim.files import regular
from hpcsim.scheduler.log.reason import cause_of_death, last_words, shorten
from hpcsim.scheduler.log.task_log import ROOM, TaskLog, heading, log_path
from hpcsim.scheduler.signals import handled, stop_signals
from hpcsim.scheduler.site.launcher import Launch, ending, in_slurm
from hpcsim.scheduler.task.fork import Fork
from hpcsim.scheduler.task.memory import allowance, oom_kills
from hpcsim.scheduler.task.progress_block import FINISHED, REFUSED, ProgressBlock, WorkerProgress
from hpcsim.scheduler.task.worker import WorkerRequest, die_with_parent, reader_gone, start
from hpcsim.study.directory import StudyDirectory

_PLAIN = Launch()
#: How the line of a file of tasks begins that names the design.
DESIGN = "# design "
#: How often a point is tried before a crash counts as its own fault.
CRASHES = 2
#: How often workers are started that die before the first point.
STARTS = 3
#: Seconds that a worker has to write what it has, after it was asked to stop. Slurm gives 30 by default.
GRACE = 25.0
#: Seconds between two looks at the worker.
INTERVAL = 0.1
#: Exit code of a task that left points for one with more memory; Slurm's state says the same where it knows.
OUT_OF_MEMORY = 137


@dataclass(frozen=True)
class Progress:
    """Points of this task that are over, and how many of them failed; `finished` when the task is.

    `seconds` were spent on points, without the start of processes; said at the end.
    """

    done: int
    failed: int
    finished: bool = False
    seconds: float = 0.0

    def line(self) -> str:
        """As a line of JSON, for whoever reads the task's standard output."""
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, line: str) -> Progress | None:
        """Back from a line; None if it is something else."""
        try:
            return cls(**json.loads(line))
        except (ValueError, TypeError):
            return None


class Task:
    """Simulates the points ``start`` to ``stop`` of the study in a directory.

    Parameters
    ----------
    directory : StudyDirectory
    start, stop : int
    time_limit : float, optional
        Seconds for one point.
    retry_failed : bool
        Simulate failed points again.
    budget : float, optional
        Seconds after which no further batch begins: the rest of the points is left, and that is no failure.
    defer_oom : bool
        Leave points that run out of memory for a task with more, instead of recording them as failed.
    launch : Launch
        How workers are started; without MPI by default.
    log : Path, optional
        What simulators print; a file of its own in the study's directory by default.
    design : str
        Digest of the design in which points have these numbers; a worker that has another one refuses.
    on_progress : callable
        Told how many points are over.
    """

    def __init__(
        self,
        directory: StudyDirectory,
        start: int,
        stop: int,
        *,
        time_limit: float | None = None,
        retry_failed: bool = False,
        budget: float | None = None,
        defer_oom: bool = False,
        launch: Launch = _PLAIN,
        log: Path | None = None,
        design: str = "",
        on_progress: Callable[[Progress], None] = lambda progress: None,
    ) -> None:
        self.directory, self.time_limit, self.retry_failed, self.on_progress = directory, time_limit, retry_failed, on_progress
        self.defer_oom, self.deferred, self.launch = defer_oom, 0, launch
        self._until = None if budget is None else time.time() + budget
        first = WorkerRequest(
            str(directory.path), start, stop, retry_failed=retry_failed, until=self._until, ranks=launch.ranks, design=design
        )
        self._requests = deque([first])
        self._log = TaskLog(log or log_path(directory.logs, start, stop))
        self._stop_asked = False
        self._done = self._failed = self._lost_starts = 0
        self._seconds = 0.0

    def run(self) -> int:
        """Run until every point is finished or left; returns the exit code.

        Raises
        ------
        Interrupted
            If asked to stop by SIGTERM or SIGINT; what was finished is written.
        """
        # what workers of all ranks see
        self.directory.logs.mkdir(parents=True, exist_ok=True)
        with handled((signal.SIGINT, *stop_signals()), self._ask_stop), self._log:
            while self._requests:
                code = self._work(self._requests.popleft())
                if code:
                    return code
                if self._late():
                    break
        self.on_progress(Progress(self._done, self._failed, finished=True, seconds=self._seconds))
        if self.deferred:
            sys.stderr.write(f"error: {self.deferred} points ran out of memory and are left for a task with more\n")
            return OUT_OF_MEMORY
        return 0

    def _late(self) -> bool:
        """Whether the budget is used up."""
        return self._until is not None and time.time() > self._until

    def _ask_stop(self, number: int) -> None:
        del number
        self._stop_asked = True

    def _work(self, request: WorkerRequest) -> int:
        """One worker, from its start to its end. Returns a code other than 0 when the task cannot go on."""
        parallel = request.ranks > 1
        # where the launcher starts the ranks they are nobody's children, and see what all nodes see
        block, kills = ProgressBlock.create(self.directory.logs if parallel else None), oom_kills()
        began, size = time.monotonic(), self._log.size
        try:
            worker = start(request, block, self._log.file, self.launch)
            late = self._watch(worker, block, parallel)
            progress = block.read()
        finally:
            block.close()
        self._seconds += time.monotonic() - progress.first if progress.first else 0.0
        _end_children(worker)
        ended = worker.wait()
        code = ending(ended) if parallel else ended
        # the exit code is not to be trusted: a model may end the process with any, 0 included
        whole = progress.state == FINISHED
        # what a dead worker had finished but not written is done again
        self._done += progress.done if whole else progress.written
        self._failed += progress.failed if whole else progress.written_failed
        if self._stop_asked:
            raise Interrupted(f"task stopped after {self._done} points")
        if whole:
            return 0
        if code in (2, 3) and progress.state == REFUSED:
            sys.stderr.write(self._tail())
            return code
        # what kills a rank of another step of a Slurm job is counted there
        starved = code < 0 and (oom_kills() > kills or (parallel and in_slurm() and code == -signal.SIGKILL))
        if progress.start < 0 and code >= 0:
            # it said why before the first point: a wrong environment, a full disk
            sys.stderr.write(self._tail() or f"error: the worker ended before the first point, with exit code {code}\n")
            return code or 1
        if progress.start < 0 and not starved:
            return self._start_again(request, parallel, code)
        size = self._log.place(progress.printed, progress.since) if progress.printed >= 0 else self._log.place(size, began)
        self._isolate(request, progress, code, late, starved=starved, printed=size)
        return 0

    def _start_again(self, request: WorkerRequest, parallel: bool, code: int) -> int:
        """Before the first point no point is to blame: try again, and say in the end what the worker or its launcher said."""
        self._lost_starts += 1
        if self._lost_starts < STARTS:
            # what kept ranks apart, or killed a process, may pass
            time.sleep(self._lost_starts)
            self._requests.appendleft(request)
            return 0
        who = "MPI ranks" if parallel else "workers"
        how = "" if parallel else f" ({cause_of_death(code)})"
        sys.stderr.write(f"{self._tail()}\nerror: {who} died {STARTS} times before the first point{how}, see {self._log.path}\n")
        return 1

    def _watch(self, worker: subprocess.Popen[bytes] | Fork, block: ProgressBlock, parallel: bool) -> bool:
        """Wait for the worker; end it when it is too late or a stop is asked. Returns whether it was too late."""
        shown, late, asked_at = WorkerProgress(), False, 0.0
        while True:
            try:
                worker.wait(INTERVAL)
                return late
            except subprocess.TimeoutExpired:
                progress = block.read()
            self._log.trim(ROOM)
            if (progress.done, progress.failed) != (shown.done, shown.failed):
                shown = progress
                self.on_progress(Progress(self._done + progress.done, self._failed + progress.failed))
            if self.time_limit is not None and progress.start >= 0:
                late = late or progress.seconds > self.time_limit * progress.batch
            if (late or self._stop_asked) and not asked_at:
                asked_at = time.monotonic()
                block.ask_stop()
                if not parallel:
                    worker.send_signal(signal.SIGTERM)
            if asked_at and time.monotonic() - asked_at > (GRACE if self._stop_asked else min(GRACE, 5.0)):
                worker.kill()

    def _isolate(
        self, request: WorkerRequest, progress: WorkerProgress, code: int, late: bool, starved: bool, printed: int
    ) -> None:
        """Try the points of the moment of death again, in smaller batches; alone, they count as failed the second time."""
        first, last = max(progress.start, request.start), max(progress.stop, request.start + 1)
        self._requests.appendleft(replace(request, start=last, attempt=1))
        if request.stop <= last:
            self._requests.popleft()
        if first > request.start:
            # finished before the death, perhaps not yet written: the finished ones are skipped
            self._requests.appendleft(replace(request, stop=first))
        if progress.batch > 1:
            half = (first + last) // 2
            for start, stop in ((half, last), (first, half)):
                self._requests.appendleft(replace(request, start=start, stop=stop, cap=-(-progress.batch // 2)))
        elif starved and self.defer_oom and request.attempt >= CRASHES:
            self.deferred += 1
        elif late or request.attempt >= CRASHES:
            self._give_up(replace(request, start=first, stop=last), code, late, starved, printed)
        else:
            self._requests.appendleft(replace(request, start=first, stop=last, cap=1, attempt=request.attempt + 1))

    def _give_up(self, request: WorkerRequest, code: int, late: bool, starved: bool, printed: int) -> None:
        """Record the points of a request as failed; what they printed stands in the log from `printed` on."""
        from hpcsim.scheduler.task.failure import record_failure

        reason = cause_of_death(code)
        if late:
            reason = f"took longer than the limit of {self.time_limit:g} s for one point"
        elif starved:
            reason = f"ran out of memory{allowance()}"
        elif words := self._last_words(request.ranks > 1, printed):
            reason = shorten(f"{reason}: {words}")
        failed = record_failure(self.directory, request, reason, late=late)
        for id in failed:
            self._log.write(heading(id, "timeout" if late else "crashed", self._log.size - printed, 0, reason))
        self._done += len(failed)
        self._failed += len(failed)
        self.on_progress(Progress(self._done, self._failed))

    def _last_words(self, parallel: bool, start: int = 0) -> str:
        """What the log ends with, of that from `start` on."""
        return last_words(self._log.end(4000, start), parallel)

    def _tail(self, size: int = 2000) -> str:
        """The end of the log."""
        return self._log.end(size)


def _end_children(worker: subprocess.Popen[bytes] | Fork) -> None:
    """Kill what a worker that is gone has left behind: programs that it ran, processes that a model forked."""
    # a session of its own, and so a group of its own
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(worker.pid, signal.SIGKILL)


def read_tasks(path: Path) -> list[tuple[int, int]]:
    """First point and one past the last of each task, from a file with a line a task.

    Raises
    ------
    StorageError
        If the file is not there.
    """
    try:
        lines = regular(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}; `hpcsim resume` submits what is missing anew") from error
    pairs = (line.split() for line in lines if not line.startswith(DESIGN))
    return [(int(start), int(stop)) for start, stop in pairs]


def design_of(tasks: Path) -> str:
    """The digest of the design that a file of tasks is about; empty where it does not say."""
    first = next(iter(regular(tasks).read_text(encoding="utf-8").splitlines()), "")
    return first.removeprefix(DESIGN) if first.startswith(DESIGN) else ""


def slice_of(k: int, size: int, offset: int, tasks: Path | None) -> tuple[int, int]:
    """First point and one past the last of task `k`: by its size, or as a file of tasks says.

    Raises
    ------
    DirectoryError
        If the file has no such task.
    """
    if tasks is None:
        return offset + k * size, offset + (k + 1) * size
    known = read_tasks(tasks)
    if k >= len(known):
        raise DirectoryError(f"{tasks} has {len(known)} tasks, and none with the number {k}")
    return known[k]


def run_task(
    path: Path,
    start: int,
    stop: int,
    *,
    retry_failed: bool = False,
    events: bool = False,
    budget: float | None = None,
    defer_oom: bool = False,
    launcher: str = "",
    inside: str = "",
    log: Path | None = None,
    design: str = "",
) -> int:
    """Body of ``hpcsim task``: the study's time limit and ranks apply; `events` prints progress as lines of JSON."""
    from hpcsim.study.file import read

    directory = StudyDirectory(path.resolve())
    if events:
        # an executor reads them; without it nobody wants the points any more
        die_with_parent()
        if reader_gone():
            raise Interrupted("the executor that started this task is gone")
    # hpcsim wrote this file itself: the time is a number of seconds
    resources = read(directory.study).get("resources", {})
    text = str(resources.get("time", ""))
    limit = float(text.split()[0]) if text else None
    launch = Launch.parse(int(resources.get("ranks", 1)), launcher, inside)
    last = 0.0

    def tell(progress: Progress) -> None:
        nonlocal last
        now = time.monotonic()
        if events and (progress.finished or now - last > 0.2):
            last = now
            print(progress.line(), flush=True)

    return Task(
        directory,
        start,
        stop,
        time_limit=limit,
        retry_failed=retry_failed,
        budget=budget,
        defer_oom=defer_oom,
        launch=launch,
        log=log,
        design=design,
        on_progress=tell,
    ).run()
