"""Spike-to-signal kernels of the ball-and-sticks network of Hagen et al. (2022)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hpcsim.models.model import Context, Point, model
from hpcsim.models.neuron import ball_and_sticks, mechanisms
from hpcsim.models.neuron.ball_and_sticks import MULTAPSES, PATHWAYS, POPULATIONS, SOURCE, TEMPERATURE, PopulationRow
from hpcsim.models.neuron.cells import insert_membrane
from hpcsim.outputs import Coordinate, Output
from hpcsim.space.parameter import Parameter

MECHANISMS = ("Exp2SynI", "Ih_linearized")

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
            choices=("linear_Ih", "frozen"),
            source=SOURCE,
            description="whether Ih follows the voltage to first order, or stays as open as at rest",
        ),
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


def _prepare(context: Context) -> None:
    """Compile the mechanisms before tasks start."""
    mechanisms.library(MECHANISMS, context.cache)


@model(
    "neuron.kernel",
    parameters=_parameters(),
    outputs=[
        Output("dipole_kernel", ("pathway", "lag"), "nA um", description="current dipole moment along z, of one spike"),
        Output("lfp_kernel", ("pathway", "contact", "lag"), "mV", description="extracellular potential, of one spike"),
    ],
    coordinates=_coordinates,
    check=_check,
    engine="neuron",
    extra="neuron",
    requires=("neuron", "LFPy", "LFPykit", "lfpykernels"),
    identity=lambda: mechanisms.identity(MECHANISMS),
    prepare=_prepare,
    presets={"hagen2022_lif": {"membrane": "frozen", "n_ext_E": 450, "n_ext_I": 160, "weight_IE": 0.00012}},
    source=SOURCE,
)
def kernel(point: Point, context: Context) -> dict[str, np.ndarray]:
    """Kernels from spikes to the current dipole moment and the LFP of a two-population network.

    Parameters
    ----------
    point : Point
    context : Context

    Returns
    -------
    dict of str to ndarray
        ``dipole_kernel``, shape (4, n_lag), nA um; ``lfp_kernel``, shape (4, n_contact, n_lag), mV; each is the
        response of the whole postsynaptic population to one spike of an average presynaptic neuron, and the
        pathways are those of `PATHWAYS`, postsynaptic population first.

    Raises
    ------
    SimulationError
        If NEURON holds sections of somebody else, or mechanisms do not compile.
    """
    dipoles, potentials = [], []
    with mechanisms.empty_session():
        mechanisms.load(MECHANISMS, context.cache)
        for post in POPULATIONS:
            network = _network(point, context, post)
            for pre in POPULATIONS:
                kernels = network.get_kernel(
                    _probes(point),
                    Vrest=point[f"V_rest_{post}"],
                    dt=point["dt"],
                    X=pre,
                    t_X=point["t_X"],
                    tau=point["lag_max"],
                    g_eff=point["g_eff"],
                )
                dipoles.append(kernels["KernelApproxCurrentDipoleMoment"][2])
                potentials.append(kernels["GaussCylinderPotential"])
                context.progress(len(dipoles) / len(PATHWAYS))
            network.cell = None
    return {"dipole_kernel": np.array(dipoles), "lfp_kernel": np.array(potentials)}


def _probes(point: Point) -> list[Any]:
    """What measures: the dipole moment, and the potential along the axis of the population."""
    from lfpykernels import GaussCylinderPotential, KernelApproxCurrentDipoleMoment

    contacts = np.array(point["contacts"], float)
    return [
        KernelApproxCurrentDipoleMoment(cell=None),
        GaussCylinderPotential(None, contacts, sigma=point["sigma"], R=point["radius"], sigma_z=point["depth_std"]),
    ]


def _network(point: Point, context: Context, post: str) -> Any:
    """LFPykernels' description of all inputs to one population."""
    from lfpykernels import KernelApprox

    pathways = [f"{post}{pre}" for pre in POPULATIONS]
    weights = ball_and_sticks.scaled_weights(point.values)
    delays = [[point[f"delay_{what}_{pathway}"] for what in ("mean", "std", "min")] for pathway in pathways]
    multapses = [[point[f"multapse_{what}_{pathway}"] for what in ("mean", "std")] for pathway in pathways]
    return KernelApprox(
        X=list(POPULATIONS),
        Y=post,
        N_X=np.array([point[f"N_{pre}"] for pre in POPULATIONS]),
        N_Y=point[f"N_{post}"],
        C_YX=np.array([point[f"C_{pathway}"] for pathway in pathways]),
        cellParameters=_cell(point, context, post),
        populationParameters={"radius": point["radius"], "loc": 0.0, "scale": point["depth_std"]},
        rotationParameters={"x": 0.0, "y": 0.0},
        multapseParameters=[_truncated(mean, std, *MULTAPSES) for mean, std in multapses],
        delayParameters=[_truncated(mean, std, low, np.inf) for mean, std, low in delays],
        synapseParameters=[_synapse(point, pathway, weights[pathway]) | {"e": point[f"E_syn_{pathway}"]} for pathway in pathways],
        synapsePositionArguments=[_positions(point, pathway) for pathway in pathways],
        extSynapseParameters=_synapse(point, "ext", point["weight_ext"]),
        nu_ext=point["nu_ext"],
        n_ext=point[f"n_ext_{post}"],
        nu_X={pre: point[f"nu_{pre}"] for pre in POPULATIONS},
    )


def _cell(point: Point, context: Context, population: str) -> dict[str, Any]:
    """What ``LFPy.TemplateCell`` needs for the neuron that stands for a population."""
    shape = ball_and_sticks.shape(point.values, population)
    file = str(shape.write(context.cache))
    soma, sticks = ball_and_sticks.channels(point.values)
    membrane = {
        "soma": soma,
        "sticks": sticks,
        "v_rest": point[f"V_rest_{population}"],
        "E_h": point["E_h"],
        "membrane": point["membrane"],
    }
    return {
        "templatefile": file,
        "templatename": shape.name,
        "morphology": file,
        "v_init": point[f"V_rest_{population}"],
        "celsius": TEMPERATURE,
        "nsegs_method": "lambda_f",
        "custom_fun": [insert_membrane],
        "custom_fun_args": [membrane],
    }


def _synapse(point: Point, pathway: str, weight: float) -> dict[str, Any]:
    """A conductance with a double-exponential time course."""
    return {
        "syntype": "Exp2Syn",
        "weight": weight,
        "tau1": point[f"tau_rise_{pathway}"],
        "tau2": point[f"tau_decay_{pathway}"],
    }


def _positions(point: Point, pathway: str) -> dict[str, Any]:
    """Where synapses lie: layers that are normal along z, in some sections."""
    from scipy.stats import norm

    means, stds = point[f"position_mean_{pathway}"], point[f"position_std_{pathway}"]
    return {
        "section": list(point[f"sections_{pathway}"]),
        "fun": [norm] * len(means),
        "funargs": [{"loc": mean, "scale": std} for mean, std in zip(means, stds, strict=True)],
        "funweights": list(point[f"position_weight_{pathway}"]),
    }


def _truncated(mean: float, std: float, low: float, high: float) -> dict[str, float]:
    """A normal law that is cut at both ends, as ``scipy.stats.truncnorm`` takes it."""
    return {"a": (low - mean) / std, "b": (high - mean) / std, "loc": mean, "scale": std}
