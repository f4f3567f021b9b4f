"""What hpcsim itself costs a point in a packed worker: key, seed, loop, checks, shard; with a model that does nothing.

Against the named alternative in the same run: the same points with one HDF5 file each, which is what sweeps of one
file a simulation do. Prints CPU microseconds a point; run it as ``python benchmarks/worker.py [POINTS]``.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import h5py

import hpcsim
from hpcsim import Output, Parameter, model
from hpcsim.scheduler.task.runner import Runner
from hpcsim.study.directory import StudyDirectory

TARGET = 100.0


@model("bench.noop", parameters=[Parameter("a", 0.0), Parameter("b", 0.0)], outputs=[Output("y")])
def noop(point, context):
    """Nothing."""
    return {"y": 0.0}


def packed(points: int, folder: Path) -> float:
    study = hpcsim.Study(
        "bench", noop, space={"a": {"uniform": [0, 1]}, "b": {"uniform": [0, 1]}}, design={"method": "random", "n": points}
    )
    directory = StudyDirectory(folder)
    directory.shards.mkdir(parents=True)
    began = time.process_time()
    Runner(study, directory, 0, points).run()
    spent = time.process_time() - began
    files = len(list(directory.shards.iterdir()))
    print(f"  packed worker: {1e6 * spent / points:7.1f} us CPU a point, {files} file")
    return spent / points


def file_per_point(points: int, folder: Path) -> float:
    began = time.process_time()
    for number in range(points):
        with h5py.File(folder / f"{number}.h5", "w") as file:
            file.attrs["a"], file.attrs["b"] = 0.0, 0.0
            file["y"] = 0.0
    spent = time.process_time() - began
    print(f"  file a point:  {1e6 * spent / points:7.1f} us CPU a point, {points} files")
    return spent / points


def main(points: int) -> None:
    ratios = []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as folder:
            own = packed(points, Path(folder) / "packed")
            (Path(folder) / "files").mkdir()
            other = file_per_point(min(points, 2000), Path(folder) / "files")
        ratios.append(other / own)
    print(f"median ratio {sorted(ratios)[1]:.1f}; target: at most {TARGET:g} us a point")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
