"""Simulates a slice of a design and writes shards: the body of a task, and of the inline executor."""

from __future__ import annotations

import socket
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from hpcsim.checked_study import BoundStage
from hpcsim.collector.schema import FAILED, Schema
from hpcsim.collector.shard import ShardWriter, merge
from hpcsim.collector.table import Table, finished
from hpcsim.directory import StudyDirectory
from hpcsim.errors import HpcsimError, Interrupted, ResultsError, SimulationError
from hpcsim.models.model import STUDY, Context, Model, Point, Points, cache_directory
from hpcsim.outputs import Batch, Layout
from hpcsim.scheduler.cost import Cost, Stopwatch
from hpcsim.scheduler.mpi import Alone, World
from hpcsim.scheduler.plan import holdings
from hpcsim.scheduler.rows import Rows
from hpcsim.study import Study

#: Seconds and bytes after which finished points are written to a shard.
FLUSH_SECONDS = 60.0
FLUSH_BYTES = 256 * 2**20
#: Points that are planned together, and rows that are handed to the writer together.
BLOCK = 4096


class Runner:
    """Simulates points of one study, one batch after the other.

    Parameters
    ----------
    study : Study
    directory : StudyDirectory
        Where shards go.
    start, stop : int
        The slice of the design; points in it that are finished already are skipped.
    world : World, optional
        The MPI ranks that simulate together: each has a runner, and the first one decides and writes.
    cap : int, optional
        The most points in a batch (fewer than the model would take, to find a guilty point).
    attempt : int
        How often these points have been tried, with this time.
    retry_failed : bool
        Simulate failed points again.
    until : float, optional
        Seconds since 1970; no batch but the first begins later.
    on_batch : callable
        ``on_batch(first index, one past the last, points)`` when a batch begins.
    on_done : callable
        ``on_done(points, failed)`` when a batch is over.
    on_flush : callable
        When all that is done is safe in a shard.
    """

    def __init__(
        self,
        study: Study,
        directory: StudyDirectory,
        start: int,
        stop: int,
        *,
        world: World | None = None,
        cap: int | None = None,
        attempt: int = 1,
        retry_failed: bool = False,
        until: float | None = None,
        on_batch: Callable[[int, int, int], None] = lambda first, last, points: None,
        on_done: Callable[[int, int], None] = lambda points, failed: None,
        on_flush: Callable[[], None] = lambda: None,
    ) -> None:
        self.study, self.directory = study, directory
        self.start, self.stop = start, stop
        self.world = world or Alone()
        self.attempt, self.retry_failed, self.until = attempt, retry_failed, until
        self.on_batch, self.on_done, self.on_flush = on_batch, on_done, on_flush
        self.batch = min(study.model.batch or 1, cap or BLOCK)
        self.stopping = False
        self._simulating = False
        self._host = socket.gethostname()
        self._rows = Rows(study.layout)
        self._written: list[Path] = []
        self._flushed_at = time.monotonic()
        schema = Schema(study.columns, study.layout, precision=study.file.outputs.precision)
        header = {"study": study.name, "model": study.model.name, "fingerprint": study.fingerprint}
        self._writer = ShardWriter(directory.shards, schema, header, stem=f"{start:09d}-{stop:09d}")
        self.context = Context(
            threads=study.file.resources.rank_threads if world else study.file.resources.threads,
            cache=cache_directory(),
            inputs={name: open_input(directory, name) for name in study.inputs},
            layout=study.all_outputs,
            communicator=self.world.communicator,
            progress=self._progress,
        )

    def interrupt(self) -> None:
        """Ask for a stop, from a signal handler: at once where a model computes, else after what is being written."""
        self.stopping = True
        if self._simulating:
            raise Interrupted("stopped")

    def run(self) -> None:
        """Simulate what is not finished, and write it.

        Raises
        ------
        Interrupted
            If asked to stop; what was finished is written.
        StorageError
            If it cannot be written; shards that were finished stay.
        """
        try:
            for indices in self._pending():
                if self.stopping:
                    raise Interrupted("stopped")
                self._run_batch(indices)
                self._flush_when_due()
                if self.world.told(self._late):
                    break
        finally:
            self._flush()
            if len(self._written) > 1:
                self._written = [merge(self._written, self.directory.shards, self._writer.stem)]

    def _late(self) -> bool:
        return self.until is not None and time.time() > self.until

    def _pending(self) -> Iterator[np.ndarray]:
        """Indices of unfinished points, in batches."""
        held = self.world.told(lambda: holdings(self.directory))
        # whole batches, where points are not missing
        block = self.batch * max(1, BLOCK // self.batch)
        for start in range(self.start, self.stop, block):
            stop = min(self.stop, start + block)
            indices = np.arange(start, stop)
            if held:
                indices = indices[~self.world.told(partial(self._finished, held, start, stop))]
            if len(indices):
                points = self.study.design.block(int(indices[0]), int(indices[-1]) + 1)
                self._offset, self._points = int(indices[0]), points
            for first in range(0, len(indices), self.batch):
                yield indices[first : first + self.batch]

    def _finished(self, held: list[Path], start: int, stop: int) -> np.ndarray:
        return finished(held, self.study.design.ids(start, stop), self.study.fingerprint, ok=self.retry_failed)

    def _run_batch(self, indices: np.ndarray) -> None:
        first, last = int(indices[0]), int(indices[-1]) + 1
        self.on_batch(first, last, len(indices))
        if len(indices) == last - first:
            points = self._points[first - self._offset : last - self._offset]
        else:
            points = self._points[indices - self._offset]
        failed = self._simulate(points)
        self.on_done(len(points), failed)

    def _simulate(self, points: Points) -> int:
        """Simulate a batch; where it fails, halve it until the guilty point is alone. Returns how many failed."""
        watch, elsewhere = Stopwatch(), Cost()
        self._simulating = True
        try:
            given = self.world.together(partial(simulate, self.study.model, self.study.model_layout, points, self.context))
            elsewhere = self._elsewhere(watch)
            if not self.world.first:
                return 0
            outputs = apply_stages(self.study, given, len(points), self.context)
        except (Interrupted, KeyboardInterrupt, SystemExit):
            raise
        except Exception as error:
            self._simulating = False
            if len(points) > 1:
                half = len(points) // 2
                return self._simulate(points[:half]) + self._simulate(points[half:])
            if self.world.first:
                self._rows.add_failed(points, FAILED, describe(error), watch.read() + elsewhere, self.attempt, self._host)
            return 1
        finally:
            self._simulating = False
        self._rows.add(points, outputs, watch.read() + elsewhere, self.attempt, self._host)
        return 0

    def _elsewhere(self, watch: Stopwatch) -> Cost:
        """What the other ranks took."""
        own = watch.read()
        cpu, memory = self.world.summed([own.cpu, own.peak_memory])
        return Cost(0.0, cpu - own.cpu, memory - own.peak_memory)

    def _progress(self, fraction: float) -> None:
        del fraction
        if self.stopping:
            raise Interrupted("stopped")

    def _flush_when_due(self) -> None:
        if len(self._rows) >= BLOCK:
            self._rows.move_to(self._writer)
        if time.monotonic() - self._flushed_at > FLUSH_SECONDS or self._writer.bytes + self._rows.bytes > FLUSH_BYTES:
            self._flush()

    def _flush(self) -> None:
        if not self.world.first:
            return
        self._rows.move_to(self._writer)
        path = self._writer.flush()
        if path is not None:
            self._written.append(path)
        self._flushed_at = time.monotonic()
        self.on_flush()


def apply_stages(study: Study, data: dict[str, Batch], n: int, context: Context) -> dict[str, Batch]:
    """Outputs of `n` points: the model's and each stage's; only those that are kept.

    Raises
    ------
    SimulationError
        If a stage gives other outputs than it declared.
    """
    every = with_stages(study.stages, study.all_outputs, data, n, context)
    return {name: every[name] for name in study.layout.outputs}


def with_stages(
    stages: Sequence[BoundStage], layout: Layout, data: Mapping[str, Batch], n: int, context: Context
) -> dict[str, Batch]:
    """Outputs of `n` points, and with them those that stages make of them, as the layout declares.

    Raises
    ------
    SimulationError
        If a stage gives other outputs than it declared.
    """
    data = dict(data)
    for bound in stages:
        options = {
            name: str(value).removeprefix(STUDY) if name in bound.stage.inputs else value for name, value in bound.options.items()
        }
        added = bound.stage.apply(data, options, context)
        for name, batch in added.items():
            data[name] = _checked(layout, name, batch, n, bound.stage.name)
    return data


def simulate(model: Model, layout: Layout, points: Points, context: Context) -> dict[str, Batch]:
    """The model's outputs as batches, checked against its declaration.

    Raises
    ------
    SimulationError
        If the point makes no sense, or the model gives other outputs than it declared.
    """
    rows = list(points)
    for point in rows:
        _sane(model, point)
    if model.batch is None:
        [point] = rows
        given = model.simulate(point, context)
        outputs = {name: [value] if layout[name].ragged else np.asarray(value)[np.newaxis] for name, value in given.items()}
    else:
        outputs = dict(model.simulate(points, context))
    for name in layout.outputs:
        if name not in outputs:
            raise SimulationError(f'{model.name} declares the output "{name}" but did not give it')
    return {name: _checked(layout, name, batch, len(points), model.name) for name, batch in outputs.items()}


def _sane(model: Model, point: Point) -> None:
    complaint = model.check(point.values)
    if complaint:
        raise SimulationError(complaint)


def _checked(layout: Layout, name: str, batch: Batch, n: int, maker: str) -> Batch:
    output = layout[name]
    if output.ragged:
        if len(batch) != n:
            raise SimulationError(f'{maker}: output "{name}" has {len(batch)} entries for {n} points')
        return [np.asarray(item, output.dtype) for item in batch]
    array = np.asarray(batch, output.dtype)
    if array.shape != (n, *layout.shape(name)):
        expected = ", ".join(f"{dim} {size}" for dim, size in zip(output.dims, layout.shape(name), strict=True)) or "one number"
        raise SimulationError(
            f'{maker}: output "{name}" has shape {array.shape[1:]} a point; declared: ({expected}) and {n} points, '
            f"found {array.shape[:1]}"
        )
    return array


def describe(error: Exception) -> str:
    """One line for the results; the traceback goes to the log."""
    traceback.print_exception(error)
    text = " ".join(str(error).split())
    return text if isinstance(error, HpcsimError) else f"{type(error).__name__}: {text}"


def open_input(directory: StudyDirectory, name: str) -> Table:
    """Results of another study, beside this one.

    Raises
    ------
    ResultsError
        If they are not there.
    """
    path = directory.beside(name).results
    if not path.exists():
        raise ResultsError(f"{directory.path} needs the results of the study {name}, but there is no {path}; run {name} first")
    return Table(path)
