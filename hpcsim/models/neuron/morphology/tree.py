"""Shapes of neurons: branched cables, cut into segments, and built in NEURON."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import pi
from pathlib import Path
from typing import Any

import numpy as np

from hpcsim.errors import SimulationError, nearest
from hpcsim.models.neuron.morphology.segments import Segments
from hpcsim.models.neuron.nmodl.mechanisms import write_once

#: Lists of sections, by the name that NEURON's importer gives to their sections.
LISTS = {"somatic": "soma", "axonal": "axon", "basal": "dend", "apical": "apic", "myelinated": "myelin"}
#: um: two sections that stand for the axon, as in Hay et al. (2011) PLOS Comput Biol 7: e1002107.
STUB_LENGTH, STUB_DIAMETER = 30.0, 1.0
#: Kind, length and diameters at both ends (um), and segments of the sections that stand for an axon that tapers: hillock, initial
#: segment and myelin (Hay, Schuermann, Markram & Segev (2013) J Neurophysiol 109:2972-2981).
TAPERED = (("axon", 20.0, 3.0, 1.75, 5), ("axon", 30.0, 1.75, 1.0, 7), ("myelin", 1000.0, 1.0, 1.0, 21))


@dataclass(frozen=True, eq=False)
class Cable:
    """One unbranched section.

    Parameters
    ----------
    kind : str
        ``soma``, ``axon``, ``dend`` or ``apic``.
    points : ndarray, um
        Shape (n_point, 4): x, y, z and diameter, from the end at the parent on.
    parent : int
        Index of the section that it leaves; -1 for the first one.
    at : float
        Where it leaves, from 0 to 1 along the parent.
    """

    kind: str
    points: np.ndarray
    parent: int = -1
    at: float = 1.0

    @cached_property
    def arc(self) -> np.ndarray:
        """Length up to each point, um, shape (n_point,)."""
        return np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(self.points[:, :3], axis=0), axis=1))])

    @property
    def length(self) -> float:
        """Length, um."""
        return float(self.arc[-1])


@dataclass(frozen=True, eq=False)
class Morphology:
    """A neuron as a tree of sections; parents come before their children.

    Parameters
    ----------
    cables : tuple of Cable
        The first one is the soma.
    source : str
        What it was read or made from, for messages.
    """

    cables: tuple[Cable, ...]
    source: str

    def name(self, numbers: Sequence[int]) -> str:
        """A name for NEURON that belongs to this shape and these segments alone: a template cannot be defined twice."""
        digest = hashlib.sha256()
        for cable, n in zip(self.cables, numbers, strict=True):
            digest.update(f"{cable.kind} {cable.parent} {cable.at!r} {n} ".encode() + cable.points.astype("<f8").tobytes())
        return "Morphology_" + digest.hexdigest()[:16]

    def members(self, section_list: str) -> list[int]:
        """Indices of the sections in a list.

        Parameters
        ----------
        section_list : str
            ``somatic``, ``axonal``, ``basal`` or ``apical``.

        Raises
        ------
        SimulationError
            If there is no such list, or this neuron has no section in it.
        """
        if section_list not in LISTS:
            raise SimulationError(f'there is no section list "{section_list}"; {nearest(section_list, LISTS)}')
        found = [i for i, cable in enumerate(self.cables) if cable.kind == LISTS[section_list]]
        if not found:
            there = [name for name, kind in LISTS.items() if any(cable.kind == kind for cable in self.cables)]
            raise SimulationError(
                f"the morphology {self.source} has no {section_list} sections, only {', '.join(there)}; take one in which "
                f"these dendrites are marked ({LISTS[section_list]}), or leave {section_list} out of the membrane"
            )
        return found

    def length(self, section_list: str) -> float:
        """Summed length of the sections in a list, um."""
        return sum(self.cables[i].length for i in self.members(section_list))

    def longest(self, section_list: str) -> float:
        """Longest path from the middle of the soma to the end of a section in a list, um."""
        return float(max(self.far_ends[i] for i in self.members(section_list)))

    @cached_property
    def far_ends(self) -> np.ndarray:
        """Path from the middle of the soma to the far end of each section, um, shape (n_section,)."""
        ends = np.array(self._distances()) + [cable.length for cable in self.cables]
        # the soma is its own origin
        ends[0] = self.cables[0].length / 2
        return ends

    def rotated(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Morphology:
        """Move the middle of the soma to the origin, and turn about the x, the y, and the z axis, in radians, right-handed."""
        from scipy.spatial.transform import Rotation

        turn, centre = Rotation.from_euler("xyz", [x, y, z]), self._middle()
        moved = []
        for cable in self.cables:
            points = np.concatenate([turn.apply(cable.points[:, :3] - centre), cable.points[:, 3:]], axis=1)
            moved.append(replace(cable, points=points))
        return Morphology(tuple(moved), self.source)

    def with_axon_stub(self) -> Morphology:
        """Put two sections of 30 um length and 1 um diameter in place of the axon, as Hay et al. (2011) do.

        Raises
        ------
        SimulationError
            If a dendrite leaves the axon.
        """
        start = self._middle()
        return self._with_axon(start, [("axon", STUB_LENGTH, STUB_DIAMETER, STUB_DIAMETER)] * 2)

    def with_tapered_axon(self) -> Morphology:
        """Put the sections of `TAPERED` in place of the axon; they leave the middle of the soma, from its surface on.

        Raises
        ------
        SimulationError
            If a dendrite leaves the axon.
        """
        soma = self.cables[0]
        radius = float(np.interp(soma.length / 2, soma.arc, soma.points[:, 3])) / 2
        return self._with_axon(self._middle() - [0, 0, radius], [part[:4] for part in TAPERED])

    def at_the_middle(self) -> Morphology:
        """Let every branch that leaves the soma leave its middle."""
        return Morphology(tuple(replace(c, at=0.5) if c.parent == 0 else c for c in self.cables), self.source)

    def _with_axon(self, start: np.ndarray, parts: Sequence[tuple[str, float, float, float]]) -> Morphology:
        """Straight sections, one after the other, in place of the axon."""
        kept = [i for i, cable in enumerate(self.cables) if cable.kind not in ("axon", "myelin")]
        number = {-1: -1, **{old: new for new, old in enumerate(kept)}}
        for i in kept:
            if self.cables[i].parent not in number:
                raise SimulationError(
                    f"the morphology {self.source} has a section {self.cables[i].kind} on its axon, which is replaced by a "
                    "stub; take one whose dendrites leave the soma"
                )
        cables = [replace(self.cables[i], parent=number[self.cables[i].parent]) for i in kept]
        parent, at = 0, 0.5
        for kind, length, first, last in parts:
            # away from the apical dendrite, which is up
            end = start - [0, 0, length]
            cables.append(Cable(kind, np.array([[*start, first], [*end, last]]), parent, at))
            start, parent, at = end, len(cables) - 1, 1.0
        return Morphology(tuple(cables), self.source)

    def segments(self, numbers: Sequence[int]) -> Segments:
        """Cut the sections into segments of equal length.

        Parameters
        ----------
        numbers : sequence of int
            Shape (n_section,): how many segments each section has.

        Returns
        -------
        Segments
            With the areas and diameters that NEURON gives to them.
        """
        starts = self._distances()
        columns: list[list[np.ndarray]] = [[] for _ in range(6)]
        for index, (cable, n) in enumerate(zip(self.cables, numbers, strict=True)):
            edges = np.linspace(0, cable.length, n + 1)
            ends = np.array([np.interp(edges, cable.arc, cable.points[:, axis]) for axis in range(3)])
            (area, diameter), middle = _between(cable, edges), (edges[:-1] + edges[1:]) / 2
            # the soma is its own origin, whose middle is not its end
            away = np.abs(middle - cable.length / 2) if index == 0 else starts[index] + middle
            spans = np.stack([ends[:, :-1], ends[:, 1:]], axis=2)
            for column, values in zip(columns, (*spans, diameter, area, away), strict=True):
                column.append(values)
        x, y, z, diameter, area, distance = (np.concatenate(column) for column in columns)
        cable_of = np.repeat(np.arange(len(self.cables)), numbers)
        kinds = np.array([cable.kind for cable in self.cables])[cable_of]
        return Segments(kinds, x, y, z, diameter, area, distance, cable_of)

    def create(self, h: Any, numbers: Sequence[int]) -> list[Any]:
        """Build the sections in NEURON.

        Parameters
        ----------
        h : HocObject
        numbers : sequence of int
            Shape (n_section,), of their segments.

        Returns
        -------
        list of nrn.Section
            In the order of `cables`; they live as long as this list.
        """
        made: list[Any] = []
        for index, (cable, n) in enumerate(zip(self.cables, numbers, strict=True)):
            section = h.Section(name=f"{cable.kind}_{index}")
            h.pt3dadd(*(h.Vector(column) for column in cable.points.T), sec=section)
            section.nseg = int(n)
            if cable.parent >= 0:
                section.connect(made[cable.parent](cable.at), 0)
            made.append(section)
        return made

    def hoc(self, numbers: Sequence[int]) -> str:
        """The neuron as a NEURON template, in the form that ``LFPy.TemplateCell`` reads.

        Parameters
        ----------
        numbers : sequence of int
            Shape (n_section,), of their segments; LFPy must not change them (``nsegs_method=None``).
        """
        count = dict.fromkeys(LISTS.values(), 0)
        names = []
        for cable in self.cables:
            names.append(f"{cable.kind}[{count[cable.kind]}]")
            count[cable.kind] += 1
        there = {kind: n for kind, n in count.items() if n}
        template = self.name(numbers)
        lines = [
            f"begintemplate {template}",
            f"public all, {', '.join(there)}",
            "objref all",
            f"create {', '.join(f'{kind}[{n}]' for kind, n in there.items())}",
        ]
        # hoc has a largest size of one procedure
        for index, (name, cable, n) in enumerate(zip(names, self.cables, numbers, strict=True)):
            lines.append(f"proc section{index}() {{")
            if cable.parent >= 0:
                lines.append(f"  connect {name}(0), {names[cable.parent]}({cable.at!r})")
            points = "\n".join(f"    pt3dadd({', '.join(map(repr, point))})" for point in cable.points.tolist())
            lines.append(f"  {name} {{ all.append()\n{points}\n    nseg = {int(n)} }}\n}}")
        calls = [f"  section{index}()" for index in range(len(names))]
        lines += ["proc init() {", "  all = new SectionList()", *calls, "}", f"endtemplate {template}"]
        return "\n".join(lines) + "\n"

    def write(self, cache: Path, numbers: Sequence[int]) -> Path:
        """Put the template of :meth:`hoc` where NEURON can read it, in one step."""
        return write_once(cache / "cells" / f"{self.name(numbers)}.hoc", self.hoc(numbers))

    def _middle(self) -> np.ndarray:
        """Middle of the soma, um."""
        soma = self.cables[0]
        return np.array([np.interp(soma.length / 2, soma.arc, soma.points[:, axis]) for axis in range(3)])

    def _distances(self) -> list[float]:
        """Path from the middle of the soma to the start of each section, um."""
        found: list[float] = []
        for cable in self.cables:
            if cable.parent < 0:
                found.append(0.0)
                continue
            length = self.cables[cable.parent].length
            along = abs(cable.at - 0.5) * length if cable.parent == 0 else cable.at * length
            found.append(found[cable.parent] + along)
        return found


def _between(cable: Cable, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lateral area (um2) and mean diameter (um) between some lengths along a section, as NEURON computes them.

    The area is that of frusta, and of rings where the diameter steps.
    """
    arc, diameter = cable.arc, cable.points[:, 3]
    width, growth = np.diff(arc), np.diff(diameter)
    mean = diameter[:-1] + growth / 2
    i = np.clip(np.searchsorted(arc, edges, side="right") - 1, 0, len(width) - 1)
    part = np.divide(edges - arc[i], width[i], out=np.ones_like(edges), where=width[i] > 0)
    share = np.where(part < 1, part * (diameter[i] + growth[i] * part / 2) / mean[i], 1.0)

    def between(whole: np.ndarray) -> np.ndarray:
        total = np.concatenate([[0.0], np.cumsum(whole)])
        up_to = total[i] + whole[i] * share
        up_to[0], up_to[-1] = 0.0, total[-1]
        return np.asarray(np.diff(up_to))

    return between(pi * mean * np.hypot(width, growth / 2)), between(mean * width) / np.diff(edges)
