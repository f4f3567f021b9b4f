"""The design of a search: the points that were suggested so far, in their order. It only ever grows."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hpcsim.errors import DamagedError
from hpcsim.samplers.log import SearchLog
from hpcsim.space.design import Design
from hpcsim.space.space import Space

#: Points that are drawn to look at the shape of what a model gives.
_PROBED = 64


class SuggestedDesign(Design):
    """Points that a sampler suggested, as its log lists them.

    The replicate runs fastest. Point ``i`` never changes, however many follow it, so the digest does not tell how many there
    are; :attr:`extent` does.

    Parameters
    ----------
    space : Space
        Its drawn parameters are those that are searched.
    seed, replicates : int
    constraint : str
        That all points meet; may be empty.
    model : str
        As of :class:`~hpcsim.space.design.Design`.
    """

    def __init__(self, space: Space, seed: int = 0, replicates: int = 1, constraint: str = "", *, model: str) -> None:
        #: as many points as are needed to see what a model gives, of no other use
        self.probe = Design(space, "random", n=_PROBED, seed=seed, constraint=constraint or None, model=model)
        super().__init__(space, "random", n=1, seed=seed, replicates=replicates, model=model)
        self.method, self._length = "suggested", 0
        self._values = np.empty((0, len(self._drawn)))

    @property
    def extent(self) -> list[str | int]:
        """The digest, and how many points there are."""
        return [self.digest, len(self)]

    @property
    def names(self) -> tuple[str, ...]:
        """Parameters that are searched, in the order of the log's columns."""
        return tuple(self._drawn)

    def read(self, path: Path) -> None:
        """Take over the suggestions of a log; without a file, there are none.

        Raises
        ------
        DamagedError
            If the log is not as it was written, or of other parameters.
        """
        log = SearchLog(path)
        rows = [row for event in log.read(only="suggest") for row in event["suggest"]] if log.exists() else []
        try:
            self._take(np.array(rows, float).reshape(len(rows), len(self._drawn)))
        except ValueError as error:
            raise DamagedError(f"{path} suggests other parameters than {', '.join(self._drawn)}; move it away") from error

    def grow(self, rows: np.ndarray) -> None:
        """Add points, shape (n, parameters)."""
        self._take(np.concatenate([self._values, rows]))

    def _take(self, values: np.ndarray) -> None:
        # values first: another thread may look how many there are
        self._values = values
        self._length = len(values) * self.replicates

    def _samples(self, start: int, stop: int) -> dict[str, np.ndarray]:
        return {name: np.ascontiguousarray(self._values[start:stop, i]) for i, name in enumerate(self._drawn)}
