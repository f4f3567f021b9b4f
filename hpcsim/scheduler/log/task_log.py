"""The log of a task: what its workers print, within a limit; each failure says which lines are its own."""

from __future__ import annotations

import os
import re
import stat
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Self

#: Bytes of a log that are kept: of its beginning, and of its end.
HEAD, TAIL = 2**20, 4 * 2**20
#: Bytes more that a log may have while its task runs: what is printed in the very moment of a cut can be lost, so cuts are rare.
ROOM = 6 * TAIL
_NOTICE = re.compile(rb"^=== (\d+) bytes are left out here ===\n", re.MULTILINE)
_HEADING = re.compile(r"^=== point (\w{32}) (\w+), (\d+) bytes above, (\d+) bytes below: (.*)$")


def log_path(folder: Path, start: int, stop: int) -> Path:
    """The log of the task of some points, in the folder of logs."""
    return folder / f"{start:09d}-{stop:09d}.log"


def heading(id: str, how: str, above: int, below: int, reason: str) -> str:
    """The line that stands between what a point printed and its traceback.

    Parameters
    ----------
    id : str
        Of the point.
    how : str
        failed, crashed or timeout.
    above, below : int
        Bytes before and after this line that belong to it.
    reason : str
        As in the results.
    """
    return f"=== point {id} {how}, {above} bytes above, {below} bytes below: {reason}\n"


def parse_heading(line: str) -> tuple[str, int, int, str] | None:
    """Id, bytes above and below, and reason, back from a heading; None if the line is something else."""
    found = _HEADING.match(line)
    return (found[1], int(found[3]), int(found[4]), found[5]) if found else None


class TaskLog:
    """A file that only grows, but for its middle: workers append to it, and the supervisor keeps it short.

    Parameters
    ----------
    path : Path
    head, tail : int
        Bytes that are kept of its beginning and of its end.
    """

    def __init__(self, path: Path, head: int = HEAD, tail: int = TAIL) -> None:
        self.path, self._head, self._tail = path, head, tail
        self._file: IO[bytes] | None = None
        #: When something was left out, where the kept end began before, and where it begins now.
        self._cuts: list[tuple[float, int, int]] = []

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("ab", buffering=0)
        return self

    def __exit__(self, *error: object) -> None:
        self.trim(0)
        self.file.close()

    @property
    def file(self) -> IO[bytes]:
        """What workers write into."""
        assert self._file is not None, "the log is not open"
        return self._file

    @property
    def size(self) -> int:
        """Bytes in it."""
        return os.fstat(self.file.fileno()).st_size

    def trim(self, room: int | None = None) -> None:
        """Leave out the middle when there is more than head, tail and some room (another tail, so that it is rare)."""
        if self.size <= self._head + self._tail + (self._tail if room is None else 0):
            return
        with self.path.open("r+b") as file:
            start = file.read(self._head + 100)
            before = _NOTICE.search(start)
            head = before.start() if before else start.rfind(b"\n", 0, self._head) + 1 or self._head
            begin = file.seek(max(head, self.size - self._tail))
            end = file.read()
            left_out = begin - head - (len(before[0]) if before else 0) + (int(before[1]) if before else 0)
            notice = b"\n" * (start[head - 1 : head] != b"\n") + b"=== %d bytes are left out here ===\n" % left_out
            # what a worker printed meanwhile: it may be its last words
            while more := file.read():
                end += more
            file.truncate(head)
        self.file.write(notice + end)
        self._cuts.append((time.monotonic(), begin, head + len(notice)))

    def place(self, position: int, moment: float) -> int:
        """Where the byte stands now that was at this position at a moment of the monotonic clock."""
        for cut, old, new in self._cuts:
            if cut > moment:
                position = new + max(0, position - old)
        return min(position, self.size)

    def end(self, length: int, start: int = 0) -> str:
        """The last bytes, as many as said, of those that were printed from a position on."""
        with self.path.open("rb") as file:
            file.seek(max(start, file.seek(0, os.SEEK_END) - length, 0))
            return file.read().decode(errors="replace")

    def write(self, text: str) -> None:
        """Append a text, from the beginning of a line on."""
        if self.size and not self.end(1).endswith("\n"):
            text = "\n" + text
        self.file.write(text.encode(errors="backslashreplace"))


def printed() -> int:
    """Bytes in the file that standard error goes to, after all is written; -1 where it is no regular file."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
        state = os.fstat(2)
    except (OSError, ValueError, AttributeError):
        # a full disk, or a model that has closed it
        return -1
    return state.st_size if stat.S_ISREG(state.st_mode) else -1


def printed_since(start: int, length: int = 4000) -> str:
    """The end of what went to standard error since it had so many bytes; empty where it is no file that can be read."""
    # by its path: the descriptor may only be written
    with suppress(OSError), open("/proc/self/fd/2", "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(start, size - length, 0))
        return file.read().decode(errors="replace")
    return ""
