"""Tasks under Dask: a Dask task is one ``hpcsim task`` on the machine of its worker, and carries two integers."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Self

from distributed import Client, KilledWorker, Reschedule, WorkerPlugin, get_worker, wait

from hpcsim.errors import DaskError, Interrupted
from hpcsim.scheduler.executor import Job
from hpcsim.scheduler.plan import Slices
from hpcsim.scheduler.task import GRACE, Progress
from hpcsim.scheduler.task_process import STOPPED, TaskCommand, TaskProcesses

#: Seconds between two chances to collect.
COLLECT_EVERY = 60.0
#: Words about progress that all workers together say in a second, and the least seconds between two of one task.
_WORDS, _PAUSE = 50, 0.2
#: Settings of the Dask that hpcsim starts.
SETTINGS = {
    # its sampling of the waiting threads would cost more than everything else here
    "distributed.worker.profile.enabled": False,
    "distributed.admin.system-monitor.interval": "2s",
}


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

    def run(self, start: int, stop: int) -> float:
        """Run one task; returns the seconds that it took."""
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


class _Tally:
    """Points that are over, as the tasks tell it; a task that was moved to another worker tells only what it did there."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._said: dict[tuple[int, str], tuple[int, int]] = {}

    def hear(self, event: tuple[float, list[Any]]) -> None:
        """Take in an event of the plugin's."""
        start, worker, done, failed = event[1]
        self._said[start, worker] = done, failed
        over, bad = (sum(column) for column in zip(*self._said.values(), strict=True))
        # what a lost worker had not written is done twice
        self._job.on_progress(min(over, self._job.plan.left), bad)

    def all_over(self) -> None:
        """Tell that no point is left, whatever a lost worker could not tell."""
        self._job.on_progress(self._job.plan.left, sum(bad for _, bad in self._said.values()))


def show_dashboard(job: Job, cluster: Any, more: str = "") -> None:
    """Tell where the dashboard of a cluster is, which listens on this machine alone; `more` is added for people."""
    address = f"http://127.0.0.1:{cluster.scheduler.services['dashboard'].port}/status"
    job.dashboard(address)
    job.announce(f"Dask dashboard {address}{more}")


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
    tally = _Tally(job)
    client.subscribe_topic(name, tally.hear)
    client.register_plugin(TaskPlugin(TaskCommand.of(job, more), name, max(_PAUSE, room() / _WORDS)), name=name)
    try:
        with client.as_current():
            _submit_all(client, name, job, room, watch, running)
        tally.all_over()
    except (KeyboardInterrupt, Interrupted):
        raise Interrupted(STOPPED) from None
    except KilledWorker as error:
        raise DaskError(
            f"Dask workers died again and again while they ran {error.task}; see the logs of the workers. "
            "Where they take too much memory, ask for more with resources.memory of the study"
        ) from None
    except CancelledError:
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


def _submit_all(
    client: Client,
    name: str,
    job: Job,
    room: Callable[[], int],
    watch: Callable[[], None],
    running: dict[Any, tuple[int, int]],
) -> None:
    """Keep as many tasks running as there is room for until no slice is left; sizes follow from what the first ones took."""
    slices = Slices(list(job.plan.pending), room(), job.study.file.resources.task_size, job.study.model.batch or 1)
    seconds, points, over = 0.0, 0, 0
    with _Collecting(job.on_shards) as collecting:
        while _keep_busy(client, name, slices, room(), running, seconds / points if points else None):
            job.on_tasks(len(running), over)
            for future in _finished(running):
                start, stop = running.pop(future)
                seconds += future.result()
                points += stop - start
                over += 1
            watch()
            collecting.when_due()


def _keep_busy(
    client: Client, name: str, slices: Slices, room: int, running: dict[Any, tuple[int, int]], cost: float | None
) -> bool:
    """Submit tasks while there is room; returns whether any is running."""
    slices.workers = room
    while len(running) < room and (taken := slices.take(cost)):
        key = f"points-{taken[0]}-{taken[1]}-{name}"
        running[client.submit(_run_task, name, *taken, key=key, pure=False)] = taken
    return bool(running)


def _finished(running: dict[Any, tuple[int, int]]) -> list[Any]:
    """Futures that are done; waits a little when none is."""
    try:
        return list(wait(list(running), timeout=0.5, return_when="FIRST_COMPLETED").done)
    except TimeoutError:
        return []


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
