"""The fork server: a process that has numpy, HDF5 and hpcsim loaded, and of which tasks are copies.

To load them takes longer than a small task. No simulator is loaded there and no study read, so that a task begins clean.
The program itself is :mod:`hpcsim.cli.fork_server`, which knows what ``hpcsim task`` does.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import count
from typing import IO

from hpcsim.scheduler.task.worker import environment

#: The program.
_PROGRAM = "hpcsim.cli.fork_server"


@dataclass(frozen=True)
class ForkRequest:
    """What a fork server is asked for: the task of this number with arguments in a folder, or a signal for a task."""

    number: int
    arguments: tuple[str, ...] = ()
    folder: str = ""
    signal: int = 0

    def message(self) -> bytes:
        """As it is sent."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def parse(cls, message: bytes) -> ForkRequest:
        """Back from a message."""
        found = json.loads(message)
        return cls(**{**found, "arguments": tuple(found["arguments"])})


def can_fork() -> bool:
    """Whether this system has what the fork server needs: elsewhere a copy of a process is not safe, or not watched."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:
        # an old kernel, or a sandbox
        return False
    return True


class ForkServer:
    """A fork server, started at once; it ends when it is closed, or with this process."""

    def __init__(self) -> None:
        self._numbers = count()
        self._socket, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with other:
            # a session of its own: Ctrl-C reaches us alone
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", _PROGRAM, str(other.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[other.fileno()],
                env=environment(),
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        """Whether it is there."""
        return self._process.poll() is None

    def start(self, arguments: list[str], folder: str) -> ForkedTask:
        """Start ``hpcsim task`` with arguments in a folder.

        Raises
        ------
        OSError
            If the server is gone.
        """
        outer, inner = zip(*(os.pipe() for _ in range(3)), strict=True)
        request = ForkRequest(next(self._numbers), tuple(arguments), folder)
        try:
            socket.send_fds(self._socket, [request.message()], list(inner))
        except OSError:
            for descriptor in outer:
                os.close(descriptor)
            raise
        finally:
            for descriptor in inner:
                os.close(descriptor)
        return ForkedTask(self, request.number, *outer)

    def send_signal(self, number: int, signal: int) -> None:
        """Send a signal to the task of a number, unless that has ended: only its parent knows."""
        with suppress(OSError):
            self._socket.send(ForkRequest(number, signal=signal).message())

    def close(self) -> None:
        """End it."""
        self._socket.close()
        self._process.wait()


class ForkedTask:
    """A task that a fork server started, with the methods of :class:`subprocess.Popen` that are used of it.

    Parameters
    ----------
    server : ForkServer
    number : int
        By which the server knows it.
    output, errors, status : int
        Descriptors to read its standard output, its standard error, and what the server tells of it from.
    """

    def __init__(self, server: ForkServer, number: int, output: int, errors: int, status: int) -> None:
        self._server, self._number, self._status, self._lock = server, number, status, threading.Lock()
        self.stdout: IO[str] = os.fdopen(output, encoding="utf-8", errors="replace")
        self.stderr: IO[str] = os.fdopen(errors, encoding="utf-8", errors="replace")
        self._told = b""
        self._code: int | None = None

    @property
    def begun(self) -> bool:
        """Whether the server has told of it; when it has ended without, it never was: the server could not."""
        return bool(self._told)

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        return self._look(0.0)

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, when it has ended.

        Raises
        ------
        subprocess.TimeoutExpired
        """
        code = self._look(timeout)
        if code is None:
            assert timeout is not None
            raise subprocess.TimeoutExpired(["hpcsim", "task"], timeout)
        return code

    def terminate(self) -> None:
        """Ask it to write what it has, and to end."""
        # also while the server still loads: it answers in turn
        self._server.send_signal(self._number, signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self._server.send_signal(self._number, signal.SIGKILL)

    def close(self) -> None:
        """Give the descriptors back."""
        self.stdout.close()
        self.stderr.close()
        with self._lock:
            os.close(self._status)

    def _look(self, timeout: float | None) -> int | None:
        """Read what the server tells; without an exit code it was killed itself, and its tasks end with it."""
        with self._lock:
            while self._code is None and select.select([self._status], [], [], timeout)[0]:
                told = os.read(self._status, 100)
                self._told += told
                if not told:
                    # the line that says that it began, then its exit code
                    _, _, code = self._told.partition(b"\n")
                    self._code = int(code or -signal.SIGKILL)
            return self._code
