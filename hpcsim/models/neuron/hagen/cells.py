"""The neurons of the network of Hagen et al. (2022): ball and sticks, or, for E, the pyramidal neuron of Hay et al. (2011)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from hpcsim.data import public as data
from hpcsim.models.neuron.hay import cell as hay_cell
from hpcsim.models.neuron.morphology.cell import Cell
from hpcsim.models.neuron.morphology.tree import Cable, Morphology

#: Values of the parameter ``cell_E``: on two sticks, on the reconstruction of ModelDB 139653, on a shape that hpcsim makes.
KINDS = ("ball_and_sticks", "hay2011", "hay2011_synthetic")
BALL_AND_STICKS, HAY, SYNTHETIC = KINDS
#: Sections of a ball-and-sticks neuron, and on which synapses may lie.
SECTIONS = ("soma", "dend", "apic")
#: Names that NEURON gives to reversal potentials, and the parameters that hold them.
_POTENTIALS = {"e_pas": "E_leak", "ena": "E_Na", "ek": "E_K", "ehcn_Ih": "E_h"}
#: Channels of ball-and-sticks neurons, and what NEURON calls their conductances; in the order in which they are inserted.
_ATTRIBUTES = {"leak": "g_pas", "NaTa_t": "gbar_NaTa_t", "SKv3_1": "gbar_SKv3_1", "Ih": "gbar_Ih"}


def cell(values: Mapping[str, Any], population: str) -> Cell:
    """The neuron of a population.

    Parameters
    ----------
    values : mapping
        Those of :func:`hpcsim.models.neuron.hagen.ball_and_sticks.parameters`.
    population : str
        ``E`` or ``I``.

    Returns
    -------
    Cell
        The same object for the same values.

    Raises
    ------
    ResultsError, StorageError
        If the reconstruction is needed, and neither there nor to be fetched.
    SimulationError
        If it does not load.
    """
    Ra = float(values["Ra"])
    reversals = tuple((name, float(values[parameter])) for name, parameter in _POTENTIALS.items())
    kind = values["cell_E"] if population == "E" else BALL_AND_STICKS
    if kind != BALL_AND_STICKS:
        return _hay(data.fetch(hay_cell.MORPHOLOGY) if kind == HAY else None, reversals, Ra)
    sizes = tuple(tuple(float(values[f"{part}_{size}_{population}"]) for size in ("length", "diameter")) for part in SECTIONS)
    conductances = (tuple(float(values[f"g_{channel}_{part}"]) for channel in _ATTRIBUTES) for part in ("soma", "sticks"))
    return _ball_and_sticks(sizes, *conductances, float(values["cm"]), reversals, Ra)


@lru_cache(maxsize=64)
def _ball_and_sticks(
    sizes: tuple[tuple[float, ...], ...],
    soma: tuple[float, ...],
    sticks: tuple[float, ...],
    cm: float,
    reversals: tuple[tuple[str, float], ...],
    Ra: float,
) -> Cell:
    """A soma with one stick below (``dend``) and one above (``apic``), along z; lengths and diameters in um."""
    half = sizes[0][0] / 2
    ends = ((-half, half), (-half, -half - sizes[1][0]), (half, half + sizes[2][0]))
    cables = [
        Cable(name, np.array([[0, 0, z, diameter] for z in end]), parent, at)
        for name, (_, diameter), end, parent, at in zip(SECTIONS, sizes, ends, (-1, 0, 0), (1.0, 0.0, 1.0), strict=True)
    ]
    membrane = {
        name: {"cm": cm, **dict(zip(_ATTRIBUTES.values(), each, strict=True))}
        for name, each in (("somatic", soma), ("basal", sticks), ("apical", sticks))
    }
    return Cell(Morphology(tuple(cables), BALL_AND_STICKS), membrane, dict(reversals), Ra)


@lru_cache(maxsize=4)
def _hay(path: Path | None, reversals: tuple[tuple[str, float], ...], Ra: float) -> Cell:
    """The pyramidal neuron, on the shape in a file or on the one that hpcsim makes."""
    made = hay_cell.synthetic() if path is None else hay_cell.reconstructed(path)
    return replace(made, reversals=dict(reversals), Ra=Ra)
