"""C++ that NEST loads: compiled for the NEST that is installed, once a machine."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hpcsim.errors import SimulationError
from hpcsim.files import replacing
from hpcsim.models.compiler import compiler_version, cpp_compiler, made_once
from hpcsim.models.plain_path import plain_folder

_FLAGS = ("-shared", "-fPIC", "-std=c++20", "-fopenmp", "-O3", "-DNDEBUG", "-DLTX_MODULE", "-w")


def library(file: Path, cache: Path) -> Path:
    """Compile a file of C++ for this NEST, unless it is there already.

    Parameters
    ----------
    file : Path
        ``NAME.cpp``. It holds a ``nest::NESTExtensionInterface`` by the name ``hpcsim_NAME_module_LTX_module``.
    cache : Path
        Where compiled libraries are kept, by what they were made of. Processes that want the same one at once wait for the first.

    Returns
    -------
    Path
        The module that NEST installs.

    Raises
    ------
    SimulationError
        If a compiler is missing or refuses, or headers are missing: of NEST, or of Boost and libltdl, which those read.
    """
    compiler = cpp_compiler("neurons in C++")
    target = cache / "nest" / key(compiler, file.read_text(encoding="utf-8")) / f"hpcsim_{file.stem}_module.so"
    return made_once(target, lambda place: _compile(compiler, file, place))


def _compile(compiler: str, file: Path, target: Path) -> None:
    with plain_folder(target.parent) as folder:
        source, built = folder / file.name, folder / target.name
        source.write_bytes(file.read_bytes())
        run([compiler, *flags(), f"-I{headers()}", str(source), "-o", str(built)], folder, f"the compiler refused {file}")
        with replacing(target) as temporary:
            temporary.write_bytes(built.read_bytes())


def key(compiler: str, *parts: str) -> str:
    """What a compiled library was made of, as 32 digits: `parts`, the compiler, its flags, and this NEST."""
    made_of = [*parts, *_FLAGS, _abi(), _nest_build(), compiler_version(compiler), platform.machine()]
    return hashlib.sha256("\n".join(made_of).encode()).hexdigest()[:32]


def flags() -> list[str]:
    """Of the compiler, for this NEST."""
    return [*_FLAGS, _abi(), *_mpi()]


def headers() -> Path:
    """Folder of NEST's headers: beside the package in PyPI's wheel, and where it was installed to otherwise."""
    nest = quiet_nest()
    places = [Path(nest.__file__).parent / "include" / "nest", Path(nest.build_info["prefix"]) / "include" / "nest"]
    found = next((place for place in places if (place / "nest_extension_interface.h").exists()), None)
    if found is None:
        raise SimulationError(
            f"NEST came without its headers, which a compiled neuron needs; looked in {places[0]} and {places[1]}"
        )
    return found


def _abi() -> str:
    """The flag of GCC that gives text the form which this NEST was built with: PyPI's wheels have the older one."""
    nest = quiet_nest()
    new = any(b"Node8get_nameB5cxx11Ev" in file.read_bytes() for file in Path(nest.__file__).parent.glob("nestkernel_api*.so"))
    return f"-D_GLIBCXX_USE_CXX11_ABI={int(new)}"


def _mpi() -> list[str]:
    """Where the headers of this environment's MPI are."""
    folder = Path(sys.prefix) / "include"
    return [f"-I{folder}"] if (folder / "mpi.h").exists() else []


def _nest_build() -> str:
    """Version of NEST, when and with what it was built."""
    return repr(sorted(quiet_nest().build_info.items()))


def quiet_nest() -> Any:
    """NEST, without the banner that would stand in what a command prints."""
    os.environ.setdefault("PYNEST_QUIET", "1")
    import nest

    return nest


def run(command: Sequence[str], folder: Path, complaint: str) -> None:
    """Run a step of a compilation.

    Raises
    ------
    SimulationError
        If it fails: `complaint`, and the end of what it printed.
    """
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        said = "\n".join(done.stdout.strip().splitlines()[-20:])
        missing = re.search(r"fatal error: (?:boost/|ltdl\.h)", done.stdout)
        advice = (
            "NEST's headers read those of Boost and libltdl: apt-get install libboost-dev libltdl-dev, or load such modules; "
        )
        raise SimulationError(f"{advice if missing else ''}{complaint} (exit code {done.returncode}):\n{said}")
