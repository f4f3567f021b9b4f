"""NEURON's MPI: the same library as everybody's in this process, or every rank would be a world of its own."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path
from typing import Any

from hpcsim.errors import SimulationError
from hpcsim.models.neuron.nmodl.mechanisms import neuron_interpreter

#: A loaded MPI library in the memory map of a process: MPICH's and Open MPI's names for it.
_LIBRARY = re.compile(r"\S*/libmpi(?:_abi)?\.so[.\d]*$", re.MULTILINE)


def world() -> int:
    """Start NEURON's MPI with the library that mpi4py has loaded.

    Returns
    -------
    int
        MPI ranks that NEURON sees; 1 where it finds no MPI.

    Notes
    -----
    NEURON's wheels look for a library by the name ``libmpi.so``, which is a text file in MPICH's wheel and another MPI on many
    machines. Symbols that are loaded globally before come first.
    """
    from mpi4py import MPI

    del MPI
    found = _LIBRARY.search(Path("/proc/self/maps").read_text()) if Path("/proc/self/maps").exists() else None
    if found is not None:
        ctypes.CDLL(found[0].strip(), mode=ctypes.RTLD_GLOBAL)
    h = neuron_interpreter()
    h.nrnmpi_init()
    return int(h.ParallelContext().nhost())


def same_world(parallel: Any, communicator: Any) -> None:
    """Check that NEURON and the task have the same MPI ranks.

    Parameters
    ----------
    parallel : HocObject
        NEURON's ParallelContext.
    communicator : mpi4py.MPI.Comm or None
        Of the task.

    Raises
    ------
    SimulationError
        If their numbers differ.
    """
    expected = communicator.Get_size() if communicator is not None else 1
    if int(parallel.nhost()) != expected:
        raise SimulationError(
            f"NEURON runs on {int(parallel.nhost())} MPI rank(s) and the task on {expected}; they must share one MPI library"
        )
