"""The processes of tasks on one machine: each is one ``hpcsim task``."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hpcsim.errors import HpcsimError, Interrupted, StorageError
from hpcsim.scheduler.executor import Job
from hpcsim.scheduler.log.reason import cause_of_death
from hpcsim.scheduler.log.task_log import TaskLog, log_path
from hpcsim.scheduler.task.fork_server import ForkedTask, ForkServer, can_fork
from hpcsim.scheduler.task.supervisor import GRACE, Progress

#: How many processes in a row are started for the same points, where one ends without a word.
TASKS = 3
#: Exit codes with which a task says on standard error why it cannot go on.
_SAID = (1, 2, 3)
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
        more = (*more, "--design", job.study.design.digest)
        return cls(str(job.directory.path.resolve()), str(Path.cwd()), job.retry_failed, socket.gethostname(), more)

    def arguments(self, start: int, stop: int) -> list[str]:
        """The arguments of ``hpcsim`` for the points ``start`` to ``stop``."""
        line = ["task", self.directory, "0", "--size", str(stop - start), "--offset", str(start), "--events"]
        return [*line, *(["--retry-failed"] if self.retry_failed else []), *self.more]

    def argv(self, start: int, stop: int) -> list[str]:
        """The whole command for them."""
        return [sys.executable, "-P", "-m", "hpcsim", *self.arguments(start, stop)]


class TaskProcesses:
    """The tasks that run on this machine, until they are asked to stop.

    Parameters
    ----------
    command : TaskCommand
    fork : bool
        Whether they are copies of a fork server, where the system can do that, and not processes that load all anew.
    """

    def __init__(self, command: TaskCommand, fork: bool = True) -> None:
        self.command = command
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._running = 0
        self._fork = fork and can_fork()
        self._server: ForkServer | None = None

    @property
    def running(self) -> int:
        """How many tasks run."""
        return self._running

    def stop(self) -> None:
        """Ask all tasks to write what they have and to end; no other will start."""
        self._stopping.set()

    def close(self) -> None:
        """End the fork server, when no task runs any more."""
        with self._lock:
            if self._server is not None:
                self._server.close()
                self._server = None

    def run(self, start: int, stop: int, hear: Callable[[Progress], None]) -> float:
        """Run one task to its end; returns the seconds that its points took, without the start of processes.

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
            If the task cannot go on, or dies again and again; one that was killed is started again.
        """
        shown = Progress(0, 0)

        def tell(progress: Progress) -> None:
            nonlocal shown
            # a task that is started again counts only what the one before had not written
            if progress.done >= shown.done:
                shown = progress
                hear(progress)

        self._count(1)
        try:
            for again in range(TASKS):
                if self._stopping.is_set():
                    raise Interrupted(STOPPED)
                code, words = self._run(start, stop, tell)
                if code == 0:
                    if again:
                        hear(Progress(stop - start, shown.failed, finished=True))
                    return shown.seconds
                if self._stopping.is_set():
                    raise Interrupted(STOPPED)
                if code in _SAID and words:
                    raise self._error(start, stop, code, words)
                self._note(start, stop, code)
            raise self._error(start, stop, code, "")
        finally:
            self._count(-1)

    def _count(self, change: int) -> None:
        with self._lock:
            self._running += change

    def _run(self, start: int, stop: int, hear: Callable[[Progress], None]) -> tuple[int, str]:
        """One process, to its end: its exit code, and what it said."""
        task = self._start(start, stop)
        watch = threading.Thread(target=self._stop_when_asked, args=(task,), daemon=True)
        watch.start()
        assert task.stdout is not None and task.stderr is not None
        for line in task.stdout:
            progress = Progress.parse(line)
            if progress is not None:
                hear(progress)
        words = task.stderr.read().strip()
        code = task.wait()
        if isinstance(task, ForkedTask):
            watch.join()
            task.close()
            if not task.begun and not self._stopping.is_set():
                # the server cannot be had, or cannot start another process
                self._fork = False
                return self._run(start, stop, hear)
        return code, words

    def _start(self, start: int, stop: int) -> subprocess.Popen[str] | ForkedTask:
        """A task; where there is no fork server a process of its own."""
        if self._fork:
            # a server that was killed is started anew; one that cannot be had is no reason to stop
            with suppress(OSError):
                return self._forking().start(self.command.arguments(start, stop), self.command.work)
        # a session of its own: Ctrl-C reaches us alone, and we stop the tasks in good order
        return subprocess.Popen(
            self.command.argv(start, stop),
            cwd=self.command.work,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )

    def _forking(self) -> ForkServer:
        with self._lock:
            if self._server is not None and not self._server.running:
                self._server.close()
                self._server = None
            if self._server is None:
                self._server = ForkServer()
            return self._server

    def _note(self, start: int, stop: int, code: int) -> None:
        """Say in the task's log that it is started again."""
        # a full disk: the next task says so
        with suppress(OSError), TaskLog(log_path(Path(self.command.directory) / "logs", start, stop)) as log:
            log.write(f"=== {cause_of_death(code, 'the task')}; what it had not written runs again\n")

    def _error(self, start: int, stop: int, code: int, words: str) -> HpcsimError:
        kind = StorageError if code == StorageError.exit_code else HpcsimError
        here = socket.gethostname()
        place = "" if here == self.command.home else f"on {here}: "
        log = log_path(Path(self.command.directory) / "logs", start, stop)
        died = f"{cause_of_death(code, f'the task of points {start} to {stop}')}; see {log} (it was started {TASKS} times)"
        return kind(place + (words or died))

    def _stop_when_asked(self, task: subprocess.Popen[str] | ForkedTask) -> None:
        while task.poll() is None:
            if self._stopping.wait(0.2):
                task.terminate()
                try:
                    task.wait(GRACE + 5)
                except subprocess.TimeoutExpired:
                    task.kill()
                return
