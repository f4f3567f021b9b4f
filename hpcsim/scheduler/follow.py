"""A study on a cluster whose results another one needs first: a job that waits for it, and then submits the tasks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hpcsim.directory import StudyDirectory
from hpcsim.errors import SlurmError
from hpcsim.scheduler.draft import alive, written
from hpcsim.scheduler.place import Place
from hpcsim.scheduler.plan import complete
from hpcsim.scheduler.queue import Slurm
from hpcsim.scheduler.script import follow_script
from hpcsim.scheduler.site import Arguments, Settings
from hpcsim.scheduler.submission import Submission, next_number, submissions, write_tasks
from hpcsim.study import Study


def unfinished_inputs(study: Study, directory: StudyDirectory) -> list[str]:
    """Studies that this one needs and whose results do not hold every point."""
    return [name for name in study.needs if not complete(study.input_study(name), directory.beside(name))]


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
        if complete(study.input_study(name), place):
            continue
        present = [item for item in alive(place, slurm) if item.collector is not None]
        if not present:
            raise SlurmError(
                f"{study.name} needs {name}, which is not finished and has no jobs any more; see `hpcsim status {place.path}`"
            )
        jobs.append(int(present[-1].collector or 0))
    return jobs


def follow(
    study: Study,
    directory: StudyDirectory,
    slurm: Slurm,
    settings: Settings,
    names: Sequence[str],
    *,
    given: Arguments | None = None,
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
    given : Arguments, optional
        What stands over study and site.
    retry_failed : bool
        Simulate failed points again.

    Returns
    -------
    Submission
        Without tasks: what collects is the job that waits.
    """
    import tomli_w

    place = Place(study.name, directory.path.resolve(), next_number(directory), Path.cwd().resolve())
    write_tasks(place.tasks, ())
    site = written(place.folder / "site.toml", tomli_w.dumps(settings.site.model_dump(exclude_none=True)))
    more = [word for pair in _pairs(given) for word in ("--with", pair)] + (["--retry-failed"] if retry_failed else [])
    script = written(place.folder / "follow.job", follow_script(place, settings, site, names, more))
    item = Submission(place.folder, place.number, settings, place.work, retry_failed=retry_failed, after=tuple(names))
    return item.with_collector(slurm.submit(script, place.job_name, last_jobs(study, directory, names, slurm)))


def close_followers(directory: StudyDirectory) -> None:
    """Remember that what waited for other studies is over: they are there."""
    for item in submissions(directory):
        if item.after and not item.over:
            item.closed(f"{', '.join(item.after)} came to an end")


def _pairs(given: Arguments | None) -> list[str]:
    """Arguments as the command takes them."""
    values = (given or Arguments()).model_dump(exclude_defaults=True)
    return [f"{name}={value}" for name, value in values.items()]
