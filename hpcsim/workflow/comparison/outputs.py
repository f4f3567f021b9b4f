"""Outputs of the points that two results have in common, against each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hpcsim.collector.columns import frame_of
from hpcsim.collector.format.schema import OK

if TYPE_CHECKING:
    from hpcsim.collector.results import Results

#: Points that are compared together, and the most whose ragged outputs are.
_TOGETHER, _RAGGED = 4096, 20_000


@dataclass(frozen=True)
class OutputDifference:
    """One output at the points in common.

    Parameters
    ----------
    name, unit : str
    points : int
        That were compared.
    equal : int
        Points where all values are the same to the bit.
    largest : float
        The largest absolute difference.
    relative : float
        The largest difference in shares of the larger absolute value.
    correlation : float
        Pearson's, over all values of all points; NaN where one of both is constant.
    note : str
        Why it was not compared, or not all of it.
    """

    name: str
    unit: str
    points: int = 0
    equal: int = 0
    largest: float = 0.0
    relative: float = 0.0
    correlation: float = float("nan")
    note: str = ""


@dataclass(frozen=True)
class CommonPoints:
    """Points of two results that are the same.

    Parameters
    ----------
    first, other : str
        The studies.
    n_first, n_other : int
        Points of each.
    common, compared : int
        In both, and those of them that succeeded in both.
    by : str
        What makes points the same: ``id``, or the names of the parameters that vary.
    outputs : tuple of OutputDifference
    """

    first: str
    other: str
    n_first: int
    n_other: int
    common: int
    compared: int
    by: str
    outputs: tuple[OutputDifference, ...]


def compare_outputs(name: str, first: Results, other_name: str, other: Results) -> CommonPoints:
    """The points that two results have in common, and what their outputs differ in.

    Points are the same that have the same id. Where no id is in both, since the model or a fixed value is another, those are
    that have the same values of the parameters that vary.
    """
    rows, others, by = _matched(first, other)
    good = (first.table.array("status")[rows] == OK) & (other.table.array("status")[others] == OK)
    ok, other_ok = rows[good], others[good]
    names = [output for output in first.table.names("output") if output in other.table.names("output")]
    found = tuple(_compare(first, other, output, ok, other_ok) for output in names) if len(ok) else ()
    return CommonPoints(name, other_name, len(first), len(other), len(rows), len(ok), by, found)


def _matched(first: Results, other: Results) -> tuple[np.ndarray, np.ndarray, str]:
    _, rows, others = np.intersect1d(first.table.ids(), other.table.ids(), return_indices=True)
    if len(rows):
        order = np.argsort(rows)
        return rows[order], others[order], "id"
    shared = [name for name in first.table.names("parameter") if name in other.table.names("parameter")]
    varying = [name for name in shared if _varies(first, name) or _varies(other, name)]
    nothing = np.empty(0, int)
    if not varying or any(first.table.array(name, slice(0, 1)).ndim > 1 for name in varying):
        return nothing, nothing, "id"
    keys = [*varying, "replicate"]
    left, right = (
        frame_of(results.table, keys, np.arange(len(results))).assign(row=np.arange(len(results))).drop_duplicates(keys)
        for results in (first, other)
    )
    both = left.merge(right, on=keys, suffixes=("", "_other")).sort_values("row")
    return both["row"].to_numpy(), both["row_other"].to_numpy(), ", ".join(varying)


def _varies(results: Results, name: str) -> bool:
    values = results.table.array(name)
    return len(values) > 1 and bool((values != values[0]).any())


def _compare(first: Results, other: Results, name: str, rows: np.ndarray, others: np.ndarray) -> OutputDifference:
    one, two = first.table.layout[name], other.table.layout[name]
    if one.unit != two.unit:
        return OutputDifference(name, one.unit, note=f"the other has the unit {two.unit or '1'}")
    if one.ragged or two.ragged:
        if one.ragged != two.ragged:
            return OutputDifference(name, one.unit, note="ragged in one of both")
        return _ragged(first, other, name, rows[:_RAGGED], others[:_RAGGED], len(rows))
    shapes = first.table.layout.shape(name), other.table.layout.shape(name)
    if shapes[0] != shapes[1]:
        return OutputDifference(name, one.unit, note=f"shapes differ: {shapes[0]} and {shapes[1]}")
    pairs = _Pairs()
    for start in range(0, len(rows), _TOGETHER):
        part = slice(start, start + _TOGETHER)
        a, b = first.rows(name, rows[part]), other.rows(name, others[part])
        pairs.add(a.astype(float).reshape(len(a), -1), b.astype(float).reshape(len(b), -1))
    return pairs.result(name, one.unit, "")


def _ragged(first: Results, other: Results, name: str, rows: np.ndarray, others: np.ndarray, total: int) -> OutputDifference:
    pairs, lengths = _Pairs(), 0
    for row, other_row in zip(rows.tolist(), others.tolist(), strict=True):
        a, b = first.table.ragged(name, row), other.table.ragged(name, other_row)
        if len(a) == len(b):
            pairs.add(a.astype(float)[None], b.astype(float)[None])
        else:
            lengths += 1
    notes = _notes(lengths, len(rows), total)
    return pairs.result(name, first.table.layout[name].unit, "; ".join(notes))


def _notes(lengths: int, points: int, total: int) -> Iterator[str]:
    if lengths:
        yield f"other lengths in {lengths:,} of {points:,} points, the rest is compared"
    if points < total:
        yield f"the first {points:,} points"


class _Pairs:
    """Sums over pairs of values, a block at a time; what is NaN in both is equal, what is NaN in one is infinitely far."""

    def __init__(self) -> None:
        self.points = self.equal = self.n = 0
        self.largest = self.relative = 0.0
        self.moments = np.zeros(5)
        self.origin: tuple[float, float] | None = None

    def add(self, a: np.ndarray, b: np.ndarray) -> None:
        """Values of some points, shape (points, values)."""
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        self.points += len(a)
        self.equal += int(same.all(axis=1).sum())
        finite = np.isfinite(a) & np.isfinite(b)
        if (~finite & ~same).any():
            self.largest = self.relative = np.inf
        x, y = a[finite], b[finite]
        if not x.size:
            return
        apart, size = np.abs(x - y), np.maximum(np.abs(x), np.abs(y))
        self.largest = max(self.largest, float(apart.max()))
        self.relative = max(self.relative, float(np.divide(apart, size, out=np.zeros_like(apart), where=size > 0).max()))
        if self.origin is None:
            self.origin = float(x.mean()), float(y.mean())
        # sums of what is near zero lose no digits
        x, y = x - self.origin[0], y - self.origin[1]
        self.n += x.size
        self.moments += [x.sum(), y.sum(), (x * x).sum(), (y * y).sum(), (x * y).sum()]

    def result(self, name: str, unit: str, note: str) -> OutputDifference:
        """All of it."""
        correlation = float("nan")
        if self.n:
            sx, sy, sxx, syy, sxy = self.moments / self.n
            spread = (sxx - sx * sx) * (syy - sy * sy)
            if spread > 0:
                correlation = float((sxy - sx * sy) / np.sqrt(spread))
        return OutputDifference(name, unit, self.points, self.equal, self.largest, self.relative, correlation, note)
