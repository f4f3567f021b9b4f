"""A site: what the user of a cluster has to say once."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from math import ceil
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, Field, ValidationError

from hpcsim.errors import Problem, SiteError
from hpcsim.study.file import ResourcesSection, Section, amount, as_problem

#: Bytes of what Slurm calls a megabyte.
SLURM_MB = 2**20


_S = TypeVar("_S", bound=Section)


def _matching(pattern: str, allowed: str) -> Callable[[str], str]:
    """A check of a text that will stand in a script; an empty one passes."""
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if text and not compiled.fullmatch(text):
            raise ValueError(f"found {text!r}, allowed: {allowed}")
        return text

    return check


def _time(text: str) -> str:
    if text:
        amount(text, "s", least=60.0)
    return text


def _memory(text: str) -> str:
    if text:
        amount(text, "MB", least=1.0)
    return text


def _variable(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", text):
        raise ValueError(f"found {text!r}, allowed: the name of an environment variable, of letters from A to z, digits and _")
    return text


#: A name that Slurm knows: partitions, accounts; several with commas.
Word = Annotated[str, AfterValidator(_matching(r"[\w][\w.,:@+\-]*", 'letters, digits and "_ . , : @ + -"'))]
Constraint = Annotated[str, AfterValidator(_matching(r"[\w.,:&|*()\[\]\-]+", 'features with "& | , * ( ) [ ]"'))]
#: Anything that is one line.
Line = Annotated[str, AfterValidator(_matching(r"[^\n\r\0]+", "one line"))]
#: An image; what begins with a dash would be an option of the runtime.
Image = Annotated[
    str,
    AfterValidator(_matching(r"[^\-\n\r\0][^\n\r\0]*", "a file, a folder or a name in one line, without a dash at its start")),
]
#: A name that a shell takes: with another, each job would end at once.
Variable = Annotated[str, AfterValidator(_variable)]
Text = Annotated[str, AfterValidator(_matching(r"[^\0]+", "text"))]
FullPath = Annotated[str, AfterValidator(_matching(r"/[^\n\r\0]*", "a full path, from /"))]
Time = Annotated[str, AfterValidator(_time)]
Memory = Annotated[str, AfterValidator(_memory)]


class LauncherSection(Section):
    """``[launcher]``: what starts the MPI ranks of a point.

    Parameters
    ----------
    use : str
        Which launcher.
    mpi : str
        What ``srun --mpi`` takes, such as ``pmi2`` or ``pmix``.
    path : str
        Full path of mpiexec.
    options : tuple of str
        More options of the launcher.
    """

    use: Literal["srun", "mpiexec"] = "srun"
    mpi: Word = ""
    path: FullPath = ""
    options: tuple[Line, ...] = ()


class ContainerSection(Section):
    """``[container]``: the image that tasks run in; without an image, they run outside.

    Parameters
    ----------
    runtime : str
        What starts it.
    image : str
        A file, a folder, or a URL that the runtime takes.
    binds : tuple of str
        Folders that are seen inside, besides the study's directory and the folder where jobs start.
    environment : mapping of str to str
        Variables inside.
    """

    runtime: Literal["apptainer", "singularity", "docker"] = "apptainer"
    image: Image = ""
    binds: tuple[Line, ...] = ()
    environment: dict[Variable, Text] = Field(default_factory=dict)


class LimitsSection(Section):
    """``[limits]``: what the site allows; where Slurm says less itself, that counts.

    Parameters
    ----------
    max_array : int
        Tasks in one job array.
    throttle : int
        Tasks side by side.
    max_submit : int
        Jobs that a user may have in the queue.
    time : str
        The longest job, such as ``24 h``.
    """

    max_array: int | None = Field(default=None, ge=1)
    throttle: int | None = Field(default=None, ge=1)
    max_submit: int | None = Field(default=None, ge=2)
    time: Time = ""


class CollectorSection(Section):
    """``[collector]``: the job that gathers finished points.

    Parameters
    ----------
    memory, time : str
        What it asks Slurm for.
    """

    memory: Memory = "2 GB"
    time: Time = "1 h"


class DaskSection(Section):
    """``[dask]``: workers of ``--on dask``, each a job.

    Parameters
    ----------
    interface : str
        The network interface that scheduler and workers listen on, such as ``ib0``; this machine alone by default.
    workers : int
        Tasks side by side in one job.
    minimum, maximum : int
        Jobs; by default none when nothing is to do, and as many as ``limits.throttle`` tasks need.
    time : str
        The longest that a job takes; ``limits.time`` by default. Its tasks go on elsewhere.
    patience : str
        How long to wait while there is no worker at all.
    dashboard_port : int
        On this machine alone; any free one by default.
    ca_file, cert, key : str
        Files for a ``tls://`` scheduler that is there already; as Dask's own configuration says by default.
    """

    interface: Annotated[str, AfterValidator(_matching(r"\w[\w.:@\-]*", "the name of a network interface"))] = ""
    workers: int = Field(default=1, ge=1)
    minimum: int = Field(default=0, ge=0)
    maximum: int | None = Field(default=None, ge=1)
    time: Time = ""
    patience: Time = "1 h"
    dashboard_port: int = Field(default=0, ge=0, le=65535)
    ca_file: FullPath = ""
    cert: FullPath = ""
    key: FullPath = ""


class Site(Section):
    """A site file.

    Parameters
    ----------
    name : str
        What messages call it; the name of its file by default.
    description : str
        A sentence for people.
    partition, account, qos, constraint : str
        As sbatch takes them; Slurm's own defaults where they are empty.
    cluster : str
        Where Slurm has several: the one for the jobs, or several with commas; SBATCH_CLUSTERS and SLURM_CLUSTERS by default.
    modules : tuple of str
        Loaded in this order.
    setup : tuple of str
        Lines of shell that run before a task, as they are.
    environment : mapping of str to str
        Variables of the jobs.
    python : str
        Full path of the Python of the jobs; the one that submits by default.
    scratch : str
        Folder of temporary files on the nodes; Slurm's own by default.
    memory : str
        For one point, where the study says nothing.
    """

    name: Line = ""
    description: Line = ""
    partition: Word = ""
    account: Word = ""
    qos: Word = ""
    constraint: Constraint = ""
    cluster: Word = ""
    modules: tuple[Line, ...] = ()
    setup: tuple[Line, ...] = ()
    environment: dict[Variable, Text] = Field(default_factory=dict)
    python: FullPath = ""
    scratch: FullPath = ""
    memory: Memory = ""
    launcher: LauncherSection = LauncherSection()
    container: ContainerSection = ContainerSection()
    limits: LimitsSection = LimitsSection()
    collector: CollectorSection = CollectorSection()
    dask: DaskSection = DaskSection()

    @classmethod
    def check(cls, tables: Mapping[str, Any], source: str) -> Self:
        """A site from the tables of its file.

        Raises
        ------
        SiteError
            With every mistake at once.
        """
        return checked(cls, tables, source)


class Overrides(Section):
    """What the user says for one submission alone; it overrides the study and the site.

    Parameters
    ----------
    partition, account, qos, constraint, cluster : str
        As of the site.
    memory, time : str
        Of one task, such as ``"4 GB"`` and ``"2 h"``.
    task_size : int, optional
        Points a task.
    throttle : int, optional
        Tasks side by side.
    """

    partition: Word = ""
    account: Word = ""
    qos: Word = ""
    constraint: Constraint = ""
    cluster: Word = ""
    memory: Memory = ""
    time: Time = ""
    task_size: int | None = Field(default=None, ge=1)
    throttle: int | None = Field(default=None, ge=1)

    @classmethod
    def parse(cls, pairs: Iterable[str]) -> Self:
        """From texts such as ``partition=debug``.

        Raises
        ------
        SiteError
            With every mistake at once.
        """
        words = [pair.partition("=") for pair in pairs]
        if wrong := [Problem(pair[0], "expected KEY=VALUE", "such as partition=debug") for pair in words if not pair[1]]:
            raise SiteError(wrong, "--with")
        return cls.check({key: value for key, _, value in words}, "--with")

    @classmethod
    def check(cls, tables: Mapping[str, Any], source: str) -> Self:
        """From values by name.

        Raises
        ------
        SiteError
            With every mistake at once.
        """
        return checked(cls, tables, source)


def checked(section: type[_S], tables: Mapping[str, Any], source: str) -> _S:
    """A section from its tables.

    Raises
    ------
    SiteError
        With every mistake at once.
    """
    try:
        return section.model_validate(dict(tables))
    except ValidationError as error:
        raise SiteError([as_problem({**item}, section) for item in error.errors()], source) from None


@dataclass(frozen=True)
class Settings:
    """A site as one submission uses it: overrides over study over site over default.

    Parameters
    ----------
    site : Site
    ranks : int
        MPI ranks of a point.
    threads : int
        Of each rank.
    memory : int, optional
        Slurm's megabytes for a task; what Slurm gives, by default.
    point_time : float, optional
        Seconds, the longest that a point may take.
    max_time : float, optional
        Seconds, the longest that a job may ask for.
    task_size : int, optional
        Points a task; measured by default.
    throttle : int, optional
        Tasks side by side; as many as there is room for by default.
    """

    site: Site
    ranks: int = 1
    threads: int = 1
    memory: int | None = None
    point_time: float | None = None
    max_time: float | None = None
    task_size: int | None = None
    throttle: int | None = None

    def dump(self) -> dict[str, Any]:
        """As plain values, for the record of a submission."""
        return {**asdict(self), "site": self.site.model_dump()}

    @classmethod
    def load(cls, values: Mapping[str, Any]) -> Settings:
        """Back from plain values."""
        return cls(**{**values, "site": Site.check(values["site"], "submission")})


def resolve(
    site: Site, resources: ResourcesSection, point_time: float | None = None, overrides: Overrides | None = None
) -> Settings:
    """What a submission asks for.

    Parameters
    ----------
    site : Site
    resources : ResourcesSection
        Of the study.
    point_time : float, optional
        Seconds, the study's limit for one point.
    overrides : Overrides, optional
    """
    overrides = overrides or Overrides()
    names = ("partition", "account", "qos", "constraint", "cluster")
    changes = {name: value for name in names if (value := getattr(overrides, name))}
    changes = {"cluster": site.cluster or _shell_cluster(), **changes}
    time = overrides.time or site.limits.time
    memory = overrides.memory or resources.memory or site.memory
    return Settings(
        site.model_copy(update=changes),
        resources.ranks,
        resources.rank_threads,
        megabytes(memory) if memory else None,
        point_time,
        amount(time, "s") if time else None,
        overrides.task_size or resources.task_size,
        overrides.throttle or site.limits.throttle,
    )


def megabytes(text: str) -> int:
    """Memory that someone wrote, in Slurm's megabytes, rounded up.

    Examples
    --------
    >>> megabytes("2 GiB"), megabytes("2 GB")
    (2048, 1908)
    """
    return ceil(amount(text, "MB") * 1_000_000 / SLURM_MB)


def _shell_cluster() -> str:
    """The cluster that the user's shell names for jobs."""
    return os.environ.get("SBATCH_CLUSTERS") or os.environ.get("SLURM_CLUSTERS") or ""
