"""A search as a feed of tasks: the sampler's points run as those of every sweep, and it is told what they gave as they land."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection

from hpcsim.errors import Problem, ResultsError, StudyError
from hpcsim.scheduler.executor import Executor
from hpcsim.scheduler.plan import Plan
from hpcsim.scheduler.search.driver import SearchDriver
from hpcsim.study.directory import StudyDirectory
from hpcsim.study.study import Study

#: How often a point runs whose row is nowhere when its task is over.
_TRIES = 3


def check_search(study: Study, executor: Executor, *, retry_failed: bool = False) -> None:
    """Look whether an executor can run the points of a study, which may follow from each other.

    Parameters
    ----------
    study : Study
    executor : Executor
    retry_failed : bool
        Whether failed points are to run again.

    Raises
    ------
    StudyError
        If not.
    """
    if study.search is not None and not (executor.feeds or executor.drives):
        message = f"the executor {executor.name} takes no points that follow from others"
        raise StudyError([Problem("sampler", message, "use --on local, dask or slurm")], study.name)
    check_retry(study, retry_failed)


def check_retry(study: Study, retry_failed: bool) -> None:
    """Look whether failed points may run again.

    Raises
    ------
    StudyError
        If not.
    """
    if study.search is not None and retry_failed:
        problem = Problem("sampler", "failed points were told to the sampler, and are not tried again", "leave it out")
        raise StudyError([problem], study.name)


class SearchFeed:
    """Tasks of a search.

    Parameters
    ----------
    study : Study
        With a sampler; its design grows.
    directory : StudyDirectory
    """

    def __init__(self, study: Study, directory: StudyDirectory) -> None:
        self._driver, self._directory, self._replicates = SearchDriver(study, directory), directory, study.design.replicates
        self._tries: Counter[int] = Counter()
        self._queue: deque[tuple[int, int]] = deque()
        # what was finished and not told, and what was suggested and not finished
        self._put(self._driver.ingest(self._driver.pending))

    @property
    def plan(self) -> Plan:
        """What is done and what may come, for those who look on."""
        search = self._driver.search
        limit, spent = search.budget.evaluations, search.spent
        done = len(search.objectives) * self._replicates
        more = 0 if search.over else limit - spent.evaluations if limit is not None else 1
        return Plan(done + (len(search.pending) + more) * self._replicates, done, ())

    def take(self, seconds_per_point: float | None = None) -> tuple[int, int] | None:
        """The next task: points that were suggested before, else new ones."""
        if not self._queue:
            self._put(self._driver.suggest(self._driver.size))
        return self._queue.popleft() if self._queue else None

    def finished(self, start: int, stop: int) -> None:
        """Tell the sampler what the points of a task gave."""
        missing = self._driver.ingest(range(start // self._replicates, stop // self._replicates))
        self._tries.update(missing)
        if missing and max(self._tries[number] for number in missing) >= _TRIES:
            raise ResultsError(
                f"{self._directory.path}: point {missing[0]} of the search has no row after {_TRIES} tasks; "
                f"see {self._directory.logs}"
            )
        self._put(missing)

    def told(self) -> str:
        """How the search stands, in a sentence."""
        return self._driver.told()

    def _put(self, numbers: Collection[int]) -> None:
        size = self._driver.size * self._replicates
        for start, stop in self._driver.points(numbers):
            self._queue += [(first, min(first + size, stop)) for first in range(start, stop, size)]
