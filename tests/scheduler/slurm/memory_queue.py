"""A Slurm in this process: jobs wait until a test runs them, in the order and with the end that it likes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import hpcsim
from hpcsim.scheduler.queue.commands import Limits, Slurm
from hpcsim.scheduler.queue.job_state import OVER, JobId, State
from hpcsim.scheduler.slurm.executor import go_on
from hpcsim.scheduler.slurm.submission import open_submissions, submissions
from hpcsim.scheduler.task.runner import Runner

#: State of a task whose own process somebody kills.
KILLED = "SIGKILL"


@dataclass
class MemoryQueue(Slurm):
    """Takes jobs and knows their states; a test changes them.

    Attributes
    ----------
    scripts : dict of int to Path
        Of the jobs.
    state : dict of (job, element) to str
        Of what is no longer pending.
    """

    scripts: dict[int, Path] = field(default_factory=dict)
    state: dict[tuple[int, int | None], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.limits = Limits()

    def on(self, cluster: str) -> MemoryQueue:
        return self

    def check(self, script: str) -> None:
        pass

    def submit(self, script: Path, name: str, after: Sequence[int] = (), token: str = "") -> JobId:
        assert set(after) <= set(self.scripts)
        number = len(self.scripts) + 1
        self.scripts[number] = script
        return JobId(number)

    def states(self, jobs: Iterable[int]) -> list[State]:
        found = []
        for job in jobs:
            options = self.scripts[job].read_text().split("#SBATCH ")
            array = next((option for option in options if option.startswith("--array=0-")), "")
            elements = range(int(array.removeprefix("--array=0-").split("%")[0]) + 1) if array else [None]
            for number in elements:
                state = self.state.get((job, number), "PENDING")
                found.append(State(job, number, number, *(("FAILED", 0, 9) if state == KILLED else (state,))))
        return found

    def cancel(self, jobs: Iterable[int]) -> None:
        for state in self.states(jobs):
            if state.state not in OVER:
                self.state[state.job, state.first] = "CANCELLED"

    # -- what a test does ---------------------------------------------------------------------------

    def waiting(self, directory) -> list[int]:
        """Numbers of the submissions whose tasks have not run."""
        return [
            item.number
            for item in open_submissions(directory)
            if any(state.state == "PENDING" for state in self.states(item.arrays))
        ]

    def run(self, directory, number: int, **ends: str) -> None:
        """Run the tasks of a submission; `ends` are the states of those that Slurm ends before their first point."""
        study = hpcsim.Study.load(directory.path)
        item = next(item for item in submissions(directory) if item.number == number)
        for sent in item.sent:
            for element, (start, stop) in enumerate(item.slices(sent)):
                end = ends.get(f"task_{element}", "COMPLETED")
                if end == "COMPLETED":
                    Runner(study, directory, start, stop, planned=True).run()
                self.state[sent.job, element] = end

    def collect(self, directory, number: int) -> list[str]:
        """Do what the job after a submission does, but for what it gathers; it is over then. Returns what it says."""
        item = next(item for item in submissions(directory) if item.number == number)
        self.state[item.collector, None] = "RUNNING"
        study = hpcsim.Study.load(directory.path)
        words = go_on(study, directory, self)
        self.state[item.collector, None] = "COMPLETED"
        return words
