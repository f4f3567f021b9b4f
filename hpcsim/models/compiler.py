"""The C++ compiler that simulators call."""

from __future__ import annotations

import os
import shutil

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
