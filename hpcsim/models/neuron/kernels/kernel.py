"""Spike-to-signal kernels of the network of Hagen et al. (2022)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hpcsim.errors import SimulationError
from hpcsim.models.model import Context, model
from hpcsim.models.neuron.hagen import ball_and_sticks, membranes
from hpcsim.models.neuron.hagen.ball_and_sticks import PATHWAYS, POPULATIONS, SOURCE, SUFFIXES, PopulationRow
from hpcsim.models.neuron.hagen.ground_truth import by_population, network_row
from hpcsim.models.neuron.hagen.membranes import LINEARISED_GATES
from hpcsim.models.neuron.kernels.approximation import approximation
from hpcsim.models.neuron.kernels.mean_probe import MeanProbe
from hpcsim.models.neuron.nmodl import mechanisms
from hpcsim.outputs import Coordinate, Output
from hpcsim.space.parameter import Parameter
from hpcsim.space.points import Point

_POPULATION_TABLE: tuple[PopulationRow, ...] = (
    ("nu", "1/s", (0, None), "mean firing rate, for the effective membrane conductance", (2.3, 4.9)),
    ("V_rest", "mV", (-120, 0), "potential around which synapses and membrane are linear", (-65.0, -65.0)),
)


def _parameters() -> list[Parameter]:
    """Those of the network, and those of the linear prediction."""
    return [
        *ball_and_sticks.parameters(),
        *ball_and_sticks.population_parameters(_POPULATION_TABLE),
        Parameter(
            "membrane",
            "linear_Ih",
            choices=tuple(LINEARISED_GATES),
            source=SOURCE,
            description="whether all gates follow the voltage to first order, those of Ih alone, or none",
        ),
        Parameter("network", "", description="study (study:NAME) whose rates and V_rest take the place of nu_X and V_rest_X"),
        Parameter("nu_scaling", 1.0, "", (0, None), (), "factor on all rates", SOURCE),
        Parameter("V_rest_offset", 0.0, "mV", (-100, 100), (), "added to all resting potentials", SOURCE),
        Parameter("g_eff", True, description="whether mean synaptic conductances add to the leak", source=SOURCE),
        Parameter("lag_max", 100.0, "ms", (0.25, None), (), "kernels reach from -lag_max to lag_max", SOURCE),
        # 2000 ms as published gives the same bits: the membrane is at rest from the start
        Parameter("t_X", 200.0, "ms", (0.25, None), (), "time of the presynaptic spike in the simulation", SOURCE),
    ]


def _coordinates(values: Mapping[str, Any]) -> Mapping[str, Coordinate]:
    """Pathways, lags and contacts."""
    steps = round(values["lag_max"] / values["dt"])
    return {
        "pathway": Coordinate(np.array(PATHWAYS)),
        "lag": Coordinate(np.arange(-steps, steps + 1) * values["dt"], "ms"),
        "contact": Coordinate(np.array(values["contacts"], float), "um"),
        "population": Coordinate(np.array(POPULATIONS)),
    }


def _check(values: Mapping[str, Any]) -> str:
    """Say why values make no sense together, or nothing."""
    problem = ball_and_sticks.check(values)
    if problem:
        return problem
    dt, lag_max, t_X = (values[name] for name in ("dt", "lag_max", "t_X"))
    if lag_max % dt or t_X % dt:
        return f"lag_max ({lag_max:g} ms) and t_X ({t_X:g} ms) must be multiples of dt ({dt:g} ms)"
    if t_X < lag_max:
        return f"t_X ({t_X:g} ms) must not be less than lag_max ({lag_max:g} ms)"
    return ""


@model(
    "neuron.kernel",
    version="3",
    parameters=_parameters(),
    outputs=[
        Output("dipole_kernel", ("pathway", "lag"), "nA um", description="current dipole moment along z, of one spike"),
        Output("lfp_kernel", ("pathway", "contact", "lag"), "mV", description="extracellular potential, of one spike"),
        Output("csd_kernel", ("pathway", "contact", "lag"), "nA/um^3", description="current source density, of one spike"),
        Output("V_rest", ("population",), "mV", description="resting potentials that were used"),
        Output("nu", ("population",), "1/s", description="rates that were used"),
        Output("network_seed", dtype="uint64", description="seed of the point of the network study; 0 without one"),
    ],
    coordinates=_coordinates,
    check=_check,
    engine="neuron",
    extra="neuron",
    requires=("neuron", "LFPy", "LFPykit", "lfpykernels"),
    identity=membranes.identity,
    prepare=membranes.prepare,
    inputs=("network",),
    presets={
        "hagen2022_hay": ball_and_sticks.HAY_VARIANT,
        "hagen2022_lif": {"membrane": "frozen", "n_ext_E": 450, "n_ext_I": 160, "weight_IE": 0.00012},
    },
    source=SOURCE,
)
def kernel(point: Point, context: Context) -> dict[str, Any]:
    """Kernels from spikes to the current dipole moment, the LFP and the CSD of a two-population network.

    Parameters
    ----------
    point : Point
    context : Context
        With a parameter ``network``, its results hold ``V_rest`` and ``rate`` of a point with the same network.

    Returns
    -------
    dict of str to ndarray
        ``dipole_kernel``, shape (4, n_lag), nA um; ``lfp_kernel``, shape (4, n_contact, n_lag), mV; ``csd_kernel``, of
        that shape, nA/um^3; each is the response of the whole postsynaptic population to one spike of an average
        presynaptic neuron, and the pathways are those of `PATHWAYS`, postsynaptic population first. ``V_rest`` and
        ``nu``, shape (2,), are those around which the network is linear; ``network_seed`` says where they come from.

    Raises
    ------
    SimulationError
        If NEURON holds sections of somebody else, mechanisms do not compile, no point of the network study has the same
        parameters, or synapses can lie nowhere.
    """
    v_rest, nu, seed = _state(point, context)
    made = []
    with mechanisms.empty_session():
        membranes.load(context.cache)
        # membranes are derived in an empty NEURON: those of all populations before the first neuron is made
        networks = {post: approximation(point.values, post, v_rest[post], nu, context.cache) for post in POPULATIONS}
        for post, network in networks.items():
            for pre in POPULATIONS:
                made.append(_response(network, point, context, pre, v_rest[post]))
                context.progress(len(made) / len(PATHWAYS))
            network.cell = None
    signals, n = np.array(made), len(point["contacts"])
    # synapses that lie nowhere spoil the leak, too, and so both pathways onto a population
    lost = [suffix for suffix, each in zip(SUFFIXES, signals, strict=True) if not np.isfinite(each).all()]
    if lost:
        raise SimulationError(
            f"no segment lies where the synapses of a pathway shall be (post-pre, one of {', '.join(lost)}); widen its "
            f"position_std, such as position_std_{lost[0]}, or move its position_mean"
        )
    return {
        "dipole_kernel": signals[:, 2 * n],
        "lfp_kernel": signals[:, :n],
        "csd_kernel": signals[:, n : 2 * n],
        "V_rest": np.array(list(v_rest.values())),
        "nu": np.array(list(nu.values())),
        "network_seed": np.uint64(seed),
    }


def _state(point: Point, context: Context) -> tuple[dict[str, float], dict[str, float], int]:
    """Resting potentials (mV) and rates (1/s) by population, and the seed of the point of the network that has them, or 0."""
    v_rest, nu = ({p: float(point[f"{name}_{p}"]) for p in POPULATIONS} for name in ("V_rest", "nu"))
    seed = 0
    if point["network"]:
        table, row = network_row(point, context, ("V_rest", "rate"))
        v_rest, nu = (by_population(table, name, row) for name in ("V_rest", "rate"))
        seed = int(table.array("seed", slice(row, row + 1))[0])
    v_rest = {p: v + point["V_rest_offset"] for p, v in v_rest.items()}
    return v_rest, {p: point["nu_scaling"] * rate for p, rate in nu.items()}, seed


def _response(network: Any, point: Point, context: Context, pre: str, v_rest: float) -> np.ndarray:
    """Signals of one spike of a presynaptic population, stacked as those of the probe, shape (2 n_contact + 1, n_lag)."""
    found = network.get_kernel(
        [MeanProbe(point.values, context.memo)],
        Vrest=v_rest,
        dt=point["dt"],
        X=pre,
        t_X=point["t_X"],
        tau=point["lag_max"],
        g_eff=point["g_eff"],
    )
    return np.asarray(found[MeanProbe.__name__])
