"""A few numbers that a worker shows to the process that watches over it, even while it is busy or dead."""

from __future__ import annotations

import mmap
import os
import struct
import tempfile
import time
from dataclasses import astuple, dataclass
from pathlib import Path

_FORMAT = struct.Struct("=qqqqqqqdqqd")
#: What a worker says of itself: it works, or died; it is through with all that was ordered; it has said why it cannot go on.
WORKING, FINISHED, REFUSED = range(3)
#: One byte after the progress: whether the supervisor asks for a stop.
_SIZE = _FORMAT.size + 1


@dataclass(frozen=True)
class WorkerProgress:
    """What the block shows.

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
    printed : int
        Bytes in the worker's log when the batch began; -1 where its output is no file.
    state : int
        WORKING, FINISHED or REFUSED: the exit code alone does not tell, since a model may end the process with any.
    first : float
        When the first batch began, on the monotonic clock (seconds); 0 before.
    """

    start: int = -1
    stop: int = -1
    batch: int = 0
    done: int = 0
    failed: int = 0
    written: int = 0
    written_failed: int = 0
    since: float = 0.0
    printed: int = -1
    state: int = WORKING
    first: float = 0.0

    @property
    def seconds(self) -> float:
        """How long the present batch has been running."""
        return time.monotonic() - self.since


class ProgressBlock:
    """Shared memory of one worker and its supervisor.

    A message a point through a pipe would wake the supervisor for each; this costs a few hundred nanoseconds. A worker of one
    process inherits the file descriptor; MPI ranks are no children of the supervisor, so that they find a file by its path.

    Parameters
    ----------
    descriptor : int
    path : Path, optional
        Of the file, where it has one; removed when the block is closed.
    """

    def __init__(self, descriptor: int, path: Path | None = None) -> None:
        self.descriptor, self._path = descriptor, path
        self._memory = mmap.mmap(descriptor, _SIZE)

    @classmethod
    def create(cls, folder: Path | None = None) -> ProgressBlock:
        """A new block, for the supervisor; with a file in a folder that the worker sees, where one is given."""
        descriptor, name = tempfile.mkstemp(prefix=".hpcsim-block-", dir=folder)
        os.ftruncate(descriptor, _SIZE)
        if folder is None:
            os.unlink(name)
        block = cls(descriptor, None if folder is None else Path(name))
        block.show(WorkerProgress())
        return block

    @classmethod
    def open(cls, address: str) -> ProgressBlock:
        """The block at an address, for the worker."""
        return cls(int(address) if address.isdigit() else os.open(address, os.O_RDWR))

    @property
    def address(self) -> str:
        """What the worker is told: the path of the file, or the inherited descriptor."""
        return str(self._path or self.descriptor)

    def show(self, progress: WorkerProgress) -> None:
        """Write in one piece: packing into the memory itself would blank it first, and a blank looks like a batch since 1970."""
        self._memory[: _FORMAT.size] = _FORMAT.pack(*astuple(progress))

    def read(self) -> WorkerProgress:
        """What the worker showed last."""
        return WorkerProgress(*_FORMAT.unpack(self._memory[: _FORMAT.size]))

    def ask_stop(self) -> None:
        """Ask the worker to stop; launchers of MPI ranks do not all pass signals on."""
        self._memory[_FORMAT.size] = 1

    @property
    def stop_asked(self) -> bool:
        """Whether the supervisor asks for a stop."""
        return bool(self._memory[_FORMAT.size])

    def close(self) -> None:
        """Give the memory back."""
        self._memory.close()
        os.close(self.descriptor)
        if self._path is not None:
            self._path.unlink(missing_ok=True)
