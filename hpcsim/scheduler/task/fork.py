"""A process that begins as a copy of this one: what is loaded here need not be loaded again."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress

#: Exit code of a copy whose work raised an error.
_RAISED = 1


class Fork:
    """A copy of this process, which does one thing and ends; it is waited for as a :class:`subprocess.Popen` is.

    It leads a session of its own, has Python's own handlers of signals, and no thread but the one that made it.

    Parameters
    ----------
    work : callable
        What it does; returns its exit code.
    title : str
        What ``ps`` shows in place of this process's command, where setproctitle is installed.
    """

    def __init__(self, work: Callable[[], int], title: str) -> None:
        self.returncode: int | None = None
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):
                stream.flush()
        # a signal that comes before the copy has its own handlers waits for them
        kept = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            self.pid = os.fork()
            if self.pid == 0:
                _be(work, title, kept)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, kept)
        try:
            self._descriptor = os.pidfd_open(self.pid)
        except OSError:
            # too many open files: it could not be waited for
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            raise

    def fileno(self) -> int:
        """What can be read when it has ended."""
        return self._descriptor

    def poll(self) -> int | None:
        """Its exit code, a negative number for a signal; None while it runs."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
                os.close(self._descriptor)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, when it has ended.

        Raises
        ------
        subprocess.TimeoutExpired
        """
        until = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                assert timeout is not None
                raise subprocess.TimeoutExpired(["fork"], timeout)
            select.select([self._descriptor], [], [], left)
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


def _be(work: Callable[[], int], title: str, mask: set[int | signal.Signals]) -> None:
    """The life of the copy, which never returns."""
    code = _RAISED
    try:
        for number in signal.valid_signals():
            if callable(signal.getsignal(number)):
                signal.signal(number, signal.SIG_DFL)
        if signal.getsignal(signal.SIGINT) == signal.SIG_DFL:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        os.setsid()
        set_title(title)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        code = work()
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else 0 if ending.code is None else _RAISED
    except BaseException as error:
        traceback.print_exception(error)
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):
                stream.flush()
        os._exit(code)


def set_title(title: str) -> None:
    """What ``ps`` shows for this process."""
    with suppress(ImportError):
        from setproctitle import setproctitle

        setproctitle(title)
