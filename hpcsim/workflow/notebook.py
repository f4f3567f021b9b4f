"""What a sweep shows in a cell of a notebook, as the command does in a terminal: a bar, sentences, and why points failed."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from html import escape
from importlib import import_module
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from hpcsim.representation import line, rate, table
from hpcsim.scheduler.executor import Listener

if TYPE_CHECKING:
    from hpcsim.scheduler.plan import Plan
    from hpcsim.study.directory import StudyDirectory
    from hpcsim.study.study import Study

#: Seconds between two pictures of the bar: a notebook keeps up with a few a second.
_EVERY = 0.25
#: Sentences, groups of failures, and points of each that are shown.
_SENTENCES, _GROUPS, _POINTS = 50, 10, 3


def in_notebook() -> bool:
    """Whether this is the kernel of a notebook; IPython in a terminal is none."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


class NotebookListener:
    """Shows a sweep in one output of a cell, which changes as points arrive; a context manager.

    It is plain HTML, so that no widgets need to be installed, and what it said stays in the notebook.
    """

    def __init__(self) -> None:
        self._name, self._before, self._total, self._done, self._failed = "", 0, 0, 0, 0
        self._sentences: list[str] = []
        self._handle: Any = None
        self._began = self._shown_at = time.monotonic()

    def listener(self) -> Listener:
        """As a sweep wants it."""
        return Listener(self._started, self._progressed, self.notify)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if self._handle is not None:
            self._show(over=True)

    def notify(self, text: str) -> None:
        """A sentence below the bar."""
        self._sentences.append(text)
        self._show()

    def failures(self, study: Study, directory: StudyDirectory) -> None:
        """Which points failed, by their reasons; nothing where all succeeded."""
        from hpcsim.scheduler.state.failures import failed_points, grouped

        groups = grouped(failed_points(study, directory))
        if not groups:
            return
        rows = []
        for group in groups[:_GROUPS]:
            count = len(group.failures)
            more = f" and {count - _POINTS:,} more" if count > _POINTS else ""
            rows.append((f"{count:,}", group.status, group.reason, ", ".join(map(str, group.failures[:_POINTS])) + more))
        again = "" if study.search else "study.run(retry_failed=True) simulates them again; "
        first = groups[0].failures[0].id[:12]
        hint = f"{again}`hpcsim log {directory.path} {first}` shows the log of one"
        words = "\n".join(f"{count} {status}: {reason} ({points})" for count, status, reason, points in rows)
        html = table(("points", "status", "reason", "the first ones"), rows) + line(hint)
        _display({"text/html": f"<div>{html}</div>", "text/plain": f"{words}\n{hint}"})

    def _started(self, study: Study, plan: Plan) -> None:
        self._name, self._before, self._total, self._done, self._failed = study.name, plan.done, plan.total, 0, 0
        self._began = time.monotonic()
        if plan.left:
            self._show()

    def _progressed(self, done: int, failed: int) -> None:
        self._done, self._failed = done, failed
        if time.monotonic() - self._shown_at > _EVERY:
            self._show()

    def _show(self, *, over: bool = False) -> None:
        self._shown_at = time.monotonic()
        data = {"text/html": self._html(over=over), "text/plain": self._text(over=over)}
        if self._handle is None:
            self._handle = _display(data, display_id=True)
        else:
            self._handle.update(data, raw=True)

    def _html(self, *, over: bool) -> str:
        now = self._before + self._done
        bar = f'<progress value="{now}" max="{self._total}"></progress> ' if self._total else ""
        sentences = "".join(map(line, self._sentences[-_SENTENCES:]))
        return f"<div>{bar}{escape(self._words(over=over))}{sentences}</div>"

    def _text(self, *, over: bool) -> str:
        return "\n".join(filter(None, [self._words(over=over), *self._sentences[-_SENTENCES:]]))

    def _words(self, *, over: bool) -> str:
        """How far it is, as text."""
        if not self._total:
            return ""
        failed = f", {self._failed:,} failed" if self._failed else ""
        speed = self._done / max(time.monotonic() - self._began, 1e-3)
        pace = f", {rate(speed)}" if self._done and not over else ""
        return f"{self._name}: {self._before + self._done:,} of {self._total:,} points{failed}{pace}"


def _display(data: Mapping[str, str], **more: bool) -> Any:
    """Show something in the cell; IPython is there where there is a kernel."""
    return import_module("IPython.display").display(data, raw=True, **more)
