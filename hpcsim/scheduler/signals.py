"""Signals that ask for a stop."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from hpcsim.errors import Interrupted

#: Seconds in which the first Ctrl-C has its effect, tasks that write what they have included; then another one interrupts again.
_PATIENCE = 60.0
#: Seconds between two words about further ones.
_PAUSE = 2.0
_WAIT = b"\nstopping: what is finished is written and collected; a further Ctrl-C changes nothing (Ctrl-\\ ends at once)\n"


def stop_signals() -> tuple[signal.Signals, ...]:
    """SIGTERM, and SIGHUP of a terminal that was closed unless it is ignored (nohup)."""
    kept = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    return (signal.SIGTERM,) if kept else (signal.SIGTERM, signal.SIGHUP)


def interrupts() -> tuple[signal.Signals, ...]:
    """The same and Ctrl-C, unless that is ignored (a script's command in the background)."""
    kept = signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    return stop_signals() if kept else (signal.SIGINT, *stop_signals())


@contextmanager
def handled(numbers: tuple[signal.Signals, ...], handler: Callable[[int], None]) -> Iterator[None]:
    """Signals call a handler meanwhile; nothing changes in a thread, which gets none."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    terminals = [descriptor for descriptor in (1, 2) if os.isatty(descriptor)]

    def handle(number: int, frame: object) -> None:
        del frame
        if number == signal.SIGHUP:
            _leave(terminals)
        handler(number)

    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, previous in before.items():
            # None: set by C code, which Python cannot put back
            signal.signal(number, signal.SIG_DFL if previous is None else previous)


def _leave(terminals: list[int]) -> None:
    """Write to nowhere instead of terminals that are gone: a word to them would be an error."""
    with suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for descriptor in terminals:
            os.dup2(nowhere, descriptor)
        os.close(nowhere)


class StopRequests:
    """Lets a signal that asks for a stop interrupt the work, and no further one what follows."""

    def __init__(self) -> None:
        self._asked: signal.Signals | None = None
        self._raised = self._told = float("-inf")
        #: Whether a signal interrupts; not while results are written.
        self.open = True

    def hear(self, number: int) -> None:
        """Handle a signal.

        Raises
        ------
        KeyboardInterrupt
            At the first one, while the work may be interrupted; no library takes it for an error of its own.
        """
        self._asked = self._asked or signal.Signals(number)
        if self.open and time.monotonic() - self._raised > _PATIENCE:
            self._raised = time.monotonic()
            raise KeyboardInterrupt
        if time.monotonic() - self._told > _PAUSE:
            self._told = time.monotonic()
            # a print in a handler may meet one that it has interrupted
            with suppress(OSError):
                os.write(2, _WAIT)

    def check(self) -> None:
        """End the work if a stop was asked for and some library has kept the interrupt for itself.

        Raises
        ------
        Interrupted
        """
        if self._asked is not None:
            raise self.error

    @property
    def error(self) -> Interrupted:
        """What the command says in the end."""
        how = "stopped" if self._asked in (None, signal.SIGINT) else f"stopped by {self._asked.name}"
        return Interrupted(f"{how}; what was finished is collected, the same command goes on from there")
