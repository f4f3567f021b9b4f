"""What an executor is: it gets tasks done, somewhere; and who is told of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Protocol, Self, Unpack

from hpcsim.cores import cores
from hpcsim.plugin import Plugin, PluginFields, first_line
from hpcsim.scheduler.plan import Plan
from hpcsim.study.directory import StudyDirectory
from hpcsim.study.study import Study

if TYPE_CHECKING:
    from hpcsim.scheduler.target import Target


def _local() -> Target:
    """The machine that this runs on; what knows sites is loaded late, since commands that only look need none."""
    from hpcsim.scheduler.target import LOCAL

    return LOCAL


@dataclass(frozen=True)
class Listener:
    """Who is told what happens.

    Parameters
    ----------
    started : callable
        ``started(study, plan)`` before tasks are started.
    progressed : callable
        ``progressed(points over, of these failed)``.
    notify : callable
        A sentence for people.
    tasked : callable
        ``tasked(tasks that run, tasks that are over)``, where the executor starts them itself.
    dashboard : callable
        The address of Dask's own pages, where there is a Dask cluster.
    """

    started: Callable[[Study, Plan], None] = lambda study, plan: None
    progressed: Callable[[int, int], None] = lambda done, failed: None
    notify: Callable[[str], None] = lambda text: None
    tasked: Callable[[int, int], None] = lambda running, over: None
    dashboard: Callable[[str], None] = lambda address: None


class Feed(Protocol):
    """Tasks of which the later ones follow from the results of those before."""

    def take(self, seconds_per_point: float | None = None) -> tuple[int, int] | None:
        """The next task as (start, stop); None where there is none now: more may come when one is over."""

    def finished(self, start: int, stop: int) -> None:
        """Told when a task is over, and its points are in shards."""


@dataclass(frozen=True)
class Job:
    """What an executor is asked to do: the pending points of a study.

    Parameters
    ----------
    study : Study
    directory : StudyDirectory
    plan : Plan
    target : Target
        Where tasks run.
    retry_failed : bool
        Simulate failed points again.
    on_progress : callable
        ``on_progress(points over, of these failed)`` since the start of this job.
    on_shards : callable
        Called now and then while tasks run: a chance to collect.
    on_tasks : callable
        ``on_tasks(tasks that run, tasks that are over)``, by executors that start them themselves.
    dashboard : callable
        Told the address of Dask's own pages.
    notify : callable
        Told what a user may want to know.
    feed : Feed, optional
        Where tasks come from in place of the pending points of the plan; for executors that say `feeds`.
    """

    study: Study
    directory: StudyDirectory
    plan: Plan
    target: Target = field(default_factory=_local)
    retry_failed: bool = False
    on_progress: Callable[[int, int], None] = lambda done, failed: None
    on_shards: Callable[[], None] = lambda: None
    on_tasks: Callable[[int, int], None] = lambda running, over: None
    dashboard: Callable[[str], None] = lambda address: None
    notify: Callable[[str], None] = lambda text: None
    feed: Feed | None = None


class Ahead(Protocol):
    """Submits a study whose needed studies are not finished, and these before it, so that their jobs wait for each other."""

    def __call__(
        self,
        study: Study,
        directory: StudyDirectory,
        target: Target,
        *,
        retry_failed: bool,
        accept_changes: bool,
        notify: Callable[[str], None],
    ) -> None:
        """Return as soon as all of them are in the queue."""


@dataclass(frozen=True)
class Executor(Plugin):
    """Runs the tasks of a job, somewhere.

    Every executor passes :class:`hpcsim.testing.ExecutorSuite`: equal ids, equal values to the bit.

    Parameters
    ----------
    name, version : str
        As of every :class:`~hpcsim.plugin.Plugin`, like `engine`, `extra`, `requires`, `source` and `description`.
    run : callable
        ``run(job)`` comes back when no point is pending. It raises Interrupted if stopped by a signal (what was finished is in
        shards), and StorageError if shards cannot be written.
    ahead : Ahead, optional
        For executors whose jobs outlive this process: called before the studies that a study needs are run one after the other.
    feeds : bool
        Whether it takes tasks from the `feed` of a job.
    drives : bool
        Whether it runs a search without a feed: its jobs suggest the next points.
    """

    word: ClassVar[str] = "executor"
    group: ClassVar[str] = "hpcsim.executors"

    run: Callable[[Job], None]
    ahead: Ahead | None = field(default=None, kw_only=True)
    feeds: bool = field(default=False, kw_only=True)
    drives: bool = field(default=False, kw_only=True)

    @classmethod
    def of(cls, name: str, found: object) -> Self | None:
        """The executor that a name leads to: any function that takes a job will do."""
        if isinstance(found, cls):
            return found
        # of a class nobody knows how its instances are made
        return cls(name, "1", found) if callable(found) and not isinstance(found, type) else None

    def __call__(self, job: Job) -> None:
        """Run until no point is pending."""
        self.run(job)


def executor(
    name: str,
    *,
    version: str = "1",
    ahead: Ahead | None = None,
    feeds: bool = False,
    drives: bool = False,
    **more: Unpack[PluginFields],
) -> Callable[[Callable[[Job], None]], Executor]:
    """Make a function ``run(job)`` into an :class:`Executor`.

    Parameters
    ----------
    name, version, ahead, feeds, drives
        As of :class:`Executor`.
    **more
        The other fields of every :class:`~hpcsim.plugin.Plugin`.

    Examples
    --------
    >>> @executor("nothing", engine="dask_jobqueue", extra="slurm", description="Leaves everything as it is.")
    ... def nothing(job):
    ...     pass
    >>> nothing.name, nothing.extra
    ('nothing', 'slurm')
    """

    def decorate(run: Callable[[Job], None]) -> Executor:
        more.setdefault("description", first_line(run))
        return Executor(name, version, run, ahead=ahead, feeds=feeds, drives=drives, **more)

    return decorate


def side_by_side(job: Job) -> int:
    """How many tasks this machine has cores for, unless the user says it."""
    return job.target.workers or max(1, cores() // job.study.file.resources.cores)
