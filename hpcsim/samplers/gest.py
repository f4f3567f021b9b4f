"""Any generator of gest-api as a sampler: those of Xopt, Optimas, libEnsemble."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np

from hpcsim.errors import Problem, StudyError
from hpcsim.inference.method import one_line
from hpcsim.samplers.plugin import sampler
from hpcsim.samplers.problem import SearchProblem
from hpcsim.samplers.sampler import ID, Sampler
from hpcsim.source.reference import find
from hpcsim.space.parameter import Parameter

#: How often it is asked again where the constraint forbids all that it suggests.
_ATTEMPTS = 1000


@sampler(
    "gest",
    options=[Parameter("generator", "", description="the class, as package.module:Name")],
    tables=("options",),
    engine="gest_api",
    extra="samplers",
    requires=("gest-api",),
)
class Gest(Sampler):
    """A generator of gest-api, made with the variables and objectives of the search.

    It is asked for one point at a time; where it gives no single ones, for as many as it likes, which wait here for their turn.
    Where it takes a ``seed``, it gets that of the search. It must follow from its options and the order of its calls, and a call
    that gives nothing must leave it as it was: a search that goes on calls it again, and stops where it suggests other points
    than before.
    """

    def __init__(
        self,
        problem: SearchProblem,
        seed: int = 0,
        start: Sequence[Mapping[str, Any]] = (),
        *,
        generator: str = "",
        options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(problem, seed, start)
        kind = find(generator, "generator", type, [Path.cwd()])
        if not isinstance(kind, type):
            raise StudyError([Problem("sampler.generator", f'found "{generator}", expected a class')], "sampler")
        seeded = {"seed": seed % 2**32} if "seed" in signature(kind).parameters else {}
        try:
            self.generator = kind(problem.vocs(), **{**seeded, **(options or {})})
        except (TypeError, ValueError) as error:
            raise StudyError(
                [Problem("sampler.generator", f"{generator} cannot be made: {one_line(error)}")], "sampler"
            ) from error
        #: what the generator gave, by our numbers
        self._given: dict[int, dict[str, Any]] = {}
        #: what it gave and nobody has suggested yet, with positions
        self._queue: list[tuple[dict[str, Any], np.ndarray]] = []

    def _propose(self, n: int, first: int) -> np.ndarray:
        while len(self._queue) < n and self._ask():
            pass
        taken, self._queue = self._queue[:n], self._queue[n:]
        self._given |= {number: point for number, (point, _) in enumerate(taken, first)}
        return np.array([position for _, position in taken]).reshape(len(taken), len(self.problem.names))

    def _ask(self) -> bool:
        """Queue what the generator gives next and the constraint allows; False where it gives nothing.

        It is asked in the same way however many points are wanted, so that the log of a search need not tell how many were.
        """
        for attempt in range(_ATTEMPTS):
            try:
                points = self.generator.suggest(1)
            except ValueError:
                # it says by this that it cannot give that many: as many as it likes, or it waits
                points = self.generator.suggest(None)
            if not points:
                self.moved = attempt > 0
                return False
            positions = self.problem.position(np.array([[point[name] for name in self.problem.names] for point in points], float))
            allowed = self.allowed(positions)
            # gest-api has no constraints that are known before: such a point has failed
            for k in np.flatnonzero(~allowed).tolist():
                self._tell(dict(points[k]), np.full(len(self.problem.objectives), np.nan))
            self._queue += [(dict(points[k]), positions[k]) for k in np.flatnonzero(allowed).tolist()]
            if allowed.any():
                return True
        raise StudyError([self._forbidden(_ATTEMPTS)], "sampler")

    def _learn(self, number: int | None, position: np.ndarray, objectives: np.ndarray) -> None:
        given = self._given.pop(number, {}) if number is not None else {}
        values = dict(zip(self.problem.names, self.problem.at(position[None])[0].tolist(), strict=True))
        self._tell({**values, **given}, objectives)

    def _tell(self, point: dict[str, Any], objectives: np.ndarray) -> None:
        row = {**point, **dict(zip(self.problem.objectives, objectives.tolist(), strict=True))}
        if not getattr(self.generator, "returns_id", False):
            row.pop(ID, None)
        self.generator.ingest([row])

    def finalize(self) -> None:
        """Close the generator."""
        self.generator.finalize()
