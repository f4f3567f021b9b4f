"""The C++ compiler that simulators call, and what it makes once a machine."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from hpcsim.errors import SimulationError


def cpp_compiler(needed_by: str) -> str:
    """Path of the compiler that make and nrnivmodl take: ``$CXX``, or ``c++``.

    Parameters
    ----------
    needed_by : str
        For the message, such as ``Brian2's models``.

    Raises
    ------
    SimulationError
        If there is none.
    """
    name = os.environ.get("CXX", "c++")
    path = shutil.which(name)
    if path is None:
        raise SimulationError(
            f'{needed_by} need a C++ compiler and make, and "{name}" is not there; install them (g++, make), or set CXX'
        )
    return path


def compiler_version(compiler: str) -> str:
    """What a compiler says about itself."""
    return subprocess.run([compiler, "--version"], capture_output=True, text=True, check=False).stdout


def made_once(target: Path, make: Callable[[Path], None]) -> Path:
    """Make a file unless it is there already; where several processes want it, one makes it and the others wait.

    Parameters
    ----------
    target : Path
        Its folder belongs to what it is made of.
    make : callable
        ``make(target)`` moves it into its place in one step.

    Returns
    -------
    Path
        The same.
    """
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            make(target)
    return target
