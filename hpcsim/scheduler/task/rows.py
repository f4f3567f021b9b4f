"""Finished points between their simulation and their shard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hpcsim.collector.format.schema import OK
from hpcsim.collector.shard import ShardWriter
from hpcsim.outputs import Batch, Layout
from hpcsim.scheduler.task.cost import Cost
from hpcsim.space.points import Points


class Rows:
    """Finished points that wait to be handed to the writer; many small batches become one large one."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._clear()

    def _clear(self) -> None:
        self._points: list[Points] = []
        self._records: dict[str, list[Any]] = {
            name: [] for name in ("status", "error", "attempts", "wall_time", "cpu_time", "peak_memory", "host")
        }
        self._outputs: dict[str, list[Batch]] = {name: [] for name in self._layout.outputs}
        self._n = 0
        self.bytes = 0

    def __len__(self) -> int:
        return self._n

    def add(self, points: Points, outputs: Mapping[str, Batch], cost: Cost, attempt: int, host: str) -> None:
        """Points that succeeded."""
        self._keep(outputs)
        self._record(points, OK, "", cost, attempt, host)

    def add_failed(self, points: Points, status: int, error: str, cost: Cost, attempt: int, host: str) -> None:
        """Points that failed: a reason and blank outputs."""
        self._keep({name: self._layout.blank(name, len(points)) for name in self._outputs})
        self._record(points, status, error, cost, attempt, host)

    def _keep(self, outputs: Mapping[str, Batch]) -> None:
        for name, parts in self._outputs.items():
            batch = outputs[name]
            parts.append(batch)
            self.bytes += batch.nbytes if isinstance(batch, np.ndarray) else sum(item.nbytes for item in batch)

    def _record(self, points: Points, status: int, error: str, cost: Cost, attempt: int, host: str) -> None:
        n = len(points)
        self._n += n
        self._points.append(points)
        # a batch's cost is shared equally
        row = (status, error, attempt, cost.wall / n, cost.cpu / n, cost.peak_memory, host)
        for values, value in zip(self._records.values(), row, strict=True):
            values.extend([value] * n)

    def move_to(self, writer: ShardWriter) -> None:
        """Hand everything to the writer."""
        if not self._n:
            return
        records: dict[str, Any] = {
            "id": np.array([id for points in self._points for id in points.ids], "S32"),
            "replicate": np.concatenate([points.replicates for points in self._points]),
            "seed": np.concatenate([points.seeds for points in self._points]),
            **{name: np.array(values) for name, values in self._records.items()},
        }
        names = self._points[0].columns
        parameters = {name: np.concatenate([points.columns[name] for points in self._points]) for name in names}
        outputs = {name: _join(parts) for name, parts in self._outputs.items()}
        self._clear()
        writer.append(records, parameters, outputs)


def _join(parts: Sequence[Batch]) -> Batch:
    arrays = [part for part in parts if isinstance(part, np.ndarray)]
    if len(arrays) == len(parts):
        return np.concatenate(arrays)
    ragged: list[np.ndarray] = [item for part in parts for item in part]
    return ragged
