"""A search on Slurm, without a process that stays: whoever looks after jobs that are over suggests the next points as well.

What is in the queue is kept at a fixed number of points, in a few submissions that overlap: while one is collected, the
tasks of the others run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from math import ceil
from pathlib import Path

from hpcsim.errors import BusyError
from hpcsim.lock import DEAD_AFTER
from hpcsim.scheduler.plan import coming, plan
from hpcsim.scheduler.queue.commands import Slurm
from hpcsim.scheduler.search.driver import SearchDriver, driving
from hpcsim.scheduler.site.site import Settings
from hpcsim.scheduler.slurm.arrays import RetryGroup, cut
from hpcsim.scheduler.slurm.prepared import PreparedSubmission, alive, prepare_submission, submit_prepared
from hpcsim.scheduler.slurm.submission import IndexRange, Submission, merge, points_in, submissions, subtract
from hpcsim.study.directory import StudyDirectory
from hpcsim.study.study import Study

#: Tasks that are in the queue at a time, where nobody says how many.
AT_ONCE = 16
#: Submissions that they are spread over, for samplers that need not wait for a generation.
LANES = 4
_STEP = "a step of a search on Slurm"


def begin(study: Study, directory: StudyDirectory, settings: Settings, slurm: Slurm) -> list[Submission]:
    """Submit what was suggested and is nowhere, and more; a user has asked for it.

    Raises
    ------
    BusyError
        If a process drives this search.
    """
    with _step(directory):
        present = alive(directory, slurm)
        driver = SearchDriver(study, directory, ran=bool(present))
        driver.ingest(driver.pending)
        missing = subtract(plan(study, directory).pending, _covered(present))
        return _submit(study, directory, settings, slurm, driver, missing, Path.cwd())


def draft(study: Study, directory: StudyDirectory, settings: Settings, slurm: Slurm) -> PreparedSubmission | None:
    """A first submission with points that nobody has suggested yet; None where none will be."""
    tasks, size = settings.throttle or AT_ONCE, settings.task_size or 1
    first, points = len(study.design), min(coming(study, directory), tasks * size * study.design.replicates)
    groups = [RetryGroup(((first, first + points),), settings.memory)] if points else []
    return prepare_submission(study, directory, replace(settings, task_size=size), slurm, groups=groups)


def go_on(study: Study, directory: StudyDirectory, slurm: Slurm, item: Submission) -> str:
    """Take in what landed when a submission is over, and submit more; returns what was done, for people.

    Points that wait for the user, since their tasks were cancelled or failed, hold the search: it goes on when they are
    submitted again.
    """
    try:
        with _step(directory):
            driver = SearchDriver(study, directory, ran=True)
            driver.ingest(driver.pending)
            others = [other for other in alive(directory, slurm) if other.number != item.number]
            missing = subtract(plan(study, directory).pending, _covered(others))
            # of these, a process that ended after it had suggested them has submitted none
            new = subtract(missing, _covered(submissions(directory))) if missing else []
            if points_in(new) < points_in(missing):
                return f"the search waits for these: {driver.told()}"
            made = _submit(study, directory, item.settings, slurm, driver, new, item.work)
    except BusyError as error:
        return f"{error.holder} goes on with the search"
    numbers = ", ".join(str(one.number) for one in made)
    return f"the search has {driver.told()}" + (f"; submission {numbers} goes on" if made else "")


@contextmanager
def _step(directory: StudyDirectory) -> Iterator[None]:
    """Write the log of the search, if no process that stays does."""
    try:
        with driving(directory, _STEP, wait=0.0):
            yield
            return
    except BusyError as error:
        if getattr(error.holder, "what", "") != _STEP:
            raise
    # of a step on a node that died this is known after some minutes
    with driving(directory, _STEP, wait=2 * DEAD_AFTER):
        yield


def _submit(
    study: Study,
    directory: StudyDirectory,
    settings: Settings,
    slurm: Slurm,
    driver: SearchDriver,
    missing: Sequence[IndexRange],
    work: Path,
) -> list[Submission]:
    """Submit points that are missing, and as many new ones as the queue has room for."""
    size, tasks = settings.task_size or driver.size, settings.throttle or AT_ONCE
    target = max(tasks * size, driver.search.batch)
    new = driver.points(driver.suggest(target - len(driver.pending)))
    lane = max(driver.search.batch, ceil(tasks / LANES) * size) * study.design.replicates
    made, wanted = [], merge([*missing, *new])
    for runs in cut(wanted, lane, wanted):
        groups = [RetryGroup(tuple(runs), settings.memory)]
        prepared = prepare_submission(study, directory, replace(settings, task_size=size), slurm, groups=groups, work=work)
        assert prepared is not None
        made.append(submit_prepared(prepared, slurm))
    return made


def _covered(items: Iterable[Submission]) -> list[IndexRange]:
    return merge(run for item in items for run in item.covered)
