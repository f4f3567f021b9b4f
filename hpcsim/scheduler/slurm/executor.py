"""Executor ``slurm``: job arrays whose elements are tasks, and a job after them that collects and goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from filelock import FileLock, Timeout

from hpcsim.errors import BusyError, HpcsimError, Interrupted, SlurmError, StorageError
from hpcsim.lock import DEAD_AFTER
from hpcsim.scheduler.executor import Job, Listener, executor
from hpcsim.scheduler.plan import coming, plan, unfinished_inputs
from hpcsim.scheduler.prepare import prepare
from hpcsim.scheduler.queue.commands import Slurm, pauses
from hpcsim.scheduler.queue.job_state import State
from hpcsim.scheduler.search.feed import check_retry
from hpcsim.scheduler.site.files import load_site
from hpcsim.scheduler.site.site import Settings, resolve
from hpcsim.scheduler.slurm import search
from hpcsim.scheduler.slurm.dependency import close_dependents, submit_after
from hpcsim.scheduler.slurm.prepared import (
    PreparedSubmission,
    alive,
    asked_job,
    check_settings,
    prepare_submission,
    recover,
    states_of,
    submit_prepared,
    uncovered,
)
from hpcsim.scheduler.slurm.retry import classify
from hpcsim.scheduler.slurm.submission import IndexRange, Submission, open_submissions, points_in, submissions, subtract
from hpcsim.scheduler.state.row_count import RowCounter
from hpcsim.scheduler.sweep_lock import one_sweep
from hpcsim.scheduler.target import SLURM, Target
from hpcsim.study.directory import StudyDirectory
from hpcsim.study.expected_size import disk_warning
from hpcsim.study.history import open_directory
from hpcsim.study.observations import find_observations
from hpcsim.study.study import Study

#: What became of a submission that the user cancelled.
CANCELLED = "cancelled"


def settings_of(study: Study, directory: StudyDirectory, target: Target = SLURM) -> Settings:
    """What jobs of a study ask for: overrides over study over site over default.

    Parameters
    ----------
    study : Study
    directory : StudyDirectory
    target : Target
        Without a site, that of the last submission.
    """
    before = [] if target.site else submissions(directory)
    chosen = before[-1].settings.site if before else load_site(target.site)
    return resolve(chosen, study.file.resources, study.time_limit, target.job_overrides)


def submit_ahead(
    study: Study,
    directory: StudyDirectory,
    target: Target,
    *,
    retry_failed: bool,
    accept_changes: bool,
    notify: Callable[[str], None],
) -> None:
    """Submit a study and those that it needs as `hpcsim submit` does; the sweep has the directory's lock."""
    slurm = Slurm(notify=notify)
    submission = _start(study, directory, slurm, target, retry_failed=retry_failed, accept_changes=accept_changes)
    if submission is not None:
        notify(f"{study.name}: {submission}, should this command end before")


@executor("slurm", ahead=submit_ahead, drives=True)
def run_slurm(job: Job) -> None:
    """Submit what is missing, and wait until no job is left; jobs go on when this process is gone."""
    slurm = Slurm(notify=job.notify)
    settings = settings_of(job.study, job.directory, job.target)
    # the studies that this one needs are finished, and this process does what a job would have done
    close_dependents(job.directory, slurm)
    go_on(job.study, job.directory, slurm)
    submission = submit(job.study, job.directory, settings, slurm, retry_failed=job.retry_failed)
    if submission is not None:
        job.notify(f"{submission}; they go on when this ends")
    rows = RowCounter(job.directory)
    before = rows.count()

    def progress() -> None:
        now = rows.count()
        job.on_progress(max(0, now.rows - before.rows), max(0, now.failed - before.failed))

    try:
        _watch(job, slurm, progress)
        # of a search whose last collector was lost
        while _ended(job) and job.study.search and submit(job.study, job.directory, settings, slurm):
            _watch(job, slurm, progress)
    except (KeyboardInterrupt, Interrupted):
        place = job.directory.path
        raise Interrupted(f"stopped watching; the jobs go on: hpcsim status {place}, hpcsim cancel {place}") from None


def _ended(job: Job) -> bool:
    """True when no job is left, and no point.

    Raises
    ------
    SlurmError
        If points are left to the user.
    """
    job.study.read_suggestions(job.directory.path)
    left = plan(job.study, job.directory).left
    said = next((item.over for item in reversed(submissions(job.directory)) if item.over), "")
    if left or (coming(job.study, job.directory) and said == CANCELLED):
        raise SlurmError(
            f"{left:,} points are not finished ({said}); logs are in {job.directory.logs}, "
            f"hpcsim resume {job.directory.path} tries them again"
        )
    return True


def _watch(job: Job, slurm: Slurm, progress: Callable[[], None]) -> None:
    """Wait until every submission is over; one call of Slurm's a look."""
    waits = pauses()
    while present := open_submissions(job.directory):
        states = states_of(present, slurm)
        progress()
        if any(not any(state.active for state in states[item.number]) for item in present):
            # its collector should have done it, but is gone
            for words in go_on(job.study, job.directory, slurm):
                job.notify(words)
            continue
        time.sleep(next(waits))


def start(
    study: Study,
    directory: StudyDirectory,
    slurm: Slurm,
    target: Target = SLURM,
    *,
    retry_failed: bool = False,
    after_inputs: bool = False,
    accept_changes: bool = False,
) -> Submission | None:
    """Make a study's directory ready and submit what is missing; where it needs other studies, a job waits for them.

    Parameters
    ----------
    study : Study
    directory : StudyDirectory
    slurm : Slurm
    target : Target
        Without a site, that of the last submission.
    retry_failed : bool
        Simulate failed points again.
    after_inputs : bool
        Whether this is the job that waited: it does not submit those studies again.
    accept_changes : bool
        Go on where code has changed since the points in the directory were made.

    Returns
    -------
    Submission or None
        None when there is nothing to submit.

    Raises
    ------
    SlurmError
        If Slurm refuses it or does not answer, or a study that this one needs did not come to its end.
    BusyError
        If another process runs a sweep in this directory.
    """
    settings = settings_of(study, directory, target)
    if after_inputs and (needed := list(unfinished_inputs(study, directory))):
        # those go on in another round of jobs: no matter whether a run of this study watches them
        return _wait_for(study, directory, slurm, settings, needed, target, retry_failed=retry_failed)
    try:
        # a run that submits the tasks itself ends this job; of one that was killed this is known after some minutes
        with one_sweep(directory, "a submission", 2 * DEAD_AFTER if after_inputs else 0.0):
            return _start(study, directory, slurm, target, retry_failed=retry_failed, accept_changes=accept_changes)
    except BusyError as error:
        if not after_inputs:
            raise
        slurm.notify(f"{directory.path}: {error.holder} is at work on this study, and goes on with it")
        return None


def _start(
    study: Study,
    directory: StudyDirectory,
    slurm: Slurm,
    target: Target,
    *,
    retry_failed: bool,
    accept_changes: bool,
) -> Submission | None:
    """As `start`, by a process that has the directory's lock."""
    settings = settings_of(study, directory, target)
    if any(item.begun for item in open_submissions(directory)):
        with _alone(directory):
            recover(directory, slurm)
    needed = list(unfinished_inputs(study, directory))
    if needed and any(item.after for item in alive(directory, slurm)):
        return None
    pending: Sequence[IndexRange] = ()
    if not needed:
        close_dependents(directory)
        pending = uncovered(plan(study, directory, retry_failed=retry_failed).pending, directory, slurm)
        if not pending and study.search is None:
            return None
    # what Slurm refuses is said before anything else runs
    check_settings(study, directory, settings, slurm)
    if needed:
        for name in needed:
            start(study.input_study(name), directory.beside(name), slurm, target, accept_changes=accept_changes)
        for sentence in open_directory(study, directory, accept_changes=accept_changes):
            slurm.notify(sentence)
        return _wait_for(study, directory, slurm, settings, needed, target, retry_failed=retry_failed)
    if words := disk_warning(study, directory, points_in(pending)):
        slurm.notify(words)
    find_observations(study)
    prepare(study, directory, accept_changes=accept_changes, listener=Listener(notify=slurm.notify))
    return submit(study, directory, settings, slurm, retry_failed=retry_failed)


def _wait_for(
    study: Study,
    directory: StudyDirectory,
    slurm: Slurm,
    settings: Settings,
    names: Sequence[str],
    target: Target,
    *,
    retry_failed: bool,
) -> Submission:
    """Submit the job that waits for other studies, in the place of one that did."""
    with _alone(directory):
        close_dependents(directory)
        return submit_after(study, directory, slurm, settings, names, target, retry_failed=retry_failed)


def submit(
    study: Study, directory: StudyDirectory, settings: Settings, slurm: Slurm, *, retry_failed: bool = False
) -> Submission | None:
    """Submit what is neither finished nor in jobs that are not over; None when there is nothing.

    Raises
    ------
    SlurmError
        If Slurm refuses it or does not answer.
    """
    with _alone(directory):
        recover(directory, slurm)
        numbers = {item.number for item in alive(directory, slurm)}
        before = open_submissions(directory)
        if study.search:
            check_retry(study, retry_failed)
            made = search.begin(study, directory, settings, slurm)
        else:
            prepared = prepare_submission(study, directory, settings, slurm, retry_failed=retry_failed)
            made = [submit_prepared(prepared, slurm)] if prepared else []
        # nobody goes on with those any more: their collector is gone as well
        left = f"left to submission {made[0].number}" if made else "its collector was lost; no point was left to submit"
        for item in before:
            if item.number not in numbers:
                item.closed(left)
        if not made:
            return None
        for submission in made[:-1]:
            slurm.notify(str(submission))
        return made[-1]


def draft(
    study: Study, directory: StudyDirectory, settings: Settings, slurm: Slurm, *, retry_failed: bool = False
) -> PreparedSubmission | None:
    """What `submit` would submit first; None for nothing. Of a search, whose points nobody knows yet, as many as it may."""
    made = prepare_submission(study, directory, settings, slurm, retry_failed=retry_failed)
    return search.draft(study, directory, settings, slurm) if made is None and study.search else made


def go_on(study: Study, directory: StudyDirectory, slurm: Slurm, wait: float = 60.0) -> list[str]:
    """Look at submissions whose tasks are over, and submit again what may succeed then.

    Parameters
    ----------
    study : Study
    directory : StudyDirectory
    slurm : Slurm
    wait : float, s
        How long to wait for another process that submits.

    Returns
    -------
    list of str
        What became of each, for people.
    """
    told = []
    with _alone(directory, wait):
        # other jobs of this search may have suggested more
        study.read_suggestions(directory.path)
        recover(directory, slurm)
        for item in open_submissions(directory):
            states = slurm.on(item.cluster).states(item.jobs)
            if any(state.active for state in states if state.job != item.collector):
                continue
            told.append(_follow(study, directory, slurm, item, states))
    return told


def _follow(study: Study, directory: StudyDirectory, slurm: Slurm, item: Submission, states: Sequence[State]) -> str:
    found = classify(study, directory, item, states, slurm.on(item.cluster).limits)
    # its points may be in jobs already: this process may not be the first to look
    others = sorted(run for other in alive(directory, slurm) if other.number != item.number for run in other.covered)
    groups = [replace(group, runs=tuple(subtract(group.runs, others))) for group in found.groups]
    made = None
    if any(group.runs for group in groups):
        # failed points that are to run again are in the groups already
        made = prepare_submission(
            study, directory, item.settings, slurm, groups=groups, retry_failed=item.retry_failed, work=item.work
        )
    words = found.words
    if made is not None:
        words += f"; submission {submit_prepared(made, slurm).number} goes on"
    if study.search:
        try:
            words += f"; {search.go_on(study, directory, slurm, item)}"
        except HpcsimError as error:
            item.closed(f"{words}; the search cannot go on: {error}")
            raise
    item.closed(words)
    return f"submission {item.number}: {words}"


def cancel(directory: StudyDirectory, slurm: Slurm) -> list[int]:
    """End all jobs of a study; tasks write what they have. Returns the numbers of the jobs."""
    with _alone(directory):
        jobs = []
        for item in open_submissions(directory):
            if item.begun and item.asked:
                if (job := asked_job(item, slurm)) is not None:
                    item = item.answered(job)
                elif item.unclear:
                    name = f"{item.name}-{item.asked}"
                    slurm.notify(f"job {name} is not found; should it show up, scancel --name={name}")
            slurm.on(item.cluster).cancel(item.jobs)
            item.closed(CANCELLED)
            jobs += item.jobs
    return jobs


@contextmanager
def _alone(directory: StudyDirectory, wait: float = 60.0) -> Iterator[None]:
    """Only one process submits for a study at a time."""
    place = directory.path / "jobs"
    try:
        place.mkdir(parents=True, exist_ok=True)
        with FileLock(place / ".lock", timeout=wait):
            yield
    except Timeout as error:
        message = f"{place}: another process has been submitting for {wait:g} s; wait for it, or end it"
        raise StorageError(message) from error
