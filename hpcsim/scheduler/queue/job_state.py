"""The state of a Slurm job, as rows of squeue and sacct tell it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

#: States in which a job is over; in any other, also one that Slurm has yet to invent, it may still run.
OVER = frozenset(
    {"BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED", "TIMEOUT"}
)
#: A job as squeue and sacct write it: a number, the component of a heterogeneous job, and elements of an array.
_JOB = re.compile(r"(\d+)(?:\+\d+)?(?:_(\d+|\[[^\]]*\]?))?")
#: Elements of an array: one, several, or every so many of them.
_RUN = re.compile(r"(\d+)(?:-(\d+)(?::(\d+))?)?")


class JobId(int):
    """The number of a job, with the cluster that has it; empty where there is only one cluster.

    Examples
    --------
    >>> JobId(17, "blue") == 17, JobId(17, "blue").cluster
    (True, 'blue')
    """

    cluster: str

    def __new__(cls, number: int | str, cluster: str = "") -> Self:
        """A number, or its digits."""
        made = super().__new__(cls, number)
        made.cluster = cluster
        return made

    def __str__(self) -> str:
        return int.__repr__(self)

    def __repr__(self) -> str:
        return f"JobId({int(self)}, {self.cluster!r})"


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
        return self.state not in OVER

    @property
    def count(self) -> int:
        """How many elements."""
        return 1 if self.first is None or self.last is None else self.last - self.first + 1


def squeue_row(row: str) -> Iterator[State]:
    """States in a row of squeue with fields of fixed width: JobArrayID:1000,State:20,exit_code:12,StartTime:24,Reason:100.

    Lines that are no rows, such as a banner or a header, have none; a site's own squeue may have squeezed the blanks.
    """
    fields = [row[:1000], row[1000:1020], row[1020:1032], row[1032:1056], row[1056:]]
    if not _JOB.fullmatch(fields[0].strip()):
        fields = row.split(None, 4)
    yield from _states([field.strip() for field in fields])


def sacct_row(row: str) -> Iterator[State]:
    """States in a row of sacct: JobID|State|ExitCode|Start|Reason; none in any other line."""
    yield from _states(row.split("|", 4))


def _states(fields: list[str]) -> Iterator[State]:
    """States of the job in the first field."""
    if len(fields) < 2 or not (match := _JOB.fullmatch(fields[0])) or not fields[1].strip():
        return
    state, ended, starts, reason = [*fields[1:], "", "", ""][:4]
    code, signal = _wait_status(ended)
    starts = "" if starts in ("N/A", "Unknown", "None") else starts
    reason = "" if reason in ("None", "(null)") else reason
    # "CANCELLED by 1000", "CANCELLED+"
    word = state.split()[0].rstrip("+").upper()
    for first, last in _runs(match[2] or ""):
        yield State(int(match[1]), first, last, word, code, signal, reason, starts)


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


def _runs(index: str) -> Iterator[tuple[int | None, int | None]]:
    """First and last element of each run in ``3`` or ``[4-9,12,20-28:4%2]``.

    Examples
    --------
    >>> list(_runs("[4-9,12%2]")), list(_runs("[0-8:4]")), list(_runs(""))
    ([(4, 9), (12, 12)], [(0, 0), (4, 4), (8, 8)], [(None, None)])
    """
    if not index:
        yield None, None
        return
    found = [_RUN.fullmatch(item.strip()) for item in index.strip("[]").partition("%")[0].split(",")]
    if not any(found):
        # cut short; the job is there all the same
        yield None, None
    for match in filter(None, found):
        first, last, step = int(match[1]), int(match[2] or match[1]), int(match[3] or 1)
        if step == 1:
            yield first, last
        else:
            yield from ((element, element) for element in range(first, last + 1, step))


def leading_number(text: str) -> int | None:
    """The number that a setting begins with; None for UNLIMITED and the like."""
    match = re.match(r"\d+", text.strip())
    return int(match[0]) if match else None
