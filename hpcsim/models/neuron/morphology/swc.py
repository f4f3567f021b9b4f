"""SWC files as people and programs write them, checked and put in order before NEURON's importer sees them.

The importer stops without a word, or ends the process, where a file breaks its expectations: blank lines, ids in the
millions, types that it does not know, a second root.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from hpcsim.errors import SimulationError, shown

SOMA = 1
#: Types whose membrane has a name: soma, axon, basal and apical dendrite.
KNOWN = (1, 2, 3, 4)
#: Where a neurite forks and where it ends, in the first description of the format.
FORK, END = 5, 6
_ROOT = -1
#: um; what lies farther out is in another unit.
_FARTHEST = 1e7


@dataclass(frozen=True)
class _Point:
    line: int
    text: str
    id: int
    type: int
    place: tuple[float, float, float, float]
    parent: int


def in_order(text: str, name: str) -> str:
    """The points of an SWC file, renumbered from 1, parents first.

    Parameters
    ----------
    text : str
        Columns id, type, x, y, z, radius (um), parent; further ones do not count. Blanks, tabs or commas separate them.
    name : str
        What the file is called in messages.

    Returns
    -------
    str
        SWC with nothing but points, whose types are 1 to 4.

    Raises
    ------
    SimulationError
        With the first line that is no point, or that is no part of one tree with one soma at its root.
    """
    points = dict[int, _Point]()
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        if row := line.split("#")[0].replace(",", " ").split():
            point = _point(number, line.strip(), row, name)
            if point.id in points:
                raise _refused(point, name, f"has an id that is taken, by line {points[point.id].line}")
            points[point.id] = point
    if not points:
        raise SimulationError(f"the morphology {name} does not load: there is no point in it")
    children = _children(points, name)
    ordered = list(_parents_first(points, children, name))
    types = {_ROOT: SOMA}
    for point in ordered:
        types[point.id] = _type(point, types[point.parent], [points[child].type for child in children.get(point.id, ())], name)
    _check_outline([point for point in ordered if point.type == SOMA], name)
    new = {_ROOT: _ROOT} | {point.id: number for number, point in enumerate(ordered, 1)}
    rows = ((new[p.id], types[p.id], *map(repr, p.place), new[p.parent]) for p in ordered)
    return "".join(" ".join(map(str, row)) + "\n" for row in rows)


def _refused(point: _Point, name: str, reason: str) -> SimulationError:
    return SimulationError(f"the morphology {name} does not load: line {point.line} ({shown(point.text)!r}) {reason}")


def _point(number: int, text: str, row: list[str], name: str) -> _Point:
    try:
        if any("_" in word for word in row):
            raise ValueError(text)
        id, type, parent = (_whole(row[i]) for i in (0, 1, 6))
        x, y, z, radius = (float(value) for value in row[2:6])
    except (ValueError, IndexError, OverflowError):
        raise SimulationError(
            f"the morphology {name} does not load: line {number} ({shown(text)!r}) is no point; "
            "expected: id type x y z radius parent"
        ) from None
    point = _Point(number, text, id, type, (x, y, z, radius), parent)
    # a comparison with what is not a number is false
    if not all(abs(value) < _FARTHEST for value in point.place) or radius <= 0:
        raise _refused(point, name, "has a place that is no distance in um, or a radius that is not above 0")
    if id < 0:
        raise _refused(point, name, "has an id below 0")
    return point


def _whole(text: str) -> int:
    number = float(text)
    if not number.is_integer():
        raise ValueError(text)
    return int(number)


def _children(points: Mapping[int, _Point], name: str) -> dict[int, list[int]]:
    """Ids of the points on each point, in the order of the file."""
    children: dict[int, list[int]] = {}
    for point in points.values():
        if point.parent != _ROOT and point.parent not in points:
            reason = f"has the parent {point.parent}, which is not above it nor below; expected -1 or the id of a point"
            raise _refused(point, name, reason)
        children.setdefault(point.parent, []).append(point.id)
    roots = [points[id] for id in children.get(_ROOT, ())]
    if len(roots) > 1:
        kind = "a second soma" if roots[1].type == SOMA else "a second tree"
        reason = f"begins {kind}, beside that of line {roots[0].line}; expected one neuron: connect it to a point, or remove it"
        raise _refused(roots[1], name, reason)
    return children


def _parents_first(points: Mapping[int, _Point], children: Mapping[int, list[int]], name: str) -> Iterable[_Point]:
    """The points in the order of the file; in that of their ids where one stands above its parent."""
    above = {point.id: points[point.parent].line if point.parent in points else 0 for point in points.values()}
    if all(above[point.id] < point.line for point in points.values()):
        return points.values()
    ready, found = list(children.get(_ROOT, [])), dict[int, _Point]()
    while ready:
        # the importer knows a soma of three points by its three first lines
        id = heapq.heappop(ready)
        found[id] = points[id]
        for child in children.get(id, []):
            heapq.heappush(ready, child)
    for point in points.values():
        if point.id not in found:
            raise _refused(point, name, "is its own ancestor; expected a parent on the way to the soma")
    return found.values()


def _check_outline(soma: list[_Point], name: str) -> None:
    """Refuse a soma that is drawn as its outline: it would be a thin cable in the form of a ring."""
    steps = [math.dist(one.place[:3], other.place[:3]) for one, other in pairwise(soma)]
    around = sum(steps)
    closed = len(soma) > 4 and math.dist(soma[0].place[:3], soma[-1].place[:3]) < around / 4
    if closed and max(point.place[3] for point in soma) < around / 4 / math.pi:
        raise _refused(soma[-1], name, "closes an outline of the soma; expected one point with the radius of the soma, or three")


def _type(point: _Point, above: int, below: list[int], name: str) -> int:
    """The type that a point stands for; nobody knows the membrane of another."""
    type = point.type
    if above in KNOWN[1:] and ((type == FORK and len(below) > 1) or (type == END and not below)):
        return above
    if type not in KNOWN:
        expected = "1 soma, 2 axon, 3 basal or 4 apical dendrite (5 and 6: where one of these forks and ends)"
        raise _refused(point, name, f"has the type {type}, of which no membrane is known; expected {expected}")
    if type == SOMA and above != SOMA:
        raise _refused(point, name, "is a point of the soma on a neurite; expected the soma at the root")
    return type
