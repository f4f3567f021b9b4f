"""What is installed on this machine, and how to get what is missing."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from hpcsim.scheduler.site import Arguments, LauncherSection


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Parameters
    ----------
    name : str
    state : {"ok", "missing", "wrong"}
    detail : str
        What was found.
    remedy : str
        What to do; empty when there is nothing to do.
    """

    name: str
    state: Literal["ok", "missing", "wrong"]
    detail: str = ""
    remedy: str = ""


#: Distribution, extra that installs it, what it is for.
_DISTRIBUTIONS = (
    ("nest-simulator", "nest", "spiking networks"),
    ("neuron", "neuron", "multicompartment models"),
    ("LFPy", "neuron", "extracellular signals of NEURON models"),
    ("lfpykernels", "neuron", "spike-to-signal kernels"),
    ("brian2", "brian2", "Hodgkin-Huxley batches"),
    ("pycatch22", "inference", "time-series features"),
    ("scikit-learn", "inference", "regression"),
    ("sbi", "inference", "simulation-based inference"),
    ("dask-jobqueue", "slurm", "Dask workers as Slurm jobs"),
    ("nemos", "glm", "generalised linear models"),
)

#: Program, what it is for, Debian package.
_PROGRAMS = (
    ("sbatch", "Slurm", "the cluster has it; for trials: apt-get install slurm-wlm"),
    ("apptainer", "containers on clusters", "ask the cluster's administrators; for trials: apptainer's Debian package"),
    ("docker", "containers on a workstation", "apt-get install docker.io"),
)


#: Free MB of temporary files below which a node is of no use.
_SCRATCH_MB = 50


def examine() -> Iterator[Finding]:
    """Look at Python, engines, compiler, MPI, Slurm and containers; imports none of them."""
    yield _python()
    yield from (_distribution(*item) for item in _DISTRIBUTIONS)
    yield _compiler()
    yield _mpi()
    yield _neuron_mpi()
    yield from (_program(*item) for item in _PROGRAMS)
    yield _cache()


def examine_site(name: str, given: Arguments | None, patience: float, announce: Callable[[str], None]) -> Iterator[Finding]:
    """Try a site: read its file, ask Slurm for its limits, submit a probe and check its answer.

    Parameters
    ----------
    name : str
        Of the site, or its file.
    given : Arguments, optional
        What stands over the site.
    patience : float
        Seconds to wait for the probe.
    announce : callable
        Told when Slurm does not answer.
    """
    from hpcsim.errors import HpcsimError
    from hpcsim.scheduler.probe import describe, probe
    from hpcsim.scheduler.queue import Slurm
    from hpcsim.scheduler.site import load_site, settle
    from hpcsim.study_file import ResourcesSection

    site = load_site(name)
    yield Finding("site", "ok", f"{site.name}: {site.description or 'no description'}")
    slurm = Slurm(announce, patience=min(patience, 60.0))
    try:
        limits = slurm.limits
        accounting = "with accounting" if limits.accounting else "without accounting: jobs that are over are soon forgotten"
        yield Finding("Slurm", "ok", f"arrays of {limits.max_array:,}, {accounting}")
        answer = probe(settle(site, ResourcesSection(), given=given), slurm, patience=patience)
    except HpcsimError as error:
        yield Finding("probe", "wrong", str(error))
        return
    found, own = answer.found, describe()
    yield Finding("probe", "ok", f"job {answer.job} answered from {answer.host}")
    same = found["hpcsim"] == own["hpcsim"]
    remedy = "" if same else f"here it is {own['hpcsim']}; name another with `python` in the site's file"
    yield Finding("hpcsim there", "ok" if same else "wrong", f"{found['hpcsim']} at {found['package']}", remedy)
    yield _ranks(found["ranks"], site.launcher)
    room = found["free_MB"] >= _SCRATCH_MB
    remedy = "" if room else "name another folder with `scratch` in the site's file"
    yield Finding("scratch", "ok" if room else "wrong", f"{found['temporary']}, {found['free_MB']:,} MB free", remedy)


def _ranks(seen: int | None, launcher: LauncherSection) -> Finding:
    """Whether the ranks of a probe were one world; a site that says nothing about its launcher may well do without."""
    from hpcsim.scheduler.script import PROBE_RANKS

    words = launcher.use + (f" --mpi={launcher.mpi}" if launcher.mpi else "")
    if seen is None:
        return Finding("MPI ranks there", "missing", "no mpi4py; only for points on several ranks", "pip install 'hpcsim[mpi]'")
    if seen == PROBE_RANKS:
        return Finding("MPI ranks there", "ok", f"{seen} ranks are one world, with {words}")
    state: Literal["missing", "wrong"] = "wrong" if launcher.model_fields_set else "missing"
    remedy = "set `mpi` under [launcher] in the site's file (srun --mpi=list), or `use` and `path` of the right mpiexec"
    return Finding("MPI ranks there", state, f"{words} started {PROBE_RANKS} ranks, and each sees {seen}", remedy)


def _python() -> Finding:
    text = f"{platform.python_version()} at {sys.executable}"
    fits = (3, 11) <= sys.version_info[:2] <= (3, 13)
    return Finding("Python", "ok" if fits else "wrong", text, "" if fits else "use Python 3.11 to 3.13")


def _distribution(name: str, extra: str, purpose: str) -> Finding:
    try:
        return Finding(name, "ok", f"{version(name)} ({purpose})")
    except PackageNotFoundError:
        return Finding(name, "missing", purpose, f"pip install 'hpcsim[{extra}]'")


def _compiler() -> Finding:
    path = shutil.which("c++") or shutil.which("g++")
    if path is None:
        return Finding("C++ compiler", "missing", "for NEURON mechanisms and Brian2", "apt-get install g++ make")
    if shutil.which("make") is None:
        return Finding("C++ compiler", "wrong", f"{path}, but no make", "apt-get install make")
    return Finding("C++ compiler", "ok", _first_line([path, "--version"]))


def _mpi() -> Finding:
    """The launcher must be of the library that mpi4py loads, or every rank is a world of its own."""
    launcher = shutil.which("mpiexec")
    own = Path(sys.prefix) / "bin" / "mpiexec"
    if launcher is None and not own.exists():
        return Finding("MPI", "missing", "only for simulations that do not fit one process", "pip install mpich mpi4py")
    if own.exists() and launcher is not None and Path(launcher).resolve() != own.resolve():
        remedy = f'put "{own.parent}" first in PATH'
        return Finding("MPI", "wrong", f"mpiexec is {launcher}, but this environment has {own}", remedy)
    return Finding("MPI", "ok", f"{launcher or own}: {_first_line([str(launcher or own), '--version'])}")


def _neuron_mpi() -> Finding:
    """NEURON's wheel looks for libmpi.so by itself and may find another MPI than the launcher's."""
    library = Path(sys.prefix) / "lib" / "libmpi.so.12"
    if not library.exists():
        return Finding("NEURON's MPI", "missing", "no MPI library in this environment", "pip install mpich mpi4py")
    told = os.environ.get("MPI_LIB_NRN_PATH", "")
    detail = f"{library}" + (f", told by MPI_LIB_NRN_PATH={told}" if told else " (hpcsim names it to NEURON itself)")
    return Finding("NEURON's MPI", "ok" if told in ("", str(library)) else "wrong", detail)


def _program(name: str, purpose: str, remedy: str) -> Finding:
    path = shutil.which(name)
    if path is None:
        return Finding(name, "missing", purpose, remedy)
    return Finding(name, "ok", f"{path}: {_first_line([path, '--version'])}")


def _cache() -> Finding:
    from hpcsim.models.model import cache_directory

    path = cache_directory()
    nearest = next(folder for folder in (path, *path.parents) if folder.exists())
    if os.access(nearest, os.W_OK):
        return Finding("cache", "ok", str(path))
    return Finding("cache", "wrong", f"{path} is not writable", "set HPCSIM_CACHE to a folder that is")


def _first_line(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "does not answer"
    lines = (done.stdout or done.stderr).strip().splitlines()
    return lines[0].strip() if lines else ""
