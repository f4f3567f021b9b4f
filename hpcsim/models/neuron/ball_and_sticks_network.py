"""The recurrent network of ball-and-sticks neurons of Hagen et al. (2022), simulated in NEURON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hpcsim.errors import SimulationError
from hpcsim.models import population_spikes
from hpcsim.models.model import Context, Parallel, Point, model
from hpcsim.models.neuron import ball_and_sticks, connections, mechanisms
from hpcsim.models.neuron.ball_and_sticks import POPULATIONS, SOURCE, SUFFIXES
from hpcsim.models.neuron.network import MECHANISMS, Network, parallel_session, run
from hpcsim.models.neuron.recorder import Recorder
from hpcsim.models.neuron.segments import segments
from hpcsim.models.neuron.world import world
from hpcsim.outputs import Coordinate, Output
from hpcsim.space.parameter import Parameter

HAY = "Hay et al. (2011) PLOS Comput Biol 7: e1002107"


def _parameters() -> list[Parameter]:
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
        Parameter("E_leak", -90.0, "mV", (-150, 150), (), "reversal potential of the leak", HAY),
        Parameter("E_Na", 50.0, "mV", (-150, 150), (), "reversal potential of sodium", HAY),
        Parameter("E_K", -85.0, "mV", (-150, 150), (), "reversal potential of potassium", HAY),
        Parameter("V_init", -65.0, "mV", (-150, 150), (), "membrane potential at the start", SOURCE),
        Parameter("threshold", -10.0, "mV", (-100, 100), (), "a soma that crosses it upwards spikes", SOURCE),
        Parameter("csd_thickness", 100.0, "um", (1e-3, None), (), "thickness of the discs of the CSD", SOURCE),
        Parameter("n_recorded", 64, "", (1, None), (), "neurons of each population whose potentials are recorded"),
        Parameter("dt_v", 1.0, "ms", (2.0**-16, None), (), "time step of recorded potentials", SOURCE),
        Parameter("tstop", 12_000.0, "ms", (1e-3, None), (), "simulated time, with the transient", SOURCE),
        Parameter("transient", 2_000.0, "ms", (0, None), (), "time at the start that outputs leave out", SOURCE),
    ]  # fmt: skip


def _coordinates(values: Mapping[str, Any]) -> Mapping[str, Coordinate]:
    """Populations, contacts, left edges of time steps after the transient, recorded neurons, and their segments."""
    steps = max(population_spikes.bins(values), 0)
    time = values["transient"] + values["dt"] * np.arange(steps)
    made = {
        "population": Coordinate(np.array(POPULATIONS)),
        "contact": Coordinate(np.array(values["contacts"], float), "um"),
        "time_bin": Coordinate(time, "ms"),
        "time_v": Coordinate(time[:: max(1, round(values["dt_v"] / values["dt"]))], "ms"),
    }
    for population in POPULATIONS:
        n = min(values["n_recorded"], connections.size(values, population))
        depth = segments(ball_and_sticks.shape(values, population)).middle
        made[f"neuron_{population}"] = Coordinate(np.arange(n))
        made[f"segment_{population}"] = Coordinate(depth, "um")
    return made


def _check(values: Mapping[str, Any]) -> str:
    """Say why values make no sense together, or nothing."""
    problem = ball_and_sticks.check(values)
    if problem:
        return problem
    dt, tstop, transient = values["dt"], values["tstop"], values["transient"]
    for name in ("tstop", "transient", "dt_v"):
        if values[name] % dt:
            return f"{name} ({values[name]:g} ms) must be a multiple of dt ({dt:g} ms)"
    if tstop <= transient:
        return f"tstop ({tstop:g} ms) must be longer than transient ({transient:g} ms)"
    problem = population_spikes.too_dense(values, [f"C_{suffix}" for suffix in SUFFIXES])
    if problem:
        return problem
    for suffix in SUFFIXES:
        if values[f"delay_min_{suffix}"] < dt:
            return f"delay_min_{suffix} ({values[f'delay_min_{suffix}']:g} ms) is shorter than the time step dt ({dt:g} ms)"
    return ""


def _outputs() -> list[Output]:
    made = [
        *population_spikes.declared(POPULATIONS),
        Output("V_rest", ("population",), "mV", description="median of the recorded potentials of somata"),
        Output("population_lfp", ("population", "contact", "time_bin"), "mV", description="extracellular potential"),
        Output("population_csd", ("population", "contact", "time_bin"), "nA/um^3", description="current source density"),
        Output("population_dipole", ("population", "time_bin"), "nA um", description="current dipole moment along z"),
    ]
    for p in POPULATIONS:
        made += [
            Output(f"soma_potential_{p}", (f"neuron_{p}", "time_v"), "mV", description="of the first neurons"),
            Output(f"segment_potential_{p}", (f"segment_{p}", "time_v"), "mV", description="mean of the first neurons"),
        ]
    return made


def _prepare(context: Context) -> None:
    """Compile the mechanisms before tasks start."""
    mechanisms.library(MECHANISMS, context.cache)


@model(
    "neuron.ball_and_sticks_network",
    parameters=_parameters(),
    outputs=_outputs(),
    coordinates=_coordinates,
    check=_check,
    engine="neuron",
    extra="neuron",
    requires=("neuron", "LFPykit"),
    identity=lambda: mechanisms.identity(MECHANISMS),
    parallel=Parallel(world, lambda values, ranks, threads: connections.too_many_ranks(values, ranks)),
    prepare=_prepare,
    # the published conditions; weights at J = 1 are the defaults
    presets={f"hagen2022_J{J:g}": {"weight_scaling": J} for J in (0.975, 1.0, 1.025, 1.05, 1.075)},
    source=SOURCE,
)
def ball_and_sticks_network(point: Point, context: Context) -> dict[str, Any]:
    """Two-population network of neurons with two active sticks, with its LFP, CSD and current dipole moment.

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
        _check_ranks(parallel, context)
        network = Network(h, parallel, values, point.seed)
        network.connect()
        recorder = Recorder(h, network, values)
        run(h, parallel, values, recorder, context.progress)
        outputs = _potentials(h, parallel, recorder)
        outputs |= _signals(h, parallel, recorder, len(values["contacts"]))  # type: ignore[arg-type]
        outputs |= _spikes(parallel, network, values)
        # sections go first otherwise, and what points at them would complain
        del network, recorder
    return outputs


def _check_ranks(parallel: Any, context: Context) -> None:
    expected = context.communicator.Get_size() if context.communicator is not None else 1
    if int(parallel.nhost()) != expected:
        raise SimulationError(
            f"NEURON runs on {int(parallel.nhost())} MPI rank(s) and the task on {expected}; they must share one MPI library"
        )


def _summed(h: Any, parallel: Any, array: np.ndarray) -> np.ndarray:
    """Sum over all ranks."""
    vector = h.Vector(array.ravel())
    parallel.allreduce(vector, 1)
    return np.array(vector.as_numpy()).reshape(array.shape)


def _potentials(h: Any, parallel: Any, recorder: Recorder) -> dict[str, np.ndarray]:
    """Potentials of recorded neurons, and their median."""
    made, medians = {}, []
    for p in POPULATIONS:
        soma = _summed(h, parallel, recorder.soma_potentials[p])
        made[f"soma_potential_{p}"] = soma
        made[f"segment_potential_{p}"] = _summed(h, parallel, recorder.segment_potentials[p]) / len(soma)
        medians.append(np.median(soma))
    return {**made, "V_rest": np.array(medians)}


def _signals(h: Any, parallel: Any, recorder: Recorder, n: int) -> dict[str, np.ndarray]:
    """LFP, CSD and dipole moment of each population, from the stacked rows of `n` contacts."""
    stacked = np.array([_summed(h, parallel, recorder.signals[population]) for population in POPULATIONS])
    return {
        "population_lfp": stacked[:, :n],
        "population_csd": stacked[:, n : 2 * n],
        "population_dipole": stacked[:, 2 * n],
    }


def _spikes(parallel: Any, network: Network, values: Mapping[str, Any]) -> dict[str, Any]:
    """Spikes of all ranks: times, senders, counts after the transient, and rates."""
    times, gids = (np.concatenate(parts) for parts in zip(*parallel.py_allgather(network.spikes()), strict=True))
    events, start = {}, 0
    for population, size in network.sizes.items():
        own = (gids >= start) & (gids < start + size)
        events[population] = times[own], gids[own] - start
        start += size
    return population_spikes.gathered(events, network.sizes, values)
