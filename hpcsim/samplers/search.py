"""A search: a sampler with its log and its budget. It does not simulate: who drives it takes points and brings results."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hpcsim.errors import DirectoryError, Problem, ResultsError, StudyError
from hpcsim.inference.method import installed
from hpcsim.samplers.budget import Budget, Spent
from hpcsim.samplers.log import FORMAT, SearchLog
from hpcsim.samplers.plugin import SamplerPlugin
from hpcsim.samplers.problem import SearchProblem
from hpcsim.samplers.sampler import ID

#: In which order results are taken in: as they land, or as their points were suggested.
ORDERS = ("arrival", "suggestion")


@dataclass(frozen=True)
class SearchPlan:
    """What a search is: everything its suggestions follow from, but the order of arrival.

    Parameters
    ----------
    plugin : SamplerPlugin
    problem : SearchProblem
    seed : int
    start : sequence of mapping
        Points that are suggested first.
    options : mapping
        Of the sampler.
    order : str
        ``arrival``: results are taken in as they land, and their order is in the log. ``suggestion``: as their points were
        suggested, so that the search follows from its seed alone, however fast each point was.
    ahead : int
        With ``suggestion``, how many points are suggested before the first of them is back.
    observed : mapping of str to float or tuple of float
        Targets of objectives that follow from an observation, or that a posterior is of: of another one it is another search.
    definitions : mapping of str to str
        What each objective is, in words that change when it does.
    """

    plugin: SamplerPlugin
    problem: SearchProblem
    seed: int = 0
    start: Sequence[Mapping[str, Any]] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    order: str = "arrival"
    ahead: int = 16
    observed: Mapping[str, float | tuple[float, ...]] = field(default_factory=dict)
    definitions: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise StudyError([Problem("sampler.order", f"found {self.order!r}, allowed: {', '.join(ORDERS)}")], "sampler")
        if self.ahead < 1:
            raise StudyError([Problem("sampler.ahead", f"found {self.ahead}, expected at least 1")], "sampler")

    def described(self) -> dict[str, Any]:
        """Plain values by which another search is recognised."""
        told: dict[str, Any] = {
            "sampler": self.plugin.name,
            "version": self.plugin.version,
            "options": self.plugin.complete(self.options),
            "seed": self.seed,
            **self.problem.described(),
            "start": self.problem.rows(self.start).tolist() if self.start else [],
            "order": [self.order, self.ahead] if self.order == "suggestion" else [self.order],
        }
        if self.observed:
            told["observed"] = dict(self.observed)
        if self.definitions:
            told["definitions"] = dict(self.definitions)
        if self.plugin.kind.follows_cutoffs:
            told["cutoffs"] = dict(self.problem.cutoffs)
        return told


@dataclass(frozen=True)
class Suggestion:
    """A point to simulate: its number in the search, and the values of the variables."""

    number: int
    values: Mapping[str, float]


@dataclass(frozen=True)
class Result:
    """What a suggestion gave.

    Parameters
    ----------
    number : int
    objectives : mapping of str to float
        NaN, or missing, where the point failed.
    cpu : float
        Seconds.
    """

    number: int
    objectives: Mapping[str, float]
    cpu: float = 0.0


class Search:
    """A sampler with its log and its budget.

    What is returned is in the log before, and so is what is taken in: a search that is killed at any moment goes on with
    the same points.

    Parameters
    ----------
    plan : SearchPlan
    log : SearchLog
        Of this search, or of none yet.
    budget : Budget
    known : sequence of mapping
        Results of another study, values and objectives by name, with which a new search begins.
    clock : callable
        Seconds, of which differences count.
    ran : bool
        Whether points ran since the last event of the log, though no process drove the search: that time counts.

    Attributes
    ----------
    values : list of ndarray
        Of the suggestions, by number.
    objectives : dict of int to ndarray
        Of those that are back, in the order of their arrival.

    Raises
    ------
    DirectoryError
        If the log is another search's.
    StudyError
        If a limit needs cutoffs, and there are none.
    """

    def __init__(
        self,
        plan: SearchPlan,
        log: SearchLog,
        budget: Budget,
        known: Sequence[Mapping[str, Any]] = (),
        clock: Callable[[], float] = time.monotonic,
        *,
        ran: bool = False,
    ) -> None:
        budget.check(plan.problem.cutoffs)
        self.plan, self.budget, self._log, self._clock = plan, budget, log, clock
        self._sampler = plan.plugin(plan.problem, plan.seed, plan.start, plan.options)
        self.values: list[np.ndarray] = []
        self.objectives: dict[int, np.ndarray] = {}
        #: results that the sampler has been told
        self._told = 0
        self._cpu = self._wall = 0.0
        self._accepted = 0
        self._ended = False
        #: seconds since 1970 of the last event
        self._last: float | None = None
        self._replay() if log.exists() else self._begin(known)
        self._opened = clock() - (max(0.0, time.time() - self._last) if ran and self._last is not None else 0.0)

    # -- what a driver calls -------------------------------------------------------------------------

    def suggest(self, n: int) -> list[Suggestion]:
        """At most `n` new points; fewer, or none, where the sampler waits for results or the budget is used up."""
        if self.plan.order == "arrival":
            return self._made(min(n, self.budget.room(self.spent)))
        made: list[Suggestion] = []
        while len(made) < n and self.budget.room(self.spent):
            # the sampler is told exactly as much as at this point of every run, even where more has landed
            while self._told <= len(self.values) - self.plan.ahead:
                if not self._tell_next():
                    return made
            new = self._made(1)
            if not new and not self._tell_next():
                break
            made += new
        return made

    def ingest(self, results: Sequence[Result]) -> None:
        """Take in results.

        Raises
        ------
        ResultsError
            If a number was never suggested, or is back already.
        """
        for result in results:
            if result.number in self.objectives or not 0 <= result.number < len(self.values):
                raise ResultsError(f"found a result of suggestion {result.number}, which is not awaited")
        if not results:
            return
        names = self.plan.problem.objectives
        rows = [[result.number, [float(result.objectives.get(name, np.nan)) for name in names]] for result in results]
        cpu = sum(result.cpu for result in results)
        self._log.append({"ingest": rows, "cpu": cpu, **self._time()})
        self._learn(rows, cpu)

    @property
    def pending(self) -> list[Suggestion]:
        """Suggestions that are not back, in their order: where a search goes on, they are simulated first."""
        names = self.plan.problem.names
        return [
            Suggestion(number, dict(zip(names, values.tolist(), strict=True)))
            for number, values in enumerate(self.values)
            if number not in self.objectives
        ]

    @property
    def batch(self) -> int:
        """How many points the sampler suggests at a time, of itself."""
        return self._sampler.batch

    @property
    def spent(self) -> Spent:
        """What it has cost and found so far."""
        return Spent(len(self.values), self._cpu / 3600, self._time()["wall"] / 3600, self._accepted)

    @property
    def over(self) -> str:
        """Why no further point will be suggested, in words; nothing where some will."""
        return "the sampler has come to its end" if self._ended else self.budget.reached(self.spent)

    @property
    def accepted(self) -> list[int]:
        """Numbers of the points that pass all cutoffs, in the order of arrival."""
        if not self.objectives:
            return []
        passed = self.plan.problem.accepted(np.array(list(self.objectives.values())))
        return [number for number, good in zip(self.objectives, passed, strict=True) if good]

    # -- within ----------------------------------------------------------------------------------------

    def _time(self) -> dict[str, float]:
        """How long the search has run, and what time it is, both in seconds."""
        return {"wall": self._wall + self._clock() - self._opened, "at": round(time.time(), 3)}

    def _made(self, n: int) -> list[Suggestion]:
        points = self._sampler.suggest(n) if n > 0 else []
        # nothing suggested although nothing is awaited: there is nothing left to suggest
        self._ended = n > 0 and not points and self._told == len(self.values)
        if not points and not self._sampler.moved:
            return []
        names = self.plan.problem.names
        rows = [[point[name] for name in names] for point in points]
        wanted = {"wanted": n} if self._sampler.moved else {}
        self._log.append({"suggest": rows, **wanted, "told": self._told, **self._time()})
        self.values += [np.array(row) for row in rows]
        return [Suggestion(point[ID], {name: point[name] for name in names}) for point in points]

    def _learn(self, rows: Sequence[Sequence[Any]], cpu: float) -> None:
        width = len(self.plan.problem.objectives)
        values = np.array([[np.nan if f is None else f for f in row[1]] for row in rows], float).reshape(-1, width)
        values[~np.isfinite(values).all(axis=1)] = np.nan
        self._cpu += cpu
        self._accepted += int(self.plan.problem.accepted(values).sum())
        numbers = [int(row[0]) for row in rows]
        self.objectives |= dict(zip(numbers, values, strict=True))
        if self.plan.order == "arrival":
            self._tell(numbers)

    def _tell_next(self) -> bool:
        """Tell the sampler the next result in the order of suggestions, if it is there."""
        if self._told not in self.objectives:
            return False
        self._tell([self._told])
        return True

    def _tell(self, numbers: Sequence[int]) -> None:
        self._told += len(numbers)
        names = self.plan.problem.objectives
        self._sampler.ingest([{ID: n, **dict(zip(names, self.objectives[n].tolist(), strict=True))} for n in numbers])

    def _begin(self, known: Sequence[Mapping[str, Any]]) -> None:
        problem = self.plan.problem
        rows = [[values.tolist(), [row.get(n, np.nan) for n in problem.objectives]] for values, row in self._inside(known)]
        rows = rows[: self.plan.plugin.kind.most_known]
        versions = installed(self.plan.plugin.requires)
        self._log.append({"format": FORMAT, **self.plan.described(), "versions": versions}, *([{"known": rows}] if rows else []))
        self._know(rows)

    def _inside(self, known: Sequence[Mapping[str, Any]]) -> list[tuple[np.ndarray, Mapping[str, Any]]]:
        """Results of another study that bounds and constraint of this one allow."""
        names = self.plan.problem.names
        rows = [(np.array([float(row[name]) for name in names]), row) for row in known if all(name in row for name in names)]
        problem = self.plan.problem
        return [(values, row) for values, row in rows if problem.inside(values) and problem.allowed(values[None])[0]]

    def _know(self, rows: Sequence[Sequence[Any]]) -> None:
        problem = self.plan.problem
        names = (*problem.names, *problem.objectives)
        self._sampler.ingest([dict(zip(names, [*row[0], *row[1]], strict=True)) for row in rows])

    def _replay(self) -> None:
        events = list(self._log.read())
        self._recognise(events.pop(0))
        # the last one follows from all before it; where networks are trained, it does to the rounding of a processor alone
        checked = not self.plan.plugin.kind.infers
        last = max((number for number, event in enumerate(events) if "suggest" in event), default=0)
        for number, event in enumerate(events):
            self._wall, self._last = float(event.get("wall", self._wall)), event.get("at", self._last)
            if "suggest" in event:
                values = np.array(event["suggest"], float).reshape(-1, len(self.plan.problem.names))
                while self._told < event["told"] and self._tell_next():
                    pass
                try:
                    self._sampler.recall(values, event.get("wanted"), verify=checked and number == last)
                except ResultsError as error:
                    raise ResultsError(f"{self._log.path}: {error}") from error
                self.values += list(values)
            elif "ingest" in event:
                self._learn(event["ingest"], float(event["cpu"]))
            elif "known" in event:
                self._know(event["known"])

    def _recognise(self, held: Mapping[str, Any]) -> None:
        """Check that the log is this search's."""
        wanted = {"format": FORMAT, **self.plan.described()}
        if "definitions" not in held:
            # a log of before they were in it
            wanted.pop("definitions", None)
        there, now = _texts({key: held.get(key) for key in wanted}), _texts(wanted)
        if there != now:
            raise DirectoryError(
                f"{self._log.path} holds another search:\n"
                + "\n".join(f"  {key}: there {there[key]}, now {now[key]}" for key in wanted if there[key] != now[key])
                + "\nGive another directory with --dir, or move the old one away; `known` in [sampler] begins with its results"
            )


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    """Plain values as JSON compares them: 1 and 1.0 are one, a tuple is a list."""

    def plain(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: plain(item) for key, item in sorted(value.items())}
        if isinstance(value, (list, tuple)):
            return [plain(item) for item in value]
        return float(value) if isinstance(value, int) and not isinstance(value, bool) else value

    return {key: json.dumps(plain(value)) for key, value in values.items()}
