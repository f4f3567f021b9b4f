"""Linear membranes of the neurons of the network, derived from the active ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from hpcsim.errors import SimulationError
from hpcsim.models.model import Context
from hpcsim.models.neuron.hay import cell as hay_cell
from hpcsim.models.neuron.hay.calcium import resting_calcium
from hpcsim.models.neuron.morphology.cell import Cell
from hpcsim.models.neuron.nmodl import linear, mechanisms, quasi_active

#: Linear membranes, and the mechanisms whose gates follow the potential to first order; those of the others stay as at rest.
#: In ``linear`` these are all but those that calcium governs. Hagen et al. (2022) call ``linear_Ih`` "linearised", in which
#: the persistent sodium channel of the Hay neuron follows, too, and ``frozen`` "passive-frozen".
LINEARISED_GATES: dict[str, tuple[str, ...]] = {
    "linear": ("Ih", "Im", "K_Pst", "K_Tst", "NaTa_t", "Nap_Et2", "SKv3_1"),
    "linear_Ih": ("Ih", "Nap_Et2"),
    "frozen": (),
}
#: What the neurons of the network need, active or linear: the channels, and current-based synapses.
MECHANISMS = hay_cell.NEEDED
#: How many gates follow the potential in a section, of ball-and-sticks neurons and of the Hay neuron.
GATES = (1, 3, 4, 5, 10)
#: Makes no current.
_POOL = "CaDynamics_E2"
#: The reversal potential of a mechanism that another ion than calcium, whose own follows its concentrations, flows through.
_REVERSAL = {
    "pas": "e_pas",
    "Ih": "ehcn_Ih",
    **dict.fromkeys(("NaTa_t", "Nap_Et2"), "ena"),
    **dict.fromkeys(("SKv3_1", "K_Pst", "K_Tst", "Im", "SK_E2"), "ek"),
}


def prepare(context: Context) -> None:
    """Compile what neurons with linear membranes need, before tasks start."""
    mechanisms.library(MECHANISMS, context.cache)
    mechanisms.library(_generated(context.cache), context.cache)


def load(cache: Path) -> None:
    """Make all that neurons with linear membranes need known to NEURON; compile it first where needed."""
    mechanisms.load(MECHANISMS, cache)
    mechanisms.load(_generated(cache), cache)


def identity() -> dict[str, str]:
    """What was compiled."""
    return {**mechanisms.identity(MECHANISMS), **{f"quasi_active_{n}": quasi_active.mechanism(n)[0] for n in GATES}}


def linearised(cell: Cell, potentials: np.ndarray, membrane: str) -> list[tuple[linear.Expansion, ...]]:
    """The membrane of a neuron around the potential of each segment.

    Parameters
    ----------
    cell : Cell
    potentials : ndarray, mV
        Shape (n_segment,), at which calcium rests, too.
    membrane : str
        Of `LINEARISED_GATES`.

    Returns
    -------
    list of tuple of Expansion
        A segment each, for :func:`linear.insert`.

    Raises
    ------
    SimulationError
        If mechanisms are not loaded, the cell lacks a reversal potential, or NEURON holds sections: to be called before neurons
        are made.
    """
    return list(_expansions(cell, potentials, LINEARISED_GATES[membrane]))


def _expansions(cell: Cell, potentials: np.ndarray, following: Sequence[str]) -> Iterator[tuple[linear.Expansion, ...]]:
    calcium = resting_calcium(cell, potentials).tolist()
    named = {kind: [name for name in cell.mechanisms(kind) if name != _POOL] for kind in set(cell.segments.section.tolist())}
    densities = {name: cell.density(_conductance(name)).tolist() for names in named.values() for name in names}
    # currents are in proportion to peak conductances: one expansion serves all segments of equal potential
    whole: dict[tuple[str, float, float], linear.Expansion] = {}
    for i, (kind, v) in enumerate(zip(cell.segments.section.tolist(), potentials.tolist(), strict=True)):
        own = []
        for name in named[kind]:
            key = name, v, calcium[i] if name == "SK_E2" else 0.0
            if key not in whole:
                made = _unit_expansion(cell, *key)
                whole[key] = made if name in following else replace(made, gates=())
            own.append(whole[key].scaled(densities[name][i]))
        yield tuple(own)


def _unit_expansion(cell: Cell, mechanism: str, v: float, cai: float) -> linear.Expansion:
    """A mechanism with a peak conductance of 1 S/cm2."""
    attributes = {_conductance(mechanism): 1.0}
    if mechanism in _REVERSAL:
        name = _REVERSAL[mechanism]
        if name not in cell.reversals:
            raise SimulationError(f"the cell has {mechanism} and no reversal potential {name}; give it in its reversals")
        attributes[name] = cell.reversals[name]
    if cai:
        attributes["cai"] = cai
    return linear.expand(mechanism, v, attributes)


def _conductance(mechanism: str) -> str:
    return "g_pas" if mechanism == "pas" else f"gbar_{mechanism}"


def _generated(cache: Path) -> list[Path]:
    """Mechanisms of gates that follow the potential."""
    return [quasi_active.source(n, cache) for n in GATES]
