"""Where files are: those that ship with hpcsim (studies, job scripts, mechanisms), and what is compiled and fetched."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hpcsim.errors import HpcsimError, StorageError

#: Variable that is 1 where others may write to the cache on purpose.
_SHARED = "HPCSIM_CACHE_SHARED"

#: The folder of the package itself.
PACKAGE = Path(__file__).resolve().parent


def folder(name: str) -> Path:
    """The folder ``params``, ``jobs`` or ``mod``, in an installed wheel or in a checkout.

    Raises
    ------
    HpcsimError
        If the installation lacks it.
    """
    for candidate in (PACKAGE / name, PACKAGE.parent / name):
        if candidate.is_dir():
            return candidate
    raise HpcsimError(f'the folder "{name}" is missing beside {PACKAGE}; install hpcsim again')


def shipped_studies() -> dict[str, Path]:
    """Ready-made studies by name."""
    return {path.stem: path for path in sorted(folder("params").glob("*.toml"))}


def cache_directory() -> Path:
    """Where compiled things are kept between runs: ``HPCSIM_CACHE``, or the user's cache folder.

    Programs and libraries in it run as this user: what others may write there, they may run.

    Raises
    ------
    StorageError
        If it belongs to another user, or others may write there.
    """
    path = _cache_directory()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        about = path.stat()
    except OSError:
        # whoever wants to write there will say it
        return path
    if os.environ.get(_SHARED) != "1" and (reason := _others(about)):
        raise StorageError(
            f"{path} holds programs that hpcsim compiles and runs, but {reason}; expected a folder that only you can change: "
            f"chmod go-w it, or set HPCSIM_CACHE to another. Where all of them may run programs as you, set {_SHARED}=1"
        )
    return path


def _cache_directory() -> Path:
    given = os.environ.get("HPCSIM_CACHE")
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hpcsim"


def _others(about: os.stat_result) -> str:
    """Who else may change a folder; empty for nobody but the administrator."""
    user = os.getuid()
    if about.st_uid not in (user, 0) and user != 0:
        return f"it belongs to {_name(pwd.getpwuid, about.st_uid)}"
    if about.st_mode & stat.S_IWOTH:
        return "every user of this machine may write there"
    group = _name(grp.getgrgid, about.st_gid)
    # many systems give each user a group of the same name, and let it write
    if about.st_mode & stat.S_IWGRP and about.st_gid != 0 and group != _name(pwd.getpwuid, user):
        return f"the group {group} may write there"
    return ""


def _name(look_up: Callable[[int], Sequence[Any]], number: int) -> str:
    try:
        return str(look_up(number)[0])
    except KeyError:
        return str(number)
