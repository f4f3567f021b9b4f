"""Signals of the network that a replay goes back to, beside those of the replay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hpcsim.errors import ResultsError
from hpcsim.models.model import Context
from hpcsim.outputs import Batch, Layout, Output
from hpcsim.space.parameter import Parameter
from hpcsim.stages.signals.predict import SIGNALS, check_signals, row_of
from hpcsim.stages.stage import stage

NAME = "signals.network"


def _declare(options: Mapping[str, Any], layout: Layout) -> Layout:
    """The signals of the network have the channels and times of the replay's."""
    check_signals(NAME, options, layout, "neuron.hybrid")
    outputs = []
    for name in options["signals"]:
        own = layout[f"population_{name}"]
        text = f"{name} of the network, populations added up"
        outputs.append(Output(f"network_{name}", own.dims[1:], own.unit, description=text))
    return Layout.of(outputs, layout.coordinates)


@stage(
    NAME,
    options=[
        Parameter("network", "", description="study (study:NAME) of the network, the same as the parameter of the replay"),
        Parameter("signals", SIGNALS, description="which of them"),
    ],
    declare=_declare,
    inputs=("network",),
)
def network(data: Mapping[str, Batch], options: Mapping[str, Any], context: Context) -> dict[str, Batch]:
    """Put the signals of the replayed network beside those of the replay.

    Parameters
    ----------
    data : mapping
        ``network_seed`` and ``population_dipole``, ``population_lfp``, ``population_csd`` of ``neuron.hybrid``.
    options : mapping
        As declared.
    context : Context
        ``context.inputs[options["network"]]`` holds the same of the network.

    Returns
    -------
    dict of str to ndarray
        ``network_dipole``, nA um, ``network_lfp``, mV, ``network_csd``, nA/um^3, shape (n_points, [n_contact,] n_time).

    Raises
    ------
    ResultsError
        If the replay belongs to no point of the network study, or it was recorded at other times or contacts.
    """
    table, where = context.input(options["network"]), str(options["network"])
    made: dict[str, list[np.ndarray]] = {name: [] for name in options["signals"]}
    for seed in np.asarray(data["network_seed"]).tolist():
        row = row_of(NAME, table, seed, where)
        for name in options["signals"]:
            made[name].append(table.array(f"population_{name}", slice(row, row + 1))[0].sum(axis=0))
            expected = context.layout.shape(f"network_{name}")
            if made[name][-1].shape != expected:
                raise ResultsError(
                    f"{NAME}: population_{name} of {where} has the shape {made[name][-1].shape} and the replay's {expected}; "
                    "give both studies the same tstop, transient and contacts"
                )
    return {f"network_{name}": np.array(values) for name, values in made.items()}
