"""What starts the MPI ranks of a point: pure functions from a site to the words of a command."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hpcsim.errors import LaunchError
from hpcsim.plugin import not_installed

if TYPE_CHECKING:
    from hpcsim.scheduler.site.site import LauncherSection

#: Exit codes with which a launcher says that a signal ended a rank: a shell's (srun, Open MPI), and those of MPICH's mpiexec.
_SHELL = 128
_RAW = frozenset({4, 6, 7, 8, 9, 11})


@dataclass(frozen=True)
class Launch:
    """How the worker processes of a task are started.

    Parameters
    ----------
    ranks : int
        MPI ranks of a point; with one there is no MPI.
    launcher : tuple of str
        The launcher with its options; the mpiexec of this environment by default.
    inside : tuple of str
        What runs Python inside a container; this Python by default.
    """

    ranks: int = 1
    launcher: tuple[str, ...] = ()
    inside: tuple[str, ...] = ()

    @classmethod
    def parse(cls, ranks: int, launcher: str = "", inside: str = "") -> Launch:
        """From texts of a command line, with the quotes of a shell."""
        return cls(ranks, tuple(shlex.split(launcher)), tuple(shlex.split(inside)))

    def command(self, words: Sequence[str]) -> list[str]:
        """The command that runs a module of Python on all ranks.

        Raises
        ------
        LaunchError
            If there is no launcher.
        """
        python = [*(self.inside or [sys.executable]), "-m", *words]
        if self.ranks == 1:
            return python
        launcher = self.launcher or (mpiexec(),)
        if shutil.which(launcher[0]) is None:
            raise LaunchError(f'there is no launcher "{launcher[0]}" here; it is set in the site\'s file under [launcher]')
        return [*launcher, "-n", str(self.ranks), *python]


def mpiexec() -> str:
    """Full path of the mpiexec that belongs to this environment's MPI; another one in PATH may be of another MPI.

    Raises
    ------
    LaunchError
        If there is none.
    """
    own = Path(sys.prefix) / "bin" / "mpiexec"
    found = str(own) if own.exists() else shutil.which("mpiexec")
    if found is None:
        raise LaunchError(not_installed("a point on several MPI ranks", "mpiexec", "mpi"))
    return found


def launcher_words(launcher: LauncherSection, threads: int) -> list[str]:
    """A site's launcher with its options; the number of ranks and the program follow.

    Parameters
    ----------
    launcher : LauncherSection
    threads : int
        Of each rank.
    """
    if launcher.use == "mpiexec":
        return [launcher.path or mpiexec(), *launcher.options]
    # a rank that dies ends the others, and srun does not take over the cores a task from sbatch
    words = ["srun", "--kill-on-bad-exit=1", f"--cpus-per-task={threads}"]
    return [*words, *([f"--mpi={launcher.mpi}"] if launcher.mpi else []), *launcher.options]


def ending(code: int) -> int:
    """A launcher's exit code as subprocess gives that of a process: negative where a signal ended a rank.

    Examples
    --------
    >>> ending(139), ending(11), ending(3)
    (-11, -11, 3)
    """
    if code > _SHELL:
        return _SHELL - code
    return -code if code in _RAW else code


def in_slurm() -> bool:
    """Whether this process belongs to a Slurm job."""
    return "SLURM_JOB_ID" in os.environ
