"""Dask workers as Slurm jobs: dask-jobqueue's cluster, and what it lacks."""

from __future__ import annotations

import asyncio
import copy
import shlex
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distributed.deploy.spec import ProcessInterface
from distributed.security import Security

from hpcsim.errors import SlurmError
from hpcsim.scheduler.queue.commands import Slurm, pauses
from hpcsim.scheduler.queue.job_state import State

#: Jobs that end before they were workers: with none there, and in all, before no other is submitted.
_FAILURES = (3, 12)
#: Seconds between two tries when Slurm refuses a job that it would have taken before.
_AGAIN = 60.0
#: The worker's part of a set of certificates.
_FILES = ("tls_ca_file", "tls_worker_cert", "tls_worker_key")


def _import_jobqueue() -> tuple[Any, Any]:
    """Classes of dask-jobqueue; imported as it is, its version 0.9 has Ctrl-C end the process at once."""
    untouched = signal.signal
    signal.signal = lambda number, handler: None  # type: ignore[assignment]
    try:
        from dask_jobqueue.slurm import SLURMCluster, SLURMJob
    finally:
        signal.signal = untouched
    return SLURMCluster, SLURMJob


if TYPE_CHECKING:
    from dask_jobqueue.slurm import SLURMCluster, SLURMJob
else:
    SLURMCluster, SLURMJob = _import_jobqueue()


class WorkerJob(SLURMJob):  # type: ignore[misc]
    """A worker's job. A refusal is kept for those who ask: Dask would log it, and take the job for submitted.

    Parameters
    ----------
    slurm : Slurm
    *arguments, **options
        As dask-jobqueue has them.
    """

    def __init__(self, *arguments: Any, slurm: Slurm, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.slurm, self.refusal, self.asked, self.there = slurm, "", time.monotonic(), slurm.cluster

    async def start(self) -> None:
        """Submit it."""
        try:
            await super().start()
        except SlurmError as error:
            self.refusal = str(error)
            await ProcessInterface.start(self)

    async def _submit_job(self, script_filename: str) -> str:
        job = await asyncio.to_thread(self.slurm.submit, Path(script_filename), self.job_name)
        self.there = job.cluster
        if job.cluster:
            self.cancel_command = f"scancel -M {job.cluster}"
        return str(job)

    async def close(self) -> None:
        """End it."""
        await super().close()
        # dask-jobqueue leaves that out, and SpecCluster asserts it
        await ProcessInterface.close(self)


class WorkerCluster(SLURMCluster):  # type: ignore[misc]
    """A cluster whose workers are jobs."""

    job_cls = WorkerJob

    def _get_worker_security(self, security: Security | None) -> Security | None:
        """Paths as the script's shell takes them."""
        quoted = copy.copy(security)
        for name in _FILES if security is not None else ():
            setattr(quoted, name, shlex.quote(getattr(security, name)))
        return quoted


def certificates(folder: Path) -> Security:
    """Certificates for one cluster alone, in files that nobody else may read.

    Parameters
    ----------
    folder : Path
        That all nodes see.
    """
    made = Security.temporary()
    paths = {}
    for name in _FILES:
        path = folder / name.removeprefix("tls_")
        path.touch(mode=0o600)
        path.write_text(getattr(made, name), encoding="ascii")
        paths[name] = str(path)
    for role in ("client", "scheduler"):
        paths |= {f"tls_{role}_{part}": paths[f"tls_worker_{part}"] for part in ("cert", "key")}
    return Security(require_encryption=True, **paths)


class Arrivals:
    """Looks after the jobs of workers that have not come: says why, submits again what ended, and gives up.

    Parameters
    ----------
    cluster : WorkerCluster
    slurm : Slurm
    notify : callable
        Told what keeps workers from coming, when it changes.
    patience : float
        Seconds to wait while there is no worker at all.
    logs : Path
        Where the logs of the jobs are.
    hint : str
        What to look at where jobs run and no worker comes.
    """

    def __init__(
        self, cluster: Any, slurm: Slurm, notify: Callable[[str], None], patience: float, logs: Path, hint: str = ""
    ) -> None:
        self._cluster, self._slurm, self._notify = cluster, slurm, notify
        self._patience, self._logs, self._hint = patience, logs, hint
        self._came: set[str] = set()
        self._failures = 0
        self._said = ""
        self._since = time.monotonic()
        self._waits, self._next = pauses(), self._since + 5.0

    def look(self) -> None:
        """Look at the workers, and at Slurm for those that are missing; ever more rarely.

        Raises
        ------
        SlurmError
            If no worker is there, and none will come.
        """
        now = time.monotonic()
        there = {worker.name for worker in list(self._cluster.scheduler.workers.values())}
        jobs = dict(self._cluster.workers)
        self._came |= {job.job_id for name, job in jobs.items() if name in there}
        missing = {name: job for name, job in jobs.items() if name not in there and job.job_id not in self._came}
        if there:
            self._since = now
        if not missing:
            self._waits = pauses()
            return
        if now < self._next:
            return
        self._next = now + next(self._waits)
        self._look(there, jobs, missing, now)

    def _look(self, there: set[str], jobs: dict[str, Any], missing: dict[str, Any], now: float) -> None:
        states: dict[str, State] = {}
        for cluster in sorted({job.there for job in missing.values()}):
            numbers = [int(job.job_id) for job in missing.values() if job.job_id and job.there == cluster]
            states |= {str(state.job): state for state in self._slurm.on(cluster).states(numbers)}
        ended = {name: state for name, job in missing.items() if (state := states.get(job.job_id)) and not state.active}
        refusals = [job.refusal for job in missing.values() if job.refusal]
        words = _words(len(there), len(jobs), [state for state in states.values() if state.active], refusals)
        if words != self._said:
            self._said = words
            self._notify(words)
        self._failures += len(ended)
        if not there:
            self._give_up(ended, refusals if len(refusals) == len(missing) else [], words, now)
        again = [name for name, job in missing.items() if job.refusal and now - job.asked > _AGAIN]
        if self._failures <= _FAILURES[1]:
            again += ended
        if again:
            self._cluster.loop.add_callback(self._forget, again)

    def _give_up(self, ended: dict[str, State], refusals: list[str], words: str, now: float) -> None:
        if refusals:
            raise SlurmError(refusals[0])
        if ended and self._failures >= _FAILURES[0]:
            how = Counter(state.state for state in ended.values())
            raise SlurmError(
                "jobs of Dask workers ended before they reached the scheduler: "
                f"{', '.join(f'{count} {state}' for state, count in how.most_common())}; "
                f"see worker-*.log in {self._logs}{self._hint}"
            )
        if now - self._since > self._patience:
            raise SlurmError(
                f"no Dask worker came within {self._patience:g} s: {words}; set dask.patience in the site's file, "
                "or use --on slurm, whose jobs wait without this process"
            )

    async def _forget(self, names: list[str]) -> None:
        """Let the cluster submit these again; adapting, it submits what it wants and has not."""
        for name in names:
            job = self._cluster.workers.pop(name, None)
            if job is not None:
                await job.close()


def _words(there: int, wanted: int, states: list[State], refusals: list[str]) -> str:
    """How far the workers are.

    Examples
    --------
    >>> _words(1, 3, [State(7, None, None, "PENDING", reason="Resources"), State(8, None, None, "RUNNING")], [])
    '1 of 3 workers are there, 1 waits (Resources), 1 starts'
    """
    waiting = Counter(state.reason or "PENDING" for state in states if state.state == "PENDING")
    starting = sum(state.state != "PENDING" for state in states)
    parts = [f"{there} of {wanted} workers are there"]
    parts += [f"{count} {'waits' if count == 1 else 'wait'} ({reason})" for reason, count in waiting.most_common()]
    parts += [f"{starting} {'starts' if starting == 1 else 'start'}"] if starting else []
    parts += [f"{count} refused ({text})" for text, count in Counter(refusals).most_common()]
    return ", ".join(parts)
