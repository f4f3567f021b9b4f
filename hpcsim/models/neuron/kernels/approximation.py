"""LFPykernels' description of all inputs to one population of the network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hpcsim.models.neuron.hagen import ball_and_sticks, cells, membranes
from hpcsim.models.neuron.hagen.ball_and_sticks import MULTAPSES, POPULATIONS, TEMPERATURE
from hpcsim.models.neuron.nmodl import linear
from hpcsim.models.plain_path import plain


def approximation(values: Mapping[str, Any], post: str, v_rest: float, nu: Mapping[str, float], cache: Path) -> Any:
    """The representative neuron of a population, with its membrane and synapses.

    Parameters
    ----------
    values : mapping
        Those of :func:`ball_and_sticks.parameters`, and ``membrane``.
    post : str
        Of `POPULATIONS`.
    v_rest : float, mV
        Potential around which the membrane is linear.
    nu : mapping of str to float, 1/s
        Mean firing rates, for the effective membrane conductance.
    cache : Path
        For templates of cells and compiled mechanisms.

    Returns
    -------
    lfpykernels.KernelApprox

    Raises
    ------
    SimulationError
        If mechanisms are not loaded, or NEURON holds sections.
    """
    from lfpykernels import KernelApprox

    pathways = [f"{post}{pre}" for pre in POPULATIONS]
    weights = ball_and_sticks.scaled_weights(values)
    delays = [[values[f"delay_{what}_{pathway}"] for what in ("mean", "std", "min")] for pathway in pathways]
    multapses = [[values[f"multapse_{what}_{pathway}"] for what in ("mean", "std")] for pathway in pathways]
    synapses = [_synapse(values, pathway, weights[pathway]) | {"e": values[f"E_syn_{pathway}"]} for pathway in pathways]
    network = KernelApprox(
        X=list(POPULATIONS),
        Y=post,
        N_X=np.array([values[f"N_{pre}"] for pre in POPULATIONS]),
        N_Y=values[f"N_{post}"],
        C_YX=np.array([values[f"C_{pathway}"] for pathway in pathways]),
        cellParameters=_cell(values, post, v_rest, cache),
        populationParameters={"radius": values["radius"], "loc": 0.0, "scale": values["depth_std"]},
        rotationParameters={"x": 0.0, "y": 0.0},
        multapseParameters=[_truncated(mean, std, *MULTAPSES) for mean, std in multapses],
        delayParameters=[_truncated(mean, std, low, np.inf) for mean, std, low in delays],
        synapseParameters=synapses,
        synapsePositionArguments=[_positions(values, pathway) for pathway in pathways],
        extSynapseParameters=_synapse(values, "ext", values["weight_ext"]),
        nu_ext=values["nu_ext"],
        n_ext=values[f"n_ext_{post}"],
        nu_X=dict(nu),
    )
    network.get_delay = partial(_delays, network.get_delay)
    return network


def _cell(values: Mapping[str, Any], population: str, v_rest: float, cache: Path) -> dict[str, Any]:
    """What ``LFPy.TemplateCell`` needs for the neuron that stands for a population."""
    cell = cells.cell(values, population)
    file = str(plain(cell.morphology.write(cache, cell.numbers)))
    membrane = membranes.linearised(cell, np.full(len(cell.segments), v_rest), values["membrane"])
    return {
        "templatefile": file,
        "templatename": cell.morphology.name(cell.numbers),
        "morphology": file,
        "v_init": v_rest,
        "celsius": TEMPERATURE,
        "nsegs_method": None,
        "custom_fun": [_insert],
        "custom_fun_args": [{"membrane": membrane, "capacitance": cell.capacitance, "Ra": cell.Ra, "cache": cache}],
    }


def _delays(of: Callable[[str, float, float], np.ndarray], pre: str, dt: float, tau: float) -> np.ndarray:
    """Distribution of delays without the zeros at both ends, which LFPykernels would multiply all signals with."""
    every = of(pre, dt, tau)
    middle = len(every) // 2
    reach = int(np.abs(np.flatnonzero(every) - middle).max(initial=0))
    return every[middle - reach : middle + reach + 1]


def _insert(cell: Any, membrane: Sequence[Sequence[linear.Expansion]], capacitance: np.ndarray, Ra: float, cache: Path) -> None:
    """Give every segment of a cell of LFPy its membrane."""
    points = [point for section in cell.template.all for point in section]
    for point, expansions, cm in zip(points, membrane, capacitance.tolist(), strict=True):
        linear.insert(point, expansions, cache)
        point.cm = cm
    for section in cell.template.all:
        section.Ra = Ra


def _synapse(values: Mapping[str, Any], pathway: str, weight: float) -> dict[str, Any]:
    """A conductance with a double-exponential time course."""
    return {
        "syntype": "Exp2Syn",
        "weight": weight,
        "tau1": values[f"tau_rise_{pathway}"],
        "tau2": values[f"tau_decay_{pathway}"],
    }


def _positions(values: Mapping[str, Any], pathway: str) -> dict[str, Any]:
    """Where synapses lie: layers that are normal along z, in some sections."""
    from scipy.stats import norm

    means, stds = values[f"position_mean_{pathway}"], values[f"position_std_{pathway}"]
    return {
        "section": list(values[f"sections_{pathway}"]),
        "fun": [norm] * len(means),
        "funargs": [{"loc": mean, "scale": std} for mean, std in zip(means, stds, strict=True)],
        "funweights": list(values[f"position_weight_{pathway}"]),
    }


def _truncated(mean: float, std: float, low: float, high: float) -> dict[str, float]:
    """A normal law that is cut at both ends, as ``scipy.stats.truncnorm`` takes it."""
    return {"a": (low - mean) / std, "b": (high - mean) / std, "loc": mean, "scale": std}
