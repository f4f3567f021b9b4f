"""Neurolucida files, checked before NEURON's importer sees them.

The importer ends the process at an outline that is a line or a number that is none, and drops a second cell body, or
invents diameters, without a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from hpcsim.errors import SimulationError, shown

#: What a tree may be; another has no membrane.
_TREES = ("Axon", "Dendrite", "Apical")
_TOKEN = re.compile(r'\s+|;[^\n]*|(?P<text>"[^"]*")|(?P<mark>[()<>|,])|(?P<word>[^\s()<>|,;"]+)')
#: What NEURON's importer waits for ever at, or calls a parse error.
_ODD = re.compile(r"[^A-Za-z0-9_.+\-]")
#: um; what lies farther out is in another unit.
_FARTHEST = 1e7
#: Width of an outline over its length, below which it is a line.
_THINNEST = 1e-3


@dataclass
class _Block:
    """What stands between two parentheses."""

    line: int
    #: its first word; empty where it begins with another block
    head: str = ""
    #: its words; numbers of a point
    words: list[str] = field(default_factory=list)
    blocks: list[_Block] = field(default_factory=list)

    @property
    def is_point(self) -> bool:
        return bool(re.match(r"[+-]?\.?\d", self.head))


def check(text: str, name: str) -> None:
    """Refuse a file that NEURON would misread.

    Parameters
    ----------
    text : str
    name : str
        What the file is called in messages.

    Raises
    ------
    SimulationError
        With the line.
    """
    blocks = _blocks(text, name)
    bodies = []
    for block in blocks:
        types = {child.head for child in block.blocks}
        points = [child for child in block.blocks if child.is_point]
        if "CellBody" in types:
            bodies.append((block, _outline(block, points, name)))
        elif not block.head:
            if not types & {*_TREES}:
                raise _refused(block.line, name, f"begins a tree without a type; expected one of ({'), ('.join(_TREES)})")
            _check_points(block, name)
    for block, outline in bodies[1:]:
        first = bodies[0][1]
        reach = sum(np.linalg.norm(one - one.mean(axis=0), axis=1).max() for one in (first, outline))
        if np.linalg.norm(first.mean(axis=0) - outline.mean(axis=0)) > reach:
            reason = f"begins a second cell body, away from that of line {bodies[0][0].line}; expected one neuron: remove one"
            raise _refused(block.line, name, reason)


def _refused(line: int, name: str, reason: str) -> SimulationError:
    return SimulationError(f"the morphology {name} does not load: parse error; line {line} {reason}")


def _tokens(text: str, name: str) -> Iterator[tuple[int, str]]:
    line, place = 1, 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise _refused(line, name, "has a text without an end; expected a closing quotation mark")
        if match.lastgroup:
            yield line, match[0]
        line += match[0].count("\n")
        place = match.end()


def _blocks(text: str, name: str) -> list[_Block]:
    """All blocks of the file; of a deep one no function calls itself."""
    if "\0" in text:
        raise _refused(1 + text[: text.index("\0")].count("\n"), name, "is no text; expected an .asc file of Neurolucida")
    whole = _Block(0)
    stack, line = [whole], 1
    for line, token in _tokens(text, name):
        if token in "(<":
            # a spine is no part of the tree
            block = _Block(line, "<" if token == "<" else "")
            stack[-1].blocks.append(block)
            stack.append(block)
        elif token in ")>":
            if len(stack) == 1:
                raise _refused(line, name, "closes a parenthesis that is not open")
            closed = stack.pop()
            # (Color RGB (0, 255, 64)) holds three numbers that are no point
            if closed.is_point and stack[-1].head != "Color":
                _check_numbers(closed, name)
        elif token not in "|,":
            if not token.startswith('"') and (odd := _ODD.search(token)):
                advice = f"outside of quotation marks there is no {shown(odd[0])!r}: put it in them, or remove it"
                raise _refused(line, name, f"has {shown(token)!r}; {advice}")
            inside = stack[-1]
            if not inside.words and not inside.blocks and not inside.head:
                inside.head = token
            inside.words.append(token)
    if len(stack) > 1:
        raise _refused(line, name, f"is the last one, and the parenthesis of line {stack[-1].line} is still open")
    if not whole.blocks:
        raise _refused(line, name, "is the last one, and there is no neuron; expected an .asc file of Neurolucida")
    return whole.blocks


def _check_numbers(point: _Block, name: str) -> None:
    """A point is three places and a diameter, and perhaps a name."""
    try:
        # a comparison with what is not a number is false
        right = len(point.words) >= 4 and all(abs(float(word)) < _FARTHEST for word in point.words[:4])
    except ValueError:
        right = False
    if not right:
        raise _refused(point.line, name, f"({shown(' '.join(point.words))!r}) is no point; expected (x y z diameter), in um")


def _check_points(tree: _Block, name: str) -> None:
    """Points of a tree and its branches have diameters; markers and spines are passed over."""
    waiting = [tree]
    while waiting:
        for block in waiting.pop().blocks:
            if block.is_point and float(block.words[3]) <= 0:
                raise _refused(block.line, name, f"({' '.join(block.words)!r}) has a diameter that is not above 0")
            if not block.head:
                waiting.append(block)


def _outline(body: _Block, points: list[_Block], name: str) -> np.ndarray:
    """The points of a cell body's outline, um, shape (n, 3)."""
    outline = np.array([[float(word) for word in point.words[:3]] for point in points]).reshape(-1, 3)
    width = np.linalg.svd(outline - outline.mean(axis=0), compute_uv=False)[1] if len(outline) > 2 else 0.0
    size = np.abs(outline - outline.mean(axis=0)).max() if len(outline) else 0.0
    if not width > _THINNEST * size:
        reason = f"begins a cell body whose outline has {len(outline)} points and no width; expected its outline"
        raise _refused(body.line, name, reason)
    return outline
