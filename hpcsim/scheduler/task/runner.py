"""Simulates a slice of a design and writes shards: the body of a task, and of the inline executor."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from hpcsim.collector.format.schema import FAILED, Schema
from hpcsim.collector.format.table import finished
from hpcsim.collector.shard import ShardWriter, merge
from hpcsim.collector.shard_name import may_hold, shard_stem
from hpcsim.errors import DirectoryError, HpcsimError, Interrupted, SimulationError
from hpcsim.models.model import Context
from hpcsim.models.returned import check_lengths, checked, returned
from hpcsim.models.simulation import simulate
from hpcsim.outputs import Batch, Layout
from hpcsim.paths import cache_directory
from hpcsim.scheduler.log.failure_log import FailureLog
from hpcsim.scheduler.log.task_log import printed
from hpcsim.scheduler.task.cost import Cost, Stopwatch
from hpcsim.scheduler.task.ranks import SerialWorld, World
from hpcsim.scheduler.task.rows import Rows
from hpcsim.scheduler.task.surroundings import Surroundings
from hpcsim.space.points import Points
from hpcsim.study.checked import BoundStage
from hpcsim.study.directory import StudyDirectory
from hpcsim.study.history import earlier_recipes, fingerprints
from hpcsim.study.recipe import digest
from hpcsim.study.study import Study

#: Seconds and bytes after which finished points are written to a shard; while it is made, three times the bytes are in memory.
FLUSH_SECONDS = 60.0
FLUSH_BYTES = 32 * 2**20
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
        The most points in a batch (fewer than the model would take, to find the failing point).
    attempt : int
        How often these points have been tried, with this time.
    retry_failed : bool
        Simulate failed points again.
    planned : bool
        Whether a plan of this very design found the points missing: it has looked at the shards of other designs.
    until : float, optional
        Seconds since 1970; no batch but the first begins later.
    on_batch : callable
        ``on_batch(first index, one past the last, points)`` when a batch begins.
    on_done : callable
        ``on_done(points, failed)`` when a batch is over.
    on_flush : callable
        When all that is done is safe in a shard.
    stop_asked : callable
        Whether a stop is asked for; looked at after each batch, where a model may have kept a signal away.
    failures : FailureLog, optional
        Where tracebacks go; standard error by default.
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
        planned: bool = False,
        until: float | None = None,
        on_batch: Callable[[int, int, int], None] = lambda first, last, points: None,
        on_done: Callable[[int, int], None] = lambda points, failed: None,
        on_flush: Callable[[], None] = lambda: None,
        stop_asked: Callable[[], bool] = lambda: False,
        failures: FailureLog | None = None,
    ) -> None:
        self.study, self.directory = study, directory
        self.start, self.stop = start, stop
        self.world = world or SerialWorld()
        self.attempt, self.retry_failed, self.planned, self.until = attempt, retry_failed, planned, until
        self.on_batch, self.on_done, self.on_flush, self.stop_asked = on_batch, on_done, on_flush, stop_asked
        self.failures = failures or FailureLog()
        self.batch = min(study.model.batch or 1, cap or BLOCK)
        self.stopping = False
        self._simulating = False
        self._host = socket.gethostname()
        self._recipes = fingerprints(study, directory)
        self._recipe = directory.recipe()
        self._rows = Rows(study.layout)
        self._written: list[Path] = []
        self._flushed_at = time.monotonic()
        schema = Schema(study.columns, study.layout, precision=study.file.outputs.precision)
        header = {"study": study.name, "model": study.model.name, "fingerprint": study.fingerprint}
        self._writer = ShardWriter(directory.shards, schema, header, stem=shard_stem(start, stop, study.design.digest))
        self.context = Context(
            threads=study.file.resources.rank_threads if world else study.file.resources.threads,
            cache=cache_directory(),
            inputs={name: directory.results_of(name) for name in study.inputs},
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
        self._surroundings = Surroundings()
        try:
            for indices in self._pending():
                if self.stopping or self.stop_asked():
                    raise Interrupted("stopped")
                self._run_batch(indices)
                self._flush_when_due()
                if self.world.broadcast(self._late):
                    break
        finally:
            self._flush()
            self._surroundings.close()
            self._written = self._merged()

    def _merged(self) -> list[Path]:
        """One shard of those that were written; one that a collector takes meanwhile is in the results."""
        while len(parts := [path for path in self._written if path.exists()]) > 1:
            try:
                return [merge(parts, self.directory.shards, self._writer.stem)]
            except (FileNotFoundError, HpcsimError):
                if all(path.exists() for path in parts):
                    raise
        return parts

    def _late(self) -> bool:
        return self.until is not None and time.time() > self.until

    def _pending(self) -> Iterator[np.ndarray]:
        """Indices of unfinished points, in batches."""
        held = self.world.broadcast(self._held)
        # whole batches, where points are not missing
        block = self.batch * max(1, BLOCK // self.batch)
        for start in range(self.start, self.stop, block):
            stop = min(self.stop, start + block)
            indices = np.arange(start, stop)
            if held:
                indices = indices[~self.world.broadcast(partial(self._finished, held, start, stop))]
            if len(indices):
                points = self.study.design.block(int(indices[0]), int(indices[-1]) + 1)
                self._offset, self._points = int(indices[0]), points
            for first in range(0, len(indices), self.batch):
                yield indices[first : first + self.batch]

    def _held(self) -> list[Path]:
        """Files that may hold these points; others stay closed, for a directory may hold the shards of thousands of tasks."""
        results, design, others = self.directory.results, self.study.design.digest, not self.planned
        return [
            path
            for path in self.directory.result_files()
            if path == results or may_hold(path, self.start, self.stop, design, others=others)
        ]

    def _finished(self, held: list[Path], start: int, stop: int) -> np.ndarray:
        return finished(held, self.study.design.ids(start, stop), self._recipes, ok=self.retry_failed)

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
        """Simulate a batch; where it fails, halve it until the failing point is alone. Returns how many failed."""
        watch, elsewhere, before = Stopwatch(), Cost(), printed()
        outputs: dict[str, Batch] = {}
        failure: BaseException | None = None
        self._simulating = True
        try:
            given = self.world.together(partial(simulate, self.study.model, self.study.model_layout, points, self.context))
            elsewhere = self._elsewhere(watch)
            if self.world.first:
                outputs = apply_stages(self.study, given, len(points), self.context)
        except BaseException as error:
            # SystemExit and KeyboardInterrupt, too: a real Ctrl-C sets `stopping`, and this one is the model's own
            failure = error
        finally:
            self._simulating = False
            self._surroundings.restore()
        if failure is None:
            if self.world.first:
                self._rows.add(points, outputs, watch.read() + elsewhere, self.attempt, self._host)
            return 0
        if self.stopping:
            raise Interrupted("stopped") from failure
        if len(points) > 1:
            # with it go the arrays that its traceback holds
            failure = None
            half = len(points) // 2
            return self._simulate(points[:half]) + self._simulate(points[half:])
        if self.world.first:
            reason = self.failures.add(points.ids[0], failure, before)
            self._rows.add_failed(points, FAILED, reason, watch.read() + elsewhere, self.attempt, self._host)
        return 1

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
        if len(self._rows) or self._writer.rows:
            self._check_home()
        self._rows.move_to(self._writer)
        path = self._writer.flush()
        if path is not None:
            self._written.append(path)
        self._flushed_at = time.monotonic()
        self.failures.count()
        self.on_flush()

    def _check_home(self) -> None:
        """Look whether the directory is still that of this study; somebody may have moved it away and made another.

        Raises
        ------
        DirectoryError
            If it is not, and what is finished cannot be written there.
        """
        now = self.directory.recipe()
        if now == self._recipe or digest(self._recipe) in {entry["fingerprint"] for entry in earlier_recipes(self.directory)}:
            return
        raise DirectoryError(
            f"{self.directory.path}: since this task began, the directory was moved away, or holds a study of another recipe; "
            f"what it had finished of points {self.start} to {self.stop} is not written there"
        )


def apply_stages(study: Study, data: dict[str, Batch], n: int, context: Context) -> dict[str, Batch]:
    """Outputs of `n` points: the model's and each stage's; only those that are kept.

    Raises
    ------
    SimulationError
        If a stage gives other outputs than it declared.
    """
    every = with_stages(study.stages, study.all_outputs, data, n, context)
    for name in study.layout.outputs:
        if name not in every:
            makers = ", ".join(bound.stage.name for bound in study.stages)
            raise SimulationError(f'no stage ({makers}) gave the output "{name}", which one of them declares')
    kept = {name: every[name] for name in study.layout.outputs}
    check_lengths(study.layout, kept)
    return kept


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
        names = {name: reference.name for name, reference in bound.references.items()}
        added = returned(bound.stage.name, bound.stage.apply(data, {**bound.options, **names}, context))
        for name, batch in added.items():
            data[name] = checked(layout, name, batch, n, bound.stage.name)
    return data
