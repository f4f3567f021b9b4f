"""What a simulated cell costs: batches of `brian2.cortical_hh` against one standalone process a parameter set.

The published study of Bernaerts et al. 2025 compiles a Brian2 program of one cell for every 1282 parameter sets, starts one
process for each of them, and reads its files. Here both run in turn, with the same equations, time step and double precision.
Prints milliseconds of CPU a point with all child processes, and what the 23 statistics cost. The published statistics in
pandas and SciPy are not run; their cost is quoted (6.6 ms a trace on a quiet core). Since the one is bound by the operating
system and the other by arithmetic, a busy sibling of the core (hyper-threads) makes the ratio smaller.

Run it as ``python benchmarks/hodgkin_huxley.py [POINTS]``, on a quiet machine.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from harness.machine import processor
from harness.measure import cpu

from hpcsim.models.brian2 import equations
from hpcsim.models.brian2.cortical_hh import BATCH, PARAMETERS, Workspace, cell_variables, cortical_hh, simulate_traces
from hpcsim.models.model import Context
from hpcsim.paths import cache_directory

RATIO, SIMULATION, TOGETHER = 40.0, 0.75, 0.9
PUBLISHED_STATISTICS, PUBLISHED_BATCH = 6.6, 1282
#: Milliseconds of the same loop written by hand: 512-bit vectors, and vectors of the mathematical library of glibc.
LIMITS = {"hand-written, 512 bit": 0.165, "glibc's vector functions": 0.32}


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


def main(points: int) -> None:
    random = np.random.default_rng(1)
    values = {name: np.full(points, value) for name, value in cortical_hh.defaults().items()}
    values |= {parameter.name: random.uniform(*parameter.bounds, points) for parameter in PARAMETERS[:13]}
    cortical_hh.prepare(Context(cache=cache_directory()))
    workspace, rows = Workspace(), []
    print(processor())
    with tempfile.TemporaryDirectory() as name:
        began = cpu()
        subprocess.run([sys.executable, __file__, "--build", name], check=True)
        compiling = 1e3 * (cpu() - began) / PUBLISHED_BATCH
        print(f"compiling the program of one cell: {compiling:.1f} ms CPU a point of {PUBLISHED_BATCH}")
        for _ in range(3):
            rows.append((1e3 * published(Path(name), values, 50), *(1e3 * cost for cost in batches(values, points, workspace))))
            print("  one process a point {:6.2f} ms; batches {:.3f} ms, statistics {:.3f} ms CPU a point".format(*rows[-1]))
    process, simulation, statistics = np.median(rows, axis=0)
    alone = process + compiling
    print(f"simulation: {simulation:.3f} ms (target {SIMULATION}); published way {process:.1f} + {compiling:.1f} ms: ", end="")
    print(f"{alone / simulation:.0f} times as much, {process / simulation:.0f} times without compiling")
    both, before = simulation + statistics, alone + PUBLISHED_STATISTICS
    print(
        f"with statistics: {both:.3f} ms (target {TOGETHER}); published way {before:.1f} ms, with their statistics as quoted: ",
        end="",
    )
    print(f"{before / both:.0f} times as much (target {RATIO:g})")
    for what, limit in LIMITS.items():
        print(f"distance to the limit: {simulation / limit:.1f} times {what} ({limit} ms on another machine)")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--build"]:
        build_published(sys.argv[2])
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 2 * BATCH)
