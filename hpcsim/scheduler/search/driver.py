"""Drives a search: takes in what has landed in shards and results, and asks the sampler for more points."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from hpcsim.collector.format.ids import Ids
from hpcsim.collector.format.table import Table
from hpcsim.collector.shard_name import may_hold
from hpcsim.errors import HpcsimError
from hpcsim.lock import hold
from hpcsim.samplers.design import SuggestedDesign
from hpcsim.samplers.objectives import scores
from hpcsim.samplers.search import Result
from hpcsim.samplers.table import LOG, BoundSearch
from hpcsim.scheduler.observations import store_observation
from hpcsim.study.directory import StudyDirectory
from hpcsim.study.history import known_fingerprints
from hpcsim.study.study import Study

#: Who drives a search; there only while one does.
_LOCK = ".sampler.lock"
#: Tasks that a generation is cut into, for models that simulate many points in one call.
_SHARES = 4


@contextmanager
def driving(directory: StudyDirectory, what: str, wait: float = 60.0) -> Iterator[None]:
    """Only one process writes the log of a search at a time, whatever runs its points.

    Parameters
    ----------
    directory : StudyDirectory
    what : str
        What this process does, in words for others.
    wait : float, s
        How long to wait for another process.

    Raises
    ------
    BusyError
        If another process drives the search.
    """
    with hold(directory.path / _LOCK, what, wait):
        yield


class SearchDriver:
    """A search in a study's directory, between its sampler and the shards.

    Call it only while :func:`driving`.

    Parameters
    ----------
    study : Study
        With a sampler; its design grows.
    directory : StudyDirectory
    ran : bool
        Whether points ran since the last process wrote the log: that time counts in the budget.

    Attributes
    ----------
    search : Search
    size : int
        Suggestions a task.
    """

    def __init__(self, study: Study, directory: StudyDirectory, *, ran: bool = False) -> None:
        assert isinstance(study.search, BoundSearch) and isinstance(study.design, SuggestedDesign)
        store_observation(study, directory)
        self._bound, self._design, self._directory = study.search.observed(directory.path, study.recipe), study.design, directory
        self.search = self._bound.open(directory.path, study.folder, ran=ran)
        self._design.read(directory.path / LOG)
        # a generation goes to several workers, even where a model takes all of it in one call
        share = max(1, self.search.batch // _SHARES)
        self.size = study.file.resources.task_size or min(study.model.batch or 1, share)
        self._recipes = set(known_fingerprints(study, directory))

    @property
    def pending(self) -> list[int]:
        """Numbers of the suggestions whose results have not been taken in."""
        return [point.number for point in self.search.pending]

    def suggest(self, n: int) -> list[int]:
        """At most `n` new suggestions, by their numbers; the design has them when this returns."""
        made = self.search.suggest(n)
        if made:
            names = self._design.names
            self._design.grow(np.array([[point.values[name] for name in names] for point in made]))
        return [point.number for point in made]

    def ingest(self, numbers: Collection[int]) -> list[int]:
        """Take in those of some suggestions that have landed; returns the others."""
        found = self._results(numbers)
        self.search.ingest([found[number] for number in numbers if number in found])
        return [number for number in numbers if number not in found]

    def points(self, numbers: Collection[int]) -> list[tuple[int, int]]:
        """Runs of points (start, stop) in which every suggestion has its replicates."""
        replicates, ordered = self._design.replicates, sorted(numbers)
        runs = np.split(ordered, np.flatnonzero(np.diff(ordered) != 1) + 1) if ordered else []
        return [(int(run[0]) * replicates, (int(run[-1]) + 1) * replicates) for run in runs]

    def told(self) -> str:
        """How the search stands, in a sentence."""
        spent, over = self.search.spent, self.search.over
        accepted = f", {spent.accepted:,} of them accepted" if self.search.plan.problem.cutoffs else ""
        return f"{spent.evaluations:,} points{accepted}{f': {over}' if over else ''}"

    def _results(self, numbers: Collection[int]) -> dict[int, Result]:
        """Results of those of the suggestions of which every replicate is in a shard or in the results."""
        if not len(numbers):
            return {}
        replicates = self._design.replicates
        start, stop = min(numbers) * replicates, (max(numbers) + 1) * replicates
        ids = self._design.ids(start, stop)
        values = np.full((len(ids), len(self._bound.objectives)), np.nan)
        cpu, there = np.zeros(len(ids)), np.zeros(len(ids), bool)
        # a shard may have gone into the results while they were looked at
        for _ in range(2):
            for path in self._near(start, stop):
                if there.all():
                    break
                self._look(path, ids, values, cpu, there)
        names = self.search.plan.problem.objectives
        results = {}
        for number in numbers:
            rows = slice(number * replicates - start, (number + 1) * replicates - start)
            if there[rows].all():
                # a point that failed in one replicate has failed
                mean = values[rows].mean(axis=0)
                results[number] = Result(number, dict(zip(names, mean.tolist(), strict=True)), float(cpu[rows].sum()))
        return results

    def _near(self, start: int, stop: int) -> Iterator[Path]:
        """Files that may hold these points: their own shards first, then the results, then all others."""
        held = self._directory.result_files()
        own = [path for path in held if may_hold(path, start, stop, self._design.digest, others=False)]
        yield from own
        yield from (path for path in held if path not in own)

    def _look(self, path: Path, ids: np.ndarray, values: np.ndarray, cpu: np.ndarray, there: np.ndarray) -> None:
        try:
            with Table(path) as table:
                if table.attrs.get("fingerprint") not in self._recipes:
                    return
                rows = Ids(table.ids()).find(ids)
                new = np.flatnonzero((rows >= 0) & ~there)
                if len(new):
                    values[new] = scores(self._bound.objectives, table, rows[new])
                    cpu[new] = table.array("cpu_time")[rows[new]]
                    there[new] = True
        except FileNotFoundError:
            # it went into the results
            return
        except (OSError, HpcsimError):
            # damaged: the collector sets it aside, and its points run again
            return
