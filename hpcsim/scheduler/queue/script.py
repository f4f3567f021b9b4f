"""The scripts that Slurm gets: pure functions from values to text."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from pathlib import Path
from typing import Any

from hpcsim.errors import HpcsimError, Problem, SiteError
from hpcsim.paths import folder
from hpcsim.scheduler.queue.paths import ArraySpec, SubmissionPaths
from hpcsim.scheduler.site.container import inside
from hpcsim.scheduler.site.launcher import launcher_words
from hpcsim.scheduler.site.site import Settings, megabytes
from hpcsim.study.file import amount

#: Slurm's megabytes of a Dask worker beside its tasks.
_WORKER_MB = 256
#: Python in an image, which has hpcsim.
_IN_IMAGE = "python3"
#: MPI ranks of a probe.
PROBE_RANKS = 2
#: Seconds before the end of a job at which Slurm warns the task, which then writes what it has.
WARNING = 60


def array_script(
    place: SubmissionPaths, part: ArraySpec, settings: Settings, *, throttle: int | None = None, retry_failed: bool = False
) -> str:
    """The script of an array: a task for each of its elements.

    Parameters
    ----------
    place : SubmissionPaths
    part : ArraySpec
    settings : Settings
    throttle : int, optional
        The most elements that run at a time.
    retry_failed : bool
        Simulate failed points again.

    Raises
    ------
    SiteError
        If a value cannot stand in a script.
    """
    limit = f"%{throttle}" if throttle else ""
    options = [
        _option("array", f"0-{part.count - 1}{limit}"),
        *_options(place, settings, part.memory, part.seconds, settings.ranks, settings.threads),
        _option("output", f"{_literal(place.logs)}/%A_%a.log"),
        # the batch shell alone: the task tells its worker
        _option("signal", f"B:TERM@{WARNING}"),
        "--requeue",
    ]
    more = []
    if part.budget is not None:
        more += ["--seconds", f"{part.budget:g}"]
    more += [] if part.last else ["--defer-oom"]
    more += ["--retry-failed"] if retry_failed else []
    more += launch_options(settings, place)
    return _render(
        "array.job.j2",
        settings,
        options=options,
        note=f"Tasks {part.first} to {part.first + part.count - 1} of submission {place.number}; try {part.tries + 1}.",
        command=_task_command(settings, place),
        directory=str(place.directory),
        first=part.first,
        tasks=str(place.tasks),
        logs=str(place.logs),
        more=more,
    )


def collect_script(place: SubmissionPaths, settings: Settings) -> str:
    """The script of the job that gathers finished points when the tasks are over, and submits what is missing.

    Raises
    ------
    SiteError
        If a value cannot stand in a script.
    """
    options = [*_collector_options(place, settings), _option("output", f"{_literal(place.logs)}/collect-%j.log"), "--requeue"]
    return _render(
        "collect.job.j2",
        settings,
        options=options,
        note=f"Gathers the points of submission {place.number} and submits what is missing.",
        command=shlex.join([*_node_python(settings, place), "-m", "hpcsim", "collect"]),
        directory=str(place.directory),
    )


def dependency_script(place: SubmissionPaths, settings: Settings, site: Path, names: Sequence[str], more: Sequence[str]) -> str:
    """The script of the job that waits for other studies and then submits the tasks of this one.

    Parameters
    ----------
    place : SubmissionPaths
    settings : Settings
    site : Path
        The site's file for these tasks.
    names : sequence of str
        Of the studies.
    more : sequence of str
        Further words of the command.

    Raises
    ------
    SiteError
        If a value cannot stand in a script.
    """
    options = [*_collector_options(place, settings), _option("output", f"{_literal(place.logs)}/dependency-%j.log"), "--requeue"]
    return _render(
        "dependency.job.j2",
        settings,
        options=options,
        study=place.study,
        needs=" and ".join(names),
        command=shlex.join([*_node_python(settings, place), "-m", "hpcsim", "submit", "--after-inputs"]),
        directory=str(place.directory),
        site=str(site),
        more=more,
    )


def _collector_options(place: SubmissionPaths, settings: Settings) -> list[str]:
    """What a job that only gathers and submits asks for."""
    collector = settings.site.collector
    seconds = amount(collector.time, "s") if collector.time else None
    memory = megabytes(collector.memory) if collector.memory else None
    return _options(place, settings, memory, seconds, 1, 1)


def probe_script(place: SubmissionPaths, settings: Settings, answer: Path) -> str:
    """The script of a job with two MPI ranks that say what they find on a node, in a file.

    Raises
    ------
    SiteError
        If a value cannot stand in a script.
    """
    options = [
        *_options(place, settings, settings.memory, 300.0, PROBE_RANKS, settings.threads),
        _option("output", f"{_literal(answer)}.log"),
    ]
    launcher = [*launcher_words(settings.site.launcher, settings.threads), "-n", str(PROBE_RANKS)]
    command = shlex.join([*launcher, *_task_python(settings, place), "-m", "hpcsim.scheduler.slurm.probe"])
    return _render("probe.job.j2", settings, options=options, command=command, answer=str(answer))


@dataclass(frozen=True)
class WorkerParts:
    """The parts of the script of a Dask worker's job, which dask-jobqueue puts together.

    Parameters
    ----------
    options : list of str
        What stands after #SBATCH.
    setup : str
        What runs before the worker.
    python : str
        The words that start Python, with the quotes of a shell.
    """

    options: list[str]
    setup: str
    python: str


def worker_parts(place: SubmissionPaths, settings: Settings, tasks: int, seconds: float | None) -> WorkerParts:
    """The parts of the script of a Dask worker's job.

    Parameters
    ----------
    place : SubmissionPaths
    settings : Settings
        Of one task.
    tasks : int
        That the worker runs side by side.
    seconds : float, optional
        The longest that the job may take.

    Raises
    ------
    SiteError
        If a value cannot stand in a script.
    """
    memory = settings.memory * tasks + _WORKER_MB if settings.memory else None
    # the worker sees one node; only a launcher reaches others
    ranks, threads = (1, settings.threads * tasks) if settings.ranks == 1 else (settings.ranks * tasks, settings.threads)
    options = [
        *_options(place, settings, memory, seconds, ranks, threads),
        _option("output", f"{_literal(place.logs)}/worker-%j.log"),
    ]
    python = _task_python(settings, place) if settings.ranks == 1 else _node_python(settings, place)
    # exec, so that Slurm's signals reach the worker itself
    return WorkerParts(options, _render("setup.j2", settings), f"exec {shlex.join(python)}")


def launch_options(settings: Settings, place: SubmissionPaths) -> list[str]:
    """Options of ``hpcsim task`` that say how MPI ranks are started; none for a point of one process."""
    if settings.ranks == 1:
        return []
    options = ["--launcher", shlex.join(launcher_words(settings.site.launcher, settings.threads))]
    if settings.site.container.image:
        options += ["--inside", shlex.join(_task_python(settings, place))]
    return options


def _options(
    place: SubmissionPaths, settings: Settings, memory: int | None, seconds: float | None, ranks: int, threads: int
) -> list[str]:
    """What every job asks for; the memory of several ranks is shared out to their cores, on whatever node they are."""
    site = settings.site
    whole, shared = (memory, None) if ranks == 1 else (None, memory and ceil(memory / (ranks * threads)))
    if seconds is not None and settings.max_time is not None:
        seconds = min(seconds, settings.max_time)
    given = {
        "job-name": place.job_name,
        "chdir": str(place.work),
        "partition": site.partition,
        "account": site.account,
        "qos": site.qos,
        "constraint": site.constraint,
        "ntasks": str(ranks),
        "cpus-per-task": str(threads),
        "mem": f"{whole}M" if whole else "",
        "mem-per-cpu": f"{shared}M" if shared else "",
        "time": wall_time(seconds) if seconds else "",
        "open-mode": "append",
    }
    return [_option(name, value) for name, value in given.items() if value]


def wall_time(seconds: float) -> str:
    """A time limit as sbatch takes it, in whole minutes.

    Examples
    --------
    >>> wall_time(61), wall_time(90_000)
    ('0-00:02:00', '1-01:00:00')
    """
    minutes = ceil(seconds / 60)
    return f"{minutes // 1440}-{minutes // 60 % 24:02d}:{minutes % 60:02d}:00"


def _option(name: str, value: str) -> str:
    """An option as it stands after #SBATCH; Slurm reads quotes there as a shell does, but a line is a line."""
    if not value.isprintable():
        raise SiteError(
            [Problem(name, f"found {value!r}; a line of a script takes no line breaks and control characters")], "job script"
        )
    return f"--{name}={shlex.quote(value)}"


def _literal(path: Path) -> str:
    """A path without the patterns that Slurm fills in."""
    return str(path).replace("%", "%%")


def _node_python(settings: Settings, place: SubmissionPaths) -> list[str]:
    """Python on the node itself."""
    return [settings.site.python or place.python]


def _task_python(settings: Settings, place: SubmissionPaths) -> list[str]:
    """Python that simulates: in the image of the site, where it names one."""
    image = inside(settings.site.container, place.folders, place.work)
    return [*image, _IN_IMAGE] if image else _node_python(settings, place)


def _task_command(settings: Settings, place: SubmissionPaths) -> str:
    """How a job starts a task: where it simulates, or where it can launch MPI ranks, on the node itself."""
    python = _task_python(settings, place) if settings.ranks == 1 else _node_python(settings, place)
    return shlex.join([*python, "-m", "hpcsim", "task"])


def _render(template: str, settings: Settings, **values: Any) -> str:
    site = settings.site
    return str(
        _templates()
        .get_template(template)
        .render(
            modules=site.modules,
            setup=site.setup,
            environment=sorted(site.environment.items()),
            scratch=site.scratch,
            **values,
        )
    )


@lru_cache(maxsize=1)
def _templates() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    templates = Environment(
        loader=FileSystemLoader(folder("jobs")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        # scripts are no HTML; every value is quoted for the shell
        autoescape=False,
    )
    templates.filters["quote"] = _quote
    return templates


def _quote(value: str) -> str:
    if "\0" in value:
        raise HpcsimError(f"found {value!r}; no shell takes a zero byte")
    return shlex.quote(value)
