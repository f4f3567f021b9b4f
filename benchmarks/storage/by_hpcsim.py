"""hpcsim: shards of 10 000 points as tasks write them, then the collector, which checks them and moves them into results.h5."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from rows import SAMPLES, blocks

from hpcsim.collector.collect import collect
from hpcsim.collector.format.schema import Schema
from hpcsim.collector.shard import ShardWriter
from hpcsim.outputs import Coordinate, Layout, Output
from hpcsim.space.parameter import Parameter

SHARD_ROWS = 10_000

if __name__ == "__main__":
    n, folder = int(sys.argv[1]), Path(sys.argv[2])
    layout = Layout.of([Output("signal", ("time",), "mV")], {"time": Coordinate(np.arange(SAMPLES) * 0.1, "ms")})
    schema = Schema((Parameter("a", 1.0, "nA"), Parameter("b", 1.0, "mV")), layout)
    writer = ShardWriter(folder / "shards", schema, {"study": "b", "model": "b", "fingerprint": "b"}, "task")
    held = 0
    for start, parameters, signals in blocks(n):
        rows = len(signals)
        whole = np.zeros(rows, int)
        # a tenth of all columns is about points: id, seed, state, costs, host
        records = {
            "id": [f"{start + i:032x}" for i in range(rows)],
            "replicate": whole,
            "seed": whole,
            "status": whole,
            "error": [""] * rows,
            "attempts": whole + 1,
            "wall_time": parameters[:, 0],
            "cpu_time": parameters[:, 0],
            "peak_memory": parameters[:, 0],
            "host": ["node"] * rows,
        }
        writer.append(records, {"a": parameters[:, 0], "b": parameters[:, 1]}, {"signal": signals})
        held += rows
        if held >= SHARD_ROWS:
            writer.flush()
            held = 0
    writer.flush()
    collect(folder, final=True)
