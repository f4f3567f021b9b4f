"""What a model may change in its process: each point must find it as the first one did."""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import threading
from contextlib import suppress
from typing import Any, TextIO

import numpy as np

#: Signals by which a task is stopped.
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
#: Standard output and standard error.
_STREAMS = {1: "stdout", 2: "stderr"}
#: Copies of file descriptors get numbers from here on, out of the way of what models open and close.
_FROM = 100


class Surroundings:
    """The state of this process as it is now, to be put back after each point.

    A model may close its output, go to another folder, ignore signals or lower the limit of recursion: the next point, and
    the process itself when it writes results, must not meet that. It costs a few microseconds.
    """

    def __init__(self) -> None:
        self._process = os.getpid()
        self._folder = os.getcwd()
        self._mask = os.umask(0)
        os.umask(self._mask)
        self._recursion = sys.getrecursionlimit()
        self._numpy: Any = np.geterr()
        self._texts: dict[int, TextIO | None] = {number: getattr(sys, name) for number, name in _STREAMS.items()}
        self._files: dict[int, tuple[int, tuple[int, int] | None]] = {}
        for number in _STREAMS:
            # a process without a terminal may have none
            with suppress(OSError):
                self._files[number] = fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, _FROM), _file(number)
        # elsewhere Python sets no handlers, and models cannot either
        main = threading.current_thread() is threading.main_thread()
        self._handlers = {number: signal.getsignal(number) for number in _SIGNALS} if main else {}

    def close(self) -> None:
        """Give the copies of file descriptors back."""
        for copy, _ in self._files.values():
            with suppress(OSError):
                os.close(copy)
        self._files = {}

    def restore(self) -> None:
        """Put everything back as it was."""
        if os.getpid() != self._process:
            # a child of the model's that came back from its call: the parent goes on with the sweep
            os._exit(0)
        for number, handler in self._handlers.items():
            # what C code has set is not known to Python
            if handler is not None and signal.getsignal(number) != handler:
                signal.signal(number, handler)
        if self._handlers and signal.getitimer(signal.ITIMER_REAL)[0]:
            signal.setitimer(signal.ITIMER_REAL, 0)
        if sys.getrecursionlimit() != self._recursion:
            sys.setrecursionlimit(self._recursion)
        self._restore_output()
        os.umask(self._mask)
        if np.geterr() != self._numpy:
            np.seterr(**self._numpy)
        if _folder() != self._folder:
            # somebody else may have removed it
            with suppress(OSError):
                os.chdir(self._folder)

    def _restore_output(self) -> None:
        for number, (copy, file) in self._files.items():
            if _file(number) != file:
                os.dup2(copy, number)
        if sys.stdout is self._texts[1] and sys.stderr is self._texts[2] and not _closed(sys.stdout) and not _closed(sys.stderr):
            return
        for number, text in self._texts.items():
            if _closed(text) and number in self._files:
                text = open(number, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
                self._texts[number] = text
            if getattr(sys, _STREAMS[number]) is not text:
                setattr(sys, _STREAMS[number], text)


def _closed(text: TextIO | None) -> bool:
    return text is not None and text.closed


def _file(number: int) -> tuple[int, int] | None:
    """Which file a descriptor leads to; None where it is closed."""
    try:
        state = os.fstat(number)
    except OSError:
        return None
    return state.st_dev, state.st_ino


def _folder() -> str:
    """The current folder; empty where it is gone."""
    try:
        return os.getcwd()
    except OSError:
        return ""
