"""A study on a cluster whose results another one needs first: a job that waits for it, and then submits the tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hpcsim.errors import SlurmError
from hpcsim.scheduler.plan import input_complete
from hpcsim.scheduler.queue.commands import Slurm
from hpcsim.scheduler.queue.paths import SubmissionPaths
from hpcsim.scheduler.queue.script import dependency_script
from hpcsim.scheduler.site.site import Settings
from hpcsim.scheduler.slurm.prepared import alive, hand_over
from hpcsim.scheduler.slurm.submission import Submission, next_number, open_submissions, write_file, write_tasks
from hpcsim.scheduler.target import SLURM, Target
from hpcsim.study.directory import StudyDirectory
from hpcsim.study.study import Study


def last_jobs(study: Study, directory: StudyDirectory, names: Sequence[str], slurm: Slurm) -> list[int]:
    """The job of each of these studies that ends last, as far as anybody knows.

    Raises
    ------
    SlurmError
        If one has no jobs any more and is not finished.
    """
    jobs = []
    for name in names:
        place = directory.beside(name)
        if input_complete(study, directory, name):
            continue
        present = [item for item in alive(place, slurm) if item.collector is not None]
        if not present:
            raise SlurmError(
                f"{study.name} needs {name}, which is not finished and has no jobs any more; see `hpcsim status {place.path}`"
            )
        jobs.append(int(present[-1].collector or 0))
    return jobs


def submit_after(
    study: Study,
    directory: StudyDirectory,
    slurm: Slurm,
    settings: Settings,
    names: Sequence[str],
    target: Target = SLURM,
    *,
    retry_failed: bool = False,
) -> Submission:
    """Submit a job that submits the tasks of a study when others are over.

    Parameters
    ----------
    study : Study
    directory : StudyDirectory
    slurm : Slurm
    settings : Settings
    names : sequence of str
        Studies that it waits for; they have jobs.
    target : Target
        Its overrides are those of the tasks as well.
    retry_failed : bool
        Simulate failed points again.

    Returns
    -------
    Submission
        Without tasks: what collects is the job that waits.
    """
    import tomli_w

    place = SubmissionPaths(study.name, directory.path.resolve(), next_number(directory), Path.cwd().resolve())
    write_tasks(place.tasks, ())
    site = write_file(place.folder / "site.toml", tomli_w.dumps(settings.site.model_dump(exclude_none=True)))
    more = [word for pair in _pairs(target) for word in ("--with", pair)] + (["--retry-failed"] if retry_failed else [])
    script = write_file(place.folder / "dependency.job", dependency_script(place, settings, site, names, more))
    item = Submission(place.folder, place.number, settings, place.work, retry_failed=retry_failed, after=tuple(names))
    item = replace(item, name=place.job_name, cluster=settings.site.cluster)
    return hand_over(item, slurm, script.name, last_jobs(study, directory, names, slurm))


def close_dependents(directory: StudyDirectory, slurm: Slurm | None = None) -> None:
    """Remember that what waited for other studies is over: they are there; with `slurm`, end the jobs that waited."""
    for item in open_submissions(directory):
        if item.after:
            if slurm is not None:
                slurm.on(item.cluster).cancel(item.jobs)
            item.closed(f"{', '.join(item.after)} came to an end")


def _pairs(target: Target) -> list[str]:
    """Overrides as the command takes them."""
    values = target.job_overrides.model_dump(exclude_defaults=True)
    return [f"{name}={value}" for name, value in values.items()]
