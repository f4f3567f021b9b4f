"""A submission before it is made, and how it is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hpcsim.directory import StudyDirectory
from hpcsim.errors import StorageError
from hpcsim.scheduler.container import check_image
from hpcsim.scheduler.measured import Measured, measure
from hpcsim.scheduler.place import Place
from hpcsim.scheduler.plan import plan
from hpcsim.scheduler.queue import Limits, Slurm
from hpcsim.scheduler.rounds import Group, Round, make_round
from hpcsim.scheduler.script import array_script, collect_script
from hpcsim.scheduler.site import Settings
from hpcsim.scheduler.submission import Sent, Submission, next_number, submissions, without, write_tasks
from hpcsim.study import Study


@dataclass(frozen=True)
class Draft:
    """A submission before it is made.

    Parameters
    ----------
    place : Place
    settings : Settings
    round : Round
    scripts : tuple of str
        One for each part.
    collector : str
        The script of the job that collects.
    retry_failed : bool
    measured : Measured, optional
        What a point costs.
    """

    place: Place
    settings: Settings
    round: Round
    scripts: tuple[str, ...]
    collector: str
    retry_failed: bool = False
    measured: Measured | None = None


def draft(
    study: Study,
    directory: StudyDirectory,
    settings: Settings,
    slurm: Slurm,
    *,
    groups: Sequence[Group] | None = None,
    retry_failed: bool = False,
    work: Path | None = None,
) -> Draft | None:
    """What would be submitted for points that are neither finished nor in jobs that are not over; None for nothing.

    Parameters
    ----------
    study : Study
    directory : StudyDirectory
    settings : Settings
    slurm : Slurm
        Asked for its limits, and for the jobs of earlier submissions.
    groups : sequence of Group, optional
        Points of which something is known; all that are missing by default.
    retry_failed : bool
        Simulate failed points again.
    work : Path, optional
        The folder that jobs start in; the current one by default.
    """
    pending = plan(study, directory, retry_failed=retry_failed).pending
    if groups is None:
        theirs = sorted(run for item in alive(directory, slurm) for run in (*item.tasks, *item.rest))
        groups = [Group(tuple(without(pending, theirs)), settings.memory)]
    if not any(group.runs for group in groups):
        return None
    check_image(settings.site.container)
    measured = measure(study, directory)
    limits = slurm.limits if slurm.there else Limits()
    made = make_round(groups, settings, limits, measured, pending=pending, batch=study.model.batch or 1)
    place = Place(study.name, directory.path.resolve(), next_number(directory), (work or Path.cwd()).resolve())
    scripts = [array_script(place, part, settings, throttle=settings.throttle, retry_failed=retry_failed) for part in made.parts]
    return Draft(place, settings, made, tuple(scripts), collect_script(place, settings), retry_failed, measured)


def alive(directory: StudyDirectory, slurm: Slurm) -> list[Submission]:
    """Submissions that have a job which waits or runs; the last such job sees to all of its points."""
    present = [item for item in submissions(directory) if not item.over]
    active = {state.job for state in slurm.states(job for item in present for job in item.jobs) if state.active}
    return [item for item in present if active & set(item.jobs)]


def post(made: Draft, slurm: Slurm) -> Submission:
    """Submit a draft: Slurm looks at it first, then gets one array after the other and the collector.

    Raises
    ------
    SlurmError
        If Slurm refuses it; what it took before is remembered and runs.
    StorageError
        If the study's directory cannot be written.
    """
    place = made.place
    slurm.check(made.scripts[0])
    write_tasks(place.tasks, made.round.tasks)
    submission = Submission(
        place.folder, place.number, made.settings, place.work, retry_failed=made.retry_failed, rest=made.round.rest
    )
    for number, (part, text) in enumerate(zip(made.round.parts, made.scripts, strict=True)):
        script = written(place.folder / f"array-{number}.job", text)
        # one throttle for all arrays: each waits for the one before
        after = [submission.sent[-1].job] if made.settings.throttle and submission.sent else []
        submission = submission.with_part(Sent(slurm.submit(script, place.job_name, after), part))
    script = written(place.folder / "collect.job", made.collector)
    arrays = [sent.job for sent in submission.sent]
    return submission.with_collector(slurm.submit(script, place.job_name, arrays))


def written(path: Path, text: str) -> Path:
    """Write a file of a submission.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}") from error
    return path
