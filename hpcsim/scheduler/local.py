"""Executor ``local``: a Dask LocalCluster on this machine; each Dask task is one ``hpcsim task``."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Self

from hpcsim.errors import HpcsimError, Interrupted, StorageError
from hpcsim.scheduler.executor import Job
from hpcsim.scheduler.plan import Slices
from hpcsim.scheduler.task import GRACE, Progress

STOPPED = "stopped; what was finished is written, the same command goes on from there"
#: Seconds between two chances to collect.
COLLECT_EVERY = 60.0


@dataclass
class Tasks:
    """The running ``hpcsim task`` processes of this machine, and what they said last."""

    job: Job
    stopping: threading.Event = field(default_factory=threading.Event)
    _said: dict[int, Progress] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, start: int, stop: int) -> float:
        """Run one task to its end; returns the seconds that it took.

        Raises
        ------
        StorageError, HpcsimError
            If the task cannot go on.
        """
        began = time.monotonic()
        if self.stopping.is_set():
            return 0.0
        command = [sys.executable, "-m", "hpcsim", "task", str(self.job.directory.path), "0"]
        command += ["--size", str(stop - start), "--offset", str(start), "--events"]
        command += ["--retry-failed"] if self.job.retry_failed else []
        # a session of its own: Ctrl-C reaches us alone, and we stop the tasks in good order
        task = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        watcher = threading.Thread(target=self._stop_when_asked, args=(task,), daemon=True)
        watcher.start()
        assert task.stdout is not None and task.stderr is not None
        for line in task.stdout:
            progress = Progress.parse(line)
            if progress is not None:
                self._hear(start, progress)
        words = task.stderr.read().strip()
        code = task.wait()
        if code and not self.stopping.is_set():
            kind = StorageError if code == StorageError.exit_code else HpcsimError
            place = self.job.directory.logs
            raise kind(words or f"the task of points {start} to {stop} ended with exit code {code}; see {place}")
        return time.monotonic() - began

    def _stop_when_asked(self, task: subprocess.Popen[str]) -> None:
        while task.poll() is None:
            if self.stopping.wait(0.2):
                task.terminate()
                try:
                    task.wait(GRACE + 5)
                except subprocess.TimeoutExpired:
                    task.kill()
                return

    def _hear(self, start: int, progress: Progress) -> None:
        with self._lock:
            self._said[start] = progress
            said = list(self._said.values())
        self.job.on_progress(sum(item.done for item in said), sum(item.failed for item in said))


#: Jobs of this process by their id: Dask carries numbers, its threads find the rest here.
_RUNNING: dict[int, Tasks] = {}


def _run(key: int, start: int, stop: int) -> float:
    return _RUNNING[key].run(start, stop)


def run_local(job: Job) -> None:
    """Run the tasks on the cores of this machine, under a Dask cluster whose dashboard shows them."""
    if job.plan.left == 1:
        # a cluster would take longer to start than many a point (the kernels of a study, say)
        _run_alone(job)
    else:
        _run_cluster(job)


def _run_alone(job: Job) -> None:
    tasks = Tasks(job)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(tasks.run, *job.plan.pending[0])
        try:
            running.result()
        except (KeyboardInterrupt, Interrupted):
            tasks.stopping.set()
            raise Interrupted(STOPPED) from None


def _run_cluster(job: Job) -> None:
    import dask
    from dask.distributed import Client, LocalCluster

    settings = {
        # its sampling of the waiting threads would cost more than everything else here
        "distributed.worker.profile.enabled": False,
        "distributed.admin.system-monitor.interval": "2s",
        # the worker lives in this process; on a laptop that slept, Dask would take it for dead, and wait for another for ever
        "distributed.scheduler.worker-ttl": None,
    }
    dask.config.set(settings)
    threads = job.study.file.resources.threads
    workers = job.workers or max(1, cores() // threads)
    tasks = Tasks(job)
    slices = Slices(list(job.plan.pending), workers, job.study.file.resources.task_size, job.study.model.batch or 1)
    # a Dask worker only waits for its process, so threads are enough
    with (
        LocalCluster(
            n_workers=1,
            threads_per_worker=workers,
            processes=False,
            dashboard_address="127.0.0.1:0",
            worker_dashboard_address="127.0.0.1:0",
            silence_logs=50,
        ) as cluster,
        Client(cluster) as client,
    ):
        job.announce(f"dashboard http://127.0.0.1:{cluster.scheduler.services['dashboard'].port}/status")
        _RUNNING[id(tasks)] = tasks
        try:
            _submit_all(client, tasks, slices, workers)
        except (KeyboardInterrupt, Interrupted):
            _stop(tasks, client)
            raise Interrupted(STOPPED) from None
        except HpcsimError:
            _stop(tasks, client)
            raise
        finally:
            del _RUNNING[id(tasks)]


def _submit_all(client: Any, tasks: Tasks, slices: Slices, workers: int) -> None:
    """Keep `workers` tasks running until no slice is left; sizes follow from what the first ones took."""
    running: dict[Any, tuple[int, int]] = {}
    seconds = points = 0.0
    with _Collecting(tasks.job.on_shards) as collecting:
        while _keep_busy(client, tasks, slices, workers, running, seconds / points if points else None):
            for future in _finished(running):
                start, stop = running.pop(future)
                seconds += future.result()
                points += stop - start
            collecting.when_due()


def _keep_busy(
    client: Any, tasks: Tasks, slices: Slices, workers: int, running: dict[Any, tuple[int, int]], cost: float | None
) -> bool:
    """Submit tasks for workers that have none; returns whether any is running."""
    while len(running) < workers and (taken := slices.take(cost)):
        name = f"points-{taken[0]}-{taken[1]}"
        running[client.submit(_run, id(tasks), *taken, key=name, pure=False)] = taken
    return bool(running)


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


def _finished(running: dict[Any, tuple[int, int]]) -> list[Any]:
    """Futures that are done; waits a little when none is."""
    from dask.distributed import wait

    try:
        return list(wait(list(running), timeout=0.5, return_when="FIRST_COMPLETED").done)
    except TimeoutError:
        return []


def _stop(tasks: Tasks, client: Any) -> None:
    """Stop all tasks and wait until they have written what they have."""
    tasks.stopping.set()
    deadline = time.monotonic() + GRACE + 10
    while any(client.processing().values()) and time.monotonic() < deadline:
        time.sleep(0.05)


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
