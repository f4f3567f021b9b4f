"""A generator in the shape of gest-api, as another package would bring it."""

from __future__ import annotations

import numpy as np

try:
    from gest_api import Generator
except ImportError:
    Generator = object


class Nearby(Generator):
    """Draws near the best that it was told; at most three at a time, and says so as gest-api wants it."""

    def __init__(self, vocs, seed=0):
        super().__init__(vocs)
        self.vocs, self.random, self.best = vocs, np.random.default_rng(seed), None

    def _validate_vocs(self, vocs):
        if not vocs.objectives:
            raise ValueError("no objective")

    def suggest(self, num_points):
        if num_points is not None and num_points > 3:
            raise ValueError("at most three")
        return [self.one() for _ in range(num_points or 3)]

    def one(self):
        point = {}
        for name, variable in self.vocs.variables.items():
            low, high = variable.domain
            centre = self.best[1][name] if self.best else (low + high) / 2
            point[name] = float(np.clip(centre + 0.2 * (high - low) * self.random.standard_normal(), low, high))
        return point

    def ingest(self, results):
        for result in results:
            value = max(result[name] for name in self.vocs.objectives)
            if np.isfinite(value) and (self.best is None or value < self.best[0]):
                self.best = (value, result)


class Batches(Nearby):
    """Ten points at a time, and no other number."""

    def suggest(self, num_points):
        if num_points is not None:
            raise ValueError("ten, or none")
        return [self.one() for _ in range(10)]


class Waiting(Nearby):
    """One point at a time; after four it waits until all of them are back."""

    def __init__(self, vocs, seed=0):
        super().__init__(vocs, seed)
        self.given = self.back = 0

    def suggest(self, num_points):
        if self.given == 4 and self.back < 4:
            return []
        if self.given == 4:
            self.given = self.back = 0
        self.given += 1
        return [self.one()]

    def ingest(self, results):
        super().ingest(results)
        self.back += len(results)
