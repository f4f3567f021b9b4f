"""Where a submission belongs, and its parts: what scripts are made of."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SubmissionPaths:
    """Where a submission belongs: full paths, since jobs start elsewhere.

    Parameters
    ----------
    study : str
        The study's name.
    directory : Path
        Of the study.
    number : int
        Of the submission.
    work : Path
        The folder that jobs start in: models of the user's own are found there.
    python : str
        Full path of a Python that has hpcsim, unless the site names one.
    """

    study: str
    directory: Path
    number: int
    work: Path
    python: str = sys.executable

    @property
    def folder(self) -> Path:
        """What was submitted: scripts, tasks, the record."""
        return self.directory / "jobs" / f"{self.number:04d}"

    @property
    def tasks(self) -> Path:
        """First point and one past the last of every task, a line each."""
        return self.folder / "tasks"

    @property
    def logs(self) -> Path:
        """One log a task."""
        return self.directory / "logs"

    @property
    def folders(self) -> tuple[Path, ...]:
        """What tasks read and write: the study's directory, and those of other studies beside it."""
        return (self.directory.parent,)

    @property
    def job_name(self) -> str:
        """What the queue shows."""
        return f"{self.study}-{self.number}"


@dataclass(frozen=True)
class ArraySpec:
    """Tasks that are submitted together, as one array.

    Parameters
    ----------
    first, count : int
        Which of the submission's tasks: the array's indices start at 0, whatever `first` is.
    memory : int, optional
        Slurm's megabytes a task.
    seconds : float, optional
        The longest that a task may take.
    budget : float, optional
        Seconds after which a task starts no further point: that of a pilot, which measures.
    tries : int
        How often Slurm ended tasks with these points before.
    memory_tries : int
        How often that was for want of memory.
    last : bool
        Whether a point that runs out of memory is recorded as failed, not left for a task with more memory.
    """

    first: int
    count: int
    memory: int | None = None
    seconds: float | None = None
    budget: float | None = None
    tries: int = 0
    memory_tries: int = 0
    last: bool = False
