"""The layer 5 pyramidal neuron whose 35 parameters are fitted, on any morphology with an apical dendrite."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from math import pi
from pathlib import Path
from typing import Any

import numpy as np

from hpcsim.data import public as data
from hpcsim.errors import SimulationError
from hpcsim.models.neuron.hay.cell import RA, REVERSALS
from hpcsim.models.neuron.l5pc.parameters import FREE, PLACES
from hpcsim.models.neuron.morphology import file as morphology_file
from hpcsim.models.neuron.morphology.cell import Cell, Density
from hpcsim.models.neuron.morphology.distributions import Exponential, Linear, Zone
from hpcsim.models.neuron.morphology.synthetic_pyramid import synthetic_pyramid
from hpcsim.models.neuron.morphology.tree import TAPERED, Morphology

#: Value of the parameter ``morphology`` for the shape that hpcsim makes.
SYNTHETIC = "synthetic"
#: Public morphologies that it is known on.
PUBLIC = ("hay2011/cell1.asc", "isf/89_C2.hoc")
#: C, mV: as published.
TEMPERATURE, V_INIT = 34.0, -75.0
#: Hz; part of a length constant: longest segment.
_FREQUENCY, _PART = 100.0, 0.1
#: uF/cm2 by section list.
CM = {"somatic": 1.0, "axonal": 1.0, "basal": 2.0, "apical": 2.0, "myelinated": 0.02}
#: What is not fitted: S/cm2.
_FIXED: Mapping[str, Mapping[str, Density]] = {
    "somatic": {"gbar_Ih": 8e-5},
    "axonal": {"gbar_Ih": 8e-5},
    "basal": {"gbar_Ih": 2e-4},
    "apical": {"gbar_Ih": Exponential(2e-4, -0.8696, 2.087, 3.6161)},
    "myelinated": {"g_pas": 4e-5},
}
#: Calcium channels, and the part of them that there is outside of the zone.
_ZONES = {"gbar_Ca_HVA": 0.1, "gbar_Ca_LVAst": 0.01}


def membrane(values: Mapping[str, Any], of: Morphology) -> dict[str, dict[str, Density]]:
    """The membrane for some values of the parameters of the model, on a morphology of :func:`shape`.

    Source of what is not fitted: Hay et al. (2011) PLOS Comput Biol 7: e1002107 and Bast et al. (2023); d is the distance
    along the apical dendrite as a part of its longest path.
    """
    made: dict[str, dict[str, Density]] = {where: {"cm": cm, **_FIXED[where]} for where, cm in CM.items()}
    for parameter in FREE:
        what, _, place = parameter.name.rpartition("_")
        if place in PLACES and what != "SKv3_1":
            attribute = f"{what}_CaDynamics_E2" if what in ("gamma", "decay") else what
            made[PLACES[place]][attribute] = float(values[parameter.name])
    apical = made["apical"]
    base = float(values["gbar_SKv3_1_apic"])
    slope, lowest = float(values["SKv3_1_slope"]), base * float(values["SKv3_1_offset"])
    # as published, the way counts from the end of the soma, and from its middle for all others
    apical["gbar_SKv3_1"] = Linear(base, 1.0 + slope * of.cables[0].length / 2 / of.longest("apical"), slope, lowest)
    start, stop, without = (values[f"zone_{key}"] for key in ("start", "stop", "without"))
    for attribute, outside in _ZONES.items():
        inside = float(values[f"{attribute}_apic"])
        apical[attribute] = Zone(inside, outside * inside, start, stop, True, tuple(int(index) for index in without))
    return made


@lru_cache(maxsize=4)
def shape(morphology: str, checksum: str = "") -> Morphology:
    """The morphology, its axon replaced, and everything that leaves the soma at its middle.

    Parameters
    ----------
    morphology : str
        ``synthetic``, the name of a public file such as ``hay2011/cell1.asc``, or a file of the user (``.asc``, ``.swc``,
        ``.hoc``).
    checksum : str
        ``sha256:...`` of the file, if the user knows it.

    Raises
    ------
    ResultsError, StorageError
        If a public file cannot be had.
    SimulationError
        If the file does not load, is another one, or has no apical dendrite.
    """
    if morphology == SYNTHETIC:
        read = synthetic_pyramid()
    else:
        path = data.fetch(morphology) if morphology in data.DATASETS else Path(morphology)
        read = morphology_file.read(path, checksum)
    read.members("apical")
    return read.at_the_middle().with_tapered_axon()


@lru_cache(maxsize=4)
def _cut(of: Morphology) -> tuple[int, ...]:
    """Segments of each section: a tenth of the length constant of the diameter in its middle; as published for the axon."""
    found = []
    for cable in of.cables[: -len(TAPERED)]:
        diameter = cable.points[len(cable.points) // 2, 3]
        cm = CM["apical" if cable.kind in ("apic", "dend") else "somatic"]
        length_constant = 1e5 * np.sqrt(diameter / (4 * pi * _FREQUENCY * RA * cm))
        found.append(int((cable.length / (_PART * length_constant) + 0.5) // 2) * 2 + 1)
    return (*found, *(part[-1] for part in TAPERED))


def cell(values: Mapping[str, Any]) -> Cell:
    """The neuron for some values of the parameters.

    Raises
    ------
    ResultsError, StorageError, SimulationError
        As :func:`shape`.
    """
    unscaled = shape(str(values["morphology"]), str(values["checksum"]))
    last = len(unscaled.cables) - 1
    for index in values["zone_without"]:
        if not (0 <= index <= last and index == int(index)):
            raise SimulationError(f"zone_without names section {index:g}; {unscaled.source} has sections 0 to {last}")
    # cut before it is scaled, as published
    return Cell(_scaled(unscaled, float(values["apical_scale"])), membrane(values, unscaled), REVERSALS, RA, cut=_cut(unscaled))


def _scaled(of: Morphology, factor: float) -> Morphology:
    """The same with other diameters of the apical dendrite."""
    if factor == 1:
        return of
    scale = np.array([1.0, 1.0, 1.0, factor])
    cables = (replace(cable, points=cable.points * scale) if cable.kind == "apic" else cable for cable in of.cables)
    return replace(of, cables=tuple(cables))
