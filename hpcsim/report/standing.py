"""How far a study is, as those who run it know: what the page shows and cannot find out itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


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
    """

    total: int
    done: int | None
    failures: Sequence[Failures] = field(default_factory=list)
    missing: Sequence[str] = field(default_factory=list)
    command: str = ""
    look: str = ""
