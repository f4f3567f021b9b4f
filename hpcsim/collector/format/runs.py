"""Runs of neighbours that are chosen, as a start and a stop each."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def runs(mask: np.ndarray) -> Iterator[tuple[int, int]]:
    """Start and stop of each run of True.

    Examples
    --------
    >>> import numpy as np
    >>> list(runs(np.array([True, True, False, True])))
    [(0, 2), (3, 4)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return ((int(start), int(stop)) for start, stop in zip(edges[::2], edges[1::2], strict=True))
