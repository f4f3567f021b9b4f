"""Signals and potentials of populations in NEURON: what models of whole populations declare, and how ranks add it up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hpcsim.models import population_spikes
from hpcsim.models.neuron.hagen import cells, connections
from hpcsim.models.neuron.hagen.ball_and_sticks import POPULATIONS, SOURCE
from hpcsim.models.neuron.hagen.recorder import Recorder
from hpcsim.models.neuron.morphology import geometry
from hpcsim.outputs import Coordinate, Output
from hpcsim.space.parameter import Parameter


def parameters() -> list[Parameter]:
    """How long is simulated, and what is recorded."""
    return [
        Parameter("n_recorded", 64, "", (1, None), (), "neurons of each population whose potentials are recorded"),
        Parameter("dt_v", 1.0, "ms", (2.0**-16, None), (), "time step of recorded potentials", SOURCE),
        Parameter("tstop", 12_000.0, "ms", (1e-3, None), (), "simulated time, with the transient", SOURCE),
        Parameter("transient", 2_000.0, "ms", (0, None), (), "time at the start that outputs leave out", SOURCE),
    ]


def declared() -> list[Output]:
    """Signals of each population, and potentials of its recorded neurons."""
    made = [
        Output("population_lfp", ("population", "contact", "time_bin"), "mV", description="extracellular potential"),
        Output("population_csd", ("population", "contact", "time_bin"), "nA/um^3", description="current source density"),
        Output("population_dipole", ("population", "time_bin"), "nA um", description="current dipole moment along z"),
    ]
    for p in POPULATIONS:
        made += [
            Output(f"soma_potential_{p}", (f"neuron_{p}", "time_v"), "mV", description="of the first neurons"),
            Output(f"segment_potential_{p}", (f"segment_{p}", "time_v"), "mV", description="mean of the first neurons"),
            *geometry.outputs(f"_{p}"),
        ]
    return made


def coordinates(values: Mapping[str, Any]) -> Mapping[str, Coordinate]:
    """Populations, contacts, left edges of time steps after the transient, recorded neurons, and their segments."""
    steps = max(population_spikes.bins(values), 0)
    time = values["transient"] + values["dt"] * np.arange(steps)
    made = {
        "population": Coordinate(np.array(POPULATIONS)),
        "contact": Coordinate(np.array(values["contacts"], float), "um"),
        "time_bin": Coordinate(time, "ms"),
        **geometry.coordinates(),
        "time_v": Coordinate(time[:: max(1, round(values["dt_v"] / values["dt"]))], "ms"),
    }
    for population in POPULATIONS:
        n = min(values["n_recorded"], connections.size(values, population))
        depth = cells.cell(values, population).segments.middle
        made[f"neuron_{population}"] = Coordinate(np.arange(n))
        made[f"segment_{population}"] = Coordinate(depth, "um")
    return made


def check(values: Mapping[str, Any]) -> str:
    """Say why times make no sense together, or nothing."""
    dt, tstop, transient = values["dt"], values["tstop"], values["transient"]
    for name in ("tstop", "transient", "dt_v"):
        if values[name] % dt:
            return f"{name} ({values[name]:g} ms) must be a multiple of dt ({dt:g} ms)"
    if tstop <= transient:
        return f"tstop ({tstop:g} ms) must be longer than transient ({transient:g} ms)"
    return ""


def gathered(h: Any, parallel: Any, recorder: Recorder, values: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The outputs of `declared`, of the neurons of all ranks.

    Parameters
    ----------
    h, parallel : HocObject
    recorder : Recorder
        After a run.
    values : mapping
        With ``contacts``.

    Returns
    -------
    dict of str to ndarray
        On every rank.
    """
    n = len(values["contacts"])
    stacked = np.array([_summed(h, parallel, recorder.signals[population]) for population in POPULATIONS])
    made = {
        "population_lfp": stacked[:, :n],
        "population_csd": stacked[:, n : 2 * n],
        "population_dipole": stacked[:, 2 * n],
    }
    for p in POPULATIONS:
        soma = _summed(h, parallel, recorder.soma_potentials[p])
        made[f"soma_potential_{p}"] = soma
        made[f"segment_potential_{p}"] = _summed(h, parallel, recorder.segment_potentials[p]) / len(soma)
        made |= geometry.values(cells.cell(values, p).segments, f"_{p}")
    return made


def _summed(h: Any, parallel: Any, array: np.ndarray) -> np.ndarray:
    """Sum over all ranks."""
    vector = h.Vector(array.ravel())
    parallel.allreduce(vector, 1)
    return np.array(vector.as_numpy()).reshape(array.shape)
