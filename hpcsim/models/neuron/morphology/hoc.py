"""Morphologies in hoc files, read and not run: sections, their points, and what they are connected to."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from hpcsim.errors import SimulationError, shown
from hpcsim.models.neuron.morphology.tree import Cable

_NAME, _NUMBER = r"([A-Za-z_]\w*(?:\[\d+\])?)", r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"
#: Statements of a morphology; another one is refused.
_CREATE = re.compile(rf"create\s+{_NAME}")
_CONNECT = re.compile(rf"connect\s+{_NAME}\s*\(\s*0(?:\.0*)?\s*\)\s*,\s*{_NAME}\s*\(\s*{_NUMBER}\s*\)")
_ACCESS = re.compile(rf"access\s+{_NAME}")
_POINT = re.compile(r"pt3dadd\s*\(\s*" + r"\s*,\s*".join([_NUMBER] * 4) + r"\s*\)")
_PASSED_OVER = re.compile(r"(nseg\s*=\s*\d+|pt3dclear\s*\(\s*\))")
#: How the name of a section begins, and its kind.
_KINDS = (
    ("soma", "soma"), ("apic", "apic"), ("dend", "dend"), ("basal", "dend"), ("axon", "axon"), ("hillock", "axon"),
    ("ais", "axon"), ("myelin", "myelin"),
)  # fmt: skip


class _Section:
    def __init__(self, kind: str) -> None:
        self.kind, self.parent, self.at = kind, "", 1.0
        self.points: list[tuple[float, ...]] = []


def cables(text: str, name: str) -> tuple[Cable, ...]:
    """The sections of a file, parents first, otherwise in the order of the file.

    It has statements ``create``, ``connect CHILD(0), PARENT(x)``, ``access`` and ``pt3dadd(x, y, z, diameter)`` alone, each on a
    line or in braces: a file that computes something is code, which is not run.

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
    sections: dict[str, _Section] = {}
    current: _Section | None = None
    for line, statement in _statements(text):
        if match := _CREATE.fullmatch(statement):
            kind = next((kind for start, kind in _KINDS if match[1].lower().startswith(start)), "")
            if not kind or match[1] in sections:
                problem = "is there twice" if kind else f"says no kind; expected {', '.join(k for k, _ in _KINDS)}, ..."
                raise _refused(name, line, f'the section "{shown(match[1])}" {problem}')
            current = sections[match[1]] = _Section(kind)
        elif match := _CONNECT.fullmatch(statement):
            for section in match.groups()[:2]:
                if section not in sections:
                    raise _refused(name, line, f'there is no section "{shown(section)}" yet')
            sections[match[1]].parent, sections[match[1]].at = match[2], float(match[3])
        elif match := _ACCESS.fullmatch(statement):
            if match[1] not in sections:
                raise _refused(name, line, f'there is no section "{shown(match[1])}" yet')
            current = sections[match[1]]
        elif match := _POINT.fullmatch(statement):
            if current is None:
                raise _refused(name, line, "a point comes before the first section")
            current.points.append(tuple(map(float, match.groups())))
        elif not _PASSED_OVER.fullmatch(statement):
            raise _refused(name, line, f"found {shown(statement)!r}; code is not run: expected create, connect, access, pt3dadd")
    return _ordered(sections, name)


def _statements(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        for part in re.split(r"[{}]", line.partition("//")[0]):
            if part.strip():
                yield number, part.strip()


def _ordered(sections: dict[str, _Section], name: str) -> tuple[Cable, ...]:
    index: dict[str, int] = {}
    made: list[Cable] = []
    waiting = list(sections)
    while waiting:
        # the order of the file, as far as parents come first
        own = next((own for own in waiting if not sections[own].parent or sections[own].parent in index), "")
        if not own:
            raise SimulationError(f"the morphology {name} has sections in a circle: {', '.join(waiting[:3])}")
        section = sections[own]
        points = np.array(section.points).reshape(-1, 4)
        if len(points) < 2 or not (points[:, 3] > 0).all() or not 0 <= section.at <= 1:
            raise SimulationError(
                f'the morphology {name}: section "{own}" has {len(points)} points; expected two or more, with diameters above 0, '
                "and a place on its parent from 0 to 1"
            )
        if bool(section.parent) == (not made):
            raise SimulationError(f'the morphology {name}: section "{own}" is not connected to the soma, which comes first')
        index[own] = len(made)
        made.append(Cable(section.kind, points, index.get(section.parent, -1), section.at))
        waiting.remove(own)
    return tuple(made)


def _refused(name: str, line: int, reason: str) -> SimulationError:
    return SimulationError(f"the morphology {name} does not load: line {line}: {reason}")
