"""A check that authors of samplers can run on their own: that it keeps the contract, asynchronous or not."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hpcsim.errors import ResultsError, SimulationError
from hpcsim.samplers.budget import Budget
from hpcsim.samplers.log import SearchLog
from hpcsim.samplers.plugin import SamplerPlugin, get_sampler
from hpcsim.samplers.problem import SearchProblem, Variable
from hpcsim.samplers.search import Result, Search, SearchPlan

#: Results that are on their way at the same time.
_SIDE_BY_SIDE = 5
_VARIABLES = (Variable("a", -1.0, 1.0), Variable("b", 0.1, 10.0, log=True), Variable("c", 2.0, 3.0))
_CENTRE = {"a": 0.25, "b": 1.0, "c": 2.5}

Evaluate = Callable[[int, Mapping[str, float]], Mapping[str, float]]


def check_sampler(
    sampler: str | SamplerPlugin,
    options: Mapping[str, Any] | None = None,
    *,
    objectives: int = 2,
    evaluations: int = 60,
    start: Sequence[Mapping[str, float]] = (),
) -> SearchPlan:
    """Search a cheap function in many ways and check every promise of a sampler.

    Suggestions lie within the bounds; they follow from the seed and the order of arrival; a search that goes on after a
    kill at any moment makes the points of the uninterrupted one; with ``order = "suggestion"`` the speed of a point does not
    matter; failed points, a batch in which all failed, and results from elsewhere are taken; budgets hold exactly; a constraint
    of the study holds for all points.

    Parameters
    ----------
    sampler : str or SamplerPlugin
    options : mapping, optional
        Of the sampler; those of a small population make the check fast.
    objectives : int
    evaluations : int
        Of each search.
    start : sequence of mapping
        Start points, with values of ``a`` (-1 to 1), ``b`` (0.1 to 10) and ``c`` (2 to 3).

    Returns
    -------
    SearchPlan
        What was searched, for further checks.

    Raises
    ------
    SimulationError
        With the first promise that is broken.

    Examples
    --------
    >>> from hpcsim.testing import check_sampler
    >>> check_sampler("uniform", evaluations=20).problem.names
    ('a', 'b', 'c')
    """
    plugin = get_sampler(sampler) if isinstance(sampler, str) else sampler
    names = tuple(f"f{k}" for k in range(objectives))
    problem = SearchProblem(_VARIABLES, names, dict.fromkeys(names, 100.0))
    plan = SearchPlan(plugin, problem, 7, start, options or {})
    with tempfile.TemporaryDirectory(prefix="hpcsim-check-") as folder:
        bench = _Bench(plan, Path(folder), evaluations)
        bench.check_points()
        bench.check_seed()
        bench.check_going_on()
        bench.check_order()
        bench.check_failures()
        bench.check_known()
        bench.check_constraint()
        bench.check_numbers()
    return plan


class _Bench:
    """Searches of one plan, each in a file of its own."""

    def __init__(self, plan: SearchPlan, folder: Path, evaluations: int) -> None:
        self.plan, self.folder, self.evaluations = plan, folder, evaluations
        self._files = 0

    def log(self) -> SearchLog:
        self._files += 1
        return SearchLog(self.folder / f"{self._files}.jsonl", durable=False)

    def search(self, plan: SearchPlan, log: SearchLog, n: int | None = None, **more: Any) -> Search:
        return Search(plan, log, Budget(evaluations=n or self.evaluations), clock=lambda: 0.0, **more)

    def run(
        self, search: Search, evaluate: Evaluate | None = None, order: int = 3, stop: int | None = None, side: int = _SIDE_BY_SIDE
    ) -> list[int]:
        """Drive a search; the order of arrival is random, and that of the same number the same. Returns it."""
        waiting, arrived = list(search.pending), list[int]()
        while stop is None or len(search.objectives) < stop:
            waiting += search.suggest(side - len(waiting))
            if not waiting:
                break
            # follows from how many are back, so that a search that goes on draws as if it had not stopped
            random = np.random.default_rng([order, len(search.objectives)])
            point = waiting.pop(int(random.integers(len(waiting))))
            arrived.append(point.number)
            search.ingest([Result(point.number, (evaluate or self.evaluate)(point.number, point.values), 1.0)])
        return arrived

    def evaluate(self, number: int, values: Mapping[str, float]) -> dict[str, float]:
        position = self.plan.problem.position(np.array([[values[name] for name in self.plan.problem.names]]))[0]
        centre = self.plan.problem.position(np.array([[_CENTRE[name] for name in self.plan.problem.names]]))[0]
        goals = [
            centre + 0.2 * k / max(1, len(self.plan.problem.objectives) - 1) for k in range(len(self.plan.problem.objectives))
        ]
        distances = [float(((position - goal) ** 2).sum()) for goal in goals]
        return dict(zip(self.plan.problem.objectives, distances, strict=True))

    def fail(self, promise: str) -> SimulationError:
        return SimulationError(f"{self.plan.plugin.name}: {promise}")

    def same(self, one: Search, other: Search, n: int | None = None) -> bool:
        first, second = one.values[:n], other.values[:n]
        return len(first) == len(second) and all(map(np.array_equal, first, second))

    def check_points(self) -> None:
        search = self.search(self.plan, self.log())
        self.run(search)
        made = np.array(search.values)
        if not np.isfinite(made).all() or not self.plan.problem.inside(made).all():
            raise self.fail("a suggestion lies outside of the bounds")
        if len(made) > self.evaluations or (len(made) < self.evaluations and not search.over):
            raise self.fail(f"found {len(made)} points, the budget is {self.evaluations}")
        if search.suggest(1):
            raise self.fail("a point is suggested after the end of the budget")

    def check_seed(self) -> None:
        one, other = self.search(self.plan, self.log()), self.search(self.plan, self.log())
        self.run(one)
        self.run(other)
        if not self.same(one, other):
            raise self.fail("the same seed and the same order of arrival give other suggestions")
        different = self.search(replace(self.plan, seed=8), self.log())
        self.run(different)
        if self.same(one, different):
            raise self.fail("another seed gives the same suggestions")

    def check_going_on(self) -> None:
        """A search that is stopped, with half a line at the end of its log, against one that is not."""
        whole, log = self.search(self.plan, self.log()), self.log()
        self.run(whole)
        for stop in (1, 2, self.evaluations // 3, self.evaluations - 1, self.evaluations):
            self.run(self.search(self.plan, log), stop=stop)
            with open(log.path, "ab") as file:
                file.write(b'{"suggest": [[0.1, ')
        part = self.search(self.plan, log)
        self.run(part)
        if not self.same(whole, part) or list(whole.objectives) != list(part.objectives):
            raise self.fail("a search that was stopped and went on has other points than the uninterrupted one")
        log = self.log()
        self.run(self.search(self.plan, log, self.evaluations // 2))
        raised = self.search(self.plan, log)
        self.run(raised)
        if len(raised.values) < self.evaluations and not raised.over:
            raise self.fail("a budget that was raised is not used")

    def check_order(self) -> None:
        plan = replace(self.plan, order="suggestion", ahead=_SIDE_BY_SIDE + 2)
        searches = [self.search(plan, self.log()) for _ in range(3)]
        for number, search in enumerate(searches):
            self.run(search, order=number, side=_SIDE_BY_SIDE - number)
        if not all(self.same(searches[0], search) for search in searches):
            raise self.fail('with order = "suggestion" another order of arrival gives other suggestions')

    def check_failures(self) -> None:
        """Every third point fails; all of the first batch; all."""
        begun = len(self.plan.start)
        for failing in (
            lambda number: number % 3 == 1,
            lambda number: number < begun + self.evaluations // 2,
            lambda number: True,
        ):

            def evaluate(
                number: int, values: Mapping[str, float], failing: Callable[[int], bool] = failing
            ) -> Mapping[str, float]:
                # seed points of a walk have to be good
                fails = failing(number) and number >= begun
                return {name: np.nan for name in self.plan.problem.objectives} if fails else self.evaluate(number, values)

            log = self.log()
            search = self.search(self.plan, log)
            self.run(search, evaluate)
            if len(search.values) < self.evaluations and not search.over:
                raise self.fail("it stops where points fail")
            if not self.same(search, self.search(self.plan, log)):
                raise self.fail("a search with failed points does not go on")

    def check_known(self) -> None:
        random = np.random.default_rng(1)
        values = self.plan.problem.at(random.random((12, len(self.plan.problem.names))))
        rows = [dict(zip(self.plan.problem.names, row.tolist(), strict=True)) for row in values]
        known = [{**row, **self.evaluate(-1, row)} for row in rows]
        log = self.log()
        search = self.search(self.plan, log, known=known)
        self.run(search)
        if not self.same(search, self.search(self.plan, log)):
            raise self.fail("a search that began with results from elsewhere does not go on")

    def check_constraint(self) -> None:
        """A corner and a curved edge are forbidden."""
        problem = replace(self.plan.problem, constraint="a < 0.7 or c * least < b", constants={"least": 2.0})
        plan, log = replace(self.plan, problem=problem), self.log()
        whole = self.search(plan, self.log())
        self.run(whole)
        made = np.array(whole.values)
        if not problem.allowed(made).all():
            raise self.fail("a suggestion breaks the constraint")
        if len(made) < self.evaluations and not whole.over:
            raise self.fail("it stops where there is a constraint")
        self.run(self.search(plan, log), stop=self.evaluations // 2)
        part = self.search(plan, log)
        self.run(part)
        if not self.same(whole, part):
            raise self.fail("a search with a constraint does not go on")

    def check_numbers(self) -> None:
        made = self.plan.plugin(self.plan.problem, 7, self.plan.start, self.plan.options)
        point = made.suggest(1)[0]
        results = {"_id": point["_id"], **self.evaluate(0, point)}
        made.ingest([results])
        for wrong in (results, {**results, "_id": 10_000}):
            try:
                made.ingest([wrong])
            except ResultsError:
                continue
            raise self.fail(f"a result of suggestion {wrong['_id']}, which is not awaited, is taken")
