"""What a prediction needs of a simulated network: its seed, spikes, rates and resting potentials, from a network study."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hpcsim.errors import SimulationError
from hpcsim.models.model import Context
from hpcsim.models.neuron.hagen import connections
from hpcsim.models.neuron.hagen.ball_and_sticks import POPULATIONS
from hpcsim.models.parent import parent_row
from hpcsim.models.population_spikes import Events
from hpcsim.space.points import Point

#: The model that makes what is read here.
MODEL = "neuron.ball_and_sticks_network"
#: What is recorded of a network does not change it.
RECORDED = ("contacts", "csd_thickness", "sigma", "n_recorded", "dt_v")
#: Neither does how long it is simulated, where its spikes are not used.
LASTING = ("tstop", "transient")


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """A network as a prediction sees it.

    Parameters
    ----------
    seed : int
        64 bits, from which its connections were drawn.
    spikes : dict of str to Events
        That are replayed, by population.
    rate : dict of str to float, 1/s
    V_rest : dict of str to ndarray, mV
        By population: of each segment, shape (n_segment,).
    """

    seed: int
    spikes: dict[str, Events]
    rate: dict[str, float]
    V_rest: dict[str, np.ndarray]


def ground_truth(point: Point, context: Context, n_segments: dict[str, int]) -> GroundTruth:
    """Read the network that a point goes back to.

    Parameters
    ----------
    point : Point
        ``network`` names the study; with ``replay``, ``t_E``, ``t_I``, ``V_rest_from``, ``V_rest_E``, ``V_rest_I``, and the
        parameters of the network.
    context : Context
    n_segments : dict of str to int
        Of a neuron, by population.

    Returns
    -------
    GroundTruth

    Raises
    ------
    SimulationError
        If the study is of another model, has no point with these parameters that succeeded, or does not keep an output that is
        needed.
    """
    single = point["replay"] == "single"
    table, row = network_row(point, context, _needed(point, single), free=(*RECORDED, *(LASTING if single else ())))
    return GroundTruth(
        int(table.array("seed", slice(row, row + 1))[0]),
        {p: _together(point, p) if single else _recorded(table, p, row) for p in POPULATIONS},
        by_population(table, "rate", row),
        {p: _potentials(table, point, p, row, n_segments[p]) for p in POPULATIONS},
    )


def network_row(point: Point, context: Context, needed: Sequence[str], free: Collection[str] = ()) -> tuple[Any, int]:
    """The network of a point: in which row of which table.

    Parameters
    ----------
    point : Point
        ``network`` names the study.
    context : Context
    needed : sequence of str
        Outputs that are read.
    free : collection of str
        Parameters that may differ.

    Returns
    -------
    tuple of Table and int

    Raises
    ------
    SimulationError
        As of :func:`ground_truth`.
    """
    table = context.input(point["network"])
    place = Path(table.path).parent.name
    if table.attrs.get("model") != MODEL:
        raise SimulationError(f"the study {place} is of the model {table.attrs.get('model')}; expected one of {MODEL}")
    kept = table.names("output")
    missing = [name for name in needed if name not in kept]
    if missing:
        raise SimulationError(
            f"the study {place} does not keep {', '.join(missing)}; add them to [outputs] keep of its file, and run it again"
        )
    return table, parent_row(table, point.values, point.replicate, free=free)


def by_population(table: Any, name: str, row: int) -> dict[str, float]:
    """An output with one number for each population."""
    names = table.coordinate("population").values.tolist()
    numbers = dict(zip(names, table.array(name, slice(row, row + 1))[0].tolist(), strict=True))
    return {population: numbers[population] for population in POPULATIONS}


def _needed(point: Point, single: bool) -> list[str]:
    """Outputs of the network that are read."""
    spikes = [] if single else [f"spike_{what}_{p}" for what in ("times", "senders") for p in POPULATIONS]
    potentials = {"soma": ["V_rest"], "segments": [f"segment_potential_{p}" for p in POPULATIONS], "given": []}
    return ["rate", *spikes, *potentials[point["V_rest_from"]]]


def _recorded(table: Any, population: str, row: int) -> Events:
    """Spikes as they were."""
    return table.ragged(f"spike_times_{population}", row), table.ragged(f"spike_senders_{population}", row).astype(np.int64)


def _together(point: Point, population: str) -> Events:
    """One spike of every neuron, all at once."""
    n = connections.size(point.values, population)
    return np.full(n, float(point[f"t_{population}"])), np.arange(n)


def _potentials(table: Any, point: Point, population: str, row: int, n_segment: int) -> np.ndarray:
    """Resting potential of each segment."""
    match point["V_rest_from"]:
        case "soma":
            return np.full(n_segment, by_population(table, "V_rest", row)[population])
        case "segments":
            potential = table.array(f"segment_potential_{population}", slice(row, row + 1))[0]
            return np.asarray(np.median(potential, axis=-1))
        case _:
            return np.full(n_segment, float(point[f"V_rest_{population}"]))
