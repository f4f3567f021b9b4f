"""A submission before it is made, and how it is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from hpcsim.errors import SlurmError, SlurmUnavailable, SlurmUnclear
from hpcsim.scheduler.plan import plan
from hpcsim.scheduler.queue.commands import Limits, Slurm, new_token
from hpcsim.scheduler.queue.job_state import JobId, State
from hpcsim.scheduler.queue.paths import ArraySpec, SubmissionPaths
from hpcsim.scheduler.queue.script import array_script, collect_script
from hpcsim.scheduler.search.feed import check_retry
from hpcsim.scheduler.site.container import check_image
from hpcsim.scheduler.site.site import Settings
from hpcsim.scheduler.slurm.arrays import ArrayBatch, RetryGroup, make_array_batch
from hpcsim.scheduler.slurm.submission import (
    IndexRange,
    Sent,
    Submission,
    next_number,
    open_submissions,
    subtract,
    write_file,
    write_tasks,
)
from hpcsim.scheduler.state.measured import Measured, measure
from hpcsim.study.directory import StudyDirectory
from hpcsim.study.study import Study

#: The script of the job that collects, in a submission's folder.
COLLECT = "collect.job"


@dataclass(frozen=True)
class PreparedSubmission:
    """A submission before it is made.

    Parameters
    ----------
    place : SubmissionPaths
    settings : Settings
    array_batch : ArrayBatch
    scripts : tuple of str
        One for each part.
    collector : str
        The script of the job that collects.
    retry_failed : bool
    measured : Measured, optional
        What a point costs.
    design : str
        Digest of the design in which points have these numbers.
    """

    place: SubmissionPaths
    settings: Settings
    array_batch: ArrayBatch
    scripts: tuple[str, ...]
    collector: str
    retry_failed: bool = False
    measured: Measured | None = None
    design: str = ""


def prepare_submission(
    study: Study,
    directory: StudyDirectory,
    settings: Settings,
    slurm: Slurm,
    *,
    groups: Sequence[RetryGroup] | None = None,
    retry_failed: bool = False,
    work: Path | None = None,
) -> PreparedSubmission | None:
    """What would be submitted for points that are neither finished nor in jobs that are not over; None for nothing.

    Parameters
    ----------
    study : Study
    directory : StudyDirectory
    settings : Settings
    slurm : Slurm
        Asked for its limits, and for the jobs of earlier submissions.
    groups : sequence of RetryGroup, optional
        Points of which something is known; all that are missing by default.
    retry_failed : bool
        Simulate failed points again.
    work : Path, optional
        The folder that jobs start in; the current one by default.
    """
    check_retry(study, retry_failed)
    pending = plan(study, directory, retry_failed=retry_failed).pending
    if groups is None:
        groups = [RetryGroup(tuple(uncovered(pending, directory, slurm)), settings.memory)]
    if not any(group.runs for group in groups):
        return None
    check_image(settings.site.container)
    measured = measure(study, directory)
    limits = slurm.on(settings.site.cluster).limits if slurm.available else Limits()
    sizes = settings
    if study.search and settings.task_size:
        # a task of a search has so many suggestions, each with its replicates
        sizes = replace(settings, task_size=settings.task_size * study.design.replicates)
    made = make_array_batch(groups, sizes, limits, measured, pending=pending, batch=study.model.batch or 1)
    place = SubmissionPaths(study.name, directory.path.resolve(), next_number(directory), (work or Path.cwd()).resolve())
    scripts = [array_script(place, part, settings, throttle=settings.throttle, retry_failed=retry_failed) for part in made.parts]
    design = study.design.digest
    return PreparedSubmission(
        place, settings, made, tuple(scripts), collect_script(place, settings), retry_failed, measured, design
    )


def uncovered(pending: Sequence[IndexRange], directory: StudyDirectory, slurm: Slurm) -> list[IndexRange]:
    """Those points that no job has which waits or runs."""
    return subtract(pending, sorted(run for item in alive(directory, slurm) for run in item.covered))


def check_settings(study: Study, directory: StudyDirectory, settings: Settings, slurm: Slurm) -> None:
    """Look whether Slurm would take a task with these settings, before anything is made ready for it.

    Raises
    ------
    SlurmError
        If it refuses the task or does not answer.
    SiteError
        If there is no image, or a value cannot stand in a script.
    """
    check_image(settings.site.container)
    place = SubmissionPaths(study.name, directory.path.resolve(), next_number(directory), Path.cwd().resolve())
    slurm.on(settings.site.cluster).check(array_script(place, ArraySpec(0, 1, settings.memory), settings))


def alive(directory: StudyDirectory, slurm: Slurm) -> list[Submission]:
    """Submissions that have a job which waits or runs, or may have one; the last such job sees to all of their points."""
    present = open_submissions(directory)
    states = states_of(present, slurm)
    return [item for item in present if item.begun or any(state.active for state in states[item.number])]


def states_of(present: Sequence[Submission], slurm: Slurm) -> dict[int, list[State]]:
    """States of the jobs of submissions by the number of the submission, with one call of Slurm's for each cluster."""
    found: dict[int, list[State]] = {}
    for cluster in sorted({item.cluster for item in present}):
        there = [item for item in present if item.cluster == cluster]
        states = slurm.on(cluster).states(job for item in there for job in item.jobs)
        found |= {item.number: [state for state in states if state.job in item.jobs] for item in there}
    return found


def submit_prepared(made: PreparedSubmission, slurm: Slurm) -> Submission:
    """Submit a draft: Slurm looks at it first, then gets one array after the other and the collector.

    Raises
    ------
    SlurmError
        If Slurm refuses it; what it took before is remembered and runs.
    StorageError
        If the study's directory cannot be written.
    """
    place, cluster = made.place, made.settings.site.cluster
    slurm.on(cluster).check(made.scripts[0])
    write_tasks(place.tasks, made.array_batch.tasks, made.design)
    for number, text in enumerate(made.scripts):
        write_file(place.folder / f"array-{number}.job", text)
    write_file(place.folder / COLLECT, made.collector)
    sent = tuple(Sent(None, part) for part in made.array_batch.parts)
    item = Submission(place.folder, place.number, made.settings, place.work, sent, rest=made.array_batch.rest, cluster=cluster)
    item = replace(item, name=place.job_name, retry_failed=made.retry_failed)
    for number in range(len(sent)):
        # one throttle for all arrays: each waits for the one before
        after = item.arrays[-1:] if made.settings.throttle else []
        item = hand_over(item, slurm, f"array-{number}.job", after)
    return hand_over(item, slurm, COLLECT, item.arrays)


def hand_over(item: Submission, slurm: Slurm, script: str, after: Sequence[int]) -> Submission:
    """Give Slurm the next job of a submission; that it is asked for is remembered before.

    Raises
    ------
    SlurmError
        If Slurm refuses it; the rest of the submission is given up.
    """
    token = new_token()
    item = item.asking(token)
    try:
        job = slurm.on(item.cluster).submit(item.folder / script, item.name or item.folder.name, after, token)
    except SlurmUnclear as error:
        item.unanswered(str(error))
        raise
    except SlurmUnavailable:
        raise
    except SlurmError as error:
        item.given_up(str(error))
        raise
    return item.answered(job)


def recover(directory: StudyDirectory, slurm: Slurm) -> None:
    """See to submissions whose process ended before Slurm had all of them: what Slurm has is found, the rest forgotten.

    Raises
    ------
    SlurmUnclear
        If Slurm took a job that cannot be found.
    """
    for item in open_submissions(directory):
        if not item.begun:
            continue
        if item.asked and (job := asked_job(item, slurm)) is not None:
            item = item.answered(job)
        elif item.unclear:
            raise SlurmUnclear(item.unclear)
        if item.begun:
            item = item.given_up()
        if item.begun:
            try:
                hand_over(item, slurm, COLLECT, item.arrays)
            except (SlurmUnavailable, SlurmUnclear):
                raise
            except SlurmError as error:
                # its arrays may be over and forgotten
                slurm.notify(f"submission {item.number} has no job that collects: {error}")


def asked_job(item: Submission, slurm: Slurm) -> JobId | None:
    """The job that Slurm was asked for when a submission's process ended, or that it told no number of; None without one."""
    days = (datetime.now(UTC) - datetime.fromisoformat(item.created)).days + 1
    return slurm.on(item.cluster).find(item.name or item.folder.name, item.asked, days=days, patient=True)
