"""The two-population LIF network of Hagen et al. 2022, as the ncpi tutorial sweeps it.

Pathways are written post-presynaptic throughout: ``J_EI`` is the weight from I onto E.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hpcsim.models import population_spikes
from hpcsim.models.model import Context, Parallel, model
from hpcsim.outputs import Coordinate
from hpcsim.space.parameter import Parameter, Value
from hpcsim.space.points import Point

POPULATIONS = ("E", "I")
#: Post-presynaptic pairs.
PATHWAYS = tuple(post + pre for post in POPULATIONS for pre in POPULATIONS)

NCPI = "ncpi tutorial, Garcia-Quispe et al. 2025, doi:10.1038/s41540-025-00527-9"
HAGEN = "Hagen et al. 2022, doi:10.1371/journal.pcbi.1010353, best fit of the LIF network"


def _per_population(name: str, values: tuple[Value, Value], unit: str, text: str, low: float | None) -> list[Parameter]:
    return [
        Parameter(f"{name}_{population}", value, unit, (low, None), description=f"{text} of population {population}", source=NCPI)
        for population, value in zip(POPULATIONS, values, strict=True)
    ]


def _per_pathway(
    name: str, values: Mapping[str, float], unit: str, text: str, bounds: tuple[float | None, float | None]
) -> list[Parameter]:
    return [
        Parameter(f"{name}_{pair}", values[pair], unit, bounds, description=f"{text} from {pair[1]} onto {pair[0]}", source=NCPI)
        for pair in PATHWAYS
    ]


PARAMETERS: tuple[Parameter, ...] = (
    *_per_population("N", (8192, 1024), "", "number of neurons", 1),
    Parameter(
        "scale",
        1.0,
        "",
        (1e-3, 1.0),
        description="factor on both population sizes; connection probabilities are divided by it, so that in-degrees "
        "(and rates, to first order) stay. It may not be smaller than the largest connection probability.",
    ),
    *_per_population("C_m", (289.1, 110.7), "pF", "membrane capacitance", 1e-3),
    *_per_population("tau_m", (10.0, 10.0), "ms", "membrane time constant", 1e-3),
    *_per_population("E_L", (-65.0, -65.0), "mV", "resting potential", None),
    *_per_population("V_reset", (-65.0, -65.0), "mV", "reset potential", None),
    *_per_population("V_th", (-55.0, -55.0), "mV", "spike threshold", None),
    *_per_population("t_ref", (2.0, 2.0), "ms", "refractory period", 0.0),
    Parameter("V_init", -70.0, "mV", description="membrane potential at the start (the default of iaf_psc_exp)", source=NCPI),
    *_per_population("tau_syn_ex", (0.5, 0.5), "ms", "excitatory synaptic time constant", 1e-3),
    *_per_population("tau_syn_in", (0.5, 0.5), "ms", "inhibitory synaptic time constant", 1e-3),
    *_per_population("n_ext", (465, 160), "", "external synapses a neuron", 0),
    Parameter("nu_ext", 40.0, "Hz", (0.0, None), description="rate of one external synapse (Poisson)", source=NCPI),
    Parameter("J_ext", 29.89, "pA", description="weight of the external synapses", source=NCPI),
    Parameter("delay_ext", 1.0, "ms", (0.0, None), description="delay of the external synapses", source=NCPI),
    *_per_pathway("C", dict.fromkeys(PATHWAYS, 0.2), "", "connection probability", (0.0, 1.0)),
    *_per_pathway("J", {"EE": 1.589, "IE": 2.020, "EI": -23.84, "II": -8.441}, "pA", "mean weight", (None, None)),
    *_per_pathway("delay", {"EE": 2.520, "IE": 1.714, "EI": 1.585, "II": 1.149}, "ms", "mean delay", (0.0, None)),
    Parameter("weight_cv", 0.1, "", (0.0, None), description="standard deviation of weights over their mean", source=NCPI),
    Parameter("delay_cv", 0.5, "", (0.0, None), description="standard deviation of delays over their mean", source=NCPI),
    Parameter("delay_min", 0.3, "ms", (0.0, None), description="shorter delays are drawn again", source=NCPI),
    Parameter("dt", 2.0**-4, "ms", (2.0**-10, 1.0), description="time step", source=NCPI),
    Parameter("tstop", 12_000.0, "ms", (0.0, None), description="simulated time, with the transient", source=NCPI),
    Parameter(
        "transient", 2_000.0, "ms", (0.0, None), description="time at the start that rates and counts leave out", source=NCPI
    ),
    Parameter(
        "rng_type",
        "Philox_64",
        choices=("Philox_32", "Philox_64", "Threefry_32", "Threefry_64", "mt19937", "mt19937_64"),
        description="random number generator of NEST; half of the time goes into Poisson numbers",
    ),
)

OUTPUTS = population_spikes.declared(POPULATIONS)

PRESETS: dict[str, dict[str, Value]] = {
    "ncpi": {},
    "hagen2022": {
        **{f"C_{pair}": 0.5 for pair in PATHWAYS},
        "n_ext_E": 450,
        "n_ext_I": 160,
        "C_m_E": 269.0,
        "C_m_I": 100.0,
        "J_EE": 1.39819177,
        "J_IE": 1.87482734,
        "J_EI": -19.12938525,
        "J_II": -12.40596036,
        "J_ext": 28.16271785,
        "delay_EE": 3.93631828,
        "delay_IE": 3.55375378,
        "delay_EI": 2.7270546,
        "delay_II": 3.07831483,
    },
}


def coordinates(p: Mapping[str, Any]) -> dict[str, Coordinate]:
    """Population names, and the left edges of the time steps after the transient."""
    times = p["transient"] + p["dt"] * np.arange(max(population_spikes.bins(p), 0))
    return {"population": Coordinate(np.array(POPULATIONS)), "time_bin": Coordinate(times, "ms")}


def check(p: Mapping[str, Any]) -> str:
    """Why these values make no sense together, or an empty string."""
    if population_spikes.bins(p) < 1:
        return f"tstop ({p['tstop']:g} ms) must be longer than transient ({p['transient']:g} ms)"
    problem = population_spikes.too_dense(p, [f"C_{pair}" for pair in PATHWAYS])
    if problem:
        return problem
    for pair in PATHWAYS:
        if p[f"delay_{pair}"] < p["delay_min"]:
            return f"delay_{pair} ({p[f'delay_{pair}']:g} ms) is shorter than delay_min ({p['delay_min']:g} ms)"
    if p["delay_min"] < p["dt"]:
        return f"delay_min ({p['delay_min']:g} ms) is shorter than the time step dt ({p['dt']:g} ms)"
    return ""


@dataclass(frozen=True)
class Network:
    """The nodes of a built network, by population."""

    neurons: Mapping[str, Any]
    recorders: Mapping[str, Any]


def world() -> int:
    """MPI ranks that NEST sees."""
    # one without MPI ends the process at its import: this is the last word before its own
    print("NEST on MPI ranks must be one that was built with MPI: scripts/build-nest-mpi.sh --install", flush=True)
    import nest

    return int(nest.num_processes)


def check_ranks(p: Mapping[str, Any], ranks: int, threads: int) -> str:
    """Why a point cannot run on these ranks: NEST's random numbers depend on the number of threads of all ranks."""
    if threads % ranks == 0:
        return ""
    return (
        f"found {ranks} ranks and {threads} threads; NEST spreads the threads of a point over its ranks, so that the results "
        f"do not depend on their number: threads must be a multiple of ranks, such as {ranks}"
    )


def reset(nest: Any, p: Mapping[str, Any], seed: int, threads: int) -> None:
    """An empty kernel; NEST takes seeds from 1 to 2**32 - 1."""
    nest.ResetKernel()
    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.set(
        # NEST refuses a float here
        tics_per_ms=round(1000 / p["dt"]),
        resolution=p["dt"],
        local_num_threads=threads,
        rng_type=p["rng_type"],
        rng_seed=seed % (2**32 - 1) + 1,
        print_time=False,
    )


def build(nest: Any, p: Mapping[str, Any]) -> Network:
    """Create neurons, drive, recorders and synapses in an empty kernel."""
    neurons, recorders = {}, {}
    for population in POPULATIONS:
        neurons[population] = nest.Create("iaf_psc_exp", size(p, population), membrane(p, population))
        recorders[population] = recorder(nest, neurons[population])
        # one generator sends an independent train to each of its targets
        drive = nest.Create("poisson_generator", params={"rate": p["nu_ext"] * p[f"n_ext_{population}"]})
        nest.Connect(drive, neurons[population], syn_spec={"weight": p["J_ext"], "delay": p["delay_ext"]})
    connect(nest, neurons, p)
    return Network(neurons, recorders)


def size(p: Mapping[str, Any], population: str) -> int:
    """Neurons of a population."""
    number: float = p[f"N_{population}"] * p["scale"]
    return max(1, round(number))


def membrane(p: Mapping[str, Any], population: str) -> dict[str, float]:
    """Parameters of a population's neurons, by NEST's names."""
    names = ("C_m", "tau_m", "E_L", "V_reset", "V_th", "t_ref", "tau_syn_ex", "tau_syn_in")
    return {**{name: p[f"{name}_{population}"] for name in names}, "V_m": p["V_init"]}


def recorder(nest: Any, neurons: Any) -> Any:
    """What records the spikes of a population."""
    made = nest.Create("spike_recorder")
    nest.Connect(neurons, made)
    return made


def connect(nest: Any, neurons: Mapping[str, Any], p: Mapping[str, Any]) -> None:
    """Make the synapses between and within populations."""
    for pair in PATHWAYS:
        post, pre = pair[0], pair[1]
        rule = {"rule": "pairwise_bernoulli", "p": min(1.0, p[f"C_{pair}"] / p["scale"])}
        nest.Connect(neurons[pre], neurons[post], rule, _synapses(nest, p, pair))


def _synapses(nest: Any, p: Mapping[str, Any], pair: str) -> dict[str, Any]:
    """Normal weights that keep their sign, and normal delays that are drawn again below the shortest."""
    weight, delay = p[f"J_{pair}"], p[f"delay_{pair}"]
    low, high = (0.0, np.inf) if weight > 0 else (-np.inf, 0.0)
    return {
        "synapse_model": "static_synapse",
        "weight": _normal(nest, weight, p["weight_cv"] * abs(weight), low, high),
        "delay": _normal(nest, delay, p["delay_cv"] * delay, p["delay_min"], np.inf),
    }


def _normal(nest: Any, mean: float, deviation: float, low: float, high: float) -> Any:
    """A normal distribution within bounds; NEST refuses one without width."""
    if deviation == 0:
        return mean
    return nest.math.redraw(nest.random.normal(mean, deviation), min=low, max=high)


def _pieces(tstop: float, piece: float) -> Iterator[tuple[float, float]]:
    """Lengths of the pieces of a run in ms, and the fraction that is done after each."""
    n = max(1, int(tstop // piece))
    lengths = [piece] * (n - 1) + [tstop - piece * (n - 1)]
    done = 0.0
    for length in lengths:
        done += length
        yield length, done / tstop


@model(
    "nest.hagen_lif",
    parameters=PARAMETERS,
    outputs=OUTPUTS,
    coordinates=coordinates,
    check=check,
    engine="nest",
    extra="nest",
    requires=("nest-simulator",),
    parallel=Parallel(world, check_ranks),
    presets=PRESETS,
    source=f"{HAGEN}; {NCPI}",
)
def hagen_lif(point: Point, context: Context) -> dict[str, Any]:
    """Two-population network of leaky integrate-and-fire neurons with exponential currents."""
    import nest

    reset(nest, point.values, point.seed, context.threads)
    return run(nest, build(nest, point.values), point.values, context)


def run(nest: Any, network: Network, p: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Simulate a network that is built, and read its spikes."""
    with nest.RunManager():
        # between the pieces Python hears signals, such as the warning of a scheduler
        for length, done in _pieces(float(p["tstop"]), 32.0):
            nest.Run(length)
            context.progress(done)
    return _read(network, p, context.communicator)


def _read(network: Network, p: Mapping[str, Any], communicator: Any) -> dict[str, Any]:
    events = {}
    for population, recorder in network.recorders.items():
        found = recorder.events
        own = found["times"], found["senders"] - network.neurons[population][0].global_id
        # each rank has recorded its own neurons
        parts = [own] if communicator is None else communicator.allgather(own)
        times, senders = (np.concatenate(part) for part in zip(*parts, strict=True))
        events[population] = times, senders
    return population_spikes.gathered(events, {name: len(neurons) for name, neurons in network.neurons.items()}, p)
