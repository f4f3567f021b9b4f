"""Rows of the results for torch, read when they are wanted. Imports torch: import it where it is used."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from hpcsim.collector.format.table import Table

Pair = tuple[torch.Tensor, torch.Tensor]
#: An output, whole or some places of it.
Chosen = tuple[str, tuple[int, ...] | None]


class Stream(Dataset[Pair]):  # type: ignore[misc]  # torch is not followed by mypy
    """Pairs (parameters, outputs) of some points.

    Parameters
    ----------
    path : Path
        The results.
    rows : ndarray of int, shape (n,)
        Which points, in this order.
    parameters : tuple of str
        Columns of numbers.
    outputs : tuple of (str, tuple of int or None)
        Of numbers, each whole or some places of it.
    """

    def __init__(self, path: Path, rows: np.ndarray, parameters: tuple[str, ...], outputs: tuple[Chosen, ...]) -> None:
        self.path = path
        self.rows = rows
        self.parameters = parameters
        self.outputs = outputs
        self._open: tuple[int, Table] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Pair:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Pair]:
        """Several pairs at once; each block of the file is read once."""
        rows = self.rows[np.asarray(indices)]
        theta = self._read([self._column(name, rows).reshape(len(rows), -1) for name in self.parameters])
        x = self._read([self._part(name, places, rows) for name, places in self.outputs])
        return list(zip(theta, x, strict=True))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": None}

    @property
    def _table(self) -> Table:
        # a file that was opened before a fork must not be read after it
        if self._open is None or self._open[0] != os.getpid():
            self._open = (os.getpid(), Table(self.path))
        return self._open[1]

    def _read(self, columns: list[np.ndarray]) -> torch.Tensor:
        if len(columns) != 1:
            columns = [np.concatenate([column.reshape(len(column), -1) for column in columns], axis=1)]
        return torch.from_numpy(columns[0])

    def _part(self, name: str, places: tuple[int, ...] | None, rows: np.ndarray) -> np.ndarray:
        values = self._column(name, rows)
        return values if places is None else values.reshape(len(rows), -1)[:, list(places)]

    def _column(self, name: str, rows: np.ndarray) -> np.ndarray:
        table = self._table
        dataset = table.dataset(name)
        values = np.empty((len(rows), *dataset.shape[1:]), np.float32)
        order = np.argsort(rows, kind="stable")
        blocks = rows[order] // table.block
        for part in np.split(order, np.flatnonzero(np.diff(blocks)) + 1):
            first, last = rows[part[0]], rows[part[-1]] + 1
            values[part] = dataset[first:last][rows[part] - first]
        return values
