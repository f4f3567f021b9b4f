"""The recurrent network of multicompartment neurons of Hagen et al. (2022), simulated in NEURON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hpcsim.models import population_spikes
from hpcsim.models.model import Context, Parallel, model
from hpcsim.models.neuron.hagen import ball_and_sticks, connections, population_signals
from hpcsim.models.neuron.hagen.ball_and_sticks import POPULATIONS, SOURCE, SUFFIXES
from hpcsim.models.neuron.hagen.membranes import MECHANISMS
from hpcsim.models.neuron.hagen.network import Network
from hpcsim.models.neuron.hagen.neurons import parallel_session
from hpcsim.models.neuron.hagen.recorder import Recorder
from hpcsim.models.neuron.nmodl import mechanisms
from hpcsim.models.neuron.world import same_world, world
from hpcsim.outputs import Output
from hpcsim.space.parameter import Parameter
from hpcsim.space.points import Point


def parameters() -> list[Parameter]:
    """Those of the network, and those of its simulation."""
    return [
        *ball_and_sticks.parameters(),
        Parameter(
            "scale", 1.0, "", (1e-3, 1), (),
            "factor on both population sizes; connection probabilities are divided by it, so that in-degrees (and rates, to "
            "first order) stay. It may not be smaller than the largest connection probability.",
        ),
        Parameter("weight_cv", 0.1, "", (0, None), (), "standard deviation of recurrent weights over their mean", SOURCE),
        Parameter("E_syn_ext", 0.0, "mV", (-150, 150), (), "reversal potential of external synapses", SOURCE),
        Parameter("V_init", -65.0, "mV", (-150, 150), (), "membrane potential at the start", SOURCE),
        Parameter("threshold", -10.0, "mV", (-100, 100), (), "a soma that crosses it upwards spikes", SOURCE),
        *population_signals.parameters(),
    ]  # fmt: skip


def check(values: Mapping[str, Any]) -> str:
    """Say why values of :func:`parameters` make no sense together, or nothing."""
    problem = (
        ball_and_sticks.check(values)
        or population_signals.check(values)
        or population_spikes.too_dense(values, [f"C_{suffix}" for suffix in SUFFIXES])
    )
    if problem:
        return problem
    for name in (f"delay_min_{suffix}" for suffix in SUFFIXES):
        if values[name] < values["dt"]:
            return f"{name} ({values[name]:g} ms) is shorter than the time step dt ({values['dt']:g} ms)"
    return ""


def _prepare(context: Context) -> None:
    """Compile the mechanisms before tasks start."""
    mechanisms.library(MECHANISMS, context.cache)


@model(
    "neuron.ball_and_sticks_network",
    version="2",
    parameters=parameters(),
    outputs=[
        *population_spikes.declared(POPULATIONS),
        Output("V_rest", ("population",), "mV", description="median of the recorded potentials of somata"),
        *population_signals.declared(),
    ],
    coordinates=population_signals.coordinates,
    check=check,
    engine="neuron",
    extra="neuron",
    requires=("neuron", "LFPykit"),
    identity=lambda: mechanisms.identity(MECHANISMS),
    parallel=Parallel(world, lambda values, ranks, threads: connections.too_many_ranks(values, ranks)),
    prepare=_prepare,
    # the published conditions; weights at J = 1 are the defaults
    presets={
        f"{prefix}_J{J:g}": {"weight_scaling": J, **more}
        for prefix, more in (("hagen2022", {}), ("hagen2022_hay", ball_and_sticks.HAY_VARIANT))
        for J in (0.975, 1.0, 1.025, 1.05, 1.075)
    },
    source=SOURCE,
)
def ball_and_sticks_network(point: Point, context: Context) -> dict[str, Any]:
    """Two-population network of multicompartment neurons, with its LFP, CSD and current dipole moment.

    Parameters
    ----------
    point : Point
    context : Context
        With a communicator, its ranks must be those of NEURON's ParallelContext; every rank gets all outputs.

    Returns
    -------
    dict of str to ndarray
        As declared. Signals are those of each population; a sample at a left edge of a time step is what the step that
        ends there left, and zero at time 0, before the first step.

    Raises
    ------
    SimulationError
        If NEURON holds sections of somebody else, its ranks are not those of the task, there are more ranks than
        neurons, or mechanisms do not compile.
    """
    values = point.values
    with parallel_session() as (h, parallel):
        mechanisms.load(MECHANISMS, context.cache)
        same_world(parallel, context.communicator)
        network = Network(h, parallel, values, point.seed)
        network.connect()
        recorder = Recorder(h, network, values)
        network.run(recorder, context.progress)
        outputs: dict[str, Any] = population_signals.gathered(h, parallel, recorder, values)
        outputs["V_rest"] = np.array([np.median(outputs[f"soma_potential_{population}"]) for population in POPULATIONS])
        outputs |= _spikes(parallel, network, values)
        # sections go first otherwise, and what points at them would complain
        del network, recorder
    return outputs


def _spikes(parallel: Any, network: Network, values: Mapping[str, Any]) -> dict[str, Any]:
    """Spikes of all ranks: times, senders, counts after the transient, and rates."""
    times, gids = (np.concatenate(parts) for parts in zip(*parallel.py_allgather(network.spikes()), strict=True))
    events = {}
    for population, first in network.first.items():
        own = (gids >= first) & (gids < first + network.sizes[population])
        events[population] = times[own], gids[own] - first
    return population_spikes.gathered(events, network.sizes, values)
