"""A task: one slice of the design, simulated by worker processes that may die.

``hpcsim task STUDY K`` is this, and the only thing that an executor ever starts. It stays small (no numpy, no
simulator), so that it survives what its worker does not: when a worker dies or takes too long, the points of
that moment are tried again without company until the guilty one is alone, and that one is recorded as failed.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from hpcsim.directory import StudyDirectory
from hpcsim.errors import DirectoryError, Interrupted, StorageError
from hpcsim.scheduler.board import Board, Reading
from hpcsim.scheduler.launcher import Launch, ending, in_slurm
from hpcsim.scheduler.memory import allowance, oom_kills
from hpcsim.scheduler.worker import Order, die_with_parent, environment

_PLAIN = Launch()
#: How often a point is tried before a crash counts as its own fault.
CRASHES = 2
#: How often MPI ranks are started that die before the first point.
STARTS = 3
#: How srun says that a rank ended.
_SRUN = re.compile(r"srun: error: \S+ tasks? \S+: (?!Terminated)")
#: Seconds that a worker has to write what it has, after it was asked to stop. Slurm gives 30 by default.
GRACE = 25.0
#: Seconds between two looks at the worker.
INTERVAL = 0.1
#: Exit code of a task that left points for one with more memory; Slurm's state says the same where it knows.
OUT_OF_MEMORY = 137


@dataclass(frozen=True)
class Progress:
    """Points of this task that are over, and how many of them failed; `finished` when the task is."""

    done: int
    failed: int
    finished: bool = False

    def line(self) -> str:
        """As a line of JSON, for whoever reads the task's standard output."""
        return json.dumps({"done": self.done, "failed": self.failed, "finished": self.finished})

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
    spare : bool
        Leave points that run out of memory for a task with more, instead of recording them as failed.
    launch : Launch
        How workers are started; without MPI by default.
    log : Path, optional
        What simulators print; a file of its own in the study's directory by default.
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
        spare: bool = False,
        launch: Launch = _PLAIN,
        log: Path | None = None,
        on_progress: Callable[[Progress], None] = lambda progress: None,
    ) -> None:
        self.directory, self.time_limit, self.retry_failed, self.on_progress = directory, time_limit, retry_failed, on_progress
        self.spare, self.spared, self.launch = spare, 0, launch
        self._until = None if budget is None else time.time() + budget
        first = Order(str(directory.path), start, stop, retry_failed=retry_failed, until=self._until, ranks=launch.ranks)
        self._orders = deque([first])
        self._log_path = log or directory.logs / f"{start:09d}-{stop:09d}.log"
        self._stop_asked = False
        self._done = self._failed = self._lost_starts = 0

    def run(self) -> int:
        """Run until every point is finished or left; returns the exit code.

        Raises
        ------
        Interrupted
            If asked to stop by SIGTERM or SIGINT; what was finished is written.
        """
        self.directory.logs.mkdir(parents=True, exist_ok=True)
        previous = {number: signal.signal(number, self._ask_stop) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            with self._log_path.open("ab") as log:
                while self._orders:
                    code = self._work(self._orders.popleft(), log)
                    if code:
                        return code
                    if self._late():
                        break
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
        self.on_progress(Progress(self._done, self._failed, finished=True))
        if self.spared:
            sys.stderr.write(f"error: {self.spared} points ran out of memory and are left for a task with more\n")
            return OUT_OF_MEMORY
        return 0

    def _late(self) -> bool:
        """Whether the budget is used up."""
        return self._until is not None and time.time() > self._until

    def _ask_stop(self, number: int, frame: object) -> None:
        del number, frame
        self._stop_asked = True

    def _work(self, order: Order, log: IO[bytes]) -> int:
        """One worker, from its start to its end. Returns a code other than 0 when the task cannot go on."""
        parallel = order.ranks > 1
        # where the launcher starts the ranks they are nobody's children, and see what all nodes see
        board, kills = Board.create(self.directory.logs if parallel else None), oom_kills()
        try:
            worker = subprocess.Popen(
                self.launch.command(order.words(board)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment(),
                pass_fds=[board.descriptor],
                start_new_session=True,
                preexec_fn=die_with_parent if parallel else None,
            )
            late = self._watch(worker, board, parallel)
            reading = board.read()
        finally:
            board.close()
        code = ending(worker.returncode) if parallel else worker.returncode
        # what a dead worker had finished but not written is done again
        self._done += reading.written if code else reading.done
        self._failed += reading.written_failed if code else reading.failed
        if self._stop_asked:
            raise Interrupted(f"task stopped after {self._done} points")
        if code == 0:
            return 0
        if code > 0 and reading.start < 0:
            # it said why before the first point: a wrong environment, a full disk
            sys.stderr.write(self._tail())
            return code
        if code in (2, 3):
            sys.stderr.write(self._tail())
            return code
        # what kills a rank of another step of a Slurm job is counted there
        starved = code < 0 and (oom_kills() > kills or (parallel and in_slurm() and code == -signal.SIGKILL))
        if parallel and reading.start < 0 and not starved:
            return self._start_again(order)
        self._isolate(order, reading, code, late, starved=starved)
        return 0

    def _start_again(self, order: Order) -> int:
        """Where ranks did not find each other no point is guilty: try again, and say in the end what the launcher said."""
        self._lost_starts += 1
        if self._lost_starts < STARTS:
            # what kept them apart may pass
            time.sleep(self._lost_starts)
            self._orders.appendleft(order)
            return 0
        sys.stderr.write(f"{self._tail()}\nerror: MPI ranks died {STARTS} times before the first point, see {self._log_path}\n")
        return 1

    def _watch(self, worker: subprocess.Popen[bytes], board: Board, parallel: bool) -> bool:
        """Wait for the worker; end it when it is too late or a stop is asked. Returns whether it was too late."""
        shown, late, asked_at = Reading(), False, 0.0
        while True:
            try:
                worker.wait(INTERVAL)
                return late
            except subprocess.TimeoutExpired:
                reading = board.read()
            if (reading.done, reading.failed) != (shown.done, shown.failed):
                shown = reading
                self.on_progress(Progress(self._done + reading.done, self._failed + reading.failed))
            if self.time_limit is not None and reading.start >= 0 and reading.done == shown.done:
                late = late or reading.seconds > self.time_limit * reading.batch
            if (late or self._stop_asked) and not asked_at:
                asked_at = time.monotonic()
                board.ask_stop()
                if not parallel:
                    worker.send_signal(signal.SIGTERM)
            if asked_at and time.monotonic() - asked_at > (GRACE if self._stop_asked else min(GRACE, 5.0)):
                worker.kill()

    def _isolate(self, order: Order, reading: Reading, code: int, late: bool, starved: bool) -> None:
        """Try the points of the moment of death again, in smaller company; alone, they are guilty the second time."""
        first, last = max(reading.start, order.start), max(reading.stop, order.start + 1)
        self._orders.appendleft(replace(order, start=last, attempt=1))
        if order.stop <= last:
            self._orders.popleft()
        if first > order.start:
            # finished before the death, perhaps not yet written: the finished ones are skipped
            self._orders.appendleft(replace(order, stop=first))
        if reading.batch > 1:
            half = (first + last) // 2
            for start, stop in ((half, last), (first, half)):
                self._orders.appendleft(replace(order, start=start, stop=stop, cap=-(-reading.batch // 2)))
        elif starved and self.spare and order.attempt >= CRASHES:
            self.spared += 1
        elif late or order.attempt >= CRASHES:
            self._give_up(replace(order, start=first, stop=last), code, late, starved)
        else:
            self._orders.appendleft(replace(order, start=first, stop=last, cap=1, attempt=order.attempt + 1))

    def _give_up(self, order: Order, code: int, late: bool, starved: bool) -> None:
        """Record the points of an order as failed."""
        from hpcsim.scheduler.failure import record_failure

        if late:
            reason = f"took longer than the limit of {self.time_limit:g} s for one point"
        elif starved:
            reason = f"ran out of memory{allowance()}"
        elif code < 0:
            reason = f"the process died of {signal.Signals(-code).name}"
        else:
            reason = f"the process ended with exit code {code}"
        last_words = self._last_words(order.ranks > 1)
        if last_words and not late and not starved:
            reason += f": {last_words}"
        failed = record_failure(self.directory, order, reason, late=late)
        self._done += failed
        self._failed += failed
        self.on_progress(Progress(self._done, self._failed))

    def _last_words(self, parallel: bool) -> str:
        """The last line of the log; of several ranks the last that names an error, since launchers talk at the end.

        Without any it is what srun says of a rank that was not ended because of another one.
        """
        lines = self._tail(4000 if parallel else 200).strip().splitlines()
        if parallel:
            lines = [line for line in lines if line.startswith("error: ")] or [line for line in lines if _SRUN.match(line)]
        return lines[-1] if lines else ""

    def _tail(self, size: int = 2000) -> str:
        """The end of the log."""
        content = self._log_path.read_bytes()[-size:]
        return content.decode(errors="replace")


def read_tasks(path: Path) -> list[tuple[int, int]]:
    """First point and one past the last of each task, from a file with a line a task.

    Raises
    ------
    StorageError
        If the file is not there.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}; `hpcsim resume` submits what is missing anew") from error
    pairs = (line.split() for line in lines)
    return [(int(start), int(stop)) for start, stop in pairs]


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
    spare: bool = False,
    launcher: str = "",
    inside: str = "",
    log: Path | None = None,
) -> int:
    """Body of ``hpcsim task``: the study's time limit and ranks apply; `events` prints progress as lines of JSON."""
    from hpcsim.study_file import read

    directory = StudyDirectory(path.resolve())
    if events:
        # an executor reads them; without it nobody wants the points any more
        die_with_parent()
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
        spare=spare,
        launch=launch,
        log=log,
        on_progress=tell,
    ).run()
