"""What became of a submission whose tasks are over: which points run again, with what, and which do not."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from hpcsim.errors import StorageError
from hpcsim.scheduler.plan import plan
from hpcsim.scheduler.queue.commands import Limits
from hpcsim.scheduler.queue.job_state import State
from hpcsim.scheduler.queue.paths import ArraySpec
from hpcsim.scheduler.slurm.arrays import MEMORY_RETRIES, RETRIES, RetryGroup
from hpcsim.scheduler.slurm.submission import IndexRange, Submission, intersect, points_in
from hpcsim.scheduler.task.supervisor import OUT_OF_MEMORY
from hpcsim.study.directory import StudyDirectory
from hpcsim.study.study import Study

#: Slurm's states, by what is to be done about them.
_LATE = {"TIMEOUT", "DEADLINE"}
_LOST = {"PREEMPTED", "NODE_FAIL", "BOOT_FAIL", "REVOKED", ""}
#: Exit codes of a task that was asked to stop: its own, and a shell's for SIGTERM.
_STOPPED = {130, 143}
_SIGTERM, _SIGKILL = 15, 9
#: Slurm's megabytes of a job, where nobody knows.
_SOME_MEMORY = 1024


@dataclass(frozen=True)
class Retry:
    """What is left of a submission.

    Parameters
    ----------
    groups : tuple of RetryGroup
        Points that run again.
    words : str
        What happened, for people.
    """

    groups: tuple[RetryGroup, ...]
    words: str


def ending(state: State | None) -> str:
    """What a task came to: done, late, lost, memory, cancelled or failed.

    Examples
    --------
    >>> ending(State(7, 0, 0, "OUT_OF_MEMORY")), ending(State(7, 1, 1, "FAILED", code=130)), ending(None)
    ('memory', 'late', 'lost')
    >>> ending(State(7, 0, 0, "FAILED", signal=9))
    'lost'
    """
    if state is None or state.state in _LOST:
        # nobody knows it any more: what it left says enough
        return "lost"
    if state.state == "FAILED" and state.signal == _SIGKILL:
        # somebody killed the task itself, which is small: for want of memory its worker dies, and it lives to say so
        return "lost"
    if state.state == "COMPLETED":
        return "done"
    if state.state in _LATE or state.code in _STOPPED or (state.state == "FAILED" and state.signal == _SIGTERM):
        return "cancelled" if state.state == "CANCELLED" else "late"
    if state.state == "OUT_OF_MEMORY" or (state.state == "FAILED" and state.code == OUT_OF_MEMORY):
        return "memory"
    return "cancelled" if state.state == "CANCELLED" else "failed"


def classify(
    study: Study,
    directory: StudyDirectory,
    item: Submission,
    states: Sequence[State],
    limits: Limits,
) -> Retry:
    """Sort the points that a submission left unfinished by what happened to their tasks.

    Tasks that were too late or lost run again, up to a limit; those without enough memory get twice as much, and a point
    that even then takes Slurm's last word is recorded as failed. What was cancelled, or failed for another reason, waits
    for the user.
    """
    pending = plan(study, directory).pending
    # a point that failed again is not tried for ever: only those count whose task did not come to its end
    unfinished = plan(study, directory, retry_failed=True).pending if item.retry_failed else pending
    again: dict[tuple[int | None, int, int], list[IndexRange]] = defaultdict(list)
    ends, left = Counter[str](), Counter[str]()
    for sent in item.sent:
        known = _by_element([state for state in states if state.job == sent.job])
        for number, task in enumerate(item.slices(sent)):
            state = known.get(number)
            kind = ending(state)
            ends[_word(kind, state)] += 1
            missing = intersect(pending if kind == "done" else unfinished, [task])
            if not missing:
                continue
            group = _next(sent.part, kind, limits)
            if group is None and kind == "memory" and task[1] - task[0] == 1:
                _quarantine(study, directory, task, sent.part)
            elif group is None:
                left[_why(kind, state)] += points_in(missing)
            else:
                again[group.memory, group.tries, group.memory_tries] += missing
    if item.rest:
        again[item.settings.memory, 0, 0] += intersect(pending, item.rest)
    groups = tuple(RetryGroup(tuple(sorted(runs)), *key) for key, runs in again.items() if runs)
    words = ", ".join(f"{count:,} {word}" for word, count in sorted(ends.items()))
    return Retry(groups, "; ".join([f"tasks {words}", *(f"{count:,} points {why}" for why, count in sorted(left.items()))]))


def _by_element(states: Sequence[State]) -> dict[int, State]:
    """The state of each element."""
    return {
        element: state
        for state in states
        if state.first is not None and state.last is not None
        for element in range(state.first, state.last + 1)
    }


def _word(kind: str, state: State | None) -> str:
    if state is None:
        return "no longer known to Slurm"
    if kind == "lost" and state.state == "FAILED":
        return "FAILED (killed by SIGKILL)"
    # warned of the end, the task wrote what it had and stopped by itself
    return "TIMEOUT (stopped in time)" if kind == "late" and state.state == "FAILED" else state.state


def _why(kind: str, state: State | None) -> str:
    if kind == "cancelled":
        return "were cancelled"
    if kind == "failed":
        code = f" with exit code {state.code}" if state is not None else ""
        return f"are left by tasks that failed{code}"
    return f"are not finished after {RETRIES + 1} tries ({_word(kind, state)})"


def _next(part: ArraySpec, kind: str, limits: Limits) -> RetryGroup | None:
    """How points of such a task run again; None when they do not."""
    same = RetryGroup((), part.memory, part.tries, part.memory_tries)
    if kind == "done" and part.budget is not None:
        # a pilot that used up its time
        return same
    if kind in ("cancelled", "failed"):
        return None
    if kind == "memory":
        if part.memory_tries >= MEMORY_RETRIES:
            return None
        memory = 2 * (part.memory or limits.memory or _SOME_MEMORY)
        return replace(same, memory=memory, memory_tries=part.memory_tries + 1)
    return replace(same, tries=part.tries + 1) if part.tries < RETRIES else None


def _quarantine(study: Study, directory: StudyDirectory, task: IndexRange, part: ArraySpec) -> None:
    """Record a point as failed whose jobs Slurm killed as a whole, also with the most memory."""
    from hpcsim.scheduler.task.failure import record_failure
    from hpcsim.scheduler.task.worker import WorkerRequest

    attempts = part.tries + part.memory_tries + 1
    reason = f"ran out of memory with {part.memory} MB; Slurm ended its job"
    if not record_failure(directory, WorkerRequest(str(directory.path), *task, attempt=attempts), reason, late=False):
        raise StorageError(f"{directory.shards}: the failure of point {task[0]} of {study.name} could not be written")
