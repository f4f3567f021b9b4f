"""Executor ``dask``: a scheduler that is there, workers that are Slurm jobs, or a process of this machine."""

from __future__ import annotations

import importlib.util
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from typing import Any

import dask
from distributed import Client, LocalCluster
from distributed.security import Security

from hpcsim.errors import DaskError, Problem, SiteError, nearest
from hpcsim.scheduler.dask_tasks import SETTINGS, run_tasks, show_dashboard
from hpcsim.scheduler.executor import Job
from hpcsim.scheduler.local import side_by_side
from hpcsim.scheduler.place import Place
from hpcsim.scheduler.queue import Slurm
from hpcsim.scheduler.script import launch_options, worker_parts
from hpcsim.scheduler.site import Arguments, DaskSection, Settings, load_site, settle
from hpcsim.study_file import amount

LOOPBACK = "127.0.0.1"
_LOOPBACK_HINT = "; workers on other machines need dask.interface in the site's file: they were told to look on their own"
#: Jobs, where neither the user nor the site says how many.
_JOBS = 10
#: Seconds before the end of its job at which a worker hands its tasks to others; they write what they have.
_LEAVE = 90.0
#: Seconds for a scheduler to answer.
_ANSWER = 15.0
#: Settings for clusters of jobs.
_JOB_SETTINGS = {
    **SETTINGS,
    # a worker never comes back under its name: its job is over
    "distributed.deploy.lost-worker-timeout": "5s",
    # nodes are lost, and jobs preempted; a point that kills its own process is not a reason
    "distributed.scheduler.allowed-failures": 10,
}


def run_dask(job: Job) -> None:
    """Run the tasks under Dask: where `job.scheduler` says, else on the Slurm of `job.site`, else here."""
    if job.scheduler:
        _run_there(job)
    elif job.site or (job.given or Arguments()) != Arguments():
        _run_jobs(job)
    else:
        _run_here(job)


def _run_there(job: Job) -> None:
    """On the workers of a scheduler that is there."""
    section = load_site(job.site).dask
    with _connected(job.scheduler, section) as client:
        job.dashboard(client.dashboard_link)
        job.announce(f"Dask dashboard {client.dashboard_link}")
        workers = _Workers(client, job, amount(section.patience, "s"))
        run_tasks(client, job, workers.room, workers.look)


@contextmanager
def _connected(scheduler: str, section: DaskSection) -> Iterator[Client]:
    where = {"scheduler_file": scheduler} if Path(scheduler).is_file() else {"address": scheduler}
    security = None
    if section.ca_file:
        files = {"tls_ca_file": section.ca_file, "tls_client_cert": section.cert, "tls_client_key": section.key}
        security = Security(require_encryption=True, **files)
    try:
        client = Client(**where, security=security, timeout=_ANSWER, set_as_default=False)
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        words = f"{scheduler}: no Dask scheduler answers there: {error}; expected tcp://HOST:PORT, tls://HOST:PORT or the "
        words += "file of `dask scheduler --scheduler-file`"
        if "tls" in words.replace("tls://HOST", "").lower():
            words += "; for tls:// give ca_file, cert and key under [dask] of a site, or in Dask's own configuration"
        raise DaskError(words) from None
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
        return max(1, min(room, self._job.workers or room))

    def look(self) -> None:
        """Say that there is no worker, and give up when none comes.

        Raises
        ------
        DaskError
            If there has been no worker for too long.
        """
        now = time.monotonic()
        if self._client.nthreads():
            self._since, self._said = now, False
        elif now - self._since > self._patience:
            raise DaskError(f"{self._job.scheduler} has had no worker for {self._patience:g} s; start some with `dask worker`")
        elif not self._said:
            self._said = True
            self._job.announce(f"{self._job.scheduler} has no workers; waiting for up to {self._patience:g} s")


def _run_here(job: Job) -> None:
    """On a worker process of this machine: the executor is tried without a cluster."""
    workers = side_by_side(job)
    security = None
    if importlib.util.find_spec("cryptography"):
        security = Security.temporary()
    else:
        job.announce("no TLS between the Dask processes of this machine: cryptography is missing, pip install 'hpcsim[slurm]'")
    with (
        dask.config.set(SETTINGS),
        LocalCluster(
            # it only waits for the processes of its tasks
            n_workers=1,
            threads_per_worker=workers,
            processes=True,
            memory_limit=0,
            host=LOOPBACK,
            protocol="tls://" if security else "tcp://",
            security=security,
            dashboard_address=f"{LOOPBACK}:0",
            worker_dashboard_address=f"{LOOPBACK}:0",
            silence_logs=50,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        show_dashboard(job, cluster)
        run_tasks(client, job, lambda: workers)


def _run_jobs(job: Job) -> None:
    """On workers that are Slurm jobs, as many as there is work for."""
    if not all(map(importlib.util.find_spec, ("dask_jobqueue", "cryptography"))):
        raise DaskError("--on dask with a site needs dask-jobqueue and cryptography: pip install 'hpcsim[slurm]'")
    from hpcsim.scheduler.dask_jobs import Arrivals

    settings = settle(load_site(job.site), job.study.file.resources, job.study.time_limit, job.given)
    section = settings.site.dask
    if settings.site.container.image and settings.site.container.runtime == "docker":
        message = "a Dask worker in Docker's own network reaches no scheduler"
        raise SiteError([Problem("container.runtime", message, "use --on slurm, or Apptainer")], settings.site.name)
    place = Place(job.study.name, job.directory.path.resolve(), 0, Path.cwd())
    slurm = Slurm(announce=job.announce)
    jobs = _most_jobs(job, settings)
    with (
        dask.config.set(_JOB_SETTINGS),
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
        arrivals = Arrivals(cluster, slurm, job.announce, amount(section.patience, "s"), job.directory.logs.resolve(), hint)
        run_tasks(client, job, lambda: jobs * section.workers, arrivals.look, launch_options(settings, place))


def _most_jobs(job: Job, settings: Settings) -> int:
    """The most jobs side by side: no more than there are tasks for."""
    section = settings.site.dask
    tasks = job.workers or settings.throttle or _JOBS * section.workers
    jobs = ceil(min(tasks, job.plan.left) / section.workers)
    return min(jobs, section.maximum or jobs)


@contextmanager
def _cluster(job: Job, place: Place, settings: Settings, slurm: Slurm) -> Iterator[Any]:
    """A Dask scheduler in this process, without workers yet; its certificates are gone at the end."""
    from hpcsim.scheduler.dask_jobs import WorkerCluster, certificates

    section = settings.site.dask
    interface = _interface(section, settings.site.name)
    folder = place.directory / "jobs"
    folder.mkdir(parents=True, exist_ok=True)
    seconds = _seconds(job, settings)
    parts = worker_parts(place, settings, section.workers, seconds)
    extra = ["--dashboard-address", f"{LOOPBACK}:0"]
    if seconds is not None:
        extra += ["--lifetime", f"{max(seconds - _LEAVE, seconds / 2):.0f}s"]
    with (
        tempfile.TemporaryDirectory(prefix="dask-", dir=folder) as private,
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
            job_script_prologue=[parts.setup, "export DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED=False"],
            worker_extra_args=extra,
            interface=interface,
            security=certificates(Path(private)),
            scheduler_options={"dashboard_address": f"{LOOPBACK}:{section.dashboard_port}"},
            silence_logs=50,
        ) as cluster,
    ):
        yield cluster


def _seconds(job: Job, settings: Settings) -> float | None:
    """The longest that a job takes: argument over site; Slurm's own otherwise."""
    own = settings.site.dask.time
    if own and not (job.given and job.given.time):
        return amount(own, "s")
    return settings.most_time


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
