"""A plan: which points are still to be simulated, and how they are cut into tasks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hpcsim.collector.format.inspection import inspect
from hpcsim.collector.format.runs import runs
from hpcsim.collector.format.schema import ORDER
from hpcsim.collector.format.table import Table, finished
from hpcsim.collector.shard import shard_files
from hpcsim.collector.shard_name import may_hold
from hpcsim.study.history import fingerprints, known_fingerprints

if TYPE_CHECKING:
    from hpcsim.study.directory import StudyDirectory
    from hpcsim.study.study import Study

#: Points that are looked at together; bounds the memory of planning.
BLOCK = 100_000


@dataclass(frozen=True)
class Plan:
    """What is left to do.

    Parameters
    ----------
    total, done : int
        Points in the design, and those that are finished (with any status).
    pending : tuple of (start, stop)
        Runs of indices that are not finished, in order.
    """

    total: int
    done: int
    pending: tuple[tuple[int, int], ...]

    @property
    def left(self) -> int:
        """Points that are still to be simulated."""
        return self.total - self.done


def plan(study: Study, directory: StudyDirectory, *, retry_failed: bool = False, collected: bool = False) -> Plan:
    """Compare the design with what the directory holds.

    The state of a point is read from shards and results, or from results alone where points count that are `collected`,
    by whatever code of those that the directory knows.
    Memory does not grow with the number of points, apart from one bit for each run of pending ones.
    """
    total = len(study.design)
    if complete(study, directory) and not retry_failed:
        return Plan(total, total, ())
    held = [] if collected else shard_files(directory.shards)
    if not held and not directory.results.exists():
        return Plan(total, 0, ((0, total),) if total else ())
    # read last, whether they are there yet or not: a shard that another process collects meanwhile is in them by then
    held.append(directory.results)
    recipes = known_fingerprints(study, directory) if collected else fingerprints(study, directory)
    design = study.design.digest
    done, pending = 0, list[tuple[int, int]]()
    for start in range(0, total, BLOCK):
        stop = min(start + BLOCK, total)
        # of many shards, most stay closed here; each is looked for when its turn comes
        near = (path for path in held if may_hold(path, start, stop, design) and path.exists())
        mask = finished(near, study.design.ids(start, stop), recipes, ok=retry_failed)
        done += int(mask.sum())
        for first, last in runs(~mask):
            if pending and pending[-1][1] == start + first:
                pending[-1] = (pending[-1][0], start + last)
            else:
                pending.append((start + first, start + last))
    return Plan(total, done, tuple(pending))


def complete(study: Study, directory: StudyDirectory) -> bool:
    """Whether the results say that they hold every point of this very design."""
    if not directory.results.exists():
        return False
    with Table(directory.results) as table:
        inspect(table)
        return table.attrs.get("complete") in (study.completeness, study.earlier_completeness)


def coming(study: Study, directory: StudyDirectory) -> int:
    """How many more points a search may suggest, as its log and its budget say; one where nobody can know."""
    if study.search is None:
        return 0
    spent, budget = study.search.spent(directory.path), study.search.budget
    room = budget.room(spent) if budget.evaluations is not None else min(1, budget.room(spent))
    return room * study.design.replicates


def input_complete(study: Study, directory: StudyDirectory, name: str) -> bool:
    """Whether the results of a study that this one needs hold every point, and no more will come."""
    needed, place = study.input_study(name), directory.beside(name)
    needed.read_suggestions(place.path)
    return complete(needed, place) and not coming(needed, place)


def unfinished_inputs(study: Study, directory: StudyDirectory, *, infer: bool = True) -> Iterator[str]:
    """Studies that this one needs and whose results do not hold every point, each looked at when its turn comes.

    Parameters
    ----------
    study : Study
    directory : StudyDirectory
        Theirs are beside it.
    infer : bool
        Whether those count that only the inference needs.
    """
    for name in study.needs if infer else study.required:
        if not input_complete(study, directory, name):
            yield name


def settled(study: Study, directory: StudyDirectory) -> bool:
    """Whether the results hold every point of this very design, in its order."""
    if not complete(study, directory):
        return False
    with Table(directory.results) as table:
        return table.attrs.get(ORDER) == study.design.digest


#: Seconds that the start of a task's processes takes, about: less than that is not cut into small tasks at the end.
_NOT_WORTH_SPLITTING = 1.0


@dataclass
class Slices:
    """Cuts pending points into tasks while tasks run: large ones first, small ones towards the end.

    No task is so short that starting a process costs more than it does, nor so long that the
    others wait for it at the end.

    Parameters
    ----------
    pending : list of (start, stop)
    workers : int
        How many tasks run side by side.
    size : int, optional
        A fixed size instead.
    batch : int
        How many points a model simulates together; sizes are multiples of it where there are enough points.
    min_seconds : float
        What a task should last at least, once the cost of a point is known.
    most : int
        The largest task.
    """

    pending: list[tuple[int, int]]
    workers: int
    size: int | None = None
    batch: int = 1
    min_seconds: float = 10.0
    most: int = 100_000
    _left: int = field(init=False)
    _last_share: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.pending = list(self.pending)
        self._left = sum(stop - start for start, stop in self.pending)

    def take(self, seconds_per_point: float | None = None) -> tuple[int, int] | None:
        """The next task as (start, stop), or None when all are taken."""
        if not self.pending:
            return None
        start, stop = self.pending.pop(0)
        stop, rest = min(stop, start + self._next_size(seconds_per_point)), stop
        if stop < rest:
            self.pending.insert(0, (stop, rest))
        self._left -= stop - start
        return start, stop

    def finished(self, start: int, stop: int) -> None:
        """Nothing follows from it."""

    def _next_size(self, seconds_per_point: float | None) -> int:
        if self.size:
            return self.size
        share = -(-self._left // self.workers)
        if seconds_per_point is not None and seconds_per_point * self._left < _NOT_WORTH_SPLITTING:
            # one more task a worker, if the other points are as fast
            share = self._last_share = self._last_share or share
        share = -(-share // self.batch) * self.batch
        fair = max(1, self._left // (4 * self.workers))
        if seconds_per_point is None:
            # a pilot: what a point costs is not known yet
            wanted = min(fair, 16)
        else:
            enough = int(self.min_seconds / max(seconds_per_point, 1e-9))
            wanted = min(max(fair, enough), self.most)
        return max(1, min(-(-wanted // self.batch) * self.batch, share))
