"""The network of Hagen et al. (2022), declared once for everything that simulates or predicts it.

Its neurons are a ball with two sticks, or, in the excitatory population, the pyramidal neuron of Hay et al. (2011).

Pathways are written post-presynaptic: ``weight_EI`` is that of synapses from I onto E.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from hpcsim.errors import HpcsimError
from hpcsim.models.neuron.hagen import cells
from hpcsim.models.neuron.hagen.cells import SECTIONS
from hpcsim.models.neuron.hay import cell as hay_cell
from hpcsim.space.parameter import Parameter

POPULATIONS = ("E", "I")
#: Postsynaptic population first.
PATHWAYS = tuple(f"{post}:{pre}" for post in POPULATIONS for pre in POPULATIONS)
#: The same at the end of a parameter's name.
SUFFIXES = tuple(pathway.replace(":", "") for pathway in PATHWAYS)
#: C.
TEMPERATURE = hay_cell.TEMPERATURE
#: Multapse counts lie between these, as in the published network.
MULTAPSES = (1, 10)
#: um.
CONTACTS = tuple(float(z) for z in range(1000, -300, -100))
#: um: contacts farther from the somata see nothing of cortex; a depth in another unit does lie farther.
FARTHEST = 10_000.0
SOURCE = "Hagen et al. (2022) PLOS Comput Biol 18(9): e1010353, ball-and-sticks network"
HAY = "Hay et al. (2011) PLOS Comput Biol 7: e1002107"
#: What differs with the pyramidal neuron of Hay et al. as the neuron of E (Hagen et al. 2022).
HAY_VARIANT: Mapping[str, Any] = MappingProxyType({"cell_E": cells.HAY, "n_ext_E": 920})

Bounds = tuple[float | None, float | None]
#: Name, unit, bounds, description, and the defaults of E and I.
PopulationRow = tuple[str, str, Bounds, str, tuple[Any, Any]]

# name, unit, bounds, description, and the defaults of the pathways E:E, E:I, I:E, I:I (post:pre)
_PATHWAY_TABLE: tuple[tuple[str, str, Bounds, str, tuple[Any, Any, Any, Any]], ...] = (
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

_POPULATION_TABLE: tuple[PopulationRow, ...] = (
    ("N", "", (1, None), "number of neurons", (8192, 1024)),
    ("n_ext", "", (0, None), "external synapses a neuron", (465, 160)),
    ("soma_length", "um", (1, None), "length of the soma", (30.0, 30.0)),
    ("soma_diameter", "um", (0.1, None), "diameter of the soma", (30.0, 15.0)),
    ("dend_length", "um", (1, None), "length of the stick below the soma", (200.0, 200.0)),
    ("dend_diameter", "um", (0.1, None), "diameter of the stick below the soma", (2.0, 2.0)),
    ("apic_length", "um", (1, None), "length of the stick above the soma", (1000.0, 200.0)),
    ("apic_diameter", "um", (0.1, None), "diameter of the stick above the soma", (3.0, 2.0)),
)

# S/cm^2, of the soma and of both sticks
_CONDUCTANCES = {
    "leak": (3.38e-5, 5.89e-5),
    "NaTa_t": (2.04, 0.0213),
    "SKv3_1": (0.693, 0.000261),
    "Ih": (0.0002, 0.002),
}


def population_parameters(table: Iterable[PopulationRow]) -> list[Parameter]:
    """Parameters that each population has: one a row and population."""
    return [
        Parameter(f"{name}_{population}", default, unit, bounds, (), f"{text}, {population}", SOURCE)
        for name, unit, bounds, text, defaults in table
        for population, default in zip(POPULATIONS, defaults, strict=True)
    ]


def parameters() -> list[Parameter]:
    """What defines the network, whoever computes with it: pathways, populations, cells, contacts, time step."""
    made = [
        Parameter(f"{name}_{suffix}", default, unit, bounds, (), f"{text}, {suffix[1]} onto {suffix[0]}", SOURCE)
        for name, unit, bounds, text, defaults in _PATHWAY_TABLE
        for suffix, default in zip(SUFFIXES, defaults, strict=True)
    ]
    made += population_parameters(_POPULATION_TABLE)
    made += [
        Parameter(
            "cell_E",
            cells.BALL_AND_STICKS,
            choices=cells.KINDS,
            source=HAY,
            description="neurons of E: a soma with two sticks, or the pyramidal neuron of Hay et al. on its reconstruction "
            "(ModelDB 139653) or on a shape that hpcsim makes; these have channels and sizes of their own",
        ),
        Parameter("weight_scaling", 1.0, "", (0.5, 2), (), "J: base of the factors on recurrent weights", SOURCE),
        Parameter("radius", 150.0, "um", (1, None), (), "radius of the cylinder of somata", SOURCE),
        Parameter("depth_std", 75.0, "um", (1e-3, None), (), "spread of the somata along z", SOURCE),
        Parameter("weight_ext", 0.0002, "uS", (0, None), (), "peak conductance of an external synapse", SOURCE),
        Parameter("tau_rise_ext", 0.2, "ms", (1e-3, None), (), "rise time constant of external synapses", SOURCE),
        Parameter("tau_decay_ext", 1.8, "ms", (1e-3, None), (), "decay time constant of external synapses", SOURCE),
        Parameter("nu_ext", 40.0, "1/s", (0, None), (), "rate of an external synapse", SOURCE),
        Parameter("Ra", 100.0, "ohm cm", (1, None), (), "axial resistivity", SOURCE),
        Parameter("cm", 1.0, "uF/cm^2", (1e-3, None), (), "membrane capacitance of ball-and-sticks neurons", SOURCE),
        Parameter("E_leak", -90.0, "mV", (-150, 150), (), "reversal potential of the leak", HAY),
        Parameter("E_Na", 50.0, "mV", (-150, 150), (), "reversal potential of sodium", HAY),
        Parameter("E_K", -85.0, "mV", (-150, 150), (), "reversal potential of potassium", HAY),
        Parameter("E_h", -45.0, "mV", (-150, 150), (), "reversal potential of Ih", SOURCE),
    ]
    made += [
        Parameter(f"g_{channel}_{part}", default, "S/cm^2", (0, None), (), f"{channel}, {part} of balls and sticks", SOURCE)
        for channel, defaults in _CONDUCTANCES.items()
        for part, default in zip(("soma", "sticks"), defaults, strict=True)
    ]
    made += [
        Parameter("contacts", CONTACTS, "um", description="depths of LFP contacts", source=SOURCE),
        Parameter("csd_thickness", 100.0, "um", (1e-3, None), (), "thickness of the discs of the CSD around contacts", SOURCE),
        Parameter("sigma", 0.3, "S/m", (1e-6, None), (), "conductivity of the tissue", SOURCE),
        Parameter("dt", 2.0**-4, "ms", (2.0**-16, 0.25), (), "time step; a power of two", SOURCE),
    ]
    return made


def check(values: Mapping[str, Any]) -> str:
    """Say why values of :func:`parameters` make no sense together, or nothing."""
    dt = values["dt"]
    if np.log2(dt) % 1:
        near = 2.0 ** round(np.log2(dt))
        return f"dt is {dt:g} ms; it must be a power of two, at which times are exact, such as {near:g} ms"
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
        if values["weight_scaling"] != 1 and values[f"weight_{suffix}"] == 0:
            return f"weight_{suffix} is 0, and weight_scaling needs ratios of weights; set weight_scaling = 1"
    return _check_probes(values) or _check_cell(values)


def _check_probes(values: Mapping[str, Any]) -> str:
    """Say why nothing can be measured at the contacts, or nothing."""
    contacts, thickness = np.sort(np.array(values["contacts"], float)), values["csd_thickness"]
    if not len(contacts):
        return "contacts is empty; give the depths of at least one contact"
    far = contacts[~(np.abs(contacts) <= FARTHEST)]
    if len(far):
        return f"a contact lies at {far[0]:g} um; allowed are depths from {-FARTHEST:g} to {FARTHEST:g} um around the somata"
    apart = np.diff(contacts).min(initial=np.inf)
    if apart == 0:
        return f"two contacts lie at the same depth, in {tuple(contacts.tolist())}; leave one out"
    if thickness > apart * (1 + 1e-9):
        return (
            f"csd_thickness is {thickness:g} um, and contacts are {apart:g} um apart: discs that overlap would count currents "
            f"twice; allowed is at most {apart:g} um"
        )
    return ""


def _check_cell(values: Mapping[str, Any]) -> str:
    """Say why the neurons of E cannot be made, or nothing."""
    if values["cell_E"] != cells.BALL_AND_STICKS:
        usual = {f"{name}_E": default for name, *_, (default, _) in _POPULATION_TABLE if name.startswith(SECTIONS)}
        changed = [name for name, default in usual.items() if values[name] != default]
        if changed:
            name = changed[0]
            return f'{name} is {values[name]:g} um, and cell_E = "{values["cell_E"]}" has a shape of its own; leave {name} out'
    try:
        cells.cell(values, "E")
    except HpcsimError as error:
        return f'cell_E is "{values["cell_E"]}": {error}; or take the shape that hpcsim makes, cell_E = "{cells.SYNTHETIC}"'
    return ""


def scaled_weights(values: Mapping[str, Any]) -> dict[str, float]:
    """Recurrent weights under the weight scaling J.

    Parameters
    ----------
    values : mapping
        Holds ``weight_scaling`` and the weights of :func:`parameters`.

    Returns
    -------
    dict of str to float, uS
        By suffix post-pre.

    Notes
    -----
    Hagen et al. (2022) multiply each excitatory weight by J to the power of the ratio of the inhibitory to the
    excitatory weight onto the same population, and each inhibitory weight by J to the power of the inverse ratio, in
    which the excitatory weight is scaled already. Their kernels were made with the ratio of unscaled weights, up to
    1.9 % off at J = 1.075; here network and kernels have the same weights.
    """
    J = values["weight_scaling"]
    weights = {suffix: float(values[f"weight_{suffix}"]) for suffix in SUFFIXES}
    if J != 1:
        for post in POPULATIONS:
            excitatory, inhibitory = f"{post}E", f"{post}I"
            weights[excitatory] *= J ** (weights[inhibitory] / weights[excitatory])
            weights[inhibitory] *= J ** (weights[excitatory] / weights[inhibitory])
    return weights
