"""What a simulated cell costs: batches of `brian2.cortical_hh` against one standalone process a parameter set.

The published study of Bernaerts et al. 2025 starts one process of a compiled Brian2 program for each parameter set, with one
cell in it, and reads its files. Here both run in turn, with the same equations, time step and double precision. Prints
milliseconds of CPU a point with all child processes, compilation apart, and what the 23 statistics cost. The published
statistics in pandas and SciPy are not run; their cost is quoted (6.6 ms a trace on a quiet core).

Run it as ``python benchmarks/hodgkin_huxley.py [POINTS]``, on a quiet machine.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from hpcsim.models.brian2 import equations
from hpcsim.models.brian2.cortical_hh import BATCH, PARAMETERS, cell_variables, cortical_hh, simulate_traces
from hpcsim.models.model import Context, cache_directory

RATIO, SIMULATION, TOGETHER, PUBLISHED_STATISTICS = 40.0, 0.75, 0.9, 6.6
#: Milliseconds of the same loop written by hand: 512-bit vectors, and vectors of the mathematical library of glibc.
LIMITS = {"hand-written, 512 bit": 0.165, "glibc's vector functions": 0.32}


def cpu() -> float:
    """Seconds of CPU of this process and its children."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def build_published(folder: str) -> None:
    """A program of one cell, with the flags that Brian2 chooses and noise that is compiled in; in a process of its own."""
    import brian2 as b

    b.set_device("cpp_standalone", build_on_run=False)
    b.defaultclock.dt = 0.04 * b.ms
    noise = b.TimedArray(np.random.default_rng(1).normal(0, 10, 20_000) * b.pA, dt=0.04 * b.ms)
    text = equations.EQUATIONS.replace("noise_at(t_in_timesteps)*amp", "noise(t)")
    text += "".join(equations.GATE.format(x=x, factor=factor) for x, factor in equations.GATES.items())
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


def batches(values: dict[str, np.ndarray], points: int) -> tuple[float, float]:
    """Seconds of CPU a point in batches: simulation, statistics (NaN where they are not installed)."""
    context = Context(layout=cortical_hh.layout({}))
    simulation = statistics = 0.0
    for first in range(0, points, BATCH):
        batch = {name: column[first : first + BATCH] for name, column in values.items()}
        began = cpu()
        voltages = simulate_traces(batch, seeds=np.arange(first, first + len(batch["C"]), dtype=np.uint64))
        simulation += cpu() - began
        if find_spec("numba") is None:
            statistics = float("nan")
            continue
        from hpcsim.stages.features.ephys import ephys

        options = {option.name: option.default for option in ephys.options}
        if first == 0:
            ephys.apply({"v": voltages[:2]}, options, context)
        began = cpu()
        ephys.apply({"v": voltages}, options, context)
        statistics += cpu() - began
    return simulation / points, statistics / points


def main(points: int) -> None:
    random = np.random.default_rng(1)
    values = {name: np.full(points, value) for name, value in cortical_hh.defaults().items()}
    values |= {parameter.name: random.uniform(*parameter.bounds, points) for parameter in PARAMETERS[:13]}
    cortical_hh.prepare(Context(cache=cache_directory()))
    with tempfile.TemporaryDirectory() as name:
        began = time.perf_counter()
        subprocess.run([sys.executable, __file__, "--build", name], check=True)
        print(f"compiled the program of one cell in {time.perf_counter() - began:.0f} s")
        rows = []
        for _ in range(3):
            rows.append((1e3 * published(Path(name), values, 50), *(1e3 * cost for cost in batches(values, points))))
            print("  one process a point {:6.2f} ms; batches {:.3f} ms, statistics {:.3f} ms CPU a point".format(*rows[-1]))
    alone, simulation, statistics = np.median(rows, axis=0)
    print(f"simulation: {simulation:.3f} ms (target {SIMULATION}), {alone / simulation:.0f} times less than a process a point")
    both, before = simulation + statistics, alone + PUBLISHED_STATISTICS
    print(f"with statistics: {both:.3f} ms (target {TOGETHER}), {before / both:.0f} times less (target {RATIO:g}; theirs quoted)")
    for what, limit in LIMITS.items():
        print(f"distance to the limit: {simulation / limit:.1f} times {what} ({limit} ms on another machine)")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--build"]:
        build_published(sys.argv[2])
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 2 * BATCH)
