"""What an executor is: it gets tasks done, somewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from hpcsim.directory import StudyDirectory
from hpcsim.errors import SpaceError, nearest
from hpcsim.scheduler.plan import Plan
from hpcsim.study import Study

if TYPE_CHECKING:
    from hpcsim.scheduler.site import Arguments


@dataclass(frozen=True)
class Job:
    """What an executor is asked to do: the pending points of a study.

    Parameters
    ----------
    study : Study
    directory : StudyDirectory
    plan : Plan
    retry_failed : bool
        Simulate failed points again.
    workers : int, optional
        How many tasks side by side; what the machine has, by default.
    site : str or Path
        For executors on a cluster: the name or the file of the site.
    given : Arguments, optional
        What stands over study and site.
    scheduler : str
        For `dask`: the address of a scheduler that is there, or the file that it wrote.
    on_progress : callable
        ``on_progress(points over, of these failed)`` since the start of this job.
    on_shards : callable
        Called now and then while tasks run: a chance to collect.
    on_tasks : callable
        ``on_tasks(tasks that run, tasks that are over)``, by executors that start them themselves.
    dashboard : callable
        Told the address of Dask's own pages.
    announce : callable
        Told what a user may want to know.
    """

    study: Study
    directory: StudyDirectory
    plan: Plan
    retry_failed: bool = False
    workers: int | None = None
    site: str | Path = ""
    given: Arguments | None = None
    scheduler: str = ""
    on_progress: Callable[[int, int], None] = lambda done, failed: None
    on_shards: Callable[[], None] = lambda: None
    on_tasks: Callable[[int, int], None] = lambda running, over: None
    dashboard: Callable[[str], None] = lambda address: None
    announce: Callable[[str], None] = lambda text: None


class Executor(Protocol):
    """Runs the tasks of a job.

    Every executor passes ``tests/scheduler/test_conformance.py``: equal ids, equal values to the bit.
    """

    def __call__(self, job: Job) -> None:
        """Run until no point is pending.

        Raises
        ------
        Interrupted
            If stopped by a signal; what was finished is in shards.
        StorageError
            If shards cannot be written.
        """


def get_executor(name: str) -> Executor:
    """The executor of that name.

    Raises
    ------
    SpaceError
        If there is none.
    """
    if name == "inline":
        from hpcsim.scheduler.inline import run_inline

        return run_inline
    if name == "local":
        from hpcsim.scheduler.local import run_local

        return run_local
    if name == "dask":
        from hpcsim.scheduler.dask_cluster import run_dask

        return run_dask
    if name == "slurm":
        from hpcsim.scheduler.slurm import run_slurm

        return run_slurm
    raise SpaceError(f'there is no executor "{name}"; {nearest(name, EXECUTORS)}')


EXECUTORS = ("inline", "local", "dask", "slurm")
