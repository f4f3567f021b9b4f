"""The rows that every way of storing gets: two parameters and 512 numbers that hardly shrink, 4 kB a point."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

SAMPLES, BLOCK = 512, 256


def blocks(n: int) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """First row, parameters (rows, 2) and signals (rows, 512) of each block."""
    rng = np.random.default_rng(1)
    for start in range(0, n, BLOCK):
        rows = min(BLOCK, n - start)
        yield start, rng.random((rows, 2)), rng.random((rows, SAMPLES))


def total(n: int) -> float:
    """Sum of all signals."""
    return float(sum(signals.sum() for _, _, signals in blocks(n)))
