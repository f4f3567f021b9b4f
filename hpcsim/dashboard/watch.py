"""A question that is asked again and again in a thread, so that nobody who wants the answer waits for it."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from hpcsim.errors import HpcsimError
from hpcsim.scheduler.queue.commands import pauses

Answer = TypeVar("Answer")

#: Seconds after which an answer that nobody asked for is no longer wanted.
_WANTED = 10.0
#: Share of a core that asking may take while somebody wants to know, and while nobody does.
_SHARE, _IDLE_SHARE = 0.05, 0.005


class Watch(Generic[Answer]):
    """Asks at a pace that slows down while the answer stays the same, and further while nobody wants it.

    Parameters
    ----------
    ask : callable
        The question; equal answers are the same.
    least, most : float, s
        Between two questions, while the answer is wanted.
    idle : float, s
        While it is not; for ever by default.

    Attributes
    ----------
    error : str
        Why the last question had no answer; empty when it had one.
    """

    def __init__(self, ask: Callable[[], Answer], *, least: float, most: float, idle: float = math.inf) -> None:
        self._ask, self._least, self._most, self._idle = ask, least, most, idle
        self.error = ""
        self._answer: Answer | None = None
        self._wanted_at = self._answered_at = -math.inf
        self._hurried = False
        self._woken, self._asked, self._over = threading.Event(), threading.Event(), threading.Event()
        # it ends with the process, wherever it is
        self._thread = threading.Thread(target=self._run, name="hpcsim-watch", daemon=True)

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def hurry(self) -> None:
        """Ask now: what is known is known to be old."""
        self._hurried = True
        self._woken.set()

    def stop(self) -> None:
        """Ask no more; what was asked may still be answered."""
        self._over.set()
        self._woken.set()

    def answer(self, patience: float = 0.0) -> Answer | None:
        """The last answer, or None; waits up to `patience` seconds for the first, and for one after a long silence."""
        now = time.monotonic()
        if now - self._wanted_at > _WANTED and now - self._answered_at > self._least:
            self._asked.clear()
        self._wanted_at = now
        self._woken.set()
        self._asked.wait(patience)
        return self._answer

    def _run(self) -> None:
        waits = pauses()
        # without a pace of its own it waits until somebody wants to know
        self._rest(0.0, 0.0 if math.isfinite(self._idle) else math.inf)
        while not self._over.is_set():
            began = time.monotonic()
            if self._ask_once():
                waits = pauses()
            self._answered_at = time.monotonic()
            self._asked.set()
            cost = time.monotonic() - began
            pause = min(self._most, max(self._least, next(waits)))
            self._rest(max(pause, cost / _SHARE), max(self._idle, cost / _IDLE_SHARE))

    def _ask_once(self) -> bool:
        """Whether the answer is another one."""
        before = (self._answer, self.error)
        try:
            self._answer, self.error = self._ask(), ""
        except (HpcsimError, OSError, RuntimeError, KeyError) as error:
            self.error = str(error)
        return (self._answer, self.error) != before

    def _rest(self, wanted: float, idle: float) -> None:
        """Wait so many seconds, depending on whether somebody wants to know meanwhile."""
        since = time.monotonic()
        while not (self._over.is_set() or self._hurried):
            self._woken.clear()
            now = time.monotonic()
            left = since + (wanted if now - self._wanted_at < _WANTED else idle) - now
            if left <= 0:
                return
            self._woken.wait(None if math.isinf(left) else left)
        self._hurried = False
