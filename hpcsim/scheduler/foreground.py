"""Simulates one point in this process, and keeps every output: for points that look odd, and for debuggers."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hpcsim.collector.format.schema import Schema
from hpcsim.collector.shard import ShardWriter
from hpcsim.errors import HpcsimError
from hpcsim.models.model import Context
from hpcsim.models.simulation import simulate
from hpcsim.outputs import Batch
from hpcsim.paths import cache_directory
from hpcsim.scheduler.prepare import compile_shared
from hpcsim.scheduler.state.one_point import FoundPoint
from hpcsim.scheduler.task.cost import Stopwatch
from hpcsim.scheduler.task.rows import Rows
from hpcsim.scheduler.task.runner import with_stages

if TYPE_CHECKING:
    from hpcsim.study.directory import StudyDirectory
    from hpcsim.study.study import Study


@dataclass(frozen=True, eq=False)
class Again:
    """A point that was simulated again.

    Parameters
    ----------
    outputs : mapping of str to batch
        All of the model and of the stages.
    path : Path
        A file of one point that :func:`hpcsim.open` reads.
    equal, different : tuple of str
        Outputs that the results hold, too, with the same values to the bit, or with others.
    """

    outputs: dict[str, Batch]
    path: Path
    equal: tuple[str, ...]
    different: tuple[str, ...]


def simulate_again(study: Study, directory: StudyDirectory, point: FoundPoint, out: Path | None = None) -> Again:
    """Simulate a point in this process; whatever the model or a stage raises comes through as it is.

    Parameters
    ----------
    study : Study
    directory : StudyDirectory
    point : FoundPoint
    out : Path, optional
        The file to write: ``points/ID.h5`` in the directory by default, or, where there is no study in it yet, in the current
        folder. The results of the study stay as they are.

    Raises
    ------
    StorageError
        If the file cannot be written.
    HpcsimError
        If a point of the study takes several MPI ranks.
    """
    if (ranks := study.file.resources.ranks) > 1:
        raise HpcsimError(f"a point of this study takes {ranks} MPI ranks, and this command starts one; `hpcsim run` starts them")
    context = Context(
        threads=study.file.resources.threads,
        cache=cache_directory(),
        inputs={name: directory.results_of(name) for name in study.inputs},
        layout=study.all_outputs,
    )
    compile_shared(study, context)
    watch = Stopwatch()
    given = simulate(study.model, study.model_layout, point.points, context)
    outputs = with_stages(study.stages, study.all_outputs, given, 1, context)
    rows = Rows(study.all_outputs)
    rows.add(point.points, outputs, watch.read(), 1, socket.gethostname())
    schema = Schema(study.columns, study.all_outputs, precision=study.file.outputs.precision)
    header = {"study": study.name, "model": study.model.name, "fingerprint": study.fingerprint}
    if out is None:
        folder = directory.path / "points" if directory.study.exists() else Path.cwd()
        out = folder / f"{point.id}.h5"
    writer = ShardWriter(out.parent, schema, header, stem=f".{out.name}")
    rows.move_to(writer)
    made = writer.flush()
    assert made is not None
    os.replace(made, out)
    same = {name: _same(values, outputs[name][0]) for name, values in point.outputs.items() if name in outputs}
    equal, different = ([name for name, is_same in same.items() if is_same is wanted] for wanted in (True, False))
    return Again(outputs, out, tuple(equal), tuple(different))


def _same(stored: np.ndarray, now: np.ndarray) -> bool:
    """Whether values are equal to the bit once they are of the type that is stored; NaN is equal to NaN."""
    kept = np.asarray(now).astype(stored.dtype)
    return bool(np.array_equal(stored, kept, equal_nan=stored.dtype.kind == "f"))
