"""A round: pending points cut into tasks that last minutes, and tasks into arrays that Slurm takes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil

from hpcsim.scheduler.queue.commands import Limits
from hpcsim.scheduler.queue.paths import ArraySpec
from hpcsim.scheduler.queue.script import WARNING
from hpcsim.scheduler.site.site import Settings
from hpcsim.scheduler.slurm.submission import IndexRange, points_in
from hpcsim.scheduler.state.measured import Measured

#: Seconds that a task should last.
TASK_SECONDS = 300.0
#: A pilot: how many tasks at most, of how many points at least, and after how many seconds they begin no further point.
PILOT_TASKS, PILOT_POINTS, PILOT_SECONDS = 8, 64, 60.0
#: Wall time asked for, in terms of the one expected; nodes differ, and so do points.
MARGIN = 1.5
#: Seconds that a job takes before its first point, at most: modules, imports, a busy file system.
START = 120.0
#: Seconds of the shortest job, so that Slurm's warning does not come at once.
LEAST = 300.0
#: The most arrays of one round: sbatch calls are dear to everybody on a cluster.
MOST_PARTS = 8
#: How often points are run again after Slurm ended their task.
RETRIES = 3
#: How often points get more memory, each time twice as much; the last time, the failing ones are recorded as failed.
MEMORY_RETRIES = 2
#: Finished points between pending ones that a task passes over; it looks at each of them.
_GAP = 10_000


@dataclass(frozen=True)
class RetryGroup:
    """Pending points to which the same has happened.

    Parameters
    ----------
    runs : tuple of (start, stop)
        In order.
    memory : int, optional
        Slurm's megabytes a task.
    tries, memory_tries : int
        How often Slurm ended their tasks, and how often for want of memory.
    """

    runs: tuple[IndexRange, ...]
    memory: int | None = None
    tries: int = 0
    memory_tries: int = 0


@dataclass(frozen=True)
class ArrayBatch:
    """What is submitted together.

    Parameters
    ----------
    tasks : tuple of (start, stop)
    parts : tuple of ArraySpec
    rest : tuple of (start, stop)
        Points for which there is no room in this round.
    points : int
        Pending points in the tasks.
    hours : float, optional
        Core-hours that they are expected to take; None before anything was measured.
    """

    tasks: tuple[IndexRange, ...]
    parts: tuple[ArraySpec, ...]
    rest: tuple[IndexRange, ...]
    points: int
    hours: float | None

    @property
    def pilot(self) -> bool:
        """Whether it measures what a point costs."""
        return any(part.budget is not None for part in self.parts)


def make_array_batch(
    groups: Iterable[RetryGroup],
    settings: Settings,
    limits: Limits,
    measured: Measured | None,
    *,
    pending: Sequence[IndexRange],
    batch: int = 1,
) -> ArrayBatch:
    """Cut points into tasks and parts.

    Parameters
    ----------
    groups : iterable of RetryGroup
    settings : Settings
    limits : Limits
        Of Slurm; those of the site count where they are lower.
    measured : Measured, optional
        What a point costs; without it, and without a task size, the round is a pilot.
    pending : sequence of (start, stop)
        All points that are not finished: a task spans no others than its own.
    batch : int
        Points that the model simulates together.
    """
    own = settings.site.limits
    longest = min(limits.max_array, own.max_array or limits.max_array)
    room = MOST_PARTS * longest
    if submit := [bound for bound in (limits.max_submit, own.max_submit) if bound]:
        # the collector is a job too, and so is the one that submits a next round
        room = min(room, max(1, min(submit) - 2))
    tasks, parts, rest = list[IndexRange](), list[ArraySpec](), list[IndexRange]()
    points = 0
    for group in sorted(groups, key=lambda group: (group.tries, group.memory_tries)):
        shape = _shape(group, settings, measured, batch, room - len(tasks))
        cut_tasks = cut(group.runs, shape.size, pending)
        taken = _allowed(len(cut_tasks), room - len(tasks), MOST_PARTS - len(parts), longest)
        rest += [run for task in cut_tasks[taken:] for run in task]
        points += sum(points_in(task) for task in cut_tasks[:taken])
        for first in range(0, taken, longest):
            count = min(longest, taken - first)
            last = group.memory_tries >= MEMORY_RETRIES
            memory = (group.memory, shape.seconds, shape.budget, group.tries, group.memory_tries, last)
            parts.append(ArraySpec(len(tasks) + first, count, *memory))
        tasks += [(task[0][0], task[-1][1]) for task in cut_tasks[:taken]]
    hours = None if measured is None else points * measured.seconds * settings.ranks * settings.threads / 3600
    return ArrayBatch(tuple(tasks), tuple(parts), tuple(sorted(rest)), points, hours)


def _allowed(wanted: int, room: int, parts: int, longest: int) -> int:
    return max(0, min(wanted, room, parts * longest))


@dataclass(frozen=True)
class _Shape:
    """Points of a task, the wall time of its job, and a pilot's budget, both in seconds."""

    size: int
    seconds: float | None
    budget: float | None = None


def _shape(group: RetryGroup, settings: Settings, measured: Measured | None, batch: int, room: int) -> _Shape:
    points = points_in(group.runs)
    alone = group.memory_tries >= MEMORY_RETRIES
    if measured is None and settings.task_size is None and not alone:
        tasks = max(1, min(ceil(points / max(PILOT_POINTS, batch)), PILOT_TASKS, room))
        return _Shape(_whole(ceil(points / tasks), batch), _pilot_time(settings, batch), PILOT_SECONDS)
    if alone:
        # a job that Slurm kills as a whole names its failing point this way
        size = 1
    elif settings.task_size:
        size = settings.task_size
    else:
        assert measured is not None
        size = _whole(max(1, round(TASK_SECONDS / max(measured.seconds, 1e-6) / 4**group.tries)), batch)
        # fewer, longer tasks where Slurm takes no more
        size = max(size, _whole(ceil(points / max(1, room)), batch))
        size = min(size, _longest_size(settings, measured))
    return _Shape(size, _task_time(size, settings, measured, group.tries))


def _whole(size: int, batch: int) -> int:
    """Whole batches."""
    return -(-size // batch) * batch


def _pilot_time(settings: Settings, batch: int) -> float | None:
    if settings.point_time is None:
        return settings.max_time
    return _bounded(START + WARNING + PILOT_SECONDS + settings.point_time * batch, settings)


def _longest_size(settings: Settings, measured: Measured) -> int:
    """The most points for which the longest job is long enough."""
    if settings.max_time is None:
        return 2**31
    left = settings.max_time - START - WARNING - 2 * measured.longest
    return max(1, int(left / (MARGIN * max(measured.seconds, 1e-6))))


def _task_time(size: int, settings: Settings, measured: Measured | None, tries: int) -> float | None:
    """Wall time of a task, with a margin."""
    if measured is not None:
        expected = MARGIN * size * measured.seconds + 2 * measured.longest
    elif settings.point_time is not None:
        expected = size * settings.point_time
    else:
        return settings.max_time
    return _bounded((START + WARNING + expected) * 2**tries, settings)


def _bounded(seconds: float, settings: Settings) -> float:
    seconds = max(seconds, LEAST)
    return seconds if settings.max_time is None else min(seconds, settings.max_time)


def cut(runs: Sequence[IndexRange], size: int, pending: Sequence[IndexRange]) -> list[list[IndexRange]]:
    """Cut runs of points into tasks.

    Parameters
    ----------
    runs : sequence of (start, stop)
        In order.
    size : int
        Points a task.
    pending : sequence of (start, stop)
        All unfinished points, in order: runs with one of them in between do not share a task.

    Returns
    -------
    list of list of (start, stop)
        The runs of each task; it spans from the first to the last, and passes over finished points in between.

    Examples
    --------
    >>> cut([(0, 5), (6, 8)], 3, [(0, 5), (6, 8)])
    [[(0, 3)], [(3, 5), (6, 7)], [(7, 8)]]
    """
    tasks: list[list[IndexRange]] = []
    starts = [start for start, _ in pending]
    room = 0
    for start, stop in runs:
        while start < stop:
            if room and not _may_join(tasks[-1][-1][1], start, starts, pending):
                room = 0
            if not room:
                tasks.append([])
                room = size
            end = min(stop, start + room)
            tasks[-1].append((start, end))
            room -= end - start
            start = end
    return tasks


def _may_join(end: int, start: int, starts: Sequence[int], pending: Sequence[IndexRange]) -> bool:
    """Whether all points from `end` to `start` are finished, and not too many."""
    if start - end > _GAP:
        return False
    if start == end:
        return True
    at = bisect_left(starts, start)
    # the last pending run that begins before `start`
    return at == 0 or pending[at - 1][1] <= end
