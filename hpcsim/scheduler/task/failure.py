"""Writes the rows of points whose process died."""

from __future__ import annotations

import socket

import numpy as np

from hpcsim.collector.format.schema import CRASHED, TIMEOUT, Schema
from hpcsim.collector.shard import ShardWriter
from hpcsim.collector.shard_name import shard_stem
from hpcsim.scheduler.task.worker import WorkerRequest, load_study
from hpcsim.study.directory import StudyDirectory


def record_failure(directory: StudyDirectory, request: WorkerRequest, reason: str, *, late: bool) -> list[str]:
    """Write a shard with blank outputs for the points of a request.

    Parameters
    ----------
    directory : StudyDirectory
    request : WorkerRequest
        Its `start`, `stop` and `attempt`.
    reason : str
        What the results will say.
    late : bool
        Whether the time limit ended it.

    Returns
    -------
    list of str
        Ids of the points.
    """
    study = load_study(request)
    points = study.design.block(request.start, request.stop)
    n = len(points)
    header = {"study": study.name, "model": study.model.name, "fingerprint": study.fingerprint}
    schema = Schema(study.columns, study.layout, precision=study.file.outputs.precision)
    writer = ShardWriter(directory.shards, schema, header, stem=shard_stem(request.start, request.stop, study.design.digest))
    records = {
        "id": np.array(points.ids, "S32"),
        "replicate": points.replicates,
        "seed": points.seeds,
        "status": np.full(n, TIMEOUT if late else CRASHED),
        "error": np.full(n, reason),
        "attempts": np.full(n, request.attempt),
        "wall_time": np.full(n, np.nan),
        "cpu_time": np.full(n, np.nan),
        "peak_memory": np.full(n, np.nan),
        "host": np.full(n, socket.gethostname()),
    }
    writer.append(records, dict(points.columns), {name: study.layout.blank(name, n) for name in study.layout.outputs})
    writer.flush()
    return list(points.ids)
