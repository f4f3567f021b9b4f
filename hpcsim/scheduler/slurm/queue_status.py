"""How a study's jobs stand: what runs, what waits and why, what is over, and when it will be finished."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from hpcsim.scheduler.queue.commands import Slurm
from hpcsim.scheduler.queue.job_state import State
from hpcsim.scheduler.slurm.prepared import states_of
from hpcsim.scheduler.slurm.submission import Submission, open_submissions
from hpcsim.scheduler.state.measured import measure
from hpcsim.study.directory import StudyDirectory
from hpcsim.study.study import Study

#: States in which an element uses cores.
_BUSY = {"RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "CONFIGURING"}


@dataclass(frozen=True)
class QueueStatus:
    """A submission at one moment.

    Parameters
    ----------
    submission : Submission
    tasks : int
    running : int
        Tasks that run.
    waiting : mapping of str to int
        Tasks that wait, by Slurm's reason.
    over : mapping of str to int
        Tasks that are over, by Slurm's state.
    collector : str
        How the job that collects stands.
    starts : str
        When the next waiting task begins, as far as Slurm knows.
    left : bool
        Whether a job of it runs or waits. Where none does, nobody goes on with it by himself.
    """

    submission: Submission
    tasks: int
    running: int
    waiting: Counter[str]
    over: Counter[str]
    collector: str
    starts: str
    left: bool = True

    def __str__(self) -> str:
        if self.submission.after:
            return f"{self.submission} ({self.collector})"
        parts = [f"{self.running:,} run" if self.running else ""]
        parts += [f"{count:,} wait ({reason})" for reason, count in self.waiting.most_common()]
        parts += [f"{count:,} {state}" for state, count in self.over.most_common()]
        if self.starts and not self.running:
            parts.append(f"the next begins {self.starts.replace('T', ' ')} as far as Slurm knows")
        parts.append(f"collector {self.collector}")
        if not self.left and self.submission.collector is not None:
            parts.append("no job of it is left, and it is not collected: hpcsim resume goes on with it")
        return f"submission {self.submission.number}: {self.tasks:,} tasks: {', '.join(part for part in parts if part)}"


def look(directory: StudyDirectory, slurm: Slurm) -> list[QueueStatus]:
    """The submissions that are not over, with one call of Slurm's for all."""
    present = open_submissions(directory)
    states = states_of(present, slurm)
    return [_queue_status(item, states[item.number]) for item in present]


def _queue_status(item: Submission, states: Sequence[State]) -> QueueStatus:
    arrays = set(item.arrays)
    tasks = sum(sent.part.count for sent in item.sent if sent.job is not None)
    waiting, over, running, starts = Counter[str](), Counter[str](), 0, list[str]()
    for state in states:
        if state.job not in arrays:
            continue
        if state.state in _BUSY:
            running += state.count
        elif state.active:
            waiting[state.reason or state.state] += state.count
            starts += [state.starts] if state.starts else []
        else:
            over[state.state] += state.count
    unknown = tasks - running - waiting.total() - over.total()
    if unknown > 0:
        over["no longer known to Slurm"] += unknown
    if item.collector is None:
        # begun, and its process ended; or Slurm took no more
        collector = "is not there; hpcsim resume sees to it"
    else:
        collector = next((f"{state.state} {state.reason}".strip() for state in states if state.job == item.collector), "over")
    left = any(state.active for state in states)
    return QueueStatus(item, tasks, running, waiting, over, collector, min(starts, default=""), left)


def time_left(study: Study, directory: StudyDirectory, left: int, looks: Sequence[QueueStatus]) -> float | None:
    """Seconds until `left` points are finished at the present pace; None where nothing runs or was measured."""
    running = sum(item.running for item in looks)
    measured = measure(study, directory)
    if not running or measured is None:
        return None
    return left * measured.seconds / running
