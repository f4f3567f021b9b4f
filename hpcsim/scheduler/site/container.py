"""A container: the words that run a command inside the image that a site names."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from hpcsim.errors import Problem, SiteError
from hpcsim.scheduler.site.site import ContainerSection

#: Variables of every command inside; ``[container.environment]`` may say otherwise.
ENVIRONMENT = {
    # MPICH's and UCX's short cuts between the processes of a node: ranks in user namespaces of their own may not use them
    "MPIR_CVAR_CH4_CMA_ENABLE": "0",
    "UCX_POSIX_USE_PROC_LINK": "n",
    # packages in ~/.local, which is visible inside, would stand before those of the image
    "PYTHONNOUSERSITE": "1",
}
#: What Docker hands on of a job's environment; Apptainer hands on everything.
PASSED = ("SLURM_MEM_PER_NODE", "SLURMD_NODENAME")
#: Folders of an image's own software, which a bind would hide.
SYSTEM = frozenset(map(PurePosixPath, ("/", "/bin", "/etc", "/lib", "/lib64", "/opt", "/proc", "/sbin", "/sys", "/usr", "/var")))
#: Seconds that Docker may take to say whether it has an image.
PATIENCE = 30.0

_URL = re.compile(r"[A-Za-z][\w+.-]*://.+")


@dataclass(frozen=True, order=True)
class Bind:
    """A folder of the machine, and where it is seen inside.

    Parameters
    ----------
    destination, source : PurePosixPath
        Full paths: inside, and outside.
    read_only : bool
    """

    destination: PurePosixPath
    source: PurePosixPath
    read_only: bool = False

    @classmethod
    def parse(cls, text: str) -> Bind:
        """From ``/source``, ``/source:/destination`` or ``/source:/destination:ro``.

        Raises
        ------
        SiteError
            If it is none of them.
        """
        source, destination, options, *more = [*text.split(":"), "", ""]
        bind = cls(_normal(destination or source), _normal(source), options == "ro")
        if any(more) or options not in ("", "ro", "rw") or not (bind.source.is_absolute() and bind.destination.is_absolute()):
            raise _wrong("binds", f"found {text!r}; expected /source, /source:/destination or /source:/destination:ro")
        return bind

    def shows(self, other: Bind) -> bool:
        """Whether what `other` binds is seen through this one already."""
        inside = other.destination.relative_to(self.destination)
        return self.source / inside == other.source and self.read_only == other.read_only

    def option(self) -> str:
        """As Apptainer and Docker take it after ``--mount``: a line of comma-separated values."""
        fields = ["type=bind", f"source={self.source}", f"destination={self.destination}", *(["ro"] if self.read_only else [])]
        return ",".join(map(_field, fields))


def inside(container: ContainerSection, folders: Sequence[Path], work: Path) -> list[str]:
    """The words in front of a command that run it inside the image of a site.

    Parameters
    ----------
    container : ContainerSection
    folders : sequence of Path
        Full paths that the command reads and writes; inside, they have the same names.
    work : Path
        The folder that the command starts in, a full path; it is bound as well.

    Returns
    -------
    list of str
        Nothing if the site names no image. A signal that the first of these processes gets reaches the command.

    Raises
    ------
    SiteError
        If a bind is no bind, two of them have one destination, or one would hide the image's own software.

    Notes
    -----
    Apptainer hands the environment of the job on to the command, Docker only that of ``[container.environment]``.
    Variables are set by ``env`` inside the image, since ``apptainer --env`` splits values at commas and has a shell
    expand them. ``--mount`` takes names with colons and commas, ``--bind`` does not; Apptainer has it, and SingularityCE
    since 3.9.
    """
    if not container.image:
        return []
    image = _image(container, work)
    mounts = [word for bind in _binds(container, [*folders, work]) for word in ("--mount", bind.option())]
    variables = [f"{name}={value}" for name, value in {**ENVIRONMENT, **container.environment}.items()]
    if container.runtime == "docker":
        user = f"{os.getuid()}:{os.getgid()}"
        passed = [f"--env={name}" for name in PASSED]
        options = ["--rm", "--init", f"--user={user}", *mounts, f"--workdir={work}", *passed, "--entrypoint=env"]
        return ["docker", "run", *options, image, *variables]
    return [container.runtime, "exec", *mounts, "--pwd", str(work), image, "env", *variables]


def check_image(container: ContainerSection) -> None:
    """Make sure that the image of a site is there, as far as this machine can know.

    Raises
    ------
    SiteError
        If it is a path where nothing is, a name that Docker here does not know, or a URL that Docker cannot take.
    """
    image = container.image
    if container.runtime != "docker":
        if image and not _URL.fullmatch(image) and not Path(image).expanduser().exists():
            raise _wrong("image", f"there is no file or folder {image}", "build it (jobs/hpcsim.def says how), or name another")
        return
    if _URL.fullmatch(image):
        raise _wrong("image", f"found {image!r}; Docker takes names such as hpcsim or hpcsim:0.1", "leave out what ends with ://")
    # without Docker here, only the machines that have it know
    if image and shutil.which("docker"):
        _ask_docker(image)


def _ask_docker(image: str) -> None:
    line = ["docker", "image", "inspect", "--format", "{{.Id}}", image]
    try:
        done = subprocess.run(line, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        raise _wrong(
            "image", f"Docker has not answered for {PATIENCE:g} s", "start its engine, and look at `docker info`"
        ) from None
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise _wrong(
            "image", f"Docker has no image {image}: {said[-1]}", f"`docker build -t {image} .` in hpcsim's checkout makes one"
        )


def _image(container: ContainerSection, work: Path) -> str:
    """The image as the runtime takes it wherever it starts."""
    if container.runtime == "docker" or _URL.fullmatch(container.image):
        return container.image
    return str(work / Path(container.image).expanduser())


def _binds(container: ContainerSection, folders: Sequence[Path]) -> list[Bind]:
    """What is bound, parents first; what a parent shows already is left out."""
    wanted = {Bind.parse(text) for text in container.binds} | {Bind(_normal(str(path)), _normal(str(path))) for path in folders}
    kept: dict[PurePosixPath, Bind] = {}
    for bind in sorted(wanted):
        _check(bind)
        above = next((kept[place] for place in (bind.destination, *bind.destination.parents) if place in kept), None)
        if above is not None and above.shows(bind):
            continue
        if bind.destination in kept:
            both = f"{kept[bind.destination].option()} and {bind.option()}"
            raise _wrong("binds", f"{both} have one destination", "leave one of them out")
        kept[bind.destination] = bind
    return list(kept.values())


def _check(bind: Bind) -> None:
    for path in (bind.source, bind.destination):
        if not str(path).isprintable():
            raise _wrong("binds", f"found {str(path)!r}; no runtime binds names with line breaks and control characters")
    if bind.destination in SYSTEM:
        raise _wrong(
            "binds", f"{bind.destination} inside is the image's own software, which a bind would hide", "use a folder below it"
        )


def _normal(path: str) -> PurePosixPath:
    return PurePosixPath(os.path.normpath(path))


def _field(text: str) -> str:
    """One of several comma-separated values."""
    return '"' + text.replace('"', '""') + '"' if set(text) & set(',"') else text


def _wrong(key: str, message: str, hint: str = "") -> SiteError:
    return SiteError([Problem(f"container.{key}", message, hint)], "site")
