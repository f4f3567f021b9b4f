"""What points recorded, small enough for a page: traces and spectra thinned to their envelope, spikes to every k-th."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from hpcsim.plot.signals import senders_of
from hpcsim.plotting import with_unit
from hpcsim.report.explore.table import PointTable, evenly

if TYPE_CHECKING:
    from hpcsim.collector.format.table import Table
    from hpcsim.outputs import Layout, Output

#: Points whose outputs are in the page, and bytes of these, at most.
KEPT, _BYTES = 300, 3_500_000
#: Bytes that are read for them, at most: outputs are stored in full, also where a page has few of their values.
READ = 2**30
#: Values of a trace and spikes of a point, at most.
_VALUES, _SPIKES = 400, 2000
#: Figures, and positions of one output along its other dimensions, such as sites, at most.
_FIGURES, _PLACES = 6, 3


@dataclass(eq=False)
class Recorded:
    """One output of some points.

    Parameters
    ----------
    output : str
    kind : str
        ``trace``, ``spectrum`` or ``spikes``.
    title, x_label, y_label : str
    place : tuple of int
        Along the dimensions before the last one.
    places : int
        How many there are.
    senders : str
        Output with the cell of each spike; may be empty.
    x : ndarray, shape (m,)
        Times or frequencies of a trace or spectrum, which has m values a point.
    parts, cells : list of ndarray
        Of each point its values, or its times of spikes; and the cells of these.
    """

    output: str
    kind: str
    title: str
    x_label: str
    y_label: str
    place: tuple[int, ...] = ()
    places: int = 1
    senders: str = ""
    x: np.ndarray = field(default_factory=lambda: np.empty(0))
    parts: list[np.ndarray] = field(default_factory=list)
    cells: list[np.ndarray] = field(default_factory=list)


def recorded(table: PointTable) -> tuple[np.ndarray, list[Recorded], list[str]]:
    """Points whose outputs are kept, these outputs, and the names of those that are left out.

    Parameters
    ----------
    table : PointTable
    """
    if table.results is None:
        return np.empty(0, int), [], []
    layout = table.results.table.layout
    every = [one for name in layout.outputs for one in _declared(layout, layout.outputs[name])]
    # what is too large for one point is too large for all
    found = [one for one in every if _read_bytes(table, [one]) <= READ][:_FIGURES]
    left_out = _left_out(layout, found)
    points = table.best_first()
    size = sum(8 * _SPIKES if one.kind == "spikes" else 4 * min(_VALUES, len(one.x)) for one in found)
    most = min(KEPT, max(1, _BYTES // max(1, size)), read_at_most(table, found))
    is_search = any(column.kind == "objective" for column in table.columns)
    # of a search the best, otherwise evenly over the rows
    chosen = points[:most] if is_search else evenly(points, most)
    if not found or not len(chosen):
        return np.empty(0, int), [], left_out
    for row in chosen.tolist():
        read: dict[str, np.ndarray] = {}
        for one in found:
            _add(table.results.table, one, row, read)
    for one in found:
        if one.kind != "spikes":
            one.x = thinned_places(one.x)
    return chosen, found, left_out


def read_at_most(table: PointTable, found: Sequence[Recorded]) -> int:
    """Points of which all of these outputs are read, at most: of a trace that is shown thinned, every value is."""
    return max(1, READ // max(1, _read_bytes(table, found)))


def _read_bytes(table: PointTable, found: Sequence[Recorded]) -> int:
    """Bytes of one point that are read for these outputs, all places of each; of ragged ones those of a mean point."""
    held = None if table.results is None else table.results.table
    if held is None:
        return 0
    names = {name for one in found for name in (one.output, one.senders) if name}
    # a part of a row, such as one site, is not packed on its own
    sizes = [held.dataset(name) for name in names]
    rows = max(1, len(held.dataset("status")))
    return int(sum(data.size * data.dtype.itemsize for data in sizes) // rows)


def _left_out(layout: Layout, found: Sequence[Recorded]) -> list[str]:
    """Outputs that have neither a figure nor, as features have, a column; and places of those that have one."""
    drawn = {one.senders for one in found} | {one.output for one in found}
    none = [name for name in layout.outputs if name not in drawn and layout.drawn_as(name) != "feature"]
    shown = Counter(one.output for one in found)
    places = {one.output: one.places for one in found}
    return none + [
        f"{places[name] - n:,} of the {places[name]:,} places of {name}" for name, n in shown.items() if n < places[name]
    ]


def _declared(layout: Layout, output: Output) -> Iterator[Recorded]:
    """How an output is drawn: a figure for each of its first sites."""
    kind, name = layout.drawn_as(output.name), output.name
    words = output.description or name
    if output.ragged:
        if kind == "spikes":
            senders = next(iter(senders_of(layout, output)), "")
            up = "neuron" if senders else ""
            yield Recorded(name, kind, words, with_unit("time", output.unit), up, senders=senders)
        return
    if kind not in ("trace", "spectrum") or not output.dims or np.dtype(output.dtype).kind not in "iufb":
        return
    along = layout.coordinates[output.dims[-1]]
    if along.values.dtype.kind not in "iuf" or not len(along):
        return
    across = with_unit("time" if kind == "trace" else "frequency", along.unit)
    places = math.prod(layout.shape(name)[:-1])
    for place in islice(np.ndindex(layout.shape(name)[:-1]), _PLACES):
        where = [str(layout.coordinates[dim].values[i]) for dim, i in zip(output.dims, place, strict=False)]
        title = f"{words}: {', '.join(where)}" if where else words
        yield Recorded(name, kind, title, across, with_unit(name, output.unit), place, places, x=along.values.astype(float))


def _add(held: Table, one: Recorded, row: int, read: dict[str, np.ndarray]) -> None:
    """Take over one output of one point; what was `read` of it is not read again for another site."""
    if one.kind == "spikes":
        times = np.asarray(held.ragged(one.output, row), np.float32)
        cells = np.asarray(held.ragged(one.senders, row), np.float32) if one.senders else np.zeros(len(times), np.float32)
        one.parts.append(evenly(times, _SPIKES))
        one.cells.append(evenly(cells, _SPIKES))
    else:
        if one.output not in read:
            read[one.output] = held.array(one.output, slice(row, row + 1))[0]
        one.parts.append(thinned(read[one.output][one.place].astype(float)).astype(np.float32))


def thinned(values: np.ndarray) -> np.ndarray:
    """Few values that look like many: of each stretch the smallest and the largest, in their order.

    Examples
    --------
    >>> thinned(np.arange(3.0)).tolist(), len(thinned(np.arange(1e5)))
    ([0.0, 1.0, 2.0], 400)
    """
    if len(values) <= _VALUES:
        return values
    parts = np.array_split(values, _VALUES // 2)
    return np.concatenate([part[_ends(part)] for part in parts])


def _ends(part: np.ndarray) -> list[int]:
    """Where the smallest and the largest value are, of those that are finite."""
    finite = np.flatnonzero(np.isfinite(part))
    if not len(finite):
        return [0, len(part) - 1]
    known = part[finite]
    return sorted((int(finite[known.argmin()]), int(finite[known.argmax()])))


def thinned_places(x: np.ndarray) -> np.ndarray:
    """Where the values of :func:`thinned` are drawn: at the beginning and in the middle of each stretch."""
    if len(x) <= _VALUES:
        return x
    return np.concatenate([part[[0, len(part) // 2]] for part in np.array_split(x, _VALUES // 2)])
