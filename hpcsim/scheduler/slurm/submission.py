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

from hpcsim.errors import StorageError
from hpcsim.files import regular, write_text
from hpcsim.scheduler.queue.job_state import JobId
from hpcsim.scheduler.queue.paths import ArraySpec
from hpcsim.scheduler.site.site import Settings
from hpcsim.scheduler.task.supervisor import DESIGN, read_tasks
from hpcsim.study.directory import StudyDirectory

#: The record of a submission, in its folder.
RECORD = "submission.json"
#: An empty file beside the record of a submission that is over: of thousands, the records stay closed.
_OVER = "over"
#: A task: its first point and one past its last.
IndexRange = tuple[int, int]


@dataclass(frozen=True)
class Sent:
    """A part, and the array that Slurm has of it.

    Parameters
    ----------
    job : int or None
        The number of the array; None as long as Slurm has not told it.
    part : ArraySpec
    """

    job: int | None
    part: ArraySpec


@dataclass(frozen=True)
class Submission:
    """Arrays that are submitted together, and the job that collects after them.

    Whatever is asked of Slurm is written down before: a process that ends in between leaves a token in the record, and the
    job is found by it.

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
    name : str
        Of its jobs; a token follows in each of them.
    cluster : str
        Where there are several: the one that has its jobs.
    asked : str
        The token of a job whose number Slurm has not told yet: that of the first part without one, or the collector.
    unclear : str
        Why nobody knows the number, where Slurm took that job.
    refused : str
        Slurm's words, where it did not take all of it.
    """

    folder: Path
    number: int
    settings: Settings
    work: Path
    sent: tuple[Sent, ...] = ()
    collector: int | None = None
    retry_failed: bool = False
    rest: tuple[IndexRange, ...] = ()
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    after: tuple[str, ...] = ()
    over: str = ""
    name: str = ""
    cluster: str = ""
    asked: str = ""
    unclear: str = ""
    refused: str = ""

    @property
    def jobs(self) -> list[int]:
        """Numbers of all its jobs."""
        return [*self.arrays, *([self.collector] if self.collector is not None else [])]

    @property
    def arrays(self) -> list[int]:
        """Numbers of its arrays."""
        return [sent.job for sent in self.sent if sent.job is not None]

    @property
    def begun(self) -> bool:
        """Whether it was begun, and its process ended before Slurm had all of it."""
        return not self.over and not self.refused and self.collector is None

    @property
    def covered(self) -> list[IndexRange]:
        """Points that it sees to."""
        return [run for sent in self.sent for run in self.slices(sent)] + list(self.rest)

    def __str__(self) -> str:
        if self.after:
            names = " and ".join(self.after)
            return f"submission {self.number}: job {self.collector} submits the tasks when {names} is finished"
        jobs = ", ".join(map(str, self.arrays))
        word = "job" if len(self.arrays) == 1 else "jobs"
        where = f" on cluster {self.cluster}" if self.cluster else ""
        return f"submission {self.number}: {len(self.tasks):,} tasks in {word} {jobs}{where}, collected by job {self.collector}"

    @cached_property
    def tasks(self) -> list[IndexRange]:
        """Points of each task, in the order of the tasks."""
        return read_tasks(self.folder / "tasks")

    def slices(self, sent: Sent) -> list[IndexRange]:
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
            "name": self.name,
            "cluster": self.cluster,
            "asked": self.asked,
            "unclear": self.unclear,
            "refused": self.refused,
        }
        if not self.over:
            (self.folder / _OVER).unlink(missing_ok=True)
        write_file(self.folder / RECORD, json.dumps(values, indent=1) + "\n")
        if self.over:
            write_file(self.folder / _OVER, "")

    @classmethod
    def read(cls, folder: Path) -> Submission:
        """Back from its folder.

        Raises
        ------
        StorageError
            If its record is damaged.
        """
        file = folder / RECORD
        try:
            values = json.loads(regular(file).read_text(encoding="utf-8"))
            sent = tuple(Sent(item.pop("job"), ArraySpec(**item)) for item in values["sent"])
            rest = tuple((start, stop) for start, stop in values["rest"])
            made: dict[str, Any] = {"sent": sent, "rest": rest, "after": tuple(values.get("after", ()))}
            made |= {"settings": Settings.load(values["settings"]), "work": Path(values["work"])}
            return cls(folder, **{**values, **made})
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise StorageError(
                f"{file} cannot be read ({getattr(error, 'strerror', None) or error}): nobody knows the jobs of this submission; "
                f"end what squeue --me shows of them, and move {folder} away: the same command submits what is missing"
            ) from error

    def asking(self, token: str) -> Submission:
        """The same, remembered before Slurm is asked for the next job."""
        return self._remembered(replace(self, asked=token, unclear=""))

    def answered(self, job: JobId) -> Submission:
        """The same with the job that was asked for, remembered: the first part without one, or the collector."""
        number = next((number for number, sent in enumerate(self.sent) if sent.job is None), None)
        had = replace(self, cluster=job.cluster or self.cluster, asked="", unclear="")
        if number is None:
            return self._remembered(replace(had, collector=int(job)))
        sent = replace(self.sent[number], job=int(job))
        return self._remembered(replace(had, sent=(*self.sent[:number], sent, *self.sent[number + 1 :])))

    def unanswered(self, unclear: str) -> Submission:
        """The same, remembered as one that Slurm took without telling its number."""
        return self._remembered(replace(self, unclear=unclear))

    def given_up(self, refused: str = "") -> Submission:
        """The same without the parts that Slurm does not have, remembered; their points are submitted anew."""
        sent = tuple(sent for sent in self.sent if sent.job is not None)
        changed = replace(self, sent=sent, asked="", unclear="", refused=refused)
        return self._remembered(changed if sent else replace(changed, over=refused or "none of it reached Slurm"))

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
    return [Submission.read(folder) for folder in folders if (folder / RECORD).exists()]


def open_submissions(directory: StudyDirectory) -> list[Submission]:
    """Submissions that are not over, in order."""
    folders = sorted((directory.path / "jobs").glob("[0-9]*"))
    there = [folder for folder in folders if not (folder / _OVER).exists() and (folder / RECORD).exists()]
    return [item for item in map(Submission.read, there) if not item.over]


def next_number(directory: StudyDirectory) -> int:
    """The number of a new submission."""
    taken = [int(folder.name) for folder in (directory.path / "jobs").glob("[0-9]*") if folder.name.isdigit()]
    return max(taken, default=0) + 1


def write_tasks(path: Path, tasks: Iterable[IndexRange], design: str = "") -> None:
    """A line a task, behind the digest of the design in which points have these numbers."""
    head = f"{DESIGN}{design}\n" if design else ""
    write_file(path, head + "".join(f"{start} {stop}\n" for start, stop in tasks))


def intersect(runs: Sequence[IndexRange], slices: Sequence[IndexRange]) -> list[IndexRange]:
    """Those parts of `runs` that lie in `slices`; both in order and without overlaps.

    Examples
    --------
    >>> intersect([(0, 10), (20, 30)], [(5, 22), (25, 26)])
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


def subtract(runs: Sequence[IndexRange], slices: Sequence[IndexRange]) -> list[IndexRange]:
    """Those parts of `runs` that do not lie in `slices`; both in order and without overlaps.

    Examples
    --------
    >>> subtract([(0, 10), (20, 30)], [(5, 22), (25, 26)])
    [(0, 5), (22, 25), (26, 30)]
    """
    rest = []
    for first, last in runs:
        for start, stop in intersect([(first, last)], slices):
            if first < start:
                rest.append((first, start))
            first = stop
        if first < last:
            rest.append((first, last))
    return rest


def merge(runs: Iterable[IndexRange]) -> list[IndexRange]:
    """The same points in order and without overlaps.

    Examples
    --------
    >>> merge([(20, 30), (0, 10), (5, 12), (12, 14)])
    [(0, 14), (20, 30)]
    """
    merged: list[IndexRange] = []
    for start, stop in sorted(runs):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((start, stop))
    return merged


def points_in(runs: Iterable[IndexRange]) -> int:
    """How many points."""
    return sum(stop - start for start, stop in runs)


def write_file(path: Path, text: str) -> Path:
    """Write a file of a submission as a whole: what Slurm has must not be forgotten with the machine.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return write_text(path, text)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}") from error
