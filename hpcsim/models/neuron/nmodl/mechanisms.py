"""NMODL mechanisms: compiled once a machine, loaded once a process."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hpcsim import paths as assets
from hpcsim.errors import SimulationError, nearest
from hpcsim.files import replacing, write_text
from hpcsim.models.compiler import compiler_version, cpp_compiler, made_once
from hpcsim.models.neuron.nmodl.mod_file import digest, mechanism_name, mod_files
from hpcsim.models.plain_path import plain, plain_folder
from hpcsim.plugin import not_installed
from hpcsim.source.simulator_files import included

#: Mechanisms that this process has loaded, with the digests of their files; NEURON cannot unload or replace one.
_loaded: dict[str, str] = {}


def neuron_interpreter() -> Any:
    """NEURON's interpreter, without a window; the same object at every call.

    Returns
    -------
    HocObject
        ``neuron.h``.
    """
    # NEURON looks for a display at its first import unless it is told not to
    os.environ.setdefault("NEURON_MODULE_OPTIONS", "-nogui")
    from neuron import h

    return h


@contextmanager
def empty_session() -> Iterator[Any]:
    """NEURON without any section at the start and at the end of a simulation, and with the settings that it had.

    Yields
    ------
    HocObject
        ``neuron.h``.

    Raises
    ------
    SimulationError
        If sections are alive at the start: NEURON would simulate them too, or delete them.
    """
    h = neuron_interpreter()
    alive = [section.name() for section in h.allsec()]
    if alive:
        raise SimulationError(
            f"NEURON already holds {len(alive)} section(s) in this process ({', '.join(alive[:3])}, ...), and the "
            "results would be wrong; run this model in a process of its own, or delete the sections first"
        )
    solver = h.CVode()
    celsius, dt, fast_imem = h.celsius, h.dt, bool(solver.use_fast_imem())
    try:
        yield h
    finally:
        for section in list(h.allsec()):
            h.delete_section(sec=section)
        h.celsius, h.dt = celsius, dt
        solver.use_fast_imem(fast_imem)


def sources(names: Iterable[str | Path]) -> dict[str, Path]:
    """Files of some mechanisms.

    Parameters
    ----------
    names : iterable of str or Path
        Mechanisms of hpcsim, such as ``Exp2SynI``; mod files of others; folders of these.

    Returns
    -------
    dict of str to Path
        Sorted by the name that the file gives to its mechanism.

    Raises
    ------
    SimulationError
        If one of them is not there, or two files give one name.
    """
    folder = assets.folder("mod")
    known = {path.stem: path for path in folder.glob("*.mod")}
    found: dict[str, Path] = {}
    for name in names:
        if isinstance(name, str) and name not in known:
            hint = f"for a file of your own, give pathlib.Path({name!r})" if name.endswith(".mod") else nearest(name, known)
            raise SimulationError(f'there is no mechanism "{name}" in {folder}; {hint}')
        for path in [known[name]] if isinstance(name, str) else mod_files(name):
            other = found.setdefault(mechanism_name(path), path)
            if other.absolute() != path.absolute():
                raise SimulationError(
                    f'{other} and {path} both make a mechanism called "{mechanism_name(path)}"; NEURON takes one of a name: '
                    "leave one of them out, or change its SUFFIX"
                )
    return dict(sorted(found.items()))


def identity(names: Iterable[str | Path]) -> Mapping[str, str]:
    """SHA-256 of the files of some mechanisms with what they include, by file name."""
    return {path.name: digest(path) for path in sources(names).values()}


def library(names: Sequence[str | Path], cache: Path) -> Path | None:
    """Compile some mechanisms into one shared library, unless it is there already.

    For the `prepare` of a model, which is called once before all tasks: a mod file with an error then ends the command, and
    does not fail point by point.

    Parameters
    ----------
    names : sequence of str or Path
        Mechanisms of hpcsim, mod files of your own, or folders of mod files.
    cache : Path
        Where compiled libraries are kept, by what they were made of; a model has it as ``context.cache``. Processes that want
        the same one at once wait for the first.

    Returns
    -------
    Path or None
        The shared library; None of no mechanism.

    Raises
    ------
    SimulationError
        If a file is not there, two have the same mechanism, nrnivmodl refuses (its words are in the message), or has compiled
        them in the current folder, which NEURON loads by itself.
    """
    files = list(sources(names).values())
    if not files:
        return None
    own = Path.cwd() / platform.machine()
    if already := [path.name for path in files if (own / f"{path.stem}.o").exists()]:
        raise SimulationError(
            f"{own}: nrnivmodl has compiled {', '.join(already)} there, and NEURON loads that folder by itself, whatever the mod "
            "files say by now; remove it, or rename it: hpcsim compiles them"
        )
    folder = cache / "mechanisms" / _key(files)
    target = folder / f"libnrnmech{'.dylib' if sys.platform == 'darwin' else '.so'}"
    return made_once(target, lambda place: _compile(files, place))


def load(names: Sequence[str | Path], cache: Path) -> None:
    """Make mechanisms known to NEURON in this process, compiling them first where needed; a second call does nothing.

    For the function of a model, before it inserts them.

    Parameters
    ----------
    names : sequence of str or Path
        As in :func:`library`.
    cache : Path
        As in :func:`library`.

    Raises
    ------
    SimulationError
        If they do not compile, do not load, this process has another mechanism of that name, or somebody else has loaded one.
    """
    missing = {}
    for name, path in sources(names).items():
        if name not in _loaded:
            missing[name] = path
        elif _loaded[name] != digest(path):
            raise SimulationError(
                f'{path}: this process has loaded another mechanism "{name}", or an earlier version of that file, and NEURON '
                'cannot replace one; start a new process (restart the notebook\'s kernel, or run the study with on="local")'
            )
    if not missing:
        return
    h = neuron_interpreter()
    foreign = [name for name in missing if _is_known(h, name)]
    if foreign:
        raise SimulationError(
            f"NEURON already knows {', '.join(foreign)} from elsewhere, which may be another mechanism of that name; "
            f"start where there is no folder {platform.machine()} of compiled mechanisms (now: {Path.cwd()}) "
            "and without NRN_NMODL_PATH; where NEURON has that name itself, give the mechanism another SUFFIX"
        )
    compiled = library(list(missing.values()), cache)
    if compiled is None or not h.nrn_load_dll(str(plain(compiled))):
        raise SimulationError(f"NEURON cannot load {compiled}; remove that folder and try again")
    _loaded.update({name: digest(file) for name, file in missing.items()})


def _is_known(h: Any, name: str) -> bool:
    try:
        return hasattr(h, name)
    except TypeError:
        # one of NEURON's own names that wants a section, such as L
        return True


def loaded() -> tuple[str, ...]:
    """Names of the mechanisms that this process has loaded."""
    return tuple(sorted(_loaded))


def write_once(path: Path, text: str) -> Path:
    """Put a generated file where NEURON can read it, in one step, unless it is there already.

    Parameters
    ----------
    path : Path
        In a directory that is kept between runs; its name belongs to this text alone.
    text : str

    Returns
    -------
    Path
        The same.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text)
    return path


def _key(files: Iterable[Path]) -> str:
    """What a compiled library depends on, as 32 hexadecimal digits."""
    compiler = compiler_version(cpp_compiler("NEURON's mechanisms"))
    parts = [f"{path.name} {digest(path)}" for path in files]
    parts += [version("neuron"), compiler, platform.machine()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _copy(file: Path, folder: Path) -> None:
    """A mod file, and what it includes where it looks for it."""
    shutil.copy(file, folder)
    for path in included(file):
        beside = Path(os.path.relpath(path, file.parent))
        target = folder / beside
        if ".." in beside.parts:
            raise SimulationError(f"{file} includes {path}, which is not below its folder; move it there, or link it")
        if target.exists() and target.read_bytes() != path.read_bytes():
            raise SimulationError(f"{file} includes {path}, and another mod file another {beside}; call one of them otherwise")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)


def _compile(files: Sequence[Path], target: Path) -> None:
    """Run nrnivmodl in a temporary folder and move the library into its place in one step."""
    # a console script stands beside the interpreter even where its folder is not in PATH
    search = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    nrnivmodl = shutil.which("nrnivmodl", path=search)
    if nrnivmodl is None:
        raise SimulationError(not_installed("a mechanism of NEURON", "nrnivmodl", "neuron"))
    with plain_folder(target.parent) as folder:
        for file in files:
            _copy(file, folder)
        done = subprocess.run(
            [nrnivmodl, "."],
            cwd=folder,
            env={**os.environ, "PATH": search},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        built = next(folder.glob(f"*/**/{target.name}"), None)
        if done.returncode != 0 or built is None:
            # what nocmodl and the compiler say, without the traceback of the script that calls them
            said = "\n".join(done.stdout.partition("Traceback (most recent call last)")[0].strip().splitlines()[-20:])
            names = ", ".join(file.name for file in files)
            raise SimulationError(f"nrnivmodl could not compile {names} (exit code {done.returncode}):\n{said}")
        with replacing(target) as temporary:
            shutil.copyfile(built, temporary)
