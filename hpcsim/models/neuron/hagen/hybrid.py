"""The hybrid scheme of Hagen et al. (2022): a network's spikes replayed into linear neurons that are not connected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hpcsim.models import population_spikes
from hpcsim.models.model import Context, Parallel, model
from hpcsim.models.neuron.hagen import (
    ball_and_sticks,
    ball_and_sticks_network,
    cells,
    connections,
    membranes,
    population_signals,
)
from hpcsim.models.neuron.hagen.ball_and_sticks import POPULATIONS, SOURCE, PopulationRow
from hpcsim.models.neuron.hagen.ground_truth import ground_truth
from hpcsim.models.neuron.hagen.neurons import parallel_session
from hpcsim.models.neuron.hagen.recorder import Recorder
from hpcsim.models.neuron.hagen.replay import Replay
from hpcsim.models.neuron.world import same_world, world
from hpcsim.outputs import Output
from hpcsim.space.parameter import Parameter
from hpcsim.space.points import Point

#: mV: holding potentials that are not given.
V_REST = -65.0

_POPULATION_TABLE: tuple[PopulationRow, ...] = (
    ("V_rest", "mV", (-120, 0), "with V_rest_from given: potential of the linear expansion", (V_REST, V_REST)),
    ("t", "ms", (0, None), "with replay single: when all neurons of the population spike", (200.0, 400.0)),
)


def _parameters() -> list[Parameter]:
    """Those of the network, by the same names, and those of the replay."""
    return [
        *ball_and_sticks_network.parameters(),
        *ball_and_sticks.population_parameters(_POPULATION_TABLE),
        Parameter("network", "study:hagen2022_ps0", description="study (study:NAME) of the network, with the same parameters"),
        Parameter(
            "replay", "spikes", choices=("spikes", "single"), source=SOURCE,
            description="the network's spikes, or a single one of every neuron, which gives kernels",
        ),
        Parameter(
            "membrane", "linear_Ih", choices=tuple(membranes.LINEARISED_GATES), source=SOURCE,
            description="whether all gates follow the potential to first order, those of Ih alone, or none",
        ),
        Parameter("g_eff", True, description="whether mean synaptic conductances add to the leak", source=SOURCE),
        Parameter(
            "V_rest_from", "soma", choices=("soma", "segments", "given"), source=SOURCE,
            description="resting potential: the network's V_rest, the median of each of its segments, or V_rest_E and V_rest_I",
        ),
    ]  # fmt: skip


def _check(values: Mapping[str, Any]) -> str:
    """Say why values make no sense together, or nothing."""
    if problem := ball_and_sticks_network.check(values):
        return problem
    for population in POPULATIONS:
        name = f"V_rest_{population}"
        if values["V_rest_from"] != "given" and values[name] != V_REST:
            return f'{name} is {values[name]:g} mV, and V_rest_from is "{values["V_rest_from"]}"; set V_rest_from = "given"'
        time, name = values[f"t_{population}"], f"t_{population}"
        if values["replay"] == "single" and (time % values["dt"] or not values["transient"] <= time < values["tstop"]):
            return (
                f"{name} ({time:g} ms) must be a multiple of dt ({values['dt']:g} ms), not before transient "
                f"({values['transient']:g} ms), and before tstop ({values['tstop']:g} ms)"
            )
    return ""


@model(
    "neuron.hybrid",
    version="2",
    parameters=_parameters(),
    outputs=[
        Output("population_size", ("population",), "", "int32", description="number of neurons"),
        Output("spike_counts", ("population", "time_bin"), "", "int32", description="replayed spikes in each time step"),
        Output("rate", ("population",), "Hz", description="of the network, which makes the mean conductances"),
        Output("V_rest", ("population",), "mV", description="around which membranes and synapses are linear, of the soma"),
        Output("network_seed", dtype="uint64", description="seed of the point of the network study"),
        *population_signals.declared(),
    ],
    coordinates=population_signals.coordinates,
    check=_check,
    engine="neuron",
    extra="neuron",
    requires=("neuron", "LFPykit"),
    identity=membranes.identity,
    parallel=Parallel(world, lambda values, ranks, threads: connections.too_many_ranks(values, ranks)),
    prepare=membranes.prepare,
    inputs=("network",),
    presets={"hagen2022_hay": ball_and_sticks.HAY_VARIANT},
    source=SOURCE,
)
def hybrid(point: Point, context: Context) -> dict[str, Any]:
    """Spikes of a network replayed into its neurons, linear and not connected, with LFP, CSD and current dipole moment.

    Parameters
    ----------
    point : Point
    context : Context
        Results of the study ``network`` hold a point of `ball_and_sticks_network` with the same parameters. With a communicator,
        its ranks must be those of NEURON's ParallelContext; every rank gets all outputs.

    Returns
    -------
    dict of str to ndarray
        As declared; signals at the same times as those of the network.

    Raises
    ------
    SimulationError
        If the network study has no such point or does not keep what is needed, NEURON holds sections of somebody else, its ranks
        are not those of the task, there are more ranks than neurons, or mechanisms do not compile.
    """
    values = point.values
    own = {population: cells.cell(values, population).segments for population in POPULATIONS}
    truth = ground_truth(point, context, {population: len(each) for population, each in own.items()})
    with parallel_session() as (h, parallel):
        membranes.load(context.cache)
        same_world(parallel, context.communicator)
        replay = Replay(h, parallel, values, truth, context.cache)
        replay.connect()
        recorder = Recorder(h, replay, values)
        replay.run(recorder, context.progress)
        outputs: dict[str, Any] = population_signals.gathered(h, parallel, recorder, values)
        counted = population_spikes.gathered(truth.spikes, replay.sizes, values)
        # sections go first otherwise, and what points at them would complain
        del replay, recorder
    return outputs | {
        "population_size": counted["population_size"],
        "spike_counts": counted["spike_counts"],
        "rate": np.array([truth.rate[population] for population in POPULATIONS]),
        "V_rest": np.array([truth.V_rest[population][own[population].soma] for population in POPULATIONS]),
        "network_seed": truth.seed,
    }
