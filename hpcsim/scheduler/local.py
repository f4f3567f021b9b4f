"""Executor ``local``: a Dask LocalCluster on this machine; each Dask task is one ``hpcsim task``."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

from hpcsim.errors import Interrupted
from hpcsim.scheduler.executor import Job
from hpcsim.scheduler.task import Progress
from hpcsim.scheduler.task_process import STOPPED, TaskCommand, TaskProcesses


def run_local(job: Job) -> None:
    """Run the tasks on the cores of this machine, under a Dask cluster whose dashboard shows them."""
    if job.plan.left == 1:
        # a cluster would take longer to start than many a point (the kernels of a study, say)
        _run_alone(job)
    else:
        _run_cluster(job)


def _run_alone(job: Job) -> None:
    def hear(progress: Progress) -> None:
        job.on_progress(progress.done, progress.failed)

    processes = TaskProcesses(TaskCommand.of(job))
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(processes.run, *job.plan.pending[0], hear)
        try:
            running.result()
        except (KeyboardInterrupt, Interrupted):
            processes.stop()
            raise Interrupted(STOPPED) from None


def _run_cluster(job: Job) -> None:
    import dask
    from dask.distributed import Client, LocalCluster

    from hpcsim.scheduler.dask_tasks import SETTINGS, run_tasks, show_dashboard

    # the worker lives in this process; on a laptop that slept, Dask would take it for dead, and wait for another for ever
    dask.config.set({**SETTINGS, "distributed.scheduler.worker-ttl": None})
    workers = side_by_side(job)
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
        show_dashboard(job, cluster)
        run_tasks(client, job, lambda: workers)


def side_by_side(job: Job) -> int:
    """How many tasks this machine has cores for, unless the user says it."""
    return job.workers or max(1, cores() // job.study.file.resources.cores)


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
