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
from hpcsim.models.plain_path import plain, plain_folder
from hpcsim.plugin import not_installed

#: Names of the mechanisms that this process has loaded; NEURON cannot unload or replace one.
_loaded: set[str] = set()


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
        Mechanisms, such as ``Exp2SynI``, or files of others.

    Returns
    -------
    dict of str to Path
        Sorted by name.

    Raises
    ------
    SimulationError
        If one of them is not there.
    """
    folder = assets.folder("mod")
    known = {path.stem: path for path in folder.glob("*.mod")}
    found = {}
    for name in names:
        if isinstance(name, str) and name not in known:
            raise SimulationError(f'there is no mechanism "{name}" in {folder}; {nearest(name, known)}')
        found[Path(name).stem] = known[name] if isinstance(name, str) else name
    return dict(sorted(found.items()))


def identity(names: Iterable[str | Path]) -> Mapping[str, str]:
    """SHA-256 of the files of some mechanisms, by file name."""
    return {f"{name}.mod": hashlib.sha256(path.read_bytes()).hexdigest() for name, path in sources(names).items()}


def library(names: Sequence[str | Path], cache: Path) -> Path:
    """Compile some mechanisms into one shared library, unless it is there already.

    Parameters
    ----------
    names : sequence of str or Path
        Mechanisms, as in :func:`sources`.
    cache : Path
        Where compiled libraries are kept, by what they were made of.

    Returns
    -------
    Path
        The shared library.

    Raises
    ------
    SimulationError
        If the compiler refuses; its words are in the message.
    """
    files = sources(names)
    folder = cache / "mechanisms" / _key(names)
    target = folder / f"libnrnmech{'.dylib' if sys.platform == 'darwin' else '.so'}"
    return made_once(target, lambda place: _compile(list(files.values()), place))


def load(names: Sequence[str | Path], cache: Path) -> None:
    """Make some mechanisms known to NEURON in this process, compiling them first where needed.

    Parameters
    ----------
    names : sequence of str or Path
        Mechanisms, as in :func:`sources`.
    cache : Path
        As in :func:`library`.

    Raises
    ------
    SimulationError
        If they do not compile, do not load, or somebody else has loaded mechanisms of these names.
    """
    missing = {Path(name).stem: name for name in names if Path(name).stem not in _loaded}
    if not missing:
        return
    h = neuron_interpreter()
    foreign = [name for name in sorted(missing) if hasattr(h, name)]
    if foreign:
        raise SimulationError(
            f"NEURON already knows {', '.join(foreign)} from elsewhere, which may be another mechanism of that name; "
            f"start where there is no folder {platform.machine()} of compiled mechanisms (now: {Path.cwd()}) "
            "and without NRN_NMODL_PATH"
        )
    path = library(list(missing.values()), cache)
    if not h.nrn_load_dll(str(plain(path))):
        raise SimulationError(f"NEURON cannot load {path}; remove that folder and try again")
    _loaded.update(missing)


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


def _key(names: Iterable[str | Path]) -> str:
    """What a compiled library depends on, as 32 hexadecimal digits."""
    compiler = compiler_version(cpp_compiler("NEURON's mechanisms"))
    parts = [f"{name} {digest}" for name, digest in identity(names).items()]
    parts += [version("neuron"), compiler, platform.machine()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _compile(files: Sequence[Path], target: Path) -> None:
    """Run nrnivmodl in a temporary folder and move the library into its place in one step."""
    # a console script stands beside the interpreter even where its folder is not in PATH
    search = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    nrnivmodl = shutil.which("nrnivmodl", path=search)
    if nrnivmodl is None:
        raise SimulationError(not_installed("a mechanism of NEURON", "nrnivmodl", "neuron"))
    with plain_folder(target.parent) as folder:
        for file in files:
            shutil.copy(file, folder)
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
            said = "\n".join(done.stdout.strip().splitlines()[-20:])
            names = ", ".join(file.name for file in files)
            raise SimulationError(f"nrnivmodl could not compile {names} (exit code {done.returncode}):\n{said}")
        with replacing(target) as temporary:
            shutil.copyfile(built, temporary)
