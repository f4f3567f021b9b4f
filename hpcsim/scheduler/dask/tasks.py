"""Tasks under Dask: a Dask task is one ``hpcsim task`` on the machine of its worker, and carries two integers."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import Any

from distributed import Client, KilledWorker, Reschedule, WorkerPlugin, get_worker, wait
from distributed.comm import CommClosedError

from hpcsim.errors import DaskError, Interrupted
from hpcsim.scheduler.dispatch import PointCount, dispatch
from hpcsim.scheduler.executor import Job
from hpcsim.scheduler.pool.loopback import LOOPBACK
from hpcsim.scheduler.task.process import STOPPED, TaskCommand, TaskProcesses
from hpcsim.scheduler.task.supervisor import GRACE, Progress

#: Words about progress that all workers together say in a second, and the least seconds between two of one task.
_WORDS, _PAUSE = 50, 0.2


class TaskPlugin(WorkerPlugin):  # type: ignore[misc]
    """What stands on every Dask worker for one sweep: starts its tasks, passes on what they say, and stops them.

    Dask brings it to workers that come later as well. When it is taken away, or its worker closes, the tasks are
    asked to write what they have, and are waited for.

    Parameters
    ----------
    command : TaskCommand
    topic : str
        Of the events that tell the progress.
    pause : float
        Seconds between two words of a task.
    """

    def __init__(self, command: TaskCommand, topic: str, pause: float) -> None:
        self.command, self.topic, self.pause = command, topic, pause

    def setup(self, worker: Any) -> None:
        """Called by Dask when it reaches a worker."""
        self._worker, self._processes = worker, TaskProcesses(self.command)

    async def teardown(self, worker: Any) -> None:
        """Called by Dask when it is taken away from a worker, or the worker closes."""
        self._processes.stop()
        while self._processes.running:
            await asyncio.sleep(0.05)
        self._processes.close()

    def run(self, start: int, stop: int) -> float:
        """Run one task; returns the seconds that its points took."""
        last = 0.0

        def hear(progress: Progress) -> None:
            nonlocal last
            now = time.monotonic()
            if progress.finished or now - last > self.pause:
                last = now
                self._worker.log_event(self.topic, [start, self._worker.address, progress.done, progress.failed])

        try:
            return self._processes.run(start, stop, hear)
        except Interrupted:
            # the worker goes away: the rest of the points belongs to another
            raise Reschedule from None


def _run_task(name: str, start: int, stop: int) -> float:
    """Body of a Dask task."""
    plugin = get_worker().plugins.get(name)
    if plugin is None:
        raise Interrupted(STOPPED)
    return float(plugin.run(start, stop))


def show_dashboard(job: Job, cluster: Any, more: str = "") -> None:
    """Tell where the dashboard of a cluster is, which listens on this machine alone; `more` is added for people."""
    address = f"http://{LOOPBACK}:{cluster.scheduler.services['dashboard'].port}/status"
    job.dashboard(address)
    job.notify(f"Dask dashboard {address}{more}")


def run_tasks(
    client: Client,
    job: Job,
    room: Callable[[], int],
    watch: Callable[[], None] = lambda: None,
    more: Sequence[str] = (),
) -> None:
    """Run the tasks of a job on the workers of a Dask client.

    Parameters
    ----------
    client : distributed.Client
    job : Job
    room : callable
        How many tasks may run side by side now; at least one.
    watch : callable
        Called about twice a second: a chance to look at the workers, and to give up.
    more : sequence of str
        Further options of ``hpcsim task``.

    Raises
    ------
    Interrupted
        If stopped by a signal; tasks have written what they had.
    StorageError, HpcsimError
        If a task cannot go on.
    DaskError
        If workers die of a task, or the scheduler is gone.
    """
    name = f"hpcsim-{secrets.token_hex(4)}"
    running: dict[Any, tuple[int, int]] = {}
    count = PointCount(job)
    client.subscribe_topic(name, lambda event: count.add(*event[1]))
    client.register_plugin(TaskPlugin(TaskCommand.of(job, more), name, max(_PAUSE, room() / _WORDS)), name=name)
    try:
        with client.as_current():
            dispatch(job, _Workers(client, name, room, watch), running)
        count.all_over()
    except (KeyboardInterrupt, Interrupted):
        raise Interrupted(STOPPED) from None
    except KilledWorker as error:
        raise DaskError(
            f"Dask workers died again and again while they ran {error.task}; see the logs of the workers. "
            "Where they take too much memory, ask for more with resources.memory of the study"
        ) from None
    except (CancelledError, CommClosedError):
        raise DaskError("the Dask scheduler is gone, or was restarted; the same command goes on from there") from None
    finally:
        _end(client, name, running)


def _end(client: Client, name: str, running: dict[Any, tuple[int, int]]) -> None:
    """Stop the tasks that still run, wait until they have written what they have, and leave nothing behind."""
    # workers and scheduler may be gone themselves
    with suppress(OSError, TimeoutError, ValueError, CancelledError):
        client.cancel(list(running), asynchronous=False)
        client.sync(client._unregister_worker_plugin, name=name, callback_timeout=GRACE + 10)
        client.unsubscribe_topic(name)


class _Workers:
    """The workers of a Dask client, as what runs tasks."""

    def __init__(self, client: Client, name: str, room: Callable[[], int], watch: Callable[[], None]) -> None:
        self._client, self._name = client, name
        self.room, self.watch = room, watch

    def submit(self, start: int, stop: int) -> Any:
        """Give a task to the scheduler."""
        key = f"points-{start}-{stop}-{self._name}"
        return self._client.submit(_run_task, self._name, start, stop, key=key, pure=False)

    def finished(self, running: list[Any]) -> list[Any]:
        """Futures that are done; waits a little when none is."""
        try:
            return list(wait(running, timeout=0.5, return_when="FIRST_COMPLETED").done)
        except TimeoutError:
            return []
