"""Tracebacks of failed points in the log of their task: each kind once, and how often it came again."""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import dataclass, field

from hpcsim.scheduler.log.reason import alike, describe, full
from hpcsim.scheduler.log.task_log import TaskLog, heading, printed, printed_since

#: Ids that stand beside a count.
_IDS = 3
#: Kinds of failures that are told apart; more are not remembered.
_KINDS = 1000


@dataclass
class _Kind:
    """Failures with one traceback: the first of them, and those that were not told yet."""

    first: str
    reason: str
    repeats: int = 0
    ids: list[str] = field(default_factory=list)


class FailureLog:
    """Writes failures to standard error, which is the log of a task.

    Parameters
    ----------
    log : TaskLog, optional
        A file besides, where standard error is not one.
    """

    def __init__(self, log: TaskLog | None = None) -> None:
        self._log = log
        self._kinds: dict[tuple[str, str, int, str], _Kind] = {}

    def add(self, id: str, error: BaseException, before: int) -> str:
        """Write down a failure, unless one like it has been written already; returns the reason for the results.

        Parameters
        ----------
        id : str
            Of the point.
        error : BaseException
        before : int
            How much had been printed when the point began, see :func:`printed`.
        """
        above = max(0, printed() - before) if before >= 0 else 0
        reason = describe(error, printed_since(before) if above else "")
        key = (type(error).__name__, *_origin(error), alike(reason))
        kind = self._kinds.get(key)
        if kind is not None:
            kind.repeats += 1
            if len(kind.ids) < _IDS:
                kind.ids.append(id)
            return reason
        if len(self._kinds) < _KINDS:
            self._kinds[key] = _Kind(id, reason)
        text = full(error)
        self._write(heading(id, "failed", 0 if self._log else above, len(text.encode()), reason) + text)
        return reason

    def count(self) -> None:
        """Say how often known failures have come again since the last call."""
        for kind in self._kinds.values():
            if kind.repeats:
                more = f" and {kind.repeats - len(kind.ids)} more" if kind.repeats > len(kind.ids) else ""
                self._write(
                    f"=== {kind.repeats} more point(s) failed like {kind.first}: {', '.join(kind.ids)}{more}: {kind.reason}\n"
                )
                kind.repeats, kind.ids = 0, []

    def _write(self, text: str) -> None:
        # a full disk, or a terminal that is gone: the reason is in the results
        with suppress(OSError):
            if self._log is not None:
                self._log.write(text)
                self._log.trim()
            print(text, end="", file=sys.stderr, flush=True)


def _origin(error: BaseException) -> tuple[str, int]:
    """File and line where an error was raised."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    return ("", 0) if place is None else (place.tb_frame.f_code.co_filename, place.tb_lineno)
