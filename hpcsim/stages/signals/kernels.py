"""Spike-to-signal kernels, cut out of signals of a network whose populations spike once, one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hpcsim.errors import ResultsError
from hpcsim.models.model import Context
from hpcsim.outputs import Batch, Coordinate, Layout, Output
from hpcsim.space.parameter import Parameter
from hpcsim.stages.recording import recording
from hpcsim.stages.signals.convolution import pathways
from hpcsim.stages.stage import stage

NAME = "signals.kernels"
SIGNALS = ("dipole", "lfp", "csd")


def _declare(options: Mapping[str, Any], layout: Layout) -> Layout:
    """A kernel of each signal that is there, over the lags on both sides of 0."""
    network = recording(NAME, str(options["of"]), layout)
    signals = [name for name in SIGNALS if f"population_{name}" in layout]
    if not signals:
        names = ", ".join(f"population_{name}" for name in SIGNALS)
        raise ResultsError(f"{NAME}: there is none of {names}; expected one or more")
    n = _steps(options, network.step)
    if not 0 < n < network.n_bins:
        raise ResultsError(
            f"{NAME}: lag_max is {options['lag_max']:g} ms; expected more than 0 and less than the time of {options['of']}, "
            f"{network.duration:g} ms"
        )
    coordinates = {
        "pathway": Coordinate(np.array(pathways(network.populations))),
        "lag": Coordinate(np.arange(-n, n + 1) * network.step, "ms"),
    }
    outputs = []
    for name in signals:
        signal = layout[f"population_{name}"]
        dims = signal.dims[1:-1]
        coordinates |= {dim: layout.coordinates[dim] for dim in dims}
        outputs.append(Output(f"{name}_kernel", ("pathway", *dims, "lag"), signal.unit, description=f"{name} of one spike"))
    return Layout.of(outputs, coordinates)


@stage(
    NAME,
    options=[
        Parameter("of", "spike_counts", description="spike counts by population and time bin"),
        Parameter("lag_max", 100.0, "ms", (1e-3, None), description="kernels reach from -lag_max to lag_max"),
    ],
    declare=_declare,
    source="Hagen et al. (2022) PLOS Comput Biol 18(9): e1010353",
)
def kernels(data: Mapping[str, Batch], options: Mapping[str, Any], context: Context) -> dict[str, Batch]:
    """Kernels of a network from a simulation in which every neuron spikes once, all of a population together.

    Parameters
    ----------
    data : mapping
        The counts that option ``of`` names, ``population_size``, and signals: any of ``population_dipole``, ``population_lfp``,
        ``population_csd``, as ``neuron.hybrid`` makes them with ``replay = "single"``.
    options : mapping
        As declared.
    context : Context
        Its layout tells populations and times.

    Returns
    -------
    dict of str to ndarray
        ``dipole_kernel``, ``lfp_kernel``, ``csd_kernel``, shape (n_points, n_pathway, ..., n_lag): the signal of the postsynaptic
        population after the spikes of the presynaptic one, over their number; zero at lags below 0. Pathways are post:pre.

    Raises
    ------
    ResultsError
        If a population does not spike once and together, or another one spikes or the signals end within lag_max.
    """
    network = recording(NAME, str(options["of"]), context.layout)
    n = _steps(options, network.step)
    bins = [
        _bins(np.asarray(counts), np.asarray(sizes), network.populations, n)
        for counts, sizes in zip(data[str(options["of"])], data["population_size"], strict=True)
    ]
    made: dict[str, Batch] = {}
    for name in SIGNALS:
        if f"population_{name}" in context.layout:
            batch = zip(data[f"population_{name}"], data["population_size"], bins, strict=True)
            made[f"{name}_kernel"] = np.array([_cut(np.asarray(signal), sizes, found, n) for signal, sizes, found in batch])
    return made


def _bins(counts: np.ndarray, sizes: np.ndarray, populations: tuple[str, ...], n: int) -> list[int]:
    """The bin in which each population spikes."""
    found = []
    for row, size, name in zip(counts, sizes.tolist(), populations, strict=True):
        [spiking] = np.nonzero(row)
        if len(spiking) != 1 or row[spiking[0]] != size:
            raise ResultsError(
                f"{NAME}: population {name} has {row.sum():g} spikes in {len(spiking)} time bins; expected those of its {size:g} "
                'neurons in one bin, as neuron.hybrid makes them with replay = "single"'
            )
        if spiking[0] + n >= len(row):
            raise ResultsError(f"{NAME}: population {name} spikes less than lag_max before the end; make tstop longer")
        found.append(int(spiking[0]))
    if len(found) > 1 and min(np.diff(np.sort(found))) < n:
        raise ResultsError(f"{NAME}: two populations spike within lag_max of each other; expected one response at a time")
    return found


def _cut(signal: np.ndarray, sizes: np.ndarray, bins: list[int], n: int) -> np.ndarray:
    """Kernels of one point, shape (n_pathway, ..., 2 n + 1), from its signal, shape (n_population, ..., n_time)."""
    made = np.zeros((len(signal), len(bins), *signal.shape[1:-1], 2 * n + 1))
    for pre, (size, first) in enumerate(zip(sizes.tolist(), bins, strict=True)):
        made[:, pre, ..., n:] = signal[..., first : first + n + 1] / size
    return made.reshape(-1, *made.shape[2:])


def _steps(options: Mapping[str, Any], step: float) -> int:
    return int(np.rint(options["lag_max"] / step))
