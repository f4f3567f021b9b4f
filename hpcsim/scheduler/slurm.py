"""Executor ``slurm``: job arrays whose elements are tasks, and a job after them that collects and goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from hpcsim.directory import StudyDirectory
from hpcsim.errors import Interrupted, SlurmError, StorageError
from hpcsim.scheduler.aftermath import look_back
from hpcsim.scheduler.draft import alive, draft, post
from hpcsim.scheduler.executor import Job
from hpcsim.scheduler.follow import close_followers, follow, unfinished_inputs
from hpcsim.scheduler.job_state import State
from hpcsim.scheduler.place import Place
from hpcsim.scheduler.plan import plan
from hpcsim.scheduler.queue import Slurm
from hpcsim.scheduler.script import follow_script
from hpcsim.scheduler.site import Arguments, Settings, load_site, settle
from hpcsim.scheduler.submission import Submission, submissions
from hpcsim.scheduler.tally import RowCounter
from hpcsim.study import Study

#: Seconds between two looks at the queue: the first, how it grows, and the last.
_LOOKS = (0.5, 1.3, 60.0)


def settings_of(study: Study, directory: StudyDirectory, site: str | Path = "", given: Arguments | None = None) -> Settings:
    """What jobs of a study ask for: argument over study over site over default.

    Parameters
    ----------
    study : Study
    directory : StudyDirectory
    site : str or Path
        The site of the last submission by default.
    given : Arguments, optional
    """
    before = [] if site else submissions(directory)
    chosen = before[-1].settings.site if before else load_site(site)
    return settle(chosen, study.file.resources, study.time_limit, given)


def run_slurm(job: Job) -> None:
    """Submit what is missing, and wait until no job is left; jobs go on when this process is gone."""
    slurm = Slurm(announce=job.announce)
    given = job.given or Arguments()
    given = given.model_copy(update={"throttle": job.workers or given.throttle})
    settings = settings_of(job.study, job.directory, job.site, given)
    go_on(job.study, job.directory, slurm)
    submission = submit(job.study, job.directory, settings, slurm, retry_failed=job.retry_failed)
    if submission is not None:
        job.announce(f"{submission}; they go on when this ends")
    rows = RowCounter(job.directory)
    before = rows.tally()

    def progress() -> None:
        now = rows.tally()
        job.on_progress(max(0, now.rows - before.rows), max(0, now.failed - before.failed))

    try:
        _watch(job, slurm, progress)
    except (KeyboardInterrupt, Interrupted):
        place = job.directory.path
        raise Interrupted(f"stopped watching; the jobs go on: hpcsim status {place}, hpcsim cancel {place}") from None
    left = plan(job.study, job.directory).left
    if left:
        said = next((item.over for item in reversed(submissions(job.directory)) if item.over), "")
        raise SlurmError(
            f"{left:,} points are not finished ({said}); logs are in {job.directory.logs}, "
            f"hpcsim resume {job.directory.path} tries them again"
        )


def _watch(job: Job, slurm: Slurm, progress: Callable[[], None]) -> None:
    """Wait until every submission is over; one call of Slurm's a look."""
    waits = pauses()
    while present := [item for item in submissions(job.directory) if not item.over]:
        states = slurm.states(number for item in present for number in item.jobs)
        active = {state.job for state in states if state.active}
        progress()
        if any(not active & set(item.jobs) for item in present):
            # its collector should have done it, but is gone
            for words in go_on(job.study, job.directory, slurm):
                job.announce(words)
            continue
        time.sleep(next(waits))


def pauses() -> Iterator[float]:
    """Seconds between looks at the queue, ever longer: its controller serves everybody."""
    pause, growth, longest = _LOOKS
    while True:
        yield pause
        pause = min(growth * pause, longest)


def start(
    study: Study,
    directory: StudyDirectory,
    slurm: Slurm,
    *,
    site: str | Path = "",
    given: Arguments | None = None,
    retry_failed: bool = False,
    following: bool = False,
) -> Submission | None:
    """Make a study's directory ready and submit what is missing; where it needs other studies, a job waits for them.

    Parameters
    ----------
    study : Study
    directory : StudyDirectory
    slurm : Slurm
    site : str or Path
        The site of the last submission by default.
    given : Arguments, optional
    retry_failed : bool
        Simulate failed points again.
    following : bool
        Whether this is the job that waited: it does not submit those studies again.

    Returns
    -------
    Submission or None
        None when there is nothing to submit.

    Raises
    ------
    SlurmError
        If Slurm refuses it or does not answer, or a study that this one needs did not come to its end.
    """
    from hpcsim.scheduler.sweep import Listener, prepare

    settings = settings_of(study, directory, site, given)
    if needed := unfinished_inputs(study, directory):
        slurm.check(follow_script(Place(study.name, directory.path.resolve(), 1, Path.cwd()), settings, Path("site"), needed, []))
        for name in needed if not following else ():
            start(study.input_study(name), directory.beside(name), slurm, site=site, given=given)
        directory.open(study.to_toml(), study.recipe, study.name)
        with _alone(directory):
            close_followers(directory)
            return follow(study, directory, slurm, settings, needed, given=given, retry_failed=retry_failed)
    close_followers(directory)
    made = draft(study, directory, settings, slurm, retry_failed=retry_failed)
    if made is None:
        return None
    # what Slurm refuses is said before anything else runs
    slurm.check(made.scripts[0])
    prepare(study, directory, on="slurm", site=site, given=given, listener=Listener(said=slurm.announce))
    return submit(study, directory, settings, slurm, retry_failed=retry_failed)


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
        made = draft(study, directory, settings, slurm, retry_failed=retry_failed)
        if made is None:
            return None
        # nobody goes on with those any more: their collector is gone as well
        numbers = {item.number for item in alive(directory, slurm)}
        for item in submissions(directory):
            if not item.over and item.number not in numbers:
                item.closed(f"left to submission {made.place.number}")
        return post(made, slurm)


def go_on(study: Study, directory: StudyDirectory, slurm: Slurm) -> list[str]:
    """Look at submissions whose tasks are over, and submit again what may succeed then.

    Returns
    -------
    list of str
        What became of each, for people.
    """
    told = []
    with _alone(directory):
        for item in submissions(directory):
            if item.over:
                continue
            states = slurm.states(item.jobs)
            if any(state.active for state in states if state.job != item.collector):
                continue
            told.append(_follow(study, directory, slurm, item, states))
    return told


def _follow(study: Study, directory: StudyDirectory, slurm: Slurm, item: Submission, states: Sequence[State]) -> str:
    found = look_back(study, directory, item, states, slurm.limits)
    made = None
    if found.groups:
        # failed points that are to run again are in the groups already
        made = draft(study, directory, item.settings, slurm, groups=found.groups, retry_failed=item.retry_failed, work=item.work)
    words = found.words
    if made is not None:
        words += f"; submission {post(made, slurm).number} goes on"
    item.closed(words)
    return f"submission {item.number}: {words}"


def cancel(directory: StudyDirectory, slurm: Slurm) -> list[int]:
    """End all jobs of a study; tasks write what they have. Returns the numbers of the jobs."""
    with _alone(directory):
        present = [item for item in submissions(directory) if not item.over]
        jobs = [job for item in present for job in item.jobs]
        slurm.cancel(jobs)
        for item in present:
            item.closed("cancelled")
    return jobs


@contextmanager
def _alone(directory: StudyDirectory) -> Iterator[None]:
    """Only one process submits for a study at a time."""
    place = directory.path / "jobs"
    try:
        place.mkdir(parents=True, exist_ok=True)
        with FileLock(place / ".lock", timeout=60):
            yield
    except Timeout as error:
        raise StorageError(f"{place}: another process has been submitting for a minute; wait for it, or end it") from error
