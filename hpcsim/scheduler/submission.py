"""What was submitted, as ``jobs/NNNN`` in a study's directory remembers it.

A record says which job has which points and what they were given; the state of a point is never read from it.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from hpcsim.directory import StudyDirectory
from hpcsim.errors import StorageError
from hpcsim.scheduler.place import Part
from hpcsim.scheduler.site import Settings
from hpcsim.scheduler.task import read_tasks

#: A task: its first point and one past its last.
Slice = tuple[int, int]


@dataclass(frozen=True)
class Sent:
    """A part that Slurm has.

    Parameters
    ----------
    job : int
        The number of the array.
    part : Part
    """

    job: int
    part: Part


@dataclass(frozen=True)
class Submission:
    """Arrays that were submitted together, and the job that collects after them.

    Parameters
    ----------
    folder : Path
        ``jobs/NNNN``.
    number : int
    settings : Settings
    work : Path
        The folder that jobs start in.
    sent : tuple of Sent
    collector : int, optional
        The number of its job.
    retry_failed : bool
        Whether failed points are simulated again.
    created : str
        When.
    rest : tuple of (start, stop)
        Points for which there was no room: they are the next.
    after : tuple of str
        Studies that it waits for; its only job submits the tasks then.
    over : str
        What became of it; empty as long as nobody has looked at it after its end.
    """

    folder: Path
    number: int
    settings: Settings
    work: Path
    sent: tuple[Sent, ...] = ()
    collector: int | None = None
    retry_failed: bool = False
    rest: tuple[Slice, ...] = ()
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    after: tuple[str, ...] = ()
    over: str = ""

    @property
    def jobs(self) -> list[int]:
        """Numbers of all its jobs."""
        return [sent.job for sent in self.sent] + ([self.collector] if self.collector is not None else [])

    def __str__(self) -> str:
        if self.after:
            names = " and ".join(self.after)
            return f"submission {self.number}: job {self.collector} submits the tasks when {names} is finished"
        jobs = ", ".join(str(sent.job) for sent in self.sent)
        word = "job" if len(self.sent) == 1 else "jobs"
        return f"submission {self.number}: {len(self.tasks):,} tasks in {word} {jobs}, collected by job {self.collector}"

    @cached_property
    def tasks(self) -> list[Slice]:
        """Points of each task, in the order of the tasks."""
        return read_tasks(self.folder / "tasks")

    def slices(self, sent: Sent) -> list[Slice]:
        """Points of each element of an array."""
        return self.tasks[sent.part.first : sent.part.first + sent.part.count]

    def write(self) -> None:
        """Remember it."""
        values: dict[str, Any] = {
            "number": self.number,
            "created": self.created,
            "work": str(self.work),
            "settings": self.settings.dump(),
            "retry_failed": self.retry_failed,
            "sent": [{"job": sent.job, **asdict(sent.part)} for sent in self.sent],
            "collector": self.collector,
            "rest": self.rest,
            "after": self.after,
            "over": self.over,
        }
        _replace(self.folder / "submission.json", json.dumps(values, indent=1) + "\n")

    @classmethod
    def read(cls, folder: Path) -> Submission:
        """Back from its folder."""
        values = json.loads((folder / "submission.json").read_text(encoding="utf-8"))
        sent = tuple(Sent(item.pop("job"), Part(**item)) for item in values["sent"])
        rest = tuple((start, stop) for start, stop in values["rest"])
        made: dict[str, Any] = {"sent": sent, "rest": rest, "after": tuple(values.get("after", ()))}
        made |= {"settings": Settings.load(values["settings"]), "work": Path(values["work"])}
        return cls(folder, **{**values, **made})

    def with_part(self, sent: Sent) -> Submission:
        """The same with a part that Slurm took, remembered."""
        return self._remembered(replace(self, sent=(*self.sent, sent)))

    def with_collector(self, job: int) -> Submission:
        """The same with its collector, remembered."""
        return self._remembered(replace(self, collector=job))

    def closed(self, over: str) -> Submission:
        """The same, remembered as over."""
        return self._remembered(replace(self, over=over))

    @staticmethod
    def _remembered(changed: Submission) -> Submission:
        changed.write()
        return changed


def submissions(directory: StudyDirectory) -> list[Submission]:
    """All submissions of a study, in order."""
    folders = sorted((directory.path / "jobs").glob("[0-9]*"))
    return [Submission.read(folder) for folder in folders if (folder / "submission.json").exists()]


def next_number(directory: StudyDirectory) -> int:
    """The number of a new submission."""
    taken = [int(folder.name) for folder in (directory.path / "jobs").glob("[0-9]*") if folder.name.isdigit()]
    return max(taken, default=0) + 1


def write_tasks(path: Path, tasks: Iterable[Slice]) -> None:
    """A line a task."""
    _replace(path, "".join(f"{start} {stop}\n" for start, stop in tasks))


def overlap(runs: Sequence[Slice], slices: Sequence[Slice]) -> list[Slice]:
    """Those parts of `runs` that lie in `slices`; both in order and without overlaps.

    Examples
    --------
    >>> overlap([(0, 10), (20, 30)], [(5, 22), (25, 26)])
    [(5, 10), (20, 22), (25, 26)]
    """
    found = []
    starts = [start for start, _ in slices]
    for first, last in runs:
        for start, stop in slices[max(0, bisect_right(starts, first) - 1) :]:
            if start >= last:
                break
            if max(first, start) < min(last, stop):
                found.append((max(first, start), min(last, stop)))
    return found


def without(runs: Sequence[Slice], slices: Sequence[Slice]) -> list[Slice]:
    """Those parts of `runs` that do not lie in `slices`; both in order and without overlaps.

    Examples
    --------
    >>> without([(0, 10), (20, 30)], [(5, 22), (25, 26)])
    [(0, 5), (22, 25), (26, 30)]
    """
    rest = []
    for first, last in runs:
        for start, stop in overlap([(first, last)], slices):
            if first < start:
                rest.append((first, start))
            first = stop
        if first < last:
            rest.append((first, last))
    return rest


def points_in(runs: Iterable[Slice]) -> int:
    """How many points."""
    return sum(stop - start for start, stop in runs)


def _replace(path: Path, text: str) -> None:
    """Write a file that appears whole."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(path.name + ".tmp")
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}") from error
