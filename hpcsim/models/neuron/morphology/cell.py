"""A neuron: a morphology, how it is cut into segments, and its active membrane."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from hpcsim.errors import SimulationError, nearest
from hpcsim.models.neuron.morphology.distributions import Distribution, Places
from hpcsim.models.neuron.morphology.segments import Segments, length_constant, number
from hpcsim.models.neuron.morphology.tree import LISTS, Morphology
from hpcsim.models.neuron.nmodl.mechanisms import loaded

#: um: with the rule ``40_um`` the longest segment is shorter than this (Hay et al. (2011) PLOS Comput Biol 7: e1002107).
SEGMENT_LENGTH = 40.0
RULES = ("40_um", "lambda_100")
#: Section list by the kind of section.
_LISTS = {kind: name for name, kind in LISTS.items()}


Density = float | Distribution
#: Reversal potentials as NEURON's sections have them, for the ions and mechanisms of hpcsim.
REVERSALS = ("e_pas", "ehcn_Ih", "ena", "ek", "eca")
#: Section list to attributes of its membrane: S/cm2 (g), uF/cm2 (cm), ms (decay), 1 (gamma).
Membrane = Mapping[str, Mapping[str, Density]]


def mechanism_of(attribute: str) -> str:
    """The mechanism that an attribute of a membrane belongs to, such as ``Ih`` for ``gbar_Ih``; none for ``cm``."""
    return attribute.partition("_")[2]


@dataclass(frozen=True, eq=False)
class Cell:
    """A neuron.

    Parameters
    ----------
    morphology : Morphology
        The middle of its soma at the origin, its apical dendrite along z.
    membrane : mapping
        Densities by section list and attribute.
    reversals : mapping of str to float, mV
        By name, as NEURON's sections have them, such as ``ena``.
    Ra : float, ohm cm
        Axial resistivity.
    rule : str
        How sections are cut: ``40_um``, 1 + 2 floor(L / 40 um) segments a section, or ``lambda_100``, a tenth of the length
        constant at 100 Hz.
    far_ends : bool
        Whether the last segment of each section takes densities that depend on distance at the far end, where the others take
        them in their middle. So does the published template of Hay et al. (2011): it sets densities at the ends of a section,
        too, and for NEURON an end is the segment beside it.
    cut : tuple of int
        How many segments each section has, in place of the rule.

    Raises
    ------
    SimulationError
        If there is no such rule or reversal potential, the morphology lacks a section list of the membrane, or a capacitance is
        not above 0.
    """

    morphology: Morphology
    membrane: Membrane
    reversals: Mapping[str, float] = field(default_factory=dict)
    Ra: float = 100.0
    rule: str = "lambda_100"
    far_ends: bool = False
    cut: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise SimulationError(f'there is no rule "{self.rule}" for segments; {nearest(self.rule, RULES)}')
        for section_list, values in self.membrane.items():
            self.morphology.members(section_list)
            cm = values.get("cm", 1.0)
            if isinstance(cm, int | float) and not cm > 0:
                raise SimulationError(f"cm of {section_list} is {cm:g} uF/cm2; it must be above 0")
        for name in self.reversals:
            if name not in REVERSALS:
                raise SimulationError(f'there is no reversal potential "{name}"; {nearest(name, REVERSALS)}')

    @cached_property
    def numbers(self) -> tuple[int, ...]:
        """How many segments each section has."""
        if self.cut:
            return self.cut
        cables = self.morphology.cables
        if self.rule == "40_um":
            return tuple(1 + 2 * int(cable.length / SEGMENT_LENGTH) for cable in cables)
        found = []
        for cable in cables:
            capacitance = self.membrane.get(_LISTS[cable.kind], {}).get("cm", 1.0)
            if not isinstance(capacitance, int | float):
                raise SimulationError(f"cm of {_LISTS[cable.kind]} is {capacitance}; the rule lambda_100 needs one number")
            diameters = (cable.points[:-1, 3] + cable.points[1:, 3]) / 2
            found.append(number(float((np.diff(cable.arc) / length_constant(diameters, self.Ra, capacitance)).sum())))
        return tuple(found)

    @cached_property
    def segments(self) -> Segments:
        """Its segments, in the order of :meth:`create`."""
        return self.morphology.segments(self.numbers)

    @cached_property
    def capacitance(self) -> np.ndarray:
        """Specific membrane capacitance, uF/cm2, shape (n_segment,); 1 where the membrane does not say."""
        given = self.density("cm")
        return np.where(given > 0, given, 1.0)

    def mechanisms(self, kind: str) -> tuple[str, ...]:
        """Those in the membrane of sections of a kind, such as ``apic``, in the order of the membrane."""
        named = (mechanism_of(attribute) for attribute in self.membrane.get(_LISTS[kind], {}))
        return tuple(dict.fromkeys(name for name in named if name))

    def density(self, attribute: str) -> np.ndarray:
        """Values of an attribute of the membrane, such as ``gbar_Ih``, S/cm2, shape (n_segment,); 0 where it is not there."""
        found, kinds = np.zeros(len(self.segments)), self.segments.section
        for section_list, values in self.membrane.items():
            value = values.get(attribute, 0.0)
            there = kinds == LISTS[section_list]
            found[there] = value if isinstance(value, int | float) else value.at(self._places(section_list))
        return found

    def _places(self, section_list: str) -> Places:
        """Segments of a list."""
        there = self.segments.section == LISTS[section_list]
        longest = self.morphology.longest(section_list)
        return Places(self._distance[there], self.segments.middle[there], self.segments.cable[there], longest)

    @cached_property
    def _distance(self) -> np.ndarray:
        """Where each segment takes the densities that depend on distance, um, shape (n_segment,)."""
        if not self.far_ends:
            return self.segments.distance
        last = np.append(np.diff(self.segments.cable) > 0, True)
        return np.where(last, self.morphology.far_ends[self.segments.cable], self.segments.distance)

    def site(self, distance: float) -> int:
        """Index of the apical segment at a distance from the soma (um): the thickest, or first of these, where there are several.

        Raises
        ------
        SimulationError
            If the apical dendrite does not reach so far.
        """
        own = self.segments
        half = np.sqrt(np.diff(own.x) ** 2 + np.diff(own.y) ** 2 + np.diff(own.z) ** 2)[:, 0] / 2
        # a crooked segment is longer than the line between its ends
        half = np.maximum(half, own.area / (2 * np.pi * own.diameter))
        there = (own.section == "apic") & (np.abs(own.distance - distance) <= half)
        if not there.any():
            raise SimulationError(
                f"the apical dendrite of {self.morphology.source} has no place {distance:g} um from the soma; it reaches "
                f"{self.morphology.longest('apical'):.0f} um"
            )
        # branches of one diameter differ in its last digits: the first of them, as the published code has it
        return int(np.argmax(np.where(there, own.diameter.round(6), -1)))

    def create(self, h: Any) -> tuple[list[Any], list[Any]]:
        """Build the neuron in NEURON, without mechanisms in its membrane.

        Returns
        -------
        tuple of list
            Sections, and their segments in the order of `segments`.
        """
        sections = self.morphology.create(h, self.numbers)
        points = [point for section in sections for point in section]
        for section in sections:
            section.Ra = self.Ra
        for point, cm in zip(points, self.capacitance.tolist(), strict=True):
            point.cm = cm
        return sections, points

    def activate(self, h: Any, sections: list[Any]) -> None:
        """Give the sections of :meth:`create` their active membrane.

        Raises
        ------
        SimulationError
            If the membrane names a mechanism that is not loaded, or an attribute that a mechanism has not.
        """
        _check(h, self.membrane)
        first = 0
        for section, cable in zip(sections, self.morphology.cables, strict=True):
            for mechanism in self.mechanisms(cable.kind):
                section.insert(mechanism)
            for attribute in self.membrane.get(_LISTS[cable.kind], {}):
                if not mechanism_of(attribute):
                    continue
                if not hasattr(section(0.5), attribute):
                    raise SimulationError(f'the {_LISTS[cable.kind]} membrane has "{attribute}", which no mechanism there has')
                for point, value in zip(section, self._values[attribute][first : first + section.nseg], strict=True):
                    setattr(point, attribute, value)
            for reversal, potential in self.reversals.items():
                if hasattr(section, reversal):
                    setattr(section, reversal, potential)
            first += section.nseg

    @cached_property
    def _values(self) -> dict[str, list[float]]:
        """By attribute of the membrane: its density in each segment."""
        attributes = {attribute for values in self.membrane.values() for attribute in values}
        return {attribute: self.density(attribute).tolist() for attribute in attributes}


def _check(h: Any, membrane: Membrane) -> None:
    """Refuse mechanisms that NEURON does not know."""
    for section_list, values in membrane.items():
        for attribute in values:
            mechanism = mechanism_of(attribute)
            if mechanism and not hasattr(h, mechanism):
                raise SimulationError(
                    f'the {section_list} membrane has "{attribute}", and no mechanism "{mechanism}" is loaded; '
                    f"{nearest(mechanism, ('pas', *loaded()))}"
                )
