"""The layer 5b pyramidal neuron of Hay et al. (2011) PLOS Comput Biol 7: e1002107, on any morphology.

The parameters are those of their model of both BAC firing and somatic step firing, which Hagen et al. (2022) PLOS Comput Biol
18(9): e1010353 use for the excitatory population. Their reconstructed neuron (ModelDB 139653, morphologies/cell1.asc) has
no licence and is not part of hpcsim; see :func:`reconstructed`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from hpcsim import data
from hpcsim.errors import SimulationError, nearest
from hpcsim.models.neuron import mechanisms, morphology_file
from hpcsim.models.neuron.morphology import LISTS, Morphology, TreeSegments
from hpcsim.models.neuron.segments import length_constant, number
from hpcsim.models.neuron.synthetic_pyramid import synthetic_pyramid

MECHANISMS = (
    "CaDynamics_E2", "Ca_HVA", "Ca_LVAst", "Ih", "Im", "K_Pst", "K_Tst", "NaTa_t", "Nap_Et2", "SKv3_1", "SK_E2",
)  # fmt: skip
#: ohm cm.
RA = 100.0
#: mV. That of calcium follows from its concentrations.
REVERSALS = {"e_pas": -90.0, "ena": 50.0, "ek": -85.0, "ehcn_Ih": -45.0}
#: C.
TEMPERATURE = 34.0
#: mV: where simulations of this neuron start.
V_INIT = -80.0
#: Rotation about x and y that brings the apical dendrite of the reconstructed neuron along z (Hagen et al. 2022), radians.
ROTATION = (4.729, -3.166)
#: um: longest segment is shorter than this, 1 + 2 floor(L / 40 um) a section, as published.
SEGMENT_LENGTH = 40.0
RULES = ("40_um", "lambda_100")


@dataclass(frozen=True)
class Growing:
    """A density that grows with the distance d from the soma as ``base * (offset + factor * exp(rate * d / longest))``.

    The longest path of the tree counts. Kole, Hallermann & Stuart (2006) J Neurosci 26:1677-1687, for Ih.
    """

    base: float
    offset: float
    factor: float
    rate: float

    def at(self, distance: np.ndarray, longest: float) -> np.ndarray:
        """Density at some distances (um)."""
        return np.asarray(self.base * (self.offset + self.factor * np.exp(self.rate * distance / longest)))


@dataclass(frozen=True)
class Zone:
    """A density that is high between two distances from the soma (um), and low elsewhere."""

    inside: float
    outside: float
    start: float
    stop: float

    def at(self, distance: np.ndarray, longest: float) -> np.ndarray:
        """Density at some distances (um)."""
        return np.where((distance > self.start) & (distance < self.stop), self.inside, self.outside)


Density = float | Growing | Zone
#: Section list to attributes of its membrane: S/cm2 (g), uF/cm2 (cm), ms (decay), 1 (gamma).
Membrane = Mapping[str, Mapping[str, Density]]

#: Hay et al. (2011), the model of BAC firing and step firing, which ModelDB 139653 calls L5PCbiophys3.
MEMBRANE: Membrane = MappingProxyType(
    {
        "somatic": {
            "cm": 1.0,
            "g_pas": 3.38e-5,
            "gbar_Ih": 0.0002,
            "gbar_NaTa_t": 2.04,
            "gbar_Nap_Et2": 0.00172,
            "gbar_K_Pst": 0.00223,
            "gbar_K_Tst": 0.0812,
            "gbar_SKv3_1": 0.693,
            "gbar_SK_E2": 0.0441,
            "gbar_Ca_HVA": 0.000992,
            "gbar_Ca_LVAst": 0.00343,
            "gamma_CaDynamics_E2": 0.000501,
            "decay_CaDynamics_E2": 460.0,
        },
        "axonal": {"cm": 1.0, "g_pas": 3.25e-5},
        "basal": {"cm": 2.0, "g_pas": 4.67e-5, "gbar_Ih": 0.0002},
        "apical": {
            "cm": 2.0,
            "g_pas": 5.89e-5,
            "gbar_Ih": Growing(0.0002, -0.8696, 2.087, 3.6161),
            "gbar_NaTa_t": 0.0213,
            "gbar_SKv3_1": 0.000261,
            "gbar_SK_E2": 0.0012,
            "gbar_Im": 6.75e-5,
            "gbar_Ca_HVA": Zone(0.000555, 0.1 * 0.000555, 685.0, 885.0),
            "gbar_Ca_LVAst": Zone(0.0187, 0.01 * 0.0187, 685.0, 885.0),
            "gamma_CaDynamics_E2": 0.000509,
            "decay_CaDynamics_E2": 122.0,
        },
    }
)


@dataclass(frozen=True, eq=False)
class HayCell:
    """The neuron: a morphology with its membrane.

    Parameters
    ----------
    morphology : Morphology
        With an axon, or its stub.
    rule : str
        How sections are cut: ``40_um``, as published, or ``lambda_100``, a tenth of the length constant at 100 Hz, as in the
        ball-and-sticks network.
    membrane : mapping
        Densities by section list and attribute.

    Raises
    ------
    SimulationError
        If there is no such rule, or the morphology lacks a section list of the membrane.
    """

    morphology: Morphology
    rule: str = "40_um"
    membrane: Membrane = field(default_factory=lambda: MEMBRANE)

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise SimulationError(f'there is no rule "{self.rule}" for segments; {nearest(self.rule, RULES)}')
        for section_list in self.membrane:
            self.morphology.members(section_list)

    @cached_property
    def numbers(self) -> tuple[int, ...]:
        """How many segments each section has."""
        cables = self.morphology.cables
        if self.rule == "40_um":
            return tuple(1 + 2 * int(cable.length / SEGMENT_LENGTH) for cable in cables)
        names = {kind: name for name, kind in LISTS.items()}
        found = []
        for cable in cables:
            capacitance = self.membrane.get(names[cable.kind], {}).get("cm", 1.0)
            if not isinstance(capacitance, float):
                raise SimulationError(f"cm of {names[cable.kind]} is {capacitance}; the rule lambda_100 needs one number")
            diameters = (cable.points[:-1, 3] + cable.points[1:, 3]) / 2
            found.append(number(float((np.diff(cable.arc) / length_constant(diameters, RA, capacitance)).sum())))
        return tuple(found)

    @cached_property
    def segments(self) -> TreeSegments:
        """Its segments, in the order of :meth:`build`."""
        return self.morphology.segments(self.numbers)

    def density(self, attribute: str) -> np.ndarray:
        """Values of an attribute of the membrane, such as ``gbar_Ih``, S/cm2, shape (n_segment,); 0 where it is not there."""
        found, distance, kinds = np.zeros(len(self.segments)), self.segments.distance, self.segments.section
        for section_list, values in self.membrane.items():
            value = values.get(attribute, 0.0)
            there = kinds == LISTS[section_list]
            found[there] = value if isinstance(value, float) else value.at(distance[there], self.morphology.longest(section_list))
        return found

    def site(self, distance: float) -> int:
        """Index of the apical segment at a distance from the soma (um): the thickest where there are several.

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
        return int(np.argmax(np.where(there, own.diameter, -1)))

    def build(self, h: Any) -> tuple[list[Any], list[Any]]:
        """Build the neuron in NEURON with its active membrane.

        Parameters
        ----------
        h : HocObject
            With the mechanisms of `MECHANISMS` loaded, see :func:`load`.

        Returns
        -------
        tuple of list
            Sections, and segments in the order of `segments`; what the network builds of its neurons.

        Raises
        ------
        SimulationError
            If the membrane names a mechanism that is not loaded, or an attribute that a mechanism has not.
        """
        _check(h, self.membrane)
        sections = self.morphology.create(h, self.numbers)
        points = [point for section in sections for point in section]
        names = {kind: name for name, kind in LISTS.items()}
        attributes = {attribute for values in self.membrane.values() for attribute in values}
        values = {attribute: self.density(attribute).tolist() for attribute in attributes}
        first = 0
        for section, cable in zip(sections, self.morphology.cables, strict=True):
            section.Ra = RA
            own = self.membrane.get(names[cable.kind], {})
            for mechanism in {attribute.partition("_")[2] for attribute in own} - {""}:
                section.insert(mechanism)
            for attribute in own:
                if not hasattr(section(0.5), attribute):
                    raise SimulationError(f'the {names[cable.kind]} membrane has "{attribute}", which no mechanism there has')
                for point, value in zip(section, values[attribute][first : first + section.nseg], strict=True):
                    setattr(point, attribute, value)
            for reversal, potential in REVERSALS.items():
                if hasattr(section, reversal):
                    setattr(section, reversal, potential)
            first += section.nseg
        return sections, points


def _check(h: Any, membrane: Membrane) -> None:
    """Refuse mechanisms that NEURON does not know, before it has a section."""
    for section_list, values in membrane.items():
        for attribute in values:
            mechanism = attribute.partition("_")[2]
            if mechanism and not hasattr(h, mechanism):
                raise SimulationError(
                    f'the {section_list} membrane has "{attribute}", and no mechanism "{mechanism}" is loaded; '
                    f"{nearest(mechanism, ('pas', *MECHANISMS))}"
                )


def synthetic(rule: str = "40_um") -> HayCell:
    """The neuron on the shape that hpcsim makes."""
    return HayCell(synthetic_pyramid().with_axon_stub(), rule)


def reconstructed(path: str | Path = "", checksum: str = "", rule: str = "40_um") -> HayCell:
    """The neuron on the reconstructed morphology, its apical dendrite along z.

    Parameters
    ----------
    path : str or Path
        A file of the user; otherwise ``hay2011/cell1.asc`` in the folder of public data.
    checksum : str
        ``sha256:...`` of the file, if the user knows it.
    rule : str
        As in :class:`HayCell`.

    Raises
    ------
    ResultsError
        If there is no file.
    SimulationError
        If the file is another one or does not load.
    """
    shape = morphology_file.read(path or data.fetch("hay2011/cell1.asc"), checksum)
    return HayCell(shape.rotated(*ROTATION).with_axon_stub(), rule)


def load(cache: Path) -> None:
    """Make the mechanisms of this neuron, and the synapse of its protocols, known to NEURON; compile them first if needed.

    Raises
    ------
    SimulationError
        As :func:`hpcsim.models.neuron.mechanisms.load`.
    """
    mechanisms.load((*MECHANISMS, "Exp2SynI"), cache)
