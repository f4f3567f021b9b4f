"""Paths that simulators and their compilers can read: NEURON and make know neither spaces nor letters beyond ASCII."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hpcsim.errors import SimulationError

_PLAIN = re.compile(r"[A-Za-z0-9_./+-]*")


def is_plain(path: Path) -> bool:
    """Whether every tool can read a path."""
    return _PLAIN.fullmatch(str(path.absolute())) is not None


def plain(path: Path) -> Path:
    """A file under a path that every tool can read: the path itself, or a link to it in a folder for temporary files.

    Parameters
    ----------
    path : Path
        It need not be there yet, but its folder is.

    Raises
    ------
    SimulationError
        If there is no such folder.

    Examples
    --------
    >>> plain(Path("/opt/cells/cell1.asc"))
    PosixPath('/opt/cells/cell1.asc')
    """
    path = path.absolute()
    if is_plain(path):
        return path
    # a simulator may want the file under its own name
    named = is_plain(Path("/", path.name))
    target = path.parent if named else path
    link = _links() / (hashlib.sha256(os.fsencode(target)).hexdigest()[:32] + ("" if named else path.suffix))
    with suppress(FileExistsError):
        link.symlink_to(target)
    return link / path.name if named else link


@contextmanager
def plain_folder(within: Path | None = None) -> Iterator[Path]:
    """An empty folder whose path every tool can read.

    Parameters
    ----------
    within : Path, optional
        Where it is made if that has such a path; where temporary files are otherwise.

    Yields
    ------
    Path
        It is removed in the end.
    """
    place = within if within is not None and is_plain(within) else _root()
    with tempfile.TemporaryDirectory(prefix="hpcsim-", dir=place) as folder:
        yield Path(folder)


def _root() -> Path:
    """A folder for temporary files that has a plain path.

    Raises
    ------
    SimulationError
        If there is none that can be written.
    """
    places = [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp"), Path("/dev/shm")]
    for place in places:
        if is_plain(place) and os.access(place, os.W_OK | os.X_OK):
            return place
    raise SimulationError(
        f"compilers cannot read a path with spaces, quotes or letters beyond ASCII, and none of {', '.join(map(str, places))} "
        "can be written; set HPCSIM_CACHE or TMPDIR to a folder with a plain path"
    )


def _links() -> Path:
    """A folder of this user's own, since others may write where it is."""
    folder = _root() / f"hpcsim-links-{os.getuid()}"
    with suppress(FileExistsError):
        folder.mkdir(0o700)
    state = folder.lstat()
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.getuid() or state.st_mode & 0o077:
        raise SimulationError(f"{folder} is not a folder of this user's alone; remove it, or set TMPDIR to another folder")
    return folder
