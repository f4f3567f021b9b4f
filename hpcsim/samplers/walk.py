"""A random walk from accepted points: it moves where a step is accepted, and so explores all that is connected to its seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hpcsim.errors import Problem, StudyError, nearest
from hpcsim.samplers.plugin import sampler
from hpcsim.samplers.problem import SearchProblem
from hpcsim.samplers.sampler import Sampler
from hpcsim.space.parameter import Parameter

#: Draws of a step that are looked at together, and how often that is done before a walker is taken for stuck.
_DRAWS, _ATTEMPTS = 16, 256


@dataclass
class _Walker:
    """One walk: where it began, where it is, and the suggestion that it waits for."""

    seed: np.ndarray
    place: np.ndarray
    awaits: int | None = None
    steps: int = 0
    stuck: bool = False


@sampler(
    "walk",
    options=[
        Parameter("walkers", 1, bounds=(1, None), description="walks from each seed point, side by side"),
        Parameter("min_step", 0.02, bounds=(0, 1), description="shortest step, as a share of the ranges"),
        Parameter("max_step", 0.02, bounds=(0, 1), description="longest step"),
        Parameter("mode", "walk", choices=("walk", "expand", "aim"), description="expand: away from the seed; aim: to a target"),
        Parameter("accept", "cutoffs", choices=("cutoffs", "all"), description="all: every point that did not fail"),
    ],
    tables=("aim",),
)
class Walk(Sampler):
    """Steps of random direction in the unit cube from seed points; a step that is accepted is the next place.

    The walk of the In Silico Framework: a direction drawn from a sphere, a length between two bounds, drawn again until it
    stays inside the bounds (and leads away from the seed, or nearer to the aim).

    Parameters
    ----------
    problem, seed, start
        As of :class:`Sampler`; `start` are the seed points. Accepted points of other studies are seeds, too.
    walkers, min_step, max_step, mode, accept, aim
        See :func:`~hpcsim.samplers.plugin.get_sampler`; `aim` maps variables to the values to come near to.

    Raises
    ------
    StudyError
        Without cutoffs, without seed points, or with an aim that does not fit. Later, if a seed point fails its own cutoffs.
    """

    follows_cutoffs = True

    def __init__(
        self,
        problem: SearchProblem,
        seed: int = 0,
        start: Sequence[Mapping[str, Any]] = (),
        *,
        walkers: int = 1,
        min_step: float = 0.02,
        max_step: float = 0.02,
        mode: str = "walk",
        accept: str = "cutoffs",
        aim: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__(problem, seed, start)
        self.walkers, self.steps, self.mode, self.accept = walkers, (min_step, max_step), mode, accept
        problems = []
        if accept == "cutoffs" and not problem.cutoffs:
            hint = 'give cutoffs, or write accept = "all"'
            problems.append(Problem("sampler.cutoffs", "there is none, and a walk without would accept every point", hint))
        if not max_step > 0 or min_step > max_step:
            problems.append(
                Problem("sampler.max_step", f"found steps from {min_step:g} to {max_step:g}, expected a length above 0")
            )
        if (mode == "aim") != bool(aim):
            problems.append(Problem("sampler.aim", f'mode = "{mode}" and aim = {aim or "nothing"} do not go together'))
        unknown = [name for name in aim or {} if name not in problem.names]
        problems += [Problem(f"sampler.aim.{n}", "there is no such variable", nearest(n, problem.names)) for n in unknown]
        if problems:
            raise StudyError(problems, "sampler")
        self._aimed = np.array([name in (aim or {}) for name in problem.names])
        inside = [min(max(float((aim or {}).get(v.name, v.low)), v.low), v.high) for v in problem.variables]
        self._aim = problem.position(np.array([inside]))[0]
        self._seeds: list[np.ndarray] = []
        self._walks: list[_Walker] = []
        self._of: dict[int, _Walker] = {}

    @property
    def batch(self) -> int:
        """A step of each walk."""
        return max(1, len(self._walks))

    def _propose(self, n: int, first: int) -> np.ndarray:
        if not self.start_arrived:
            return self.start[:0]
        if not self._walks:
            if not self._seeds:
                raise StudyError(
                    [Problem("sampler.start", "there is no seed point", "a walk begins at an accepted point")], "sampler"
                )
            self._walks = [_Walker(seed, seed) for seed in self._seeds for _ in range(self.walkers)]
        steps: list[np.ndarray] = []
        # the walk that is furthest behind goes first, so that none is left
        idle = sorted((w for w in self._walks if w.awaits is None and not w.stuck), key=lambda walker: walker.steps)
        for walker in idle:
            if len(steps) == n:
                break
            number = first + len(steps)
            step = self._step(walker, self.random(number))
            if step is None:
                walker.stuck = True
                continue
            steps.append(step)
            walker.awaits, walker.steps = number, walker.steps + 1
            self._of[number] = walker
        return np.array(steps).reshape(-1, len(self.problem.names))

    def _learn(self, number: int | None, position: np.ndarray, objectives: np.ndarray) -> None:
        good = bool(np.isfinite(objectives).all())
        accepted = good if self.accept == "all" else bool(self.problem.accepted(objectives[None])[0])
        if number is not None and number < len(self.start) and not accepted:
            raise StudyError(
                [Problem(f"sampler.start[{number}]", self._complaint(objectives), "begin at another point")], "sampler"
            )
        if number is None or number < len(self.start):
            if accepted and not self._walks:
                self._seeds.append(position)
            return
        walker = self._of.pop(number)
        walker.awaits = None
        if accepted:
            walker.place = position

    def _step(self, walker: _Walker, random: np.random.Generator) -> np.ndarray | None:
        """The first draw that is allowed, or None."""
        low, high = self.steps
        for _ in range(_ATTEMPTS):
            direction = random.standard_normal((_DRAWS, len(self.problem.names)))
            length = low + (high - low) * random.random((_DRAWS, 1))
            places = walker.place + direction / np.linalg.norm(direction, axis=1, keepdims=True) * length
            allowed = ((places >= 0) & (places <= 1)).all(axis=1) & self.allowed(places)
            if self.mode == "expand":
                allowed &= _distance(places, walker.seed) > _distance(walker.place, walker.seed)
            elif self.mode == "aim":
                near = self._aimed
                allowed &= _distance(places[:, near], self._aim[near]) < _distance(walker.place[near], self._aim[near])
            if allowed.any():
                return np.asarray(places[int(allowed.argmax())])
        return None

    def _complaint(self, objectives: np.ndarray) -> str:
        if not np.isfinite(objectives).all():
            return "the seed point failed"
        over = zip(self.problem.objectives, objectives.tolist(), strict=True)
        cutoffs = self.problem.cutoffs
        words = [f"{name} is {value:g}, allowed {cutoffs[name]:g}" for name, value in over if value > cutoffs.get(name, np.inf)]
        return f"the seed point fails its own cutoffs: {'; '.join(words)}"


def _distance(places: np.ndarray, goal: np.ndarray) -> np.ndarray:
    return np.asarray(np.linalg.norm(places - goal, axis=-1))
