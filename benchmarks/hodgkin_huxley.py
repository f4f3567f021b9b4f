"""What a simulated cell costs: batches of `brian2.cortical_hh` against one standalone process a parameter set.

The published study of Bernaerts et al. 2025 compiles a Brian2 program of one cell for every 1282 parameter sets, starts one
process for each of them, and reads its files. Here both run in turn, with the same equations, time step and double precision.
Prints milliseconds of CPU a point with all child processes, and what the 23 statistics cost. The published statistics in
pandas and SciPy are not run; their cost is quoted (6.6 ms a trace on a quiet core). Since the one is bound by the operating
system and the other by arithmetic, a busy sibling of the core (hyper-threads) makes the ratio smaller.

The limit is `hand/loop.cpp`, the same cell without Brian2, built and run in the same rounds; its traces are compared.

Run it as ``python benchmarks/hodgkin_huxley.py [POINTS [ARCH]]``, on a quiet machine. With ARCH ``x86-64-v3``, code for AVX2 is
compiled and compared on whatever processor this is.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from harness.machine import processor
from harness.measure import cpu

from hpcsim.models.brian2 import equations, standalone
from hpcsim.models.brian2.blocks import filled
from hpcsim.models.brian2.cortical_hh import (
    BATCH,
    PARAMETERS,
    Workspace,
    _halves,
    cell_variables,
    cortical_hh,
    simulate_traces,
)
from hpcsim.models.compiler import cpp_compiler
from hpcsim.models.model import Context
from hpcsim.paths import cache_directory

RATIO = 40.0
#: Milliseconds of a simulation and with statistics, by whether the code uses AVX-512.
TARGETS = {True: (0.6, 0.75), False: (0.9, 1.1)}
PUBLISHED_STATISTICS, PUBLISHED_BATCH = 6.6, 1282


def build_published(folder: str) -> None:
    """A program of one cell, with the flags that Brian2 chooses and noise that is compiled in; in a process of its own."""
    import brian2 as b

    b.set_device("cpp_standalone", build_on_run=False)
    b.defaultclock.dt = 0.04 * b.ms
    noise = b.TimedArray(np.random.default_rng(1).normal(0, 10, 20_000) * b.pA, dt=0.04 * b.ms)
    text = equations.all_equations().replace("noise_at(t_in_timesteps)*amp", "noise(t)")
    namespace = {**equations._functions(b), "noise": noise}
    cell = b.NeuronGroup(1, text, method="exponential_euler", namespace=namespace, name="cells")
    b.device.apply_run_args()
    for name, expression in equations.INITIAL.items():
        setattr(cell, name, expression)
    monitor = b.StateMonitor(cell, ["V", "I_injected"], record=True, when="start")
    b.Network(cell, monitor).run(800 * b.ms)
    b.device.build(directory=folder, run=False, clean=False)


def published(folder: Path, values: dict[str, np.ndarray], points: int) -> float:
    """Seconds of CPU a point with one process each."""
    columns = cell_variables(values)
    began = cpu()
    for point in range(points):
        arguments = [f"cells.{name}={float(column[point])!r}" for name, column in columns.items()]
        subprocess.run([folder / "main", *arguments], cwd=folder, check=True)
        for path in (folder / "results").glob("_dynamic_array_*"):
            np.fromfile(path)
    return (cpu() - began) / points


def batches(values: dict[str, np.ndarray], points: int, workspace: Workspace) -> tuple[float, float]:
    """Seconds of CPU a point in batches: simulation, statistics (NaN where they are not installed)."""
    context = Context(layout=cortical_hh.layout({}))
    simulation = statistics = 0.0
    for first in range(0, points, BATCH):
        batch = {name: column[first : first + BATCH] for name, column in values.items()}
        began = cpu()
        seeds = np.arange(first, first + len(batch["C"]), dtype=np.uint64)
        voltages = simulate_traces(batch, seeds=seeds, allocate=workspace)
        simulation += cpu() - began
        if find_spec("numba") is None:
            del voltages
            statistics = float("nan")
            continue
        from hpcsim.stages.features.ephys import ephys

        options = {option.name: option.default for option in ephys.options}
        if first == 0:
            ephys.apply({"v": voltages[:2]}, options, context)
        began = cpu()
        ephys.apply({"v": voltages}, options, context)
        statistics += cpu() - began
        del voltages
    return simulation / points, statistics / points


def build_hand(folder: Path, arch: str) -> bool:
    """The loop written by hand, for the same processor; whether it uses AVX-512."""
    compiler, here = cpp_compiler("benchmarks"), Path(__file__).parent / "hand"
    wide = "__AVX512F__" in standalone._macros(compiler, (f"-march={arch}",))
    (folder / "noise.h").write_text(equations.header())
    plain = (
        "-O3",
        "-std=c++17",
        f"-march={arch}",
        "-ffp-contract=fast",
        "-fno-trapping-math",
        f"-DWIDTH={8 if wide else 4}",
        "-I.",
    )
    subprocess.run([compiler, *standalone.flags(), "-I.", "-c", here / "draw.cpp"], cwd=folder, check=True)
    subprocess.run([compiler, *plain, here / "loop.cpp", "draw.o", "-o", "loop"], cwd=folder, check=True)
    return wide


def by_hand(folder: Path, values: dict[str, np.ndarray]) -> float:
    """Seconds of CPU a point of the loop written by hand; its traces must be those of hpcsim."""
    n, size = len(values["C"]), equations.CELLS
    seeds = np.arange(n, dtype=np.uint64)
    cells = cell_variables(values) | {"sd_noise": 1e-12 * values["noise_sd"], **_halves(seeds)}
    groups = range(0, n, size)
    parts = [filled(column[first : first + size]).tobytes() for first in groups for column in cells.values()]
    (folder / "cells.bin").write_bytes(b"".join(parts))
    began = cpu()
    subprocess.run([folder / "loop", "cells.bin", "20000", "traces.bin"], cwd=folder, check=True)
    spent = (cpu() - began) / (size * len(groups))
    own = simulate_traces({name: column[:size] for name, column in values.items()}, seeds=seeds[:size])
    difference = np.abs(np.fromfile(folder / "traces.bin").reshape(size, -1)[: len(own)] - own)
    # rounding grows in a cell whose action potentials hang on little
    assert np.median(difference.max(axis=1)) < 1e-6, "the loop written by hand is another model"
    return spent


def main(points: int, arch: str) -> None:
    standalone.FAST = tuple(flag.replace("-march=native", f"-march={arch}") for flag in standalone.FAST)
    if arch != "native":
        os.environ["NUMBA_CPU_NAME"] = arch
    random = np.random.default_rng(1)
    values = {name: np.full(points, value) for name, value in cortical_hh.defaults().items()}
    values |= {parameter.name: random.uniform(*parameter.bounds, points) for parameter in PARAMETERS[:13]}
    cortical_hh.prepare(Context(cache=cache_directory()))
    workspace, rows = Workspace(), []
    with tempfile.TemporaryDirectory() as name, tempfile.TemporaryDirectory() as hand:
        wide = build_hand(Path(hand), arch)
        print(f"{processor()}; code for {arch}, {'AVX-512' if wide else 'AVX2'}")
        began = cpu()
        subprocess.run([sys.executable, __file__, "--build", name], check=True)
        compiling = 1e3 * (cpu() - began) / PUBLISHED_BATCH
        print(f"compiling the program of one cell: {compiling:.1f} ms CPU a point of {PUBLISHED_BATCH}")
        for _ in range(3):
            spent = (published(Path(name), values, 50), *batches(values, points, workspace), by_hand(Path(hand), values))
            rows.append([1e3 * seconds for seconds in spent])
            print(
                "  one process a point {:6.2f} ms; batches {:.3f}, statistics {:.3f}, by hand {:.3f} ms CPU a point".format(
                    *rows[-1]
                )
            )
    process, simulation, statistics, limit = np.median(rows, axis=0)
    target, together = TARGETS[wide]
    alone = process + compiling
    print(f"simulation: {simulation:.3f} ms (target {target}); published way {process:.1f} + {compiling:.1f} ms: ", end="")
    print(f"{alone / simulation:.0f} times as much, {process / simulation:.0f} times without compiling")
    both, before = simulation + statistics, alone + PUBLISHED_STATISTICS
    print(
        f"with statistics: {both:.3f} ms (target {together}); published way {before:.1f} ms, with their statistics as quoted: ",
        end="",
    )
    print(f"{before / both:.0f} times as much (target {RATIO:g})")
    print(f"written by hand, in memory: {limit:.3f} ms; hpcsim takes {simulation / limit:.2f} times as much")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--build"]:
        build_published(sys.argv[2])
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 2 * BATCH, sys.argv[2] if len(sys.argv) > 2 else "native")
