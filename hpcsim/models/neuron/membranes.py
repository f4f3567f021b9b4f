"""Membranes of ball-and-sticks neurons: the active one, and the linear ones that are derived from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from hpcsim.models.model import Context
from hpcsim.models.neuron import ball_and_sticks, linear, mechanisms, quasi_active
from hpcsim.models.neuron.segments import Segments

#: Active channels, as NEURON calls them.
CHANNELS = ("Ih", "NaTa_t", "SKv3_1")
#: Linear membranes, and the channels whose gates follow the potential to first order; those of the others stay as at rest.
#: Hagen et al. (2022) call ``linear_Ih`` "linearised", and ``frozen`` "passive-frozen".
FOLLOWING: dict[str, tuple[str, ...]] = {"linear": CHANNELS, "linear_Ih": ("Ih",), "frozen": ()}
#: What neurons with linear membranes need: the channels from which these are derived, and current-based synapses.
MECHANISMS = ("Exp2SynI", *CHANNELS)
#: How many gates follow the potential, of the membranes of `FOLLOWING` that have any.
GATES = (1, 4)


def prepare(context: Context) -> None:
    """Compile what neurons with linear membranes need, before tasks start."""
    mechanisms.library(MECHANISMS, context.cache)
    for n in GATES:
        mechanisms.library([quasi_active.source(n, context.cache)], context.cache)


def identity() -> dict[str, str]:
    """What was compiled."""
    return {**mechanisms.identity(MECHANISMS), **{f"quasi_active_{n}": quasi_active.mechanism(n)[0] for n in GATES}}


def active(values: Mapping[str, Any], section: str) -> dict[str, dict[str, float]]:
    """The active membrane of a section.

    Parameters
    ----------
    values : mapping
        Parameters of :func:`ball_and_sticks.parameters`.
    section : str
        Of `SECTIONS`.

    Returns
    -------
    dict of str to dict
        By mechanism: attributes of the section, as NEURON calls them.
    """
    soma, sticks = ball_and_sticks.channels(values)
    channels = soma if section == "soma" else sticks
    return {
        "pas": {"g_pas": channels.leak, "e_pas": values["E_leak"]},
        "NaTa_t": {"gbar_NaTa_t": channels.NaTa_t, "ena": values["E_Na"]},
        "SKv3_1": {"gbar_SKv3_1": channels.SKv3_1, "ek": values["E_K"]},
        "Ih": {"gbar_Ih": channels.Ih, "ehcn_Ih": values["E_h"]},
    }


def linearised(values: Mapping[str, Any], section: str, v: float, membrane: str) -> tuple[linear.Expansion, ...]:
    """The membrane of a section around a potential, with the gates that follow.

    Parameters
    ----------
    values, section
        As in :func:`active`.
    v : float, mV
        Holding potential.
    membrane : str
        Of `FOLLOWING`.

    Returns
    -------
    tuple of Expansion
        For :func:`linear.insert`.

    Raises
    ------
    SimulationError
        If mechanisms are not loaded, or NEURON holds sections: to be called before neurons are made.
    """
    found = (linear.expand(mechanism, v, attributes) for mechanism, attributes in active(values, section).items())
    return tuple(each if each.mechanism in FOLLOWING[membrane] else replace(each, gates=()) for each in found)


def linearised_segments(
    values: Mapping[str, Any], own: Segments, potentials: np.ndarray, membrane: str
) -> Sequence[tuple[linear.Expansion, ...]]:
    """As :func:`linearised`, for each segment at its own potential.

    Parameters
    ----------
    values, membrane
        As in :func:`linearised`.
    own : Segments
    potentials : ndarray, mV
        Shape (n_segment,).
    """
    places = list(zip(own.section.tolist(), potentials.tolist(), strict=True))
    made = {place: linearised(values, *place, membrane) for place in set(places)}
    return [made[place] for place in places]
