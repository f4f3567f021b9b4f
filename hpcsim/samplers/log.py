"""The log of a search: which points were suggested and which results arrived, in their order, a line each.

Lines are only ever added. A process that is killed while it writes leaves half a line at the end, which does not count.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hpcsim.errors import DamagedError, StorageError
from hpcsim.files import regular

#: Raised when the lines change.
FORMAT = 1


class SearchLog:
    """A file of JSON lines.

    The first line tells the search: sampler, options, seed, variables and objectives. Each further one is an event:
    ``{"suggest": [values, ...], "told": results}`` or ``{"ingest": [[number, objectives], ...], "cpu": seconds}``, both with
    ``"wall"``, the seconds that the search has run, and ``"at"``, those since 1970; ``"wanted"`` is how many points were asked
    for, where a sampler gave fewer, or none, and took a step that these do not tell;
    ``{"known": [[values, objectives], ...]}`` are results from elsewhere. An objective of a point that failed is null.

    Parameters
    ----------
    path : Path
    durable : bool
        Whether an event outlives a power cut too, and not only the process; that takes milliseconds.
    """

    def __init__(self, path: Path, *, durable: bool = True) -> None:
        self.path, self.durable = path, durable

    def exists(self) -> bool:
        """Whether a search has begun here."""
        return self.path.exists() and b"\n" in self.path.read_bytes()[:65536]

    def read(self, only: str = "") -> Iterator[dict[str, Any]]:
        """All lines, the first one included; reading changes nothing.

        Parameters
        ----------
        only : str
            A kind of event, such as ``suggest``: all others are passed over.

        Raises
        ------
        DamagedError
            If a line is not as it was written.
        """
        try:
            content = regular(self.path).read_bytes()
        except OSError as error:
            raise DamagedError(f"{self.path} cannot be read: {error.strerror}") from error
        for number, line in enumerate(content[: content.rfind(b"\n") + 1].splitlines(), 1):
            if only and not line.startswith(f'{{"{only}":'.encode()):
                continue
            try:
                yield dict(json.loads(line))
            except (ValueError, TypeError) as error:
                message = f"{self.path}, line {number}: found {line[:40]!r}, expected an event of a search; move the file away"
                raise DamagedError(message, "a line is not as it was written") from error

    def append(self, *events: Mapping[str, Any]) -> None:
        """Add events; they are on the disk when this returns.

        Raises
        ------
        StorageError
            If they cannot be written.
        """
        lines = "".join(json.dumps(_plain(event), allow_nan=False, separators=(",", ":")) + "\n" for event in events)
        try:
            with open(self.path, "ab") as file:
                self._cut(file.tell())
                file.write(lines.encode())
                file.flush()
                if self.durable:
                    os.fsync(file.fileno())
        except OSError as error:
            raise StorageError(f"{self.path} cannot be written: {error.strerror}") from error

    def _cut(self, size: int) -> None:
        """Take away half a line that a kill left."""
        if not size:
            return
        with open(self.path, "rb+") as file:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.seek(0)
                file.truncate(file.read().rfind(b"\n") + 1)


def _plain(value: Any) -> Any:
    """A value as JSON holds it: numbers that are not finite as null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value
