"""What a sweep in this very process says of itself."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import Any

from hpcsim.scheduler.executor import Listener
from hpcsim.scheduler.plan import Plan
from hpcsim.study.study import Study


@dataclass(frozen=True)
class Word:
    """The last word of a sweep.

    Parameters
    ----------
    study : str
        The study that is simulated: this one, or one that it needs; empty while none is.
    total, before : int
        Points of that study, and how many were finished before.
    done, failed : int
        Points that are over since, and how many of them failed.
    running, over : int, optional
        Tasks; None where the executor does not start them itself.
    dask : str
        The address of Dask's own pages.
    """

    study: str = ""
    total: int = 0
    before: int = 0
    done: int = 0
    failed: int = 0
    running: int | None = None
    over: int | None = None
    dask: str = ""


class Live:
    """Keeps the last word of a sweep, for other threads."""

    def __init__(self) -> None:
        self.word = Word()
        self._lock = threading.Lock()

    def listener(self, also: Listener) -> Listener:
        """A listener that keeps what it is told, and tells another."""

        def started(study: Study, plan: Plan) -> None:
            with self._lock:
                self.word = Word(study.name, plan.total, plan.done)
            also.started(study, plan)

        def progressed(done: int, failed: int) -> None:
            self._note(done=done, failed=failed)
            also.progressed(done, failed)

        def tasked(running: int, over: int) -> None:
            self._note(running=running, over=over)
            also.tasked(running, over)

        def dashboard(address: str) -> None:
            self._note(dask=address)
            also.dashboard(address)

        return replace(also, started=started, progressed=progressed, tasked=tasked, dashboard=dashboard)

    def ended(self) -> None:
        """No study is simulated any more, and a Dask cluster is gone."""
        with self._lock:
            self.word = Word()

    def _note(self, **changes: Any) -> None:
        with self._lock:
            self.word = replace(self.word, **changes)
