"""Uniform draws: the baseline of every search."""

from __future__ import annotations

import numpy as np

from hpcsim.samplers.plugin import sampler
from hpcsim.samplers.sampler import Sampler


@sampler("uniform")
class Uniform(Sampler):
    """Independent draws within the bounds, whatever earlier ones gave."""

    stateless = True

    def _propose(self, n: int, first: int) -> np.ndarray:
        return np.array([self.anywhere(self.random(first + i)) for i in range(n)])

    def _learn(self, number: int | None, position: np.ndarray, objectives: np.ndarray) -> None:
        """Nothing to learn."""
