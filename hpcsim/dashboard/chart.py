"""The curve of finished points as SVG geometry: lines, and where the labels stand."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hpcsim.dashboard.history import Sample

#: Width and height of the drawing's own units; the page stretches it.
SIZE = 1000
#: Steps between two labels of the time axis, in seconds.
_STEPS = (1, 5, 15, 60, 300, 900, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86400, 2 * 86400, 7 * 86400, 28 * 86400)
#: The most labels of an axis.
_TIMES, _COUNTS = 5, 3


@dataclass(frozen=True)
class Label:
    """Text beside an axis, at a percentage of its length from the left or the top."""

    at: float
    text: str


@dataclass(frozen=True)
class Chart:
    """A curve, and the area under it.

    Parameters
    ----------
    line, area : str
        SVG paths in a square of `SIZE`.
    counts, times : tuple of Label
        Of the two axes.
    """

    line: str
    area: str
    counts: tuple[Label, ...]
    times: tuple[Label, ...]


def draw(curve: Sequence[Sample], now: float) -> Chart | None:
    """The chart of a curve until now; None before it has moved.

    Parameters
    ----------
    curve : sequence of (at, done)
        Times in seconds since the epoch.
    now : float, s
    """
    if len(curve) < 2:
        return None
    start, low = curve[0]
    span = max(now - start, 1.0)
    high = max(done for _, done in curve)
    low = min(low, *(done for _, done in curve))
    # room above the curve
    top = low + 1.08 * max(high - low, 1)

    def across(at: float) -> float:
        return (at - start) / span

    def down(done: float) -> float:
        return (top - done) / (top - low)

    corners = [(across(at), down(done)) for at, done in (*curve, (now, curve[-1][1]))]
    line = "M" + " L".join(f"{SIZE * x:.1f} {SIZE * y:.1f}" for x, y in corners)
    return Chart(
        line=line,
        area=f"{line} L{SIZE} {SIZE} L0 {SIZE} Z",
        counts=tuple(Label(100 * down(count), f"{count:,}") for count in _round_counts(low, top)),
        times=tuple(Label(100 * across(at), text) for at, text in _round_times(start, now) if 0.03 < across(at) < 0.97),
    )


def _round_counts(low: int, top: float) -> list[int]:
    """Round numbers strictly between two."""
    step = 1
    while (top - low) / step > _COUNTS + 1:
        # 1, 2, 5, 10, ...
        step = step * 5 // 2 if str(step).startswith("2") else step * 2
    first = (low // step + 1) * step
    return list(range(first, int(top) + 1, step))


def _round_times(start: float, now: float) -> Iterator[tuple[float, str]]:
    """Round times of this machine's clock, with their text."""
    step = next((step for step in _STEPS if (now - start) / step <= _TIMES), _STEPS[-1])
    pattern = "%H:%M:%S" if step < 60 else "%H:%M" if step < 86400 and now - start < 86400 else "%a %H:%M"
    if step >= 86400:
        pattern = "%d %b"
    offset = time.localtime(start).tm_gmtoff
    at = (start + offset) // step * step + step - offset
    while at < now:
        yield at, time.strftime(pattern, time.localtime(at))
        at += step
