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
from typing import TYPE_CHECKING, Literal, NamedTuple

from hpcsim.plugin import install_command

if TYPE_CHECKING:
    from hpcsim.scheduler.site.site import LauncherSection
    from hpcsim.scheduler.target import Target


@dataclass(frozen=True)
class Check:
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
    ("sbi", "sbi", "simulation-based inference"),
    ("optuna", "samplers", "searches"),
    ("pynwb", "nwb", "recordings"),
    ("neo", "export", "results for Neo and Elephant"),
    ("pyarrow", "export", "Parquet files"),
    ("zarr", "export", "Zarr stores"),
    ("dask-jobqueue", "slurm", "Dask workers as Slurm jobs"),
    ("nemos", "glm", "generalised linear models"),
    ("nestml", "nestml", "neurons in NESTML"),
    ("imageio-ffmpeg", "movie", "animations as MP4"),
)

#: Program, what it is for, Debian package.
_PROGRAMS = (
    ("sbatch", "Slurm", "the cluster has it; for trials: apt-get install slurm-wlm"),
    ("apptainer", "containers on clusters", "the cluster has it; for trials: scripts/apptainer-install.sh of the repository"),
    ("docker", "containers on a workstation", "apt-get install docker.io"),
)


#: Free MB of temporary files below which a node is of no use.
_SCRATCH_MB = 50


def examine() -> Iterator[Check]:
    """Look at Python, engines, compiler, MPI, Slurm, containers, own site files, and what a task opens when it starts."""
    yield _python()
    yield from (_distribution(*item) for item in _DISTRIBUTIONS)
    yield _compiler()
    yield _mpi()
    if _installed("neuron"):
        yield _neuron_mpi()
    yield from (_program(*item) for item in _PROGRAMS)
    yield from _sites()
    yield _cache()
    yield from _starts()


def examine_site(target: Target, patience: float, notify: Callable[[str], None]) -> Iterator[Check]:
    """Try a site: read its file, ask Slurm for its limits, submit a probe and check its answer.

    Parameters
    ----------
    target : Target
        The site, and what overrides it.
    patience : float
        Seconds to wait for the probe.
    notify : callable
        Told when Slurm does not answer.
    """
    from hpcsim.errors import HpcsimError
    from hpcsim.scheduler.queue.commands import Slurm
    from hpcsim.scheduler.site.files import load_site
    from hpcsim.scheduler.site.site import resolve
    from hpcsim.scheduler.slurm.probe import describe, probe
    from hpcsim.study.file import ResourcesSection

    site = load_site(target.site)
    yield Check("site", "ok", f"{site.name}: {site.description or 'no description'}")
    settings = resolve(site, ResourcesSection(), overrides=target.overrides)
    slurm = Slurm(notify, patience=min(patience, 60.0), cluster=settings.site.cluster)
    try:
        limits = slurm.limits
        accounting = "with accounting" if limits.accounting else "without accounting: jobs that are over are soon forgotten"
        yield Check("Slurm", "ok", f"arrays of {limits.max_array:,}, {accounting}")
        answer = probe(settings, slurm, patience=patience)
    except HpcsimError as error:
        yield Check("probe", "wrong", str(error))
        return
    found, own = answer.found, describe()
    yield Check("probe", "ok", f"job {answer.job} answered from {answer.host}")
    same = found["hpcsim"] == own["hpcsim"]
    remedy = "" if same else f"here it is {own['hpcsim']}; name another with `python` in the site's file"
    yield Check("hpcsim there", "ok" if same else "wrong", f"{found['hpcsim']} at {found['package']}", remedy)
    yield _ranks(found["ranks"], site.launcher)
    room = found["free_MB"] >= _SCRATCH_MB
    remedy = "" if room else "name another folder with `scratch` in the site's file"
    yield Check("scratch", "ok" if room else "wrong", f"{found['temporary']}, {found['free_MB']:,} MB free", remedy)


def _ranks(seen: int | None, launcher: LauncherSection) -> Check:
    """Whether the ranks of a probe were one world; a site that says nothing about its launcher may well do without."""
    from hpcsim.scheduler.queue.script import PROBE_RANKS

    words = launcher.use + (f" --mpi={launcher.mpi}" if launcher.mpi else "")
    if seen is None:
        return Check("MPI ranks there", "missing", "no mpi4py; only for points on several ranks", install_command("mpi"))
    if seen == PROBE_RANKS:
        return Check("MPI ranks there", "ok", f"{seen} ranks are one world, with {words}")
    state: Literal["missing", "wrong"] = "wrong" if launcher.model_fields_set else "missing"
    remedy = "set `mpi` under [launcher] in the site's file (srun --mpi=list), or `use` and `path` of the right mpiexec"
    return Check("MPI ranks there", state, f"{words} started {PROBE_RANKS} ranks, and each sees {seen}", remedy)


def _python() -> Check:
    text = f"{platform.python_version()} at {sys.executable}"
    fits = (3, 11) <= sys.version_info[:2] <= (3, 14)
    return Check("Python", "ok" if fits else "wrong", text, "" if fits else "use Python 3.11 to 3.14")


def _distribution(name: str, extra: str, purpose: str) -> Check:
    try:
        return Check(name, "ok", f"{version(name)} ({purpose})")
    except PackageNotFoundError:
        return Check(name, "missing", purpose, install_command(extra))


def _installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def _compiler() -> Check:
    # as what compiles takes it
    name = os.environ.get("CXX", "c++")
    path = shutil.which(name)
    if path is None and "CXX" in os.environ:
        return Check(
            "C++ compiler", "wrong", f'CXX is "{name}", and there is no such program', "unset CXX, or set it to a C++ compiler"
        )
    if path is None:
        return Check("C++ compiler", "missing", "for NEURON mechanisms, NESTML and Brian2", "apt-get install g++ make")
    if shutil.which("make") is None:
        return Check("C++ compiler", "wrong", f"{path}, but no make", "apt-get install make")
    return Check("C++ compiler", "ok", _answer([path, "--version"]).words)


def _mpi() -> Check:
    """The launcher must be of the library that mpi4py loads, or every rank is a world of its own."""
    launcher = shutil.which("mpiexec")
    own = Path(sys.prefix) / "bin" / "mpiexec"
    purpose = "only for simulations that do not fit one process"
    if launcher is None and not own.exists():
        return Check("MPI", "missing", purpose, install_command("mpi"))
    if own.exists() and launcher is not None and Path(launcher).resolve() != own.resolve():
        remedy = f'put "{own.parent}" first in PATH'
        return Check("MPI", "wrong", f"mpiexec is {launcher}, but this environment has {own}", remedy)
    found = launcher or str(own)
    if not _installed("mpi4py"):
        remedy = f"{install_command('mpi')}, or mpi4py built against the MPI of {found}"
        return Check("MPI", "missing", f"{found}, but no mpi4py; {purpose}", remedy)
    return Check("MPI", "ok", f"{found}: {_answer([found, '--version']).words}")


def _neuron_mpi() -> Check:
    """NEURON's wheel looks for libmpi.so by itself and may find another MPI than the launcher's."""
    library = Path(sys.prefix) / "lib" / "libmpi.so.12"
    if not library.exists():
        detail = "no MPI library in this environment; only for NEURON on several ranks"
        return Check("NEURON's MPI", "missing", detail, install_command("mpi"))
    told = os.environ.get("MPI_LIB_NRN_PATH", "")
    detail = f"{library}" + (f", told by MPI_LIB_NRN_PATH={told}" if told else " (hpcsim names it to NEURON itself)")
    fits = told in ("", str(library))
    return Check("NEURON's MPI", "ok" if fits else "wrong", detail, "" if fits else "unset MPI_LIB_NRN_PATH")


def _program(name: str, purpose: str, remedy: str) -> Check:
    path = shutil.which(name)
    if path is None:
        return Check(name, "missing", purpose, remedy)
    answer = _answer([path, "--version"])
    if answer.well:
        return Check(name, "ok", f"{path}: {answer.words}")
    if name == "sbatch":
        detail = f"{path} is there, and finds no cluster: {answer.words}"
        return Check(name, "missing", detail, "log in where Slurm is set up, or set SLURM_CONF; for trials: hpcsim slurm-demo")
    return Check(name, "wrong", f"{path}: {answer.words}", f"{path} --version must work; {remedy}")


def _sites() -> Iterator[Check]:
    """The user's own site files; those that ship with hpcsim are right."""
    from hpcsim.errors import HpcsimError
    from hpcsim.scheduler.site.files import load_site, own_sites

    for name, path in own_sites().items():
        try:
            load_site(path)
        except HpcsimError as error:
            broken = str(error) if path.is_file() else f"{path} is no file that can be read"
            yield Check(f"site {name}", "wrong", broken, f"mend {path}, or remove it")
        else:
            yield Check(f"site {name}", "ok", f"{path}  (hpcsim doctor --site {name} tries it)")


def _starts() -> Iterator[Check]:
    """Files that a task opens before its first point, and whether many tasks at once would ask a shared disk for them."""
    import hpcsim
    from hpcsim.cli.start_cost import file_system, start_costs

    words = []
    for cost in start_costs():
        if cost.error:
            name = cost.what.removeprefix("a task with ")
            yield Check(name, "wrong", f"it is installed and cannot be imported: {cost.error}", "install it again")
        else:
            words.append(f"{cost.what} {cost.files:,} ({cost.size / 1e6:,.0f} MB)")
    kinds = [file_system(path) for path in (Path(sys.prefix), Path(hpcsim.__file__))]
    shared = next((kind for kind, others in kinds if others), "")
    where = f"on {shared}, which all nodes ask" if shared else "on a disk of this machine"
    hint = "for hundreds of tasks at once put the environment on the nodes: docs/how-to/clusters.md, Many tasks at once"
    yield Check("task start", "ok", f"files that are opened: {', '.join(words)}; they are {where}", hint if shared else "")


def _cache() -> Check:
    from hpcsim.errors import StorageError
    from hpcsim.paths import cache_directory

    try:
        path = cache_directory()
    except StorageError as error:
        return Check("cache", "wrong", str(error))
    # it was made if that can be done
    if path.is_dir() and os.access(path, os.W_OK):
        return Check("cache", "ok", str(path))
    return Check("cache", "wrong", f"{path} is no folder that can be written", "set HPCSIM_CACHE to a folder that is")


class _Answer(NamedTuple):
    """What a program says about itself, and whether it went well."""

    words: str
    well: bool


def _answer(command: list[str]) -> _Answer:
    """The first line of an answer; where that is a title, with the line of the version."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except subprocess.TimeoutExpired:
        return _Answer("it does not answer within 10 s", False)
    except OSError as error:
        return _Answer(f"it cannot be started: {error.strerror}", False)
    lines = [line.strip() for line in (done.stdout or done.stderr).splitlines() if line.strip()]
    words = next(iter(lines), "it says nothing")
    if words.endswith(":"):
        words += next((f" {' '.join(line.split())}" for line in lines if line.startswith("Version:")), "")
    return _Answer(words, done.returncode == 0)
