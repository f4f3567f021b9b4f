"""The name of a task's shards: it tells which points may be in them, so that most shards need not be opened."""

from __future__ import annotations

import re
from pathlib import Path

#: Digits of the digest of a design that stand in a name.
_DIGITS = 8
_STEM = re.compile(rf"(\d{{9,}})-(\d{{9,}})-([0-9a-f]{{{_DIGITS}}})")


def shard_stem(start: int, stop: int, design: str) -> str:
    """What the names of a task's shards begin with.

    Parameters
    ----------
    start, stop : int
        The slice of the design that the task simulates.
    design : str
        Digest of the design, since numbers of points mean something else in another one.

    Examples
    --------
    >>> shard_stem(0, 16, "77d1c0aa90b1e5f2")
    '000000000-000000016-77d1c0aa'
    """
    return f"{start:09d}-{stop:09d}-{design[:_DIGITS]}"


def may_hold(path: Path, start: int, stop: int, design: str, *, others: bool = True) -> bool:
    """Whether a shard may hold points of a slice, as its name tells.

    A point has another number in another design, and names that say nothing (of earlier versions, of what was recovered
    from damaged results) may stand for any points: the answer for these is `others`.

    Examples
    --------
    >>> names = ["000000000-000000016-77d1c0aa.5e.0.ab.h5", "000000016-000000032-77d1c0aa.5e.0.ab.h5", "recovered-0.5e.0.ab.h5"]
    >>> [may_hold(Path(name), 0, 8, "77d1c0aa90b1e5f2") for name in names]
    [True, False, True]
    >>> [may_hold(Path(name), 0, 8, "0123456789abcdef", others=False) for name in names]
    [False, False, False]
    """
    found = _STEM.fullmatch(path.name.split(".", 1)[0])
    if found is None or found[3] != design[:_DIGITS]:
        return others
    return int(found[1]) < stop and start < int(found[2])
