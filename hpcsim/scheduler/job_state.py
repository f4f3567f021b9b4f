"""The state of a Slurm job, as rows of squeue and sacct tell it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

#: States in which a job is not over.
ACTIVE = frozenset(
    {"PENDING", "RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT"}
    | {"REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESIZING", "SPECIAL_EXIT"}
)


@dataclass(frozen=True)
class State:
    """One job, or an element of an array, or several elements that wait together.

    Parameters
    ----------
    job : int
    first, last : int or None
        Elements of an array; None for a job that is none.
    state : str
        Slurm's word, such as PENDING or OUT_OF_MEMORY.
    code, signal : int
        How it ended.
    reason : str
        Why it waits, or ended.
    starts : str
        When it began, or will begin as far as Slurm knows; empty otherwise.
    """

    job: int
    first: int | None
    last: int | None
    state: str
    code: int = 0
    signal: int = 0
    reason: str = ""
    starts: str = ""

    @property
    def active(self) -> bool:
        """Whether it is not over."""
        return self.state in ACTIVE

    @property
    def count(self) -> int:
        """How many elements."""
        return 1 if self.first is None or self.last is None else self.last - self.first + 1


def squeue_row(row: str) -> Iterator[State]:
    """States in a row of squeue with fields of fixed width: JobArrayID:1000,State:20,exit_code:12,StartTime:24,Reason:100."""
    job, state = row[:1000].strip(), row[1000:1020].strip()
    raw, starts, reason = row[1020:1032].strip(), row[1032:1056].strip(), row[1056:].strip()
    code, signal = _wait_status(raw)
    yield from _elements(job, state, code, signal, starts, reason)


def sacct_row(row: str) -> Iterator[State]:
    """States in a row of sacct: JobID|State|ExitCode|Start|Reason."""
    job, state, ended, starts, reason = row.split("|", 4)
    code, signal = _wait_status(ended)
    # "CANCELLED by 1000"
    yield from _elements(job, state.split()[0], code, signal, starts, reason)


def _wait_status(text: str) -> tuple[int, int]:
    """Exit code and signal, from "3:0" or from what wait(2) gives.

    Examples
    --------
    >>> _wait_status("768"), _wait_status("9"), _wait_status("0:125")
    ((3, 0), (0, 9), (0, 125))
    """
    if ":" in text:
        code, signal = text.split(":")[:2]
        return leading_number(code) or 0, leading_number(signal) or 0
    raw = leading_number(text) or 0
    return raw >> 8, raw & 127


def _elements(job: str, state: str, code: int, signal: int, starts: str, reason: str) -> Iterator[State]:
    """A state for each run of elements in ``17``, ``17_3`` or ``17_[4-9,12%2]``."""
    number, _, index = job.partition("_")
    if not number.isdigit():
        return
    starts = "" if starts in ("N/A", "Unknown", "None") else starts
    reason = "" if reason in ("None", "(null)") else reason
    for first, last in _runs(index):
        yield State(int(number), first, last, state, code, signal, reason, starts)


def _runs(index: str) -> Iterator[tuple[int | None, int | None]]:
    if not index:
        yield None, None
        return
    for item in index.strip("[]").partition("%")[0].split(","):
        first, _, last = item.partition("-")
        if first.isdigit():
            yield int(first), int(last) if last.isdigit() else int(first)


def leading_number(text: str) -> int | None:
    """The number that a setting begins with; None for UNLIMITED and the like."""
    match = re.match(r"\d+", text.strip())
    return int(match[0]) if match else None
