"""How a study's tasks stand, in a form that is the same for all executors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from hpcsim.dashboard.live import Word
from hpcsim.scheduler.queue.commands import Slurm
from hpcsim.scheduler.slurm.queue_status import QueueStatus, look
from hpcsim.scheduler.slurm.submission import submissions
from hpcsim.study.directory import StudyDirectory


@dataclass(frozen=True)
class TaskState:
    """Tasks of which the same is known.

    Parameters
    ----------
    count : int
    state : str
        running, waiting or over.
    reason : str
        Why they wait, or Slurm's word for how they ended.
    """

    count: int
    state: str
    reason: str = ""


@dataclass(frozen=True)
class Tasks:
    """Tasks at one moment.

    Parameters
    ----------
    states : tuple of TaskState
    notes : tuple of str
        What else is known, a sentence each.
    slurm : bool
        Whether the study was submitted to Slurm.
    """

    states: tuple[TaskState, ...] = ()
    notes: tuple[str, ...] = ()
    slurm: bool = False


class Queue:
    """Asks Slurm about a study's jobs; each look is one call of Slurm's.

    Parameters
    ----------
    directory : StudyDirectory
    """

    def __init__(self, directory: StudyDirectory) -> None:
        self._directory = directory
        # who asks comes back by itself: there is no need to wait for a controller that does not answer
        self._slurm = Slurm(patience=0.0)

    def look(self) -> Tasks:
        """As they are now.

        Raises
        ------
        SlurmError
            If Slurm does not answer.
        """
        known = submissions(self._directory)
        if not known:
            return Tasks()
        last = known[-1]
        if all(item.over for item in known):
            return Tasks(notes=(f"Submission {last.number} is over: {last.over}.",), slurm=True)
        return _tasks(look(self._directory, self._slurm))


def _tasks(looks: Sequence[QueueStatus]) -> Tasks:
    waiting, over, notes = Counter[str](), Counter[str](), list[str]()
    for item in looks:
        waiting.update(item.waiting)
        over.update(item.over)
        if item.submission.after:
            # it waits for another study, and has no tasks yet
            notes.append(f"{item}.".replace("submission", "Submission", 1))
            continue
        notes.append(f"Submission {item.submission.number}: {item.tasks:,} tasks, collector {item.collector}.")
        if item.starts and not item.running:
            notes.append(f"The next task begins {item.starts.replace('T', ' ')} as far as Slurm knows.")
    running = sum(item.running for item in looks)
    states = [TaskState(running, "running")] if running else []
    states += [TaskState(count, "waiting", reason) for reason, count in waiting.most_common()]
    states += [TaskState(count, "over", state) for state, count in over.most_common()]
    return Tasks(tuple(states), tuple(notes), slurm=True)


def of_sweep(word: Word) -> Tasks:
    """Tasks that a sweep in this process has started itself."""
    if word.running is None or word.over is None:
        return Tasks()
    return Tasks((TaskState(word.running, "running"), TaskState(word.over, "over")))
