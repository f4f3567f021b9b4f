"""Spike-to-signal kernels of the ball-and-sticks network of Hagen et al. (2022)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hpcsim.models.model import Context, Point, model
from hpcsim.models.neuron import mechanisms
from hpcsim.models.neuron.cells import BallAndSticks, Channels, insert_membrane
from hpcsim.outputs import Coordinate, Output
from hpcsim.space.parameter import Parameter

POPULATIONS = ("E", "I")
#: Postsynaptic population first.
PATHWAYS = tuple(f"{post}:{pre}" for post in POPULATIONS for pre in POPULATIONS)
#: The same at the end of a parameter's name.
SUFFIXES = tuple(pathway.replace(":", "") for pathway in PATHWAYS)
MECHANISMS = ("Exp2SynI", "Ih_linearized")
SECTIONS = ("soma", "dend", "apic")
#: C.
TEMPERATURE = 34.0
#: Multapse counts lie between these, as in the published network.
MULTAPSES = (1, 10)
#: um.
CONTACTS = tuple(float(z) for z in range(1000, -300, -100))
SOURCE = "Hagen et al. (2022) PLOS Comput Biol 18(9): e1010353, ball-and-sticks network"

_Bounds = tuple[float | None, float | None]

# name, unit, bounds, description, and the defaults of the pathways E:E, E:I, I:E, I:I (post:pre)
_PATHWAY_TABLE: tuple[tuple[str, str, _Bounds, str, tuple[Any, Any, Any, Any]], ...] = (
    ("C", "", (0, 1), "probability that two neurons are connected", (0.05, 0.05, 0.05, 0.05)),
    ("weight", "uS", (0, None), "peak conductance of a synapse", (0.00015, 0.0045, 0.000125, 0.002)),
    ("tau_rise", "ms", (1e-3, None), "rise time constant of the conductance", (0.2, 0.1, 0.2, 0.1)),
    ("tau_decay", "ms", (1e-3, None), "decay time constant of the conductance", (1.8, 9.0, 1.8, 9.0)),
    ("E_syn", "mV", (-150, 150), "reversal potential of the synapse", (0.0, -80.0, 0.0, -80.0)),
    ("multapse_mean", "", (0, 10), "location of the normal law of synapses a connection", (2.0, 5.0, 2.0, 5.0)),
    ("multapse_std", "", (1e-3, None), "width of the normal law of synapses a connection", (0.4, 0.9, 0.6, 1.1)),
    ("delay_mean", "ms", (0, None), "location of the normal law of delays", (1.5, 1.3, 1.4, 1.2)),
    ("delay_std", "ms", (1e-3, None), "width of the normal law of delays", (0.3, 0.5, 0.4, 0.6)),
    # 0.2 ms from I to E, where the published text says 0.3: it is what the published code computes
    ("delay_min", "ms", (0, None), "where the normal law of delays is cut", (0.3, 0.2, 0.3, 0.3)),
    ("position_mean", "um", (None, None), "depths of layers of synapses", ((0.0, 500.0), (-50.0,), (50.0,), (-100.0,))),
    ("position_std", "um", (1e-3, None), "widths of these layers", ((100.0, 100.0), (100.0,), (100.0,), (100.0,))),
    ("position_weight", "", (0, None), "relative densities of these layers", ((0.5, 1.0), (1.0,), (1.0,), (1.0,))),
    ("sections", "", (None, None), "where on the neuron", (("apic", "dend"), SECTIONS, ("apic", "dend"), SECTIONS)),
)

# the same for the populations E, I
_POPULATION_TABLE: tuple[tuple[str, str, _Bounds, str, tuple[Any, Any]], ...] = (
    ("N", "", (1, None), "number of neurons", (8192, 1024)),
    ("nu", "1/s", (0, None), "mean firing rate, for the effective membrane conductance", (2.3, 4.9)),
    ("V_rest", "mV", (-120, 0), "potential around which synapses and membrane are linear", (-65.0, -65.0)),
    ("n_ext", "", (0, None), "external synapses a neuron", (465, 160)),
    ("soma_length", "um", (1, None), "length of the soma", (30.0, 30.0)),
    ("soma_diameter", "um", (0.1, None), "diameter of the soma", (30.0, 15.0)),
    ("dend_length", "um", (1, None), "length of the stick below the soma", (200.0, 200.0)),
    ("dend_diameter", "um", (0.1, None), "diameter of the stick below the soma", (2.0, 2.0)),
    ("apic_length", "um", (1, None), "length of the stick above the soma", (1000.0, 200.0)),
    ("apic_diameter", "um", (0.1, None), "diameter of the stick above the soma", (3.0, 2.0)),
)


def _parameters() -> list[Parameter]:
    """All parameters: of pathways (suffix post, pre), of populations, and common ones."""
    made = [
        Parameter(f"{name}_{suffix}", default, unit, bounds, (), f"{text}, {suffix[1]} onto {suffix[0]}", SOURCE)
        for name, unit, bounds, text, defaults in _PATHWAY_TABLE
        for suffix, default in zip(SUFFIXES, defaults, strict=True)
    ]
    made += [
        Parameter(f"{name}_{population}", default, unit, bounds, (), f"{text}, {population}", SOURCE)
        for name, unit, bounds, text, defaults in _POPULATION_TABLE
        for population, default in zip(POPULATIONS, defaults, strict=True)
    ]
    made += [
        Parameter("radius", 150.0, "um", (1, None), (), "radius of the cylinder of somata", SOURCE),
        Parameter("depth_std", 75.0, "um", (1e-3, None), (), "spread of the somata along z", SOURCE),
        Parameter("weight_ext", 0.0002, "uS", (0, None), (), "peak conductance of an external synapse", SOURCE),
        Parameter("tau_rise_ext", 0.2, "ms", (1e-3, None), (), "rise time constant of external synapses", SOURCE),
        Parameter("tau_decay_ext", 1.8, "ms", (1e-3, None), (), "decay time constant of external synapses", SOURCE),
        Parameter("nu_ext", 40.0, "1/s", (0, None), (), "rate of an external synapse", SOURCE),
        Parameter("membrane", "linear_Ih", choices=("linear_Ih", "frozen"), source=SOURCE,
                  description="whether Ih follows the voltage to first order, or stays as open as at rest"),
        Parameter("g_eff", True, description="whether mean synaptic conductances add to the leak", source=SOURCE),
        Parameter("Ra", 100.0, "ohm cm", (1, None), (), "axial resistivity", SOURCE),
        Parameter("cm", 1.0, "uF/cm^2", (1e-3, None), (), "membrane capacitance", SOURCE),
        Parameter("E_h", -45.0, "mV", (-150, 150), (), "reversal potential of Ih", SOURCE),
    ]
    made += [
        Parameter(f"g_{channel}_{part}", default, "S/cm^2", (0, None), (), f"conductance of {channel}, {part}", SOURCE)
        for channel, defaults in {
            "leak": (3.38e-5, 5.89e-5),
            "NaTa_t": (2.04, 0.0213),
            "SKv3_1": (0.693, 0.000261),
            "Ih": (0.0002, 0.002),
        }.items()
        for part, default in zip(("soma", "sticks"), defaults, strict=True)
    ]
    made += [
        Parameter("contacts", CONTACTS, "um", description="depths of LFP contacts", source=SOURCE),
        Parameter("sigma", 0.3, "S/m", (1e-6, None), (), "conductivity of the tissue", SOURCE),
        Parameter("dt", 2.0**-4, "ms", (2.0**-16, 0.25), (), "time step; a power of two", SOURCE),
        Parameter("lag_max", 100.0, "ms", (0.25, None), (), "kernels reach from -lag_max to lag_max", SOURCE),
        # 2000 ms as published gives the same bits: the membrane is at rest from the start
        Parameter("t_X", 200.0, "ms", (0.25, None), (), "time of the presynaptic spike in the simulation", SOURCE),
    ]
    return made


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
    dt, lag_max, t_X = (values[name] for name in ("dt", "lag_max", "t_X"))
    if np.log2(dt) % 1:
        near = 2.0 ** round(np.log2(dt))
        return f"dt is {dt:g} ms; it must be a power of two, at which times are exact, such as {near:g} ms"
    if lag_max % dt or t_X % dt:
        return f"lag_max ({lag_max:g} ms) and t_X ({t_X:g} ms) must be multiples of dt ({dt:g} ms)"
    if t_X < lag_max:
        return f"t_X ({t_X:g} ms) must not be less than lag_max ({lag_max:g} ms)"
    for suffix in (*SUFFIXES, "ext"):
        if values[f"tau_rise_{suffix}"] >= values[f"tau_decay_{suffix}"]:
            return f"tau_rise_{suffix} must be less than tau_decay_{suffix}"
    for suffix in SUFFIXES:
        names = [f"position_{what}_{suffix}" for what in ("mean", "std", "weight")]
        if len({len(values[name]) for name in names}) != 1:
            return f"{', '.join(names)} must have equal lengths"
        sections = values[f"sections_{suffix}"]
        if not sections or set(sections) - set(SECTIONS):
            return f"sections_{suffix} is {sections!r}; allowed are {', '.join(SECTIONS)}"
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
        synapseParameters=[_synapse(point, pathway) | {"e": point[f"E_syn_{pathway}"]} for pathway in pathways],
        synapsePositionArguments=[_positions(point, pathway) for pathway in pathways],
        extSynapseParameters=_synapse(point, "ext"),
        nu_ext=point["nu_ext"],
        n_ext=point[f"n_ext_{post}"],
        nu_X={pre: point[f"nu_{pre}"] for pre in POPULATIONS},
    )


def _cell(point: Point, context: Context, population: str) -> dict[str, Any]:
    """What ``LFPy.TemplateCell`` needs for the neuron that stands for a population."""
    sizes = {
        f"{part}_{size}": float(point[f"{part}_{size}_{population}"])
        for part in SECTIONS
        for size in ("length", "diameter")
    }
    shape = BallAndSticks(**sizes, Ra=float(point["Ra"]), cm=float(point["cm"]))
    file = str(shape.write(context.cache))
    soma, sticks = (
        Channels(*(point[f"g_{channel}_{part}"] for channel in ("leak", "NaTa_t", "SKv3_1", "Ih")))
        for part in ("soma", "sticks")
    )
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


def _synapse(point: Point, pathway: str) -> dict[str, Any]:
    """A conductance with a double-exponential time course."""
    return {
        "syntype": "Exp2Syn",
        "weight": point[f"weight_{pathway}"],
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
