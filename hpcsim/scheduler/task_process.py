"""The processes of tasks on one machine: each is one ``hpcsim task``."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hpcsim.errors import HpcsimError, Interrupted, StorageError
from hpcsim.scheduler.executor import Job
from hpcsim.scheduler.task import GRACE, Progress

STOPPED = "stopped; what was finished is written, the same command goes on from there"


@dataclass(frozen=True)
class TaskCommand:
    """How a task is started, on any machine that sees the study's directory.

    Parameters
    ----------
    directory : str
        Full path of the study's directory.
    work : str
        The folder that tasks start in: models of the user's own are found there.
    retry_failed : bool
        Simulate failed points again.
    home : str
        Name of the machine that this was made on: errors of others say where they come from.
    more : tuple of str
        Further options: how MPI ranks are started.
    """

    directory: str
    work: str
    retry_failed: bool
    home: str
    more: tuple[str, ...] = ()

    @classmethod
    def of(cls, job: Job, more: Sequence[str] = ()) -> TaskCommand:
        """The command for the tasks of a job."""
        return cls(str(job.directory.path.resolve()), str(Path.cwd()), job.retry_failed, socket.gethostname(), tuple(more))

    def words(self, start: int, stop: int) -> list[str]:
        """The command for the points ``start`` to ``stop``."""
        line = [sys.executable, "-m", "hpcsim", "task", self.directory, "0"]
        line += ["--size", str(stop - start), "--offset", str(start), "--events"]
        return [*line, *(["--retry-failed"] if self.retry_failed else []), *self.more]


class TaskProcesses:
    """The tasks that run on this machine, until they are asked to stop."""

    def __init__(self, command: TaskCommand) -> None:
        self.command = command
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._running = 0

    @property
    def running(self) -> int:
        """How many tasks run."""
        return self._running

    def stop(self) -> None:
        """Ask all tasks to write what they have and to end; no other will start."""
        self._stopping.set()

    def run(self, start: int, stop: int, hear: Callable[[Progress], None]) -> float:
        """Run one task to its end; returns the seconds that it took.

        Parameters
        ----------
        start, stop : int
            First point and one past the last.
        hear : callable
            Told how many points are over.

        Raises
        ------
        Interrupted
            If it was asked to stop before its end.
        StorageError, HpcsimError
            If the task cannot go on.
        """
        self._count(1)
        try:
            return self._run(start, stop, hear)
        finally:
            self._count(-1)

    def _count(self, change: int) -> None:
        with self._lock:
            self._running += change

    def _run(self, start: int, stop: int, hear: Callable[[Progress], None]) -> float:
        began = time.monotonic()
        if self._stopping.is_set():
            raise Interrupted(STOPPED)
        # a session of its own: Ctrl-C reaches us alone, and we stop the tasks in good order
        task = subprocess.Popen(
            self.command.words(start, stop),
            cwd=self.command.work,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        threading.Thread(target=self._stop_when_asked, args=(task,), daemon=True).start()
        assert task.stdout is not None and task.stderr is not None
        for line in task.stdout:
            progress = Progress.parse(line)
            if progress is not None:
                hear(progress)
        words = task.stderr.read().strip()
        code = task.wait()
        if code and self._stopping.is_set():
            raise Interrupted(STOPPED)
        if code:
            raise self._error(start, stop, code, words)
        return time.monotonic() - began

    def _error(self, start: int, stop: int, code: int, words: str) -> HpcsimError:
        kind = StorageError if code == StorageError.exit_code else HpcsimError
        here = socket.gethostname()
        place = "" if here == self.command.home else f"on {here}: "
        logs = Path(self.command.directory) / "logs"
        return kind(place + (words or f"the task of points {start} to {stop} ended with exit code {code}; see {logs}"))

    def _stop_when_asked(self, task: subprocess.Popen[str]) -> None:
        while task.poll() is None:
            if self._stopping.wait(0.2):
                task.terminate()
                try:
                    task.wait(GRACE + 5)
                except subprocess.TimeoutExpired:
                    task.kill()
                return
