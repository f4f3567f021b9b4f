"""Executor ``dask``: a scheduler that is there, workers that are Slurm jobs, or a process of this machine."""

from __future__ import annotations

import gc
import importlib.util
import shlex
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from typing import Any

from distributed import Client, LocalCluster
from distributed.core import Status
from distributed.diagnostics.plugin import SchedulerPlugin
from distributed.security import Security

from hpcsim.errors import DaskError, PluginError, Problem, SiteError, nearest
from hpcsim.plugin import not_installed
from hpcsim.scheduler.dask.tasks import run_tasks, show_dashboard
from hpcsim.scheduler.executor import Job, executor, side_by_side
from hpcsim.scheduler.pool.loopback import LOOPBACK
from hpcsim.scheduler.pool.own import PRELOAD, own_dask
from hpcsim.scheduler.queue.commands import Slurm
from hpcsim.scheduler.queue.paths import SubmissionPaths
from hpcsim.scheduler.queue.script import launch_options, worker_parts
from hpcsim.scheduler.site.files import load_site
from hpcsim.scheduler.site.site import DaskSection, Overrides, Settings, resolve
from hpcsim.study.file import amount

_LOOPBACK_HINT = "; workers on other machines need dask.interface in the site's file: they were told to look on their own"
#: Jobs, where neither the user nor the site says how many.
_JOBS = 10
#: Seconds before the end of its job at which a worker hands its tasks to others; they write what they have.
_LEAVE = 90.0
#: Seconds for a scheduler to answer.
_ANSWER = 15.0
#: Seconds for the worker process of this machine to start, and to start again when it died.
_COMES_BACK = 120.0
#: Settings for clusters of jobs.
_JOB_SETTINGS = {
    # a worker never comes back under its name: its job is over
    "distributed.deploy.lost-worker-timeout": "5s",
    # nodes are lost, and jobs preempted; a point that kills its own process is not a reason
    "distributed.scheduler.allowed-failures": 10,
}


@executor("dask", feeds=True)
def run_dask(job: Job) -> None:
    """Run the tasks under Dask: where the target's scheduler says, else on the Slurm of its site, else here."""
    if job.target.scheduler:
        _run_there(job)
    elif job.target.site or job.target.overrides != Overrides():
        _run_jobs(job)
    else:
        _run_here(job)


def _run_there(job: Job) -> None:
    """On the workers of a scheduler that is there."""
    section = load_site(job.target.site).dask
    with _connected(job.target.scheduler, section) as client:
        job.dashboard(client.dashboard_link)
        job.notify(f"Dask dashboard {client.dashboard_link}")
        workers = _Workers(client, job, amount(section.patience, "s"))
        run_tasks(client, job, workers.room, workers.look)


@contextmanager
def _connected(scheduler: str, section: DaskSection) -> Iterator[Client]:
    where = {"scheduler_file": scheduler} if Path(scheduler).is_file() else {"address": scheduler}
    security = None
    if section.ca_file:
        files = {"tls_ca_file": section.ca_file, "tls_client_cert": section.cert, "tls_client_key": section.key}
        security = Security(require_encryption=True, **files)
    client, words = None, ""
    try:
        client = Client(**where, security=security, timeout=_ANSWER, set_as_default=False)
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        words = f"{scheduler}: no Dask scheduler answers there: {error}; expected tcp://HOST:PORT, tls://HOST:PORT or the "
        words += "file of `dask scheduler --scheduler-file`"
    if client is None:
        # half a client is left in the traceback. Collected later, in the thread that another client starts, it waits for that
        # one for ever: both want the lock of Dask's loops
        gc.collect()
        if "tls" in words.replace("tls://HOST", "").lower():
            words += "; for tls:// give ca_file, cert and key under [dask] of a site, or in Dask's own configuration"
        raise DaskError(words)
    with client:
        yield client


class _Workers:
    """The workers of a scheduler that is there: they belong to somebody else."""

    def __init__(self, client: Client, job: Job, patience: float) -> None:
        self._client, self._job, self._patience = client, job, patience
        self._cores = job.study.file.resources.cores
        self._since, self._said = time.monotonic(), False

    def room(self) -> int:
        """Tasks that there is room for; one even without workers: a scheduler that adapts itself waits for it."""
        room = sum(max(1, int(threads) // self._cores) for threads in self._client.nthreads().values())
        return max(1, min(room, self._job.target.workers or room))

    def look(self) -> None:
        """Say that there is no worker, and give up when none comes.

        Raises
        ------
        DaskError
            If there has been no worker for too long.
        """
        now, where = time.monotonic(), self._job.target.scheduler
        if self._client.nthreads():
            self._since, self._said = now, False
        elif now - self._since > self._patience:
            raise DaskError(f"{where} has had no worker for {self._patience:g} s; start some with `dask worker`")
        elif not self._said:
            self._said = True
            self._job.notify(f"{where} has no workers; waiting for up to {self._patience:g} s")


def _run_here(job: Job) -> None:
    """On a worker process of this machine: the executor is tried without a cluster."""
    workers = side_by_side(job)
    security = None
    if importlib.util.find_spec("cryptography"):
        security = Security.temporary()
    else:
        job.notify(not_installed("TLS between the Dask processes of this machine", "cryptography", "slurm"))
    with (
        # a laptop that slept has missed its heartbeats; a worker that dies closes its connection
        own_dask({"distributed.scheduler.worker-ttl": None}),
        LocalCluster(
            # its only worker comes later, as it does when it was lost
            n_workers=0,
            threads_per_worker=workers,
            processes=True,
            memory_limit=0,
            host=LOOPBACK,
            protocol="tls://" if security else "tcp://",
            security=security,
            dashboard_address=f"{LOOPBACK}:0",
            silence_logs=50,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        show_dashboard(job, cluster)
        run_tasks(client, job, lambda: workers, OneWorker(cluster, job).look)


class _Losses(SchedulerPlugin):  # type: ignore[misc]
    """Counts the workers that a scheduler lost: two looks do not show one that came and went between them."""

    def __init__(self) -> None:
        self.count = 0

    def remove_worker(self, scheduler: Any, worker: str, **_: Any) -> None:
        """Count it; Dask calls this for each worker that is gone."""
        self.count += 1


class OneWorker:
    """The worker process of a cluster on this machine: another comes where it died, as by the out-of-memory killer.

    Dask itself starts it again, but gives up where that takes long, and then waits for ever.

    Parameters
    ----------
    cluster : distributed.LocalCluster
    job : Job
    """

    def __init__(self, cluster: LocalCluster, job: Job) -> None:
        self._cluster, self._job = cluster, job
        self._since = time.monotonic()
        self._losses, self._told = _Losses(), 0
        cluster.scheduler.add_plugin(self._losses)

    def look(self) -> None:
        """See that there is a worker.

        Raises
        ------
        DaskError
            If none comes.
        """
        now = time.monotonic()
        if self._losses.count > self._told:
            self._told = self._losses.count
            self._job.notify("the Dask worker of this machine died; another starts, and does again what was not written")
        if self._cluster.scheduler.workers:
            self._since = now
            return
        if now - self._since > _COMES_BACK:
            raise DaskError(
                f"no Dask worker has come up on this machine for {_COMES_BACK:g} s; is there memory for another process? "
                "The same command goes on from there, and so does --on local"
            )
        # called in Dask's own thread
        self._cluster.loop.add_callback(self._start)

    def _start(self) -> None:
        if self._cluster.status != Status.running:
            # asked for while the cluster closes, a worker would be waited for, and never come
            return
        for name, worker in list(self._cluster.workers.items()):
            if worker.status in (Status.failed, Status.closed):
                del self._cluster.workers[name]
        if not self._cluster.workers:
            self._cluster.scale(1)


def _run_jobs(job: Job) -> None:
    """On workers that are Slurm jobs, as many as there is work for."""
    if not all(map(importlib.util.find_spec, ("dask_jobqueue", "cryptography"))):
        raise PluginError(not_installed("--on dask with a site", "dask-jobqueue and cryptography", "slurm"))
    from hpcsim.scheduler.dask.jobs import Arrivals

    settings = resolve(load_site(job.target.site), job.study.file.resources, job.study.time_limit, job.target.overrides)
    section = settings.site.dask
    if settings.site.container.image and settings.site.container.runtime == "docker":
        message = "a Dask worker in Docker's own network reaches no scheduler"
        raise SiteError([Problem("container.runtime", message, "use --on slurm, or Apptainer")], settings.site.name)
    place = SubmissionPaths(job.study.name, job.directory.path.resolve(), 0, Path.cwd())
    slurm = Slurm(notify=job.notify, cluster=settings.site.cluster)
    jobs = _most_jobs(job, settings)
    with (
        own_dask(_JOB_SETTINGS),
        _cluster(job, place, settings, slurm) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        # Dask would only log what Slurm says, and wait
        slurm.check(cluster.job_script())
        port = cluster.scheduler.services["dashboard"].port
        show_dashboard(job, cluster, f"; from elsewhere: ssh -L {port}:{LOOPBACK}:{port} {socket.gethostname()}")
        # the tasks there are, whatever they may last, are the workers wanted
        cluster.adapt(minimum=min(section.minimum, jobs), maximum=jobs, target_duration="1ms")
        hint = "" if section.interface else _LOOPBACK_HINT
        arrivals = Arrivals(cluster, slurm, job.notify, amount(section.patience, "s"), job.directory.logs.resolve(), hint)
        run_tasks(client, job, lambda: jobs * section.workers, arrivals.look, launch_options(settings, place))


def _most_jobs(job: Job, settings: Settings) -> int:
    """The most jobs side by side: no more than there are tasks for."""
    section = settings.site.dask
    tasks = job.target.workers or settings.throttle or _JOBS * section.workers
    jobs = ceil(min(tasks, job.plan.left) / section.workers)
    return min(jobs, section.maximum or jobs)


@contextmanager
def _cluster(job: Job, place: SubmissionPaths, settings: Settings, slurm: Slurm) -> Iterator[Any]:
    """A Dask scheduler in this process, without workers yet; its certificates are gone at the end."""
    from hpcsim.scheduler.dask.jobs import WorkerCluster, certificates

    section = settings.site.dask
    interface = _interface(section, settings.site.name)
    folder = place.directory / "jobs"
    folder.mkdir(parents=True, exist_ok=True)
    seconds = _seconds(job, settings)
    parts = worker_parts(place, settings, section.workers, seconds)
    # without a page, but it would listen to others all the same
    extra = ["--no-dashboard", "--dashboard-address", f"{LOOPBACK}:0", "--preload", PRELOAD]
    if seconds is not None:
        extra += ["--lifetime", f"{max(seconds - _LEAVE, seconds / 2):.0f}s"]
    with (
        tempfile.TemporaryDirectory(prefix="dask-", dir=folder) as private,
        # a worker that is late may still write
        tempfile.TemporaryDirectory(prefix="scratch-", dir=folder, ignore_cleanup_errors=True) as scratch,
        WorkerCluster(
            name=job.study.name,
            slurm=slurm,
            cores=section.workers,
            processes=1,
            # of the worker alone: without any, adapting gives no worker back; what its tasks may take, Slurm watches
            memory="1GB",
            nanny=False,
            job_name=place.job_name,
            python=parts.python,
            job_directives_skip=["#SBATCH"],
            job_extra_directives=parts.options,
            # in the folder that ends with the cluster: a node's own one is everybody's
            job_script_prologue=[parts.setup, *_exports(Path(scratch))],
            worker_extra_args=extra,
            interface=interface,
            security=certificates(Path(private)),
            scheduler_options={"dashboard_address": f"{LOOPBACK}:{section.dashboard_port}"},
            silence_logs=50,
        ) as cluster,
    ):
        yield cluster


def _exports(scratch: Path) -> list[str]:
    """Settings of a worker's Dask: its scratch stays nearly empty, and may be on a network file system."""
    settings = {
        "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
        "DASK_DISTRIBUTED__WORKER__USE_FILE_LOCKING": "False",
        "DASK_TEMPORARY_DIRECTORY": str(scratch),
    }
    return [f"export {name}={shlex.quote(value)}" for name, value in settings.items()]


def _seconds(job: Job, settings: Settings) -> float | None:
    """The longest that a job takes: overrides over site; Slurm's own otherwise."""
    own = settings.site.dask.time
    if own and not job.target.overrides.time:
        return amount(own, "s")
    return settings.max_time


def _interface(section: DaskSection, site: str) -> str:
    """The network interface that scheduler and workers listen on.

    Raises
    ------
    SiteError
        If this machine has none of that name.
    """
    import psutil

    addresses = {name: {item.address for item in items} for name, items in psutil.net_if_addrs().items()}
    if not section.interface:
        return next((name for name, found in addresses.items() if LOOPBACK in found), "lo")
    if section.interface not in addresses:
        message = f'this machine has no network interface "{section.interface}"'
        raise SiteError([Problem("dask.interface", message, nearest(section.interface, addresses))], site)
    return section.interface
