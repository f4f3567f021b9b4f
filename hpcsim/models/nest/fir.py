"""Signals of a network while NEST simulates it: a filter node for each channel and pathway, whose taps are a kernel.

The node is written in NESTML (`fir.nestml`), and compiled once a machine. What it gives is the convolution that the stage
``signals.dipole`` makes of spike counts when a simulation is over; it costs a multiplication a tap and step, and is for those who
want a signal while a network runs.
"""

from __future__ import annotations

import hashlib
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from hpcsim.errors import SimulationError
from hpcsim.files import replacing
from hpcsim.models.compiler import compiler_version, cpp_compiler, made_once
from hpcsim.models.plain_path import plain, plain_folder
from hpcsim.plugin import not_installed

MODEL = "fir_neuron"
#: NEST looks for a symbol of this name in a file of this name.
MODULE = "hpcsim_fir_module"
SOURCE = Path(__file__).with_name("fir.nestml")
#: Steps by which a signal is late: a spike is recorded with the first tap two steps after it, and that tap is at a lag of one.
LATENCY = 1
_FLAGS = ("-shared", "-fPIC", "-std=c++20", "-fopenmp", "-O3", "-DNDEBUG", "-DLTX_MODULE", "-w")


def library(cache: Path) -> Path:
    """Compile the filter node for this NEST, unless it is there already.

    Parameters
    ----------
    cache : Path
        Where compiled libraries are kept, by what they were made of.

    Returns
    -------
    Path
        The module that NEST installs.

    Raises
    ------
    SimulationError
        If NESTML or a compiler is missing, NEST came without its headers, or the compiler refuses.

    Notes
    -----
    A NEST that was built with MPI includes its headers: those of PyPI's mpich are found, others with ``CXX=mpicxx``.
    """
    if find_spec("pynestml") is None:
        raise SimulationError(not_installed("a filter in NEST", "NESTML", "nestml"))
    compiler = cpp_compiler("filters in NEST")
    headers, abi = _headers(), _abi()
    parts = [SOURCE.read_text(), *_FLAGS, abi, version("nestml"), _nest_build(), compiler_version(compiler), platform.machine()]
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
    return made_once(
        cache / "nestml" / key / f"{MODULE}.so", lambda target: _compile([compiler, *_FLAGS, abi, *_mpi()], headers, target)
    )


def install(cache: Path) -> None:
    """Make the filter node known to NEST; after every ``nest.ResetKernel()``, which forgets it.

    Parameters
    ----------
    cache : Path
        As in :func:`library`.

    Raises
    ------
    SimulationError
        As :func:`library`.
    """
    import nest

    nest.Install(str(plain(library(cache))))


@dataclass(frozen=True)
class Filters:
    """Filter nodes of all pathways and channels, and what records them.

    Parameters
    ----------
    recorders : tuple
        A multimeter for each of the `shape[0] * shape[1]` nodes, pathway by pathway.
    shape : tuple of int
        Pathways and channels.
    dt : float, ms
    """

    recorders: tuple[Any, ...]
    shape: tuple[int, int]
    dt: float

    def signals(self, n_steps: int) -> np.ndarray:
        """What was recorded, at the bins of spike counts.

        Parameters
        ----------
        n_steps : int
            How many time steps were simulated.

        Returns
        -------
        ndarray
            Shape (n_pathway, n_channel, n_steps - 1): bin ``i`` counts spikes at the time ``i * dt``. The last bin is missing,
            since a filter gives it in the step after.
        """
        found = np.zeros((len(self.recorders), n_steps - LATENCY))
        for row, recorder in zip(found, self.recorders, strict=True):
            bins = np.rint(recorder.events["times"] / self.dt).astype(np.int64) - LATENCY
            inside = (bins >= 0) & (bins < len(row))
            row[bins[inside]] = recorder.events["y"][inside]
        return found.reshape(*self.shape, -1)


def connect(neurons: Mapping[str, Any], kernels: np.ndarray, pathways: Sequence[str], dt: float) -> Filters:
    """Put filters on the spikes of populations, in the kernel of NEST that holds them; the module is installed already.

    Parameters
    ----------
    neurons : mapping of str to NodeCollection
        By population.
    kernels : ndarray
        Shape (n_pathway, n_channel, n_lag), such as ``lfp_kernel``: as many lags before as after 0, nothing at 0 and before.
    pathways : sequence of str
        ``post:pre``, as in the results of kernels.
    dt : float, ms
        Step of the lags, and of NEST.

    Returns
    -------
    Filters
        Their signals are in the unit of the kernels.

    Raises
    ------
    SimulationError
        If kernels are not causal, or NEST's step is another one.
    """
    import nest

    middle = kernels.shape[-1] // 2
    if kernels[..., : middle + 1].any():
        raise SimulationError("the kernels act at lag 0 or before; a filter in a running simulation needs causal ones")
    if nest.resolution != dt:
        raise SimulationError(f"kernels have steps of {dt:g} ms and NEST of {nest.resolution:g} ms; make both with the same dt")
    recorders = []
    for pathway, channels in zip(pathways, kernels, strict=True):
        pre = pathway.split(":")[1]
        for kernel in channels:
            # NESTML gives vectors their length before their values
            node = nest.Create(MODEL, params={"n_taps": len(kernel) - middle - 1, "taps": kernel[middle + 1 :].tolist()})
            nest.Connect(neurons[pre], node, syn_spec={"weight": 1.0, "delay": dt})
            recorder = nest.Create("multimeter", params={"record_from": ["y"], "interval": dt})
            nest.Connect(recorder, node)
            recorders.append(recorder)
    return Filters(tuple(recorders), (len(pathways), kernels.shape[1]), dt)


def _nest_build() -> str:
    """Version of NEST, when and with what it was built."""
    import nest

    return repr(sorted(nest.build_info.items()))


def _headers() -> Path:
    """NEST's headers: beside the package in PyPI's wheel, and where it was installed to otherwise."""
    import nest

    places = [Path(nest.__file__).parent / "include" / "nest", Path(nest.build_info["prefix"]) / "include" / "nest"]
    found = next((place for place in places if (place / "nest_extension_interface.h").exists()), None)
    if found is None:
        raise SimulationError(f"NEST came without its headers, which a node needs; looked in {places[0]} and {places[1]}")
    return found


def _abi() -> str:
    """The flag of GCC that gives text the form which this NEST was built with: PyPI's wheels have the older one."""
    import nest

    new = any(b"Node8get_nameB5cxx11Ev" in file.read_bytes() for file in Path(nest.__file__).parent.glob("nestkernel_api*.so"))
    return f"-D_GLIBCXX_USE_CXX11_ABI={int(new)}"


def _mpi() -> list[str]:
    """Where the headers of this environment's MPI are."""
    folder = Path(sys.prefix) / "include"
    return [f"-I{folder}"] if (folder / "mpi.h").exists() else []


def _compile(command: Sequence[str], headers: Path, target: Path) -> None:
    """Write C++ with NESTML, compile it, and move the module into its place in one step."""
    with plain_folder(target.parent) as folder:
        # NESTML keeps global state, prints, and writes into the current folder
        code = f"from {__name__} import generate; generate({str(SOURCE)!r})"
        _run([sys.executable, "-c", code], folder, "NESTML could not translate")
        files = [str(path) for path in sorted(folder.glob("*.cpp"))]
        built = folder / target.name
        _run([*command, f"-I{headers}", f"-I{folder}", *files, "-o", str(built)], folder, "the compiler refused")
        with replacing(target) as temporary:
            shutil.copyfile(built, temporary)


def _run(command: Sequence[str], folder: Path, complaint: str) -> None:
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        said = "\n".join(done.stdout.strip().splitlines()[-20:])
        raise SimulationError(f"{complaint} {SOURCE} (exit code {done.returncode}):\n{said}")


def generate(file: str) -> None:
    """Translate a model with NESTML into C++ in the current folder; in a process of its own.

    Parameters
    ----------
    file : str
        Of the model.
    """
    from pynestml.codegeneration.nest_builder import NESTBuilder
    from pynestml.frontend.pynestml_frontend import generate_target

    # it wants CMake, and the folder in which NEST was built: that of PyPI's wheels is gone
    NESTBuilder.build = lambda self: None
    if generate_target(file, "NEST", target_path=".", module_name=MODULE):
        raise SystemExit(1)
