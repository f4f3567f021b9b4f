"""Executor ``local``: this machine; a thread for each core waits for one ``hpcsim task`` after the other.

There is no Dask here: to load and start it takes longer than a small sweep, and a laptop has no use for its scheduler.
``--on dask`` without an address has Dask's pages on the same machine.
"""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing

from hpcsim.errors import Interrupted
from hpcsim.scheduler.dispatch import PointCount, dispatch
from hpcsim.scheduler.executor import Job, executor, side_by_side
from hpcsim.scheduler.task.process import STOPPED, TaskCommand, TaskProcesses
from hpcsim.scheduler.task.supervisor import Progress


@executor("local", feeds=True)
def run_local(job: Job) -> None:
    """Run the tasks on the cores of this machine."""
    count = PointCount(job)
    with (
        closing(TaskProcesses(TaskCommand.of(job))) as processes,
        ThreadPoolExecutor(side_by_side(job)) as threads,
    ):
        try:
            dispatch(job, _Threads(threads, side_by_side(job), processes, count), {})
        except (KeyboardInterrupt, Interrupted):
            raise Interrupted(STOPPED) from None
        finally:
            # after an error others still run: they write what they have before the threads are left
            processes.stop()
    count.all_over()


class _Threads:
    """Threads that wait for a process each."""

    def __init__(self, threads: ThreadPoolExecutor, room: int, processes: TaskProcesses, count: PointCount) -> None:
        self._threads, self._room, self._processes, self._count = threads, room, processes, count

    def room(self) -> int:
        """As many tasks as threads."""
        return self._room

    def submit(self, start: int, stop: int) -> Future[float]:
        """Start a task."""

        def hear(progress: Progress) -> None:
            self._count.add(start, "", progress.done, progress.failed)

        return self._threads.submit(self._processes.run, start, stop, hear)

    def finished(self, running: list[Future[float]]) -> list[Future[float]]:
        """Tasks that have ended."""
        return list(wait(running, timeout=0.5, return_when=FIRST_COMPLETED).done)

    def watch(self) -> None:
        """Nothing: a process that dies is started again where it is waited for."""
