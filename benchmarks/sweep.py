"""A sweep of 8 NEST networks, and the same the tutorial's own ways, in turn.

The tutorial starts one subprocess after the other; each builds and simulates the network, computes the kernels again, and
convolves. Here the same models and stages run that way (``--one`` is such a subprocess), on one thread and on as many as there
are cores, so that only the organisation differs. Prints seconds of CPU, all processes included, on the clock, and how many
times the CPU of `hpcsim run`.

``python benchmarks/sweep.py [TSTOP_MS] [SCALE] [ROUNDS]``
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from harness.measure import measure

POINTS = 8
DEFAULT, FAST = "nest.hagen_lif", "nest.hagen_lif_fast"
CORES = len(os.sched_getaffinity(0))
#: What each is called, and its arguments.
WAYS = {
    "hpcsim run": ("--hpcsim", DEFAULT),
    f"hpcsim run, {FAST}": ("--hpcsim", FAST),
    "one subprocess after the other, kernel per point": ("--subprocesses", "1"),
    f"the same, {CORES} threads each": ("--subprocesses", str(CORES)),
}


def study(tstop: float, scale: float, model: str = DEFAULT, inputs: bool = True):
    import hpcsim

    stages = [{"use": "signals.eeg"}, {"use": "features.catch22", "of": "eeg"}]
    kernel = "study:hagen_kernel" if inputs else ""
    return hpcsim.Study(
        "eight",
        model,
        space={"J_ext": {"linspace": [28, 32, POINTS]}},
        fixed={"tstop": tstop, "transient": 200.0, "scale": scale},
        stages=[{"use": "signals.dipole", "kernel": kernel}, *stages],
        outputs={"keep": ["rate", "catch22"]},
        seed=1,
    )


def subprocesses(threads: str, tstop: str, scale: str, folder: str) -> None:
    for index in range(POINTS):
        line = [sys.executable, __file__, "--one", str(index), threads, tstop, scale, f"{folder}/{index}.npz"]
        subprocess.run(line, check=True, stdout=subprocess.DEVNULL)


class Kernels:
    """The kernels of one subprocess, as the dipole stage reads them."""

    def __init__(self, context) -> None:
        from hpcsim.models.neuron.kernels.kernel import kernel
        from hpcsim.space.points import Point

        values = kernel.defaults()
        self.given = kernel.simulate(Point(values, "0" * 32, 0, 1), context)
        self.layout = kernel.layout(values)

    def array(self, name: str):
        return self.given[name][None]

    def coordinate(self, name: str):
        return self.layout.coordinates[name]


def one(index: int, threads: int, tstop: float, scale: float, path: str) -> None:
    import numpy as np

    from hpcsim.models.model import Context
    from hpcsim.models.simulation import simulate
    from hpcsim.paths import cache_directory
    from hpcsim.scheduler.task.runner import apply_stages

    work = study(tstop, scale)
    context = Context(threads=threads, cache=cache_directory(), layout=work.all_outputs)
    context.inputs = {"hagen_kernel": Kernels(context)}
    points = work.design.block(index, index + 1)
    made = simulate(work.model, work.model.layout(points[0].values), points, context)
    np.savez(path, **apply_stages(work, made, 1, context))


def main(tstop: float, scale: float, rounds: int) -> None:
    found: dict[str, list[dict[str, float]]] = {name: [] for name in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        # not part of the comparison: mechanisms and the neuron are compiled once on a machine
        study(tstop, scale).input_study("hagen_kernel").run("inline", Path(folder, "warm"))
        from hpcsim.models.model import Context
        from hpcsim.models.nest.hagen_lif_fast import library
        from hpcsim.paths import cache_directory

        library(Context(cache=cache_directory()))
        for number in range(rounds):
            for name, words in list(WAYS.items())[:: 1 if number % 2 == 0 else -1]:
                own = Path(tempfile.mkdtemp(dir=folder))
                command = [sys.executable, __file__, *words, str(tstop), str(scale), str(own)]
                found[name].append(measure(command, own, PYTHONPATH=os.pathsep.join(sys.path)))
    print(f"{POINTS} points of {tstop:g} ms at scale {scale:g} on {CORES} cores, {rounds} rounds, median")
    base = found["hpcsim run"]
    for name, rows in found.items():
        cpu, wall = (median(row[what] for row in rows) for what in ("cpu", "wall"))
        ratio = median(row["cpu"] / own["cpu"] for row, own in zip(rows, base, strict=True))
        print(f"{name:50s} CPU {cpu:7.1f} s, clock {wall:7.1f} s, {ratio:5.2f} times")


if __name__ == "__main__":
    words = sys.argv[1:]
    if words[:1] == ["--one"]:
        one(int(words[1]), int(words[2]), float(words[3]), float(words[4]), words[5])
    elif words[:1] == ["--subprocesses"]:
        subprocesses(*words[1:])
    elif words[:1] == ["--hpcsim"]:
        study(float(words[2]), float(words[3]), words[1]).run(directory=Path(words[4]) / "eight")
    else:
        main(*(float(word) for word in (*words, "1500", "1")[:2]), int(words[2]) if len(words) > 2 else 1)
