"""How far a study is, as those who run it know: what the page shows and cannot find out itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hpcsim.space.points import Points


@dataclass(frozen=True)
class Failures:
    """Points that failed alike: how many, their status and reason, and the first of them."""

    count: int
    status: str
    reason: str
    points: str


@dataclass(frozen=True)
class Standing:
    """How far a study is.

    Parameters
    ----------
    total : int
        Points of the design.
    done : int or None
        Those that are finished, whether they succeeded or not; None where that cannot be said.
    failures : sequence of Failures
    missing : sequence of str
        Sentences about what is not there: files that cannot be read, inference that was not made.
    command : str
        What runs the study in its directory.
    look : str
        What shows a point that failed.
    point : str
        What shows any point, without its id.
    unfinished : Points, optional
        Points of the design that are missing: all, or an even sample of many.
    """

    total: int
    done: int | None
    failures: Sequence[Failures] = field(default_factory=list)
    missing: Sequence[str] = field(default_factory=list)
    command: str = ""
    look: str = ""
    point: str = ""
    unfinished: Points | None = None
