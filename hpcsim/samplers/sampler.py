"""What a sampler is: it suggests points, and ingests what they gave, in the shape of a generator of gest-api."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from hpcsim.errors import PluginError, Problem, ResultsError, StudyError
from hpcsim.samplers.problem import DECIMALS, SearchProblem

#: Key of a suggestion's number, as gest-api names it.
ID = "_id"
#: How often a point that was suggested before is drawn again: it would cost an evaluation and tell nothing.
_DRAWS = 100
#: How often a point, or a whole generation, that the constraint forbids is drawn again.
_ATTEMPTS, _GENERATIONS = 10_000, 1000


class Sampler(ABC):
    """Suggests points and learns from results, whenever and in whatever order they arrive.

    What it suggests follows from the seed, the start points, and the order of its calls. Nothing else is remembered, so
    a search goes on from the list of these calls; see :class:`~hpcsim.samplers.search.Search`.

    An own sampler overrides :meth:`_propose` and :meth:`_learn`, and passes :func:`hpcsim.testing.check_sampler`.

    Parameters
    ----------
    problem : SearchProblem
    seed : int
    start : sequence of mapping
        Points that are suggested first, a mapping from variables to values each.

    Raises
    ------
    StudyError
        If a start point lies outside of the bounds.
    """

    #: as gest-api has it: suggestions carry a number under the key ``_id``
    returns_id: ClassVar[bool] = True
    #: whether a suggestion follows from the results alone: those of a log are then taken over without making them again
    stateless: bool = False
    #: whether suggestions depend on the cutoffs; where they do not, cutoffs may change while a search goes on
    follows_cutoffs: ClassVar[bool] = False
    #: whether it learns how parameters and features go together: it is told features with the sign of their distance from
    #: the observation, and learns from its own draws of the prior alone; what it suggests follows from a training, which
    #: another processor rounds in another way, so a search that goes on takes the points of its log as they are
    infers: ClassVar[bool] = False
    #: how many points of another study a search begins with, at most
    most_known: ClassVar[int | None] = None

    def __init__(self, problem: SearchProblem, seed: int = 0, start: Sequence[Mapping[str, Any]] = ()) -> None:
        self.problem = problem
        self.seed = seed
        self.start = problem.position(problem.rows(start)) if len(start) else np.empty((0, len(problem.names)))
        #: positions of all suggestions, by number
        self.positions: list[np.ndarray] = []
        self._values: list[np.ndarray] = []
        self._arrived: set[int] = set()
        self._seen: set[bytes] = set()
        self._start_values = problem.rows(start) if len(start) else self.start
        #: whether the last call of :meth:`suggest` gave fewer points than wanted and changed more than these tell: the log
        #: then has how many were wanted
        self.moved = False

    # -- the contract ------------------------------------------------------------------------------

    def suggest(self, num_points: int | None = None) -> list[dict[str, Any]]:
        """The next points.

        Parameters
        ----------
        num_points : int, optional
            How many at most; as many as fit the sampler by default.

        Returns
        -------
        list of dict
            Values by name, and a number under ``_id``. Fewer than asked for, or none, where the sampler waits for
            results; none where nothing is awaited means that it has come to its end.
        """
        self.moved = False
        wanted = self.batch if num_points is None else num_points
        first = len(self.positions)
        values = self._start_values[first : first + wanted]
        if len(values) < wanted and first + len(values) >= len(self.start):
            made = self._propose(wanted - len(values), first + len(values))
            values = np.concatenate([values, self.problem.at(made)]) if len(made) else values
        if not self.problem.allowed(values).all():
            raise PluginError(
                f"{type(self).__name__} suggests a point that the constraint {self.problem.constraint} forbids; draw it again "
                "until self.allowed(positions) holds"
            )
        return self._remember(values)

    def ingest(self, results: Sequence[Mapping[str, Any]]) -> None:
        """Learn from results.

        Parameters
        ----------
        results : sequence of mapping
            Objectives by name; of suggestions with their ``_id``, of other points with the values of all variables.
            An objective that is missing or not finite means that the point failed.

        Raises
        ------
        ResultsError
            If a number was never suggested, or has arrived before.
        """
        for result in results:
            number = result.get(ID)
            objectives = np.array([_number(result.get(name)) for name in self.problem.objectives])
            if not np.isfinite(objectives).all():
                objectives = np.full(len(objectives), np.nan)
            if number is None:
                self._learn(None, self.problem.position(self.problem.rows([result]))[0], objectives)
                continue
            if not 0 <= number < len(self.positions):
                raise ResultsError(f"there is no suggestion {number}: {len(self.positions)} have been made")
            if number in self._arrived:
                raise ResultsError(f"suggestion {number} has arrived before")
            self._arrived.add(number)
            self._learn(number, self.positions[number], objectives)

    def recall(self, values: np.ndarray, wanted: int | None = None, *, verify: bool = True) -> None:
        """Take the points of a log as the next suggestions.

        Parameters
        ----------
        values : ndarray, shape (n, variables)
        wanted : int, optional
            How many points were asked for, where that matters; as many as there are by default.
        verify : bool
            Whether to see that this sampler suggests the same; one that has a state must suggest them again in any case.

        Raises
        ------
        ResultsError
            If this sampler would have suggested others.
        """
        if self.stateless and not verify:
            self._remember(values)
            return
        first, made, names = len(self.positions), self.suggest(wanted or len(values)), self.problem.names
        again = np.array([[point[name] for name in names] for point in made], float).reshape(len(made), len(names))
        # a processor may round the last bits of a logarithm in another way; the log's are those that were simulated
        if again.shape != values.shape or not np.allclose(again, values, rtol=1e-9, atol=0):
            raise ResultsError(
                f"suggestion {first}: this sampler suggests other points than those of the log; "
                "it was written by another version, or the sampler does not follow from its seed"
            )
        self._values[first:] = list(values)
        self.positions[first:] = list(self.problem.position(values))

    @property
    def batch(self) -> int:
        """How many points are suggested when nobody says how many."""
        return 1

    def finalize(self) -> None:  # noqa: B027
        """Close what is open, as gest-api asks for it: nothing, unless a sampler says otherwise."""

    # -- for own samplers --------------------------------------------------------------------------

    @abstractmethod
    def _propose(self, n: int, first: int) -> np.ndarray:
        """Positions of at most `n` new points, the first of which gets the number `first`; shape (m, variables)."""

    @abstractmethod
    def _learn(self, number: int | None, position: np.ndarray, objectives: np.ndarray) -> None:
        """Take in a result; `number` is None for a point that was not suggested, `objectives` are all NaN where it failed."""

    @property
    def start_arrived(self) -> bool:
        """Whether the results of all start points are there."""
        return all(number in self._arrived for number in range(len(self.start)))

    def random(self, number: int) -> np.random.Generator:
        """A generator of its own for each suggestion: there is no state of it to store."""
        return np.random.default_rng([self.seed, number])

    def allowed(self, positions: np.ndarray) -> np.ndarray:
        """Which positions the constraint of the study allows, shape (n,); none else is ever suggested."""
        return self.problem.allowed(self.problem.at(positions)) if self.problem.constraint else np.ones(len(positions), bool)

    def fresh(self, draw: Callable[[], np.ndarray], others: Collection[bytes] = ()) -> np.ndarray:
        """The first draw that is allowed and was not suggested before, nor is among `others`; an old one where none is found.

        Parameters
        ----------
        draw : callable
            Gives a position.
        others : collection of bytes
            What this method gave and nobody has suggested yet, as ``position.tobytes()``.

        Raises
        ------
        StudyError
            If the constraint forbids all draws.
        """
        for attempt in range(_ATTEMPTS):
            position = np.round(np.clip(draw(), 0.0, 1.0), DECIMALS)
            old = position.tobytes() in self._seen or position.tobytes() in others
            if self.allowed(position[None])[0] and (not old or attempt >= _DRAWS - 1):
                return position
        raise StudyError([self._forbidden(_ATTEMPTS)], "sampler")

    def anywhere(self, random: np.random.Generator) -> np.ndarray:
        """A uniform draw that the constraint allows, shape (variables,)."""
        return np.asarray(self.fresh(lambda: random.random(len(self.problem.names))))

    def _forbidden(self, n: int) -> Problem:
        found = f"{self.problem.constraint} forbids each of {n:,} draws"
        return Problem("design.constraint", found, "widen it, or begin at points that it allows: [[sampler.start]]")

    def _remember(self, values: np.ndarray) -> list[dict[str, Any]]:
        first = len(self.positions)
        self._values += list(values)
        positions = self.problem.position(values)
        self.positions += list(positions)
        self._seen.update(position.tobytes() for position in positions)
        names = self.problem.names
        return [{**dict(zip(names, row.tolist(), strict=True)), ID: first + i} for i, row in enumerate(values)]


class Generational(Sampler):
    """A sampler with generations: the next one is made when all of the last one have arrived.

    Within a generation the order of arrival does not matter. What a constraint forbids counts as failed, and is not simulated.
    """

    def __init__(self, problem: SearchProblem, seed: int = 0, start: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__(problem, seed, start)
        self._first = 0
        self._generation = np.empty((0, len(problem.names)))
        #: rows of it that are suggested
        self._chosen = np.empty(0, int)
        self._results: dict[int, np.ndarray] = {}
        self._known: list[tuple[np.ndarray, np.ndarray]] = []

    def _propose(self, n: int, first: int) -> np.ndarray:
        if first == self._first + len(self._chosen) or not len(self._generation):
            if len(self._results) < len(self._chosen) or not self.start_arrived:
                return self.start[:0]
            self._advance(first)
        return np.asarray(self._generation[self._chosen][first - self._first :][:n])

    def _advance(self, first: int) -> None:
        """The next generation, of which the constraint allows some."""
        for attempt in range(_GENERATIONS):
            if len(self._generation):
                # what the constraint forbids is not simulated, and counts as failed
                objectives = np.full((len(self._generation), len(self.problem.objectives)), np.nan)
                for number, row in enumerate(self._chosen.tolist(), self._first):
                    objectives[row] = self._results[number]
                self._select(self._generation, objectives)
            random = np.random.default_rng([self.seed, first, attempt]) if attempt else self.random(first)
            self._generation = np.round(np.clip(self._next(random), 0, 1), DECIMALS)
            self._chosen = np.flatnonzero(self.allowed(self._generation))
            self._first, self._results = first, {}
            if len(self._chosen):
                return
        raise StudyError([self._forbidden(_GENERATIONS * len(self._generation))], "sampler")

    def _learn(self, number: int | None, position: np.ndarray, objectives: np.ndarray) -> None:
        if number is not None and number >= self._first and len(self._generation):
            self._results[number] = objectives
        elif np.isfinite(objectives).all():
            self._known.append((position, objectives))

    def take_known(self) -> tuple[np.ndarray, np.ndarray]:
        """Points that are known from elsewhere and did not fail, each once: positions and objectives."""
        known, self._known = self._known, []
        shape = (len(known), -1)
        if not known:
            return self.start[:0], np.empty((0, len(self.problem.objectives)))
        return np.array([x for x, _ in known]).reshape(shape), np.array([f for _, f in known]).reshape(shape)

    @abstractmethod
    def _next(self, random: np.random.Generator) -> np.ndarray:
        """Positions of the next generation, at least one; shape (n, variables)."""

    @abstractmethod
    def _select(self, positions: np.ndarray, objectives: np.ndarray) -> None:
        """Take in a whole generation; NaN where a point failed."""


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")
