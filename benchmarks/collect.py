"""What collecting costs: blocks moved as they are, against two simpler ways, side by side in one run.

Run: ``python benchmarks/collect.py [points]``. Every point has 4 kB of numbers that hardly shrink. All figures are
CPU time of this process, system time included; each way starts from the same shards and is measured three times.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from shutil import copytree
from statistics import median
from tempfile import TemporaryDirectory

import h5py
import numpy as np

from hpcsim.collector.collect import collect
from hpcsim.collector.format.schema import Schema
from hpcsim.collector.format.table import Table
from hpcsim.collector.shard import ShardWriter, shard_files
from hpcsim.outputs import Coordinate, Layout, Output
from hpcsim.space.parameter import Parameter

SHARD_ROWS = 10_000
SAMPLES = 512
ROUNDS = 3
PEAK = (
    "import sys, resource; from hpcsim.collector.collect import collect; collect(sys.argv[1], final=True);"
    "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
)


def write_shards(directory: Path, points: int) -> None:
    """Shards of 10 000 points with two parameters and 512 float64 each."""
    layout = Layout.of([Output("signal", ("time",), "mV")], {"time": Coordinate(np.arange(SAMPLES) * 0.1, "ms")})
    schema = Schema((Parameter("a", 1.0, "nA"), Parameter("b", 1.0, "mV")), layout)
    writer = ShardWriter(directory / "shards", schema, {"study": "b", "model": "b", "fingerprint": "b"}, "task")
    rng = np.random.default_rng(1)
    for start in range(0, points, SHARD_ROWS):
        n = min(SHARD_ROWS, points - start)
        whole = np.zeros(n, int)
        times = rng.random(n)
        records = {
            "id": [rng.bytes(16).hex() for _ in range(n)],
            "replicate": whole,
            "seed": rng.integers(2**63, size=n),
            "status": whole,
            "error": [""] * n,
            "attempts": whole + 1,
            "wall_time": times,
            "cpu_time": times,
            "peak_memory": times,
            "host": ["node"] * n,
        }
        writer.append(records, {"a": times, "b": times}, {"signal": rng.random((n, SAMPLES))})
        writer.flush()


def group_per_point(directory: Path) -> None:
    """One HDF5 group a point, from the arrays of the shards; only a part, since it is slow."""
    with h5py.File(directory / "groups.h5", "w") as file, Table(shard_files(directory / "shards")[0]) as table:
        columns = {name: table.array(name) for name in ("a", "b", "signal")}
        for i, name in enumerate(table.ids()):
            group = file.create_group(name.decode())
            group.attrs["a"], group.attrs["b"] = columns["a"][i], columns["b"][i]
            group["signal"] = columns["signal"][i]


def recompress(directory: Path) -> None:
    """All columns read and written again through h5py, blocks and filters as in the shards."""
    paths = shard_files(directory / "shards")
    with h5py.File(directory / "again.h5", "w") as file:
        for path in paths:
            with Table(path) as table:
                for name in (*table.names("record"), *table.names("parameter"), *table.names("output")):
                    source = table.dataset(name)
                    if name not in file:
                        file.create_dataset_like(name, source, shape=(0, *source.shape[1:]))
                    target = file[name]
                    rows = len(target)
                    target.resize(rows + len(table), axis=0)
                    for start in range(0, len(table), table.block):
                        stop = min(start + table.block, len(table))
                        target[rows + start : rows + stop] = source[start:stop]


def cpu(work: Callable[[Path], object], source: Path, scratch: Path) -> float:
    """CPU seconds of one run on a copy of the shards."""
    with TemporaryDirectory(dir=scratch) as name:
        directory = Path(name) / "study"
        copytree(source, directory)
        start = time.process_time()
        work(directory)
        return time.process_time() - start


def peak(points: int, scratch: Path) -> int:
    """Most memory of a process that collects so many points, MiB."""
    with TemporaryDirectory(dir=scratch) as name:
        write_shards(Path(name), points)
        command = [sys.executable, "-c", PEAK, name]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main(points: int) -> None:
    """Measure and print."""
    with TemporaryDirectory() as name:
        scratch = Path(name)
        source, one = scratch / "source", scratch / "one"
        write_shards(source, points)
        write_shards(one, SHARD_ROWS)
        ways: dict[str, tuple[Callable[[Path], object], Path, int]] = {
            "blocks moved as they are, with checks": (lambda path: collect(path, final=True), source, points),
            "decompressed and compressed again": (recompress, source, points),
            "a group a point": (group_per_point, one, SHARD_ROWS),
        }
        collect(one, final=True)  # imports are not what is measured
        write_shards(one, SHARD_ROWS)
        (one / "results.h5").unlink()
        found: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(ROUNDS):
            for way, (work, where, n) in ways.items():
                found[way].append(n / cpu(work, where, scratch))
        best = median(next(iter(found.values())))
        print(f"{points} points of {8 * SAMPLES} bytes in shards of {SHARD_ROWS}; median of {ROUNDS}")
        for way, rates in found.items():
            rate = median(rates)
            spread = f"{min(rates):.0f} to {max(rates):.0f}"
            print(f"  {way:40s} {rate:9.0f} points per CPU-second ({spread}), {best / rate:5.1f} times dearer")
        few, many = max(points // 10, SHARD_ROWS), points // 2
        print(f"  peak memory: {peak(few, scratch)} MiB for {few} points, {peak(many, scratch)} MiB for {many}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000)
