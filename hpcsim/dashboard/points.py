"""How many points of a study are finished, and why some failed."""

from __future__ import annotations

from dataclasses import dataclass

from hpcsim.dashboard.live import Live, Word
from hpcsim.scheduler.plan import plan
from hpcsim.scheduler.state.row_count import RowCount, RowCounter
from hpcsim.study.directory import StudyDirectory
from hpcsim.study.study import Study

#: Reasons that are shown.
_REASONS = 10


@dataclass(frozen=True)
class Failure:
    """Points that failed for one reason.

    Parameters
    ----------
    count : int
    status : str
        failed, crashed or timeout.
    reason : str
    """

    count: int
    status: str
    reason: str


@dataclass(frozen=True)
class Count:
    """Points of a study at one moment.

    Parameters
    ----------
    total, done, failed : int
        In the design; finished with any status; failed.
    failures : tuple of Failure
        The most frequent reasons.
    reasons : int
        Failed points whose reasons were read: all, or the last ones.
    other : int
        Further reasons.
    """

    total: int
    done: int
    failed: int
    failures: tuple[Failure, ...] = ()
    reasons: int = 0
    other: int = 0

    @property
    def left(self) -> int:
        """Points that are still to be simulated."""
        return self.total - self.done


class Points:
    """Counts finished points: rows of the directory, and what a sweep in this process says.

    Rows are compared with the design once, and again when rows vanish; what is too many by then (values that a grid has
    lost, rows that stand in a shard and in the results) is taken off until the next time. So counting stays cheap.

    Parameters
    ----------
    study : Study
    directory : StudyDirectory
    live : Live, optional
        A sweep in this process.
    retry_failed : bool
        Whether that sweep simulates failed points again.
    """

    def __init__(self, study: Study, directory: StudyDirectory, live: Live | None = None, *, retry_failed: bool = False) -> None:
        self._study, self._directory, self._live, self._retry_failed = study, directory, live, retry_failed
        self._rows = RowCounter(directory)
        self._surplus, self._seen = 0, -1
        self._failed: int | None = None

    @property
    def _total(self) -> int:
        """Points of the design; that of a search grows."""
        return len(self._study.design)

    def count(self) -> Count:
        """As it is now."""
        count = self._rows.count()
        word = self._live.word if self._live is not None else Word()
        own = word.study == self._study.name
        if own and word.running is not None:
            # who starts tasks hears of points before they are in shards
            if self._failed is None:
                self._failed = count.failed
            before = 0 if self._retry_failed else self._failed
            return self._counted(count, word.before + word.done, before + word.failed)
        self._failed = count.failed
        return self._counted(count, self._finished(count, word.before if own else None), count.failed)

    def _finished(self, count: RowCount, planned: int | None) -> int:
        if count.complete == self._study.completeness and not self._retry_failed:
            return self._total
        if self._seen < 0 and planned is not None:
            # the sweep has just compared them
            self._surplus = count.rows - planned
        elif count.rows < self._seen or self._seen < 0:
            self._surplus = count.rows - plan(self._study, self._directory).done
        self._seen = count.rows
        return count.rows - self._surplus

    def _counted(self, count: RowCount, done: int, failed: int) -> Count:
        done = min(max(0, done), self._total)
        common = count.reasons.most_common(_REASONS)
        failures = tuple(Failure(count, status, reason) for (status, reason), count in common)
        return Count(self._total, done, min(failed, done), failures, count.reasons.total(), len(count.reasons) - len(common))
