"""A sweep of 8 points against the tutorial's own way, in the same run on the same cores.

The tutorial starts one subprocess after the other; each builds and simulates the network, computes the kernels again,
and convolves. Here the same models and stages run that way (``--one`` is such a subprocess), so that only
the organisation differs. Prints wall times and their ratio; target on 2 cores: at least 1.9.

``python benchmarks/sweep.py [TSTOP_MS] [SCALE]``
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

POINTS = 8


def study(tstop: float, scale: float, inputs: bool = True):
    import hpcsim

    stages = [{"use": "signals.eeg"}, {"use": "features.catch22", "of": "eeg"}]
    kernel = "study:hagen_kernel" if inputs else ""
    return hpcsim.Study(
        "eight",
        "nest.hagen_lif",
        space={"J_ext": {"linspace": [28, 32, POINTS]}},
        fixed={"tstop": tstop, "transient": 200.0, "scale": scale},
        stages=[{"use": "signals.dipole", "kernel": kernel}, *stages],
        outputs={"keep": ["rate", "catch22"]},
        seed=1,
    )


def hpcsim_way(tstop: float, scale: float, folder: Path) -> float:
    began = time.perf_counter()
    study(tstop, scale).run(directory=folder / "eight")
    return time.perf_counter() - began


def tutorial_way(points: range, tstop: float, scale: float, folder: Path) -> float:
    began = time.perf_counter()
    for index in points:
        line = [sys.executable, __file__, "--one", str(index), str(tstop), str(scale), str(folder / f"{index}.npz")]
        subprocess.run(line, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"})
    return time.perf_counter() - began


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


def one(index: int, tstop: float, scale: float, path: str) -> None:
    import numpy as np

    from hpcsim.models.model import Context
    from hpcsim.paths import cache_directory
    from hpcsim.scheduler.task.runner import compute

    work = study(tstop, scale)
    context = Context(cache=cache_directory(), layout=work.all_outputs)
    context.inputs = {"hagen_kernel": Kernels(context)}
    np.savez(path, **compute(work, work.design.block(index, index + 1), context))


def main(tstop: float, scale: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        os.chdir(place)
        # not part of the comparison: mechanisms are compiled once on a machine
        study(tstop, scale).input_study("hagen_kernel").run("inline", place / "warm")
        # theirs before and after ours: what else the machine does changes from minute to minute
        theirs = tutorial_way(range(0, POINTS, 2), tstop, scale, place)
        own = hpcsim_way(tstop, scale, place)
        theirs += tutorial_way(range(1, POINTS, 2), tstop, scale, place)
    print(f"{POINTS} points of {tstop:g} ms at scale {scale:g}")
    print(f"one subprocess after the other, kernel per point: {theirs:7.1f} s")
    print(f"hpcsim run, everything included:                  {own:7.1f} s")
    print(f"ratio {theirs / own:.2f} on {len(os.sched_getaffinity(0))} cores")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]), sys.argv[5])
    else:
        main(*(float(word) for word in sys.argv[1:3])) if len(sys.argv) > 2 else main(1500.0, 1.0)
