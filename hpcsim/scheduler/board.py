"""A few numbers that a worker shows to the process that watches over it, even while it is busy or dead."""

from __future__ import annotations

import mmap
import os
import struct
import tempfile
import time
from dataclasses import astuple, dataclass

_FORMAT = struct.Struct("=qqqqqqqd")


@dataclass(frozen=True)
class Reading:
    """What the board shows.

    Parameters
    ----------
    start, stop : int
        Design indices of the batch that is being simulated: first, and one past the last; -1 before the first.
    batch : int
        How many points of that range the batch has (finished ones in between are skipped).
    done, failed : int
        Points finished by this worker, and how many of them failed.
    written, written_failed : int
        How many of these are safe in a shard.
    since : float
        When the batch began, on the monotonic clock (seconds).
    """

    start: int = -1
    stop: int = -1
    batch: int = 0
    done: int = 0
    failed: int = 0
    written: int = 0
    written_failed: int = 0
    since: float = 0.0

    @property
    def seconds(self) -> float:
        """How long the present batch has been running."""
        return time.monotonic() - self.since


class Board:
    """Shared memory of one worker and its supervisor, reached through an inherited file descriptor.

    A message a point through a pipe would wake the supervisor for each; this costs a few hundred nanoseconds.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._memory = mmap.mmap(descriptor, _FORMAT.size)

    @classmethod
    def create(cls) -> Board:
        """A new board, for the supervisor."""
        descriptor, path = tempfile.mkstemp(prefix="hpcsim-board-")
        os.unlink(path)
        os.ftruncate(descriptor, _FORMAT.size)
        board = cls(descriptor)
        board.show(Reading())
        return board

    def show(self, reading: Reading) -> None:
        """Write; torn reads do no harm, the next one is right."""
        _FORMAT.pack_into(self._memory, 0, *astuple(reading))

    def read(self) -> Reading:
        """What the worker showed last."""
        return Reading(*_FORMAT.unpack_from(self._memory, 0))

    def close(self) -> None:
        """Give the memory back."""
        self._memory.close()
        os.close(self.descriptor)
