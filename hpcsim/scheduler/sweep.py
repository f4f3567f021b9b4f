"""A sweep: from a study to its results, whatever was finished before."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import replace

from hpcsim.errors import ResultsError
from hpcsim.scheduler.executor import Executor, Job, Listener
from hpcsim.scheduler.executors import get_executor
from hpcsim.scheduler.gather import gather
from hpcsim.scheduler.plan import Plan, coming, complete, plan, settled, unfinished_inputs
from hpcsim.scheduler.prepare import prepare
from hpcsim.scheduler.search.driver import driving
from hpcsim.scheduler.search.feed import SearchFeed, check_search
from hpcsim.scheduler.signals import StopRequests, handled, interrupts
from hpcsim.scheduler.state.outcome import check_whole, uncollected
from hpcsim.scheduler.state.recovery import recover
from hpcsim.scheduler.sweep_lock import one_sweep
from hpcsim.scheduler.target import LOCAL, Target
from hpcsim.study.directory import StudyDirectory
from hpcsim.study.expected_size import disk_warning
from hpcsim.study.observations import find_observations
from hpcsim.study.study import Study

#: How often points run that do not arrive in the results, since their shard was damaged or their task killed.
ROUNDS = 3


def sweep(
    study: Study,
    directory: StudyDirectory,
    target: Target = LOCAL,
    *,
    retry_failed: bool = False,
    accept_changes: bool = False,
    listener: Listener | None = None,
    infer: bool = True,
) -> Plan:
    """Run what a study's directory does not hold yet, and collect it.

    Parameters
    ----------
    study : Study
    directory : StudyDirectory
        Made when it is not there.
    target : Target
        Where tasks run.
    retry_failed : bool
        Simulate failed points again.
    accept_changes : bool
        Go on where code has changed since the points in the directory were made; the results say which made which row.
    listener : Listener, optional
    infer : bool
        Whether inference will follow, so that its observations are wanted.

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
    IncompleteError
        If points of the design are missing in the results after some rounds.
    BusyError
        If another process runs a sweep in this directory.
    """
    listener = listener or Listener()
    executor = get_executor(target.executor)
    check_search(study, executor, retry_failed=retry_failed)
    # a finished study that cannot be written, in an archive say, is read all the same
    archived = _whole(study, directory) and not os.access(directory.path, os.W_OK)
    stop = StopRequests()
    feeds = study.search is not None and not executor.drives
    with handled(interrupts(), stop.hear), ExitStack() as locks:
        if not archived:
            locks.enter_context(one_sweep(directory, f"a sweep on {target.executor}"))
        for words in recover(study, directory, accept_changes=accept_changes):
            listener.notify(words)
        if executor.ahead and infer and any(unfinished_inputs(study, directory)):
            again = {"retry_failed": retry_failed, "accept_changes": accept_changes}
            executor.ahead(study, directory, target, notify=listener.notify, **again)
        run_inputs(study, directory, target, accept_changes=accept_changes, listener=listener, infer=infer)
        prepare(study, directory, accept_changes=accept_changes, listener=listener)
        if feeds and not archived:
            locks.enter_context(driving(directory, f"a search on {target.executor}"))
        feed = SearchFeed(study, directory) if feeds else None
        todo = feed.plan if feed else _plan(study, directory, retry_failed=retry_failed)
        if words := disk_warning(study, directory, todo.left):
            listener.notify(words)
        listener.started(study, todo)
        # points that ran, and whose process or job ended before it told the sampler
        untold = study.search is not None and executor.drives and not archived and study.search.pending(directory.path) > 0
        if todo.left or untold or not (archived or settled(study, directory)):
            job = Job(
                study,
                directory,
                todo,
                target,
                retry_failed=retry_failed,
                on_progress=listener.progressed,
                on_shards=lambda: gather(study, directory, listener, final=False),
                on_tasks=listener.tasked,
                dashboard=listener.dashboard,
                notify=listener.notify,
                feed=feed,
            )
            _simulate(executor, job, listener, stop, untold=untold)
        if feed:
            listener.notify(feed.told())
    return todo


def _plan(study: Study, directory: StudyDirectory, *, retry_failed: bool) -> Plan:
    """What is missing, with points that a sampler has yet to suggest."""
    known = plan(study, directory, retry_failed=retry_failed)
    return replace(known, total=known.total + coming(study, directory))


def _simulate(executor: Executor, job: Job, listener: Listener, stop: StopRequests, *, untold: bool = False) -> None:
    """Run and collect until the results hold every point; what a shard lost, or a task that was killed, runs again.

    Raises
    ------
    IncompleteError
        If points are missing after some rounds.
    """
    study, directory = job.study, job.directory
    for last in (*[False] * (ROUNDS - 1), True):
        try:
            if job.plan.left or untold:
                executor(job)
        except KeyboardInterrupt:
            raise stop.error from None
        finally:
            stop.open = False
            gather(study, directory, listener, final=True)
        stop.check()
        missing = uncollected(study, directory)
        if not missing.left:
            return
        if not last:
            listener.notify(f"{missing.left:,} of {missing.total:,} points have no row in the results yet: they run again")
            listener.started(study, missing)
            stop.open = True
            job, untold = replace(job, plan=missing, retry_failed=False, feed=None), False
    check_whole(study, directory, f"they were tried {ROUNDS} times; see {directory.logs}, and `hpcsim run` tries again")


def run_inputs(
    study: Study,
    directory: StudyDirectory,
    target: Target = LOCAL,
    *,
    accept_changes: bool = False,
    listener: Listener | None = None,
    infer: bool = True,
) -> None:
    """Run the studies that this one needs, beside it, where their results are not there yet.

    Raises
    ------
    ResultsError, PluginError
        If the inference wants what is not there: told before anything runs.
    """
    listener = listener or Listener()
    if infer:
        find_observations(study)
    for name in unfinished_inputs(study, directory, infer=infer):
        listener.notify(f"first {name}, which {study.name} needs")
        sweep(study.input_study(name), directory.beside(name), target, accept_changes=accept_changes, listener=listener)


def _whole(study: Study, directory: StudyDirectory) -> bool:
    """Whether the results hold every point; those that are damaged do not."""
    try:
        return complete(study, directory)
    except ResultsError:
        return False
