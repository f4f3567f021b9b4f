"""A sweep: from a study to its results, whatever was finished before."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpcsim.analysis import find_observations
from hpcsim.directory import StudyDirectory
from hpcsim.errors import Interrupted
from hpcsim.models.model import Context, cache_directory
from hpcsim.scheduler.executor import Job, get_executor
from hpcsim.scheduler.plan import Plan, complete, plan
from hpcsim.scheduler.provenance import describe
from hpcsim.study import Study

if TYPE_CHECKING:
    from hpcsim.scheduler.site import Arguments


@dataclass(frozen=True)
class Listener:
    """Who is told what happens.

    Parameters
    ----------
    started : callable
        ``started(study, plan)`` before tasks are started.
    progressed : callable
        ``progressed(points over, of these failed)``.
    said : callable
        A sentence for people.
    tasked : callable
        ``tasked(tasks that run, tasks that are over)``, where the executor starts them itself.
    dashboard : callable
        The address of Dask's own pages, where there is a Dask cluster.
    """

    started: Callable[[Study, Plan], None] = lambda study, plan: None
    progressed: Callable[[int, int], None] = lambda done, failed: None
    said: Callable[[str], None] = lambda text: None
    tasked: Callable[[int, int], None] = lambda running, over: None
    dashboard: Callable[[str], None] = lambda address: None


def sweep(
    study: Study,
    directory: StudyDirectory,
    *,
    on: str = "local",
    workers: int | None = None,
    retry_failed: bool = False,
    site: str | Path = "",
    given: Arguments | None = None,
    scheduler: str = "",
    listener: Listener | None = None,
) -> Plan:
    """Run what a study's directory does not hold yet, and collect it.

    Parameters
    ----------
    study : Study
    directory : StudyDirectory
        Made when it is not there.
    on : str
        Name of the executor.
    workers : int, optional
        Tasks side by side.
    retry_failed : bool
        Simulate failed points again.
    site : str or Path
        For `slurm` and `dask`: the name or the file of the site.
    given : Arguments, optional
        For `slurm` and `dask`: what stands over study and site.
    scheduler : str
        For `dask`: the address of a scheduler that is there, or the file that it wrote.
    listener : Listener, optional

    Returns
    -------
    Plan
        As it was before the sweep.

    Raises
    ------
    DirectoryError
        If the directory holds another study.
    Interrupted
        If stopped by a signal; what was finished is collected.
    """
    listener = listener or Listener()
    executor = get_executor(on)
    prepare(study, directory, on=on, workers=workers, site=site, given=given, scheduler=scheduler, listener=listener)
    todo = plan(study, directory, retry_failed=retry_failed)
    listener.started(study, todo)
    if complete(study, directory) and not todo.left:
        return todo
    with _sigterm_as_interrupt():
        try:
            if todo.left:
                executor(
                    Job(
                        study,
                        directory,
                        todo,
                        retry_failed=retry_failed,
                        workers=workers,
                        site=site,
                        given=given,
                        scheduler=scheduler,
                        on_progress=listener.progressed,
                        on_shards=lambda: gather(study, directory, listener, final=False),
                        on_tasks=listener.tasked,
                        dashboard=listener.dashboard,
                        announce=listener.said,
                    )
                )
        finally:
            gather(study, directory, listener, final=True)
    return todo


def prepare(
    study: Study,
    directory: StudyDirectory,
    *,
    on: str = "local",
    workers: int | None = None,
    site: str | Path = "",
    given: Arguments | None = None,
    scheduler: str = "",
    listener: Listener | None = None,
) -> None:
    """Make a directory ready for tasks: run the studies that this one needs, write it down, compile.

    Raises
    ------
    DirectoryError
        If the directory holds another study.
    """
    find_observations(study)
    for name in study.needs:
        options = {"on": on, "workers": workers, "site": site, "given": given, "scheduler": scheduler}
        _ensure_input(study, directory, name, listener or Listener(), **options)
    directory.open(study.to_toml(), study.recipe, study.name)
    if complete(study, directory):
        return
    context = Context(cache=cache_directory(), layout=study.all_outputs)
    if study.model.prepare:
        study.model.prepare(context)
    for bound in study.stages:
        if bound.stage.prepare:
            bound.stage.prepare(bound.options, context)


def gather(
    study: Study,
    directory: StudyDirectory,
    listener: Listener | None = None,
    *,
    final: bool = True,
    client: Any = None,
) -> None:
    """Move finished points from shards into the results, and say what was set aside; a Dask `client` checks shards."""
    from hpcsim.collector.collect import collect

    whole = study.completeness if final and not plan(study, directory).left else ""
    report = collect(directory.path, final=final, client=client, provenance=_provenance(directory), complete=whole)
    for item in (*report.damaged, *report.refused):
        (listener or Listener()).said(f"set aside: {item}; its points run again with the next command")


def _provenance(directory: StudyDirectory) -> dict[str, str]:
    return describe(directory.study.read_text(encoding="utf-8"), sys.argv, Path.cwd())


def _ensure_input(study: Study, directory: StudyDirectory, name: str, listener: Listener, **options: Any) -> None:
    """Run another study first, beside this one, when its results are not there yet."""
    needed, place = study.input_study(name), directory.beside(name)
    if not complete(needed, place):
        listener.said(f"first {name}, which {study.name} needs")
        sweep(needed, place, listener=listener, **options)


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    """A scheduler's SIGTERM stops the sweep as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: object) -> None:
        raise Interrupted(f"stopped by {signal.Signals(number).name}; the same command goes on from there")

    previous = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
