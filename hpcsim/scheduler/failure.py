"""Writes the rows of points whose process died."""

from __future__ import annotations

import socket

import numpy as np

from hpcsim.collector.schema import CRASHED, TIMEOUT, Schema
from hpcsim.collector.shard import ShardWriter
from hpcsim.directory import StudyDirectory
from hpcsim.scheduler.worker import Order
from hpcsim.study import Study


def record_failure(directory: StudyDirectory, order: Order, reason: str, *, late: bool) -> int:
    """Write a shard with blank outputs for the points of an order.

    Parameters
    ----------
    directory : StudyDirectory
    order : Order
        Its `start`, `stop` and `attempt`.
    reason : str
        What the results will say.
    late : bool
        Whether the time limit ended it.

    Returns
    -------
    int
        How many points.
    """
    study = Study.load(directory.path)
    points = study.design.block(order.start, order.stop)
    n = len(points)
    header = {"study": study.name, "model": study.model.name, "fingerprint": study.fingerprint}
    schema = Schema(study.columns, study.layout, precision=study.file.outputs.precision)
    writer = ShardWriter(directory.shards, schema, header, stem=f"{order.start:09d}-{order.stop:09d}")
    records = {
        "id": np.array(points.ids, "S32"),
        "replicate": points.replicates,
        "seed": points.seeds,
        "status": np.full(n, TIMEOUT if late else CRASHED),
        "error": np.full(n, reason),
        "attempts": np.full(n, order.attempt),
        "wall_time": np.full(n, np.nan),
        "cpu_time": np.full(n, np.nan),
        "peak_memory": np.full(n, np.nan),
        "host": np.full(n, socket.gethostname()),
    }
    writer.append(records, dict(points.columns), {name: study.layout.blank(name, n) for name in study.layout.outputs})
    writer.flush()
    return n
