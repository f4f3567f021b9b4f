"""How the number of finished points grew while somebody counted them: the rate, and the curve."""

from __future__ import annotations

import threading

#: Seconds of the past from which the rate is taken, and how many arrivals at least.
WINDOW, ARRIVALS = 900.0, 5
#: Without an arrival for so long, in seconds and in mean gaps, nothing moves: the sweep was stopped, or waits.
STILL, GAPS = 150.0, 5.0
#: Points of the curve.
_POINTS = 400

Sample = tuple[float, int]


class History:
    """Counts and their times; threads may share it.

    Tasks write shards about once a minute, so points arrive in heaps. The rate is taken between arrivals, not between
    counts: the points of all bursts but the first, over the time from the first burst to the last.

    Parameters
    ----------
    least : float, s
        From the first arrival to the last, for a rate.
    """

    def __init__(self, least: float) -> None:
        self._least = least
        self._lock = threading.Lock()
        self._arrivals: list[Sample] = []
        self._curve: list[Sample] = []
        self._seen_at = 0.0

    def add(self, at: float, done: int) -> None:
        """Note a count.

        Parameters
        ----------
        at : float, s
        done : int
        """
        with self._lock:
            seen_at, self._seen_at = self._seen_at, at
            if not self._curve:
                self._curve.append((at, done))
                return
            since, last = self._curve[-1]
            if done == last:
                return
            # a sweep that goes on after a pause is measured anew, and so is one that lost points
            if done < last or self._is_still(at):
                self._arrivals.clear()
            self._arrivals.append((at, done))
            while len(self._arrivals) > ARRIVALS and self._arrivals[0][0] < at - WINDOW:
                del self._arrivals[0]
            # a level stretch ends where it was last seen
            self._curve += [(seen_at, last), (at, done)] if seen_at > since else [(at, done)]
            if len(self._curve) > _POINTS:
                del self._curve[1:-1:2]

    def rate(self, now: float) -> float | None:
        """Points a second; None where it is not known yet, or nothing moves."""
        with self._lock:
            if len(self._arrivals) < 2 or self._is_still(now):
                return None
            (first, before), (last, done) = self._arrivals[0], self._arrivals[-1]
            if last - first < self._least:
                return None
            # a burst that is overdue counts
            late = now - last > 2 * self._gap()
            return (done - before) / (now - first if late else last - first)

    def still(self, now: float) -> float | None:
        """Seconds since the last arrival where nothing moves any more; None otherwise."""
        with self._lock:
            return now - self._arrivals[-1][0] if self._is_still(now) else None

    def curve(self) -> list[Sample]:
        """Times and counts: the first, and those before and after a change."""
        with self._lock:
            return list(self._curve)

    def _gap(self) -> float:
        """Mean seconds between arrivals."""
        return (self._arrivals[-1][0] - self._arrivals[0][0]) / (len(self._arrivals) - 1)

    def _is_still(self, now: float) -> bool:
        return len(self._arrivals) > 1 and now - self._arrivals[-1][0] > max(STILL, GAPS * self._gap())
