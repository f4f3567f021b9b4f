"""Spikes of a network's populations: the outputs that every network model declares, and how they are made of events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hpcsim.outputs import Output

#: Times in ms and senders, counted from 0, of the spikes of a population, in any order.
Events = tuple[np.ndarray, np.ndarray]


def declared(populations: Sequence[str]) -> tuple[Output, ...]:
    """Rates, sizes, binned counts, and spikes of each population with their senders."""
    return (
        Output("rate", ("population",), "Hz", description="spikes a neuron and second after the transient"),
        Output("population_size", ("population",), "", "int32", description="number of neurons"),
        Output("spike_counts", ("population", "time_bin"), "", "int32", description="spikes of a population in each time step"),
        *(
            output
            for name in populations
            for output in (
                Output(f"spike_times_{name}", (f"spike_{name}",), "ms", "float64", True, "times of spikes, in order"),
                Output(f"spike_senders_{name}", (f"spike_{name}",), "", "int32", True, "index of the neuron, from 0"),
            )
        ),
    )


def bins(values: Mapping[str, Any]) -> int:
    """Time steps after the transient."""
    steps: float = (values["tstop"] - values["transient"]) / values["dt"]
    return round(steps)


def gathered(events: Mapping[str, Events], sizes: Mapping[str, int], values: Mapping[str, Any]) -> dict[str, Any]:
    """The outputs of `declared`.

    Parameters
    ----------
    events : mapping of str to Events
        By population.
    sizes : mapping of str to int
        Neurons of each population.
    values : mapping
        With ``dt``, ``tstop`` and ``transient``, in ms.

    Returns
    -------
    dict of str to ndarray
    """
    n, first = bins(values), round(values["transient"] / values["dt"])
    counts, outputs = np.zeros((len(events), n), np.int32), {}
    for row, (name, (times, senders)) in enumerate(events.items()):
        order = np.lexsort((senders, times))
        outputs[f"spike_times_{name}"] = times[order]
        outputs[f"spike_senders_{name}"] = senders[order].astype(np.int32)
        step = np.rint(times / values["dt"]).astype(np.int64) - first
        counts[row] = np.bincount(step[(step >= 0) & (step < n)], minlength=n)
    neurons = np.array([sizes[name] for name in events])
    rate = counts.sum(axis=1) / (neurons * n * values["dt"] * 1e-3)
    return {**outputs, "population_size": neurons, "spike_counts": counts, "rate": rate}


def too_dense(values: Mapping[str, Any], probabilities: Sequence[str]) -> str:
    """Why the scale of a network cannot keep its in-degrees, or an empty text.

    Parameters
    ----------
    values : mapping
        With ``scale``.
    probabilities : sequence of str
        Names of the connection probabilities.
    """
    densest = max(values[name] for name in probabilities)
    if densest <= values["scale"]:
        return ""
    return (
        f"scale {values['scale']:g} is smaller than the connection probability {densest:g}: in-degrees cannot be kept; "
        f"use a scale of at least {densest:g}"
    )
