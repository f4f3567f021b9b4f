"""Signals of a network from its spike counts and the kernels of a point, beside those that the network itself gave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hpcsim.errors import ResultsError
from hpcsim.models.model import Context
from hpcsim.outputs import Batch, Coordinate, Layout, Output
from hpcsim.space.parameter import Parameter
from hpcsim.stages.recording import recording, time_step
from hpcsim.stages.signals.convolution import check_lags, ordered, summed
from hpcsim.stages.stage import stage

NAME = "signals.predict"
SIGNALS = ("dipole", "lfp", "csd")
TIME = "time_predicted"


def _declare(options: Mapping[str, Any], layout: Layout) -> Layout:
    """Each signal twice, over the times from `start` to `stop` with the step of the kernels."""
    check_signals(NAME, options, layout, "neuron.kernel")
    lag = layout.coordinate(f"{options['signals'][0]}_kernel")
    step = time_step(NAME, "kernels", lag)
    n = int(np.rint((options["stop"] - options["start"]) / step))
    if n < 1:
        raise ResultsError(f"{NAME}: start is {options['start']:g} ms and stop {options['stop']:g} ms; expected a later stop")
    coordinates = {TIME: Coordinate(options["start"] + step * np.arange(n), "ms")}
    outputs = []
    for signal in options["signals"]:
        kernel = layout[f"{signal}_kernel"]
        channels = kernel.dims[1:-1]
        coordinates |= {dim: layout.coordinates[dim] for dim in channels}
        outputs += [
            Output(f"{who}_{signal}", (*channels, TIME), kernel.unit, description=f"{signal} {text}")
            for who, text in (("predicted", "of kernels and spikes"), ("network", "of the network, populations added up"))
        ]
    return Layout.of(outputs, coordinates)


@stage(
    NAME,
    options=[
        Parameter("network", "", description="study (study:NAME) of the network, the same as the parameter of the kernels"),
        Parameter("signals", SIGNALS, description="which of them"),
        Parameter("start", 2_000.0, "ms", (0, None), description="first time of the signals, in the network's simulation"),
        Parameter("stop", 12_000.0, "ms", (0, None), description="end of the signals, in the network's simulation"),
    ],
    declare=_declare,
    inputs=("network",),
    engine="scipy",
    requires=("scipy",),
    source="Hagen et al. (2022) PLOS Comput Biol 18(9): e1010353",
)
def predict(data: Mapping[str, Batch], options: Mapping[str, Any], context: Context) -> dict[str, Batch]:
    """Predict the signals of the network whose state the kernels of a point were made for.

    Parameters
    ----------
    data : mapping
        ``dipole_kernel``, ``lfp_kernel``, ``csd_kernel`` and ``network_seed`` of ``neuron.kernel``.
    options : mapping
        As declared.
    context : Context
        ``context.inputs[options["network"]]`` holds ``spike_counts`` and ``population_dipole``, ``population_lfp``,
        ``population_csd`` of the network.

    Returns
    -------
    dict of str to ndarray
        ``predicted_dipole``, nA um, ``predicted_lfp``, mV, ``predicted_csd``, nA/um^3, shape (n_points, [n_contact,]
        n_time): over all pairs of populations, the sum of the counts of the presynaptic one convolved with the kernel
        post:pre. ``network_dipole``, ``network_lfp``, ``network_csd``: sums over the populations of the network.

    Raises
    ------
    ResultsError
        If the kernels belong to no point of the network study, do not fit its counts, or it was not recorded at these times.
    """
    table = context.input(options["network"])
    network = recording(NAME, "spike_counts", table.layout)
    where = str(options["network"])
    pathway, lag = (context.layout.coordinates[dim] for dim in ("pathway", "lag"))
    check_lags(NAME, lag, network.step, "this study")
    window = _window(options, network.start, network.step, network.n_bins)
    made: dict[str, list[np.ndarray]] = {f"{who}_{name}": [] for who in ("predicted", "network") for name in options["signals"]}
    for i, seed in enumerate(np.asarray(data["network_seed"]).tolist()):
        counts, signals = _recorded(table, row_of(NAME, table, seed, where), options, window, context)
        for signal, truth in signals.items():
            kernels = ordered(NAME, np.asarray(data[f"{signal}_kernel"][i]), pathway, network.populations, "this study")
            made[f"predicted_{signal}"].append(summed(counts, kernels)[..., window])
            made[f"network_{signal}"].append(truth)
    return {name: np.array(values) for name, values in made.items()}


def check_signals(stage: str, options: Mapping[str, Any], layout: Layout, model: str) -> None:
    """Complain where signals are not known, or the outputs are not those of a model that goes back to a network.

    Raises
    ------
    ResultsError
    """
    wanted = options["signals"]
    if not wanted or set(wanted) - set(SIGNALS):
        raise ResultsError(f"{stage}: signals are {', '.join(wanted)}; expected some of {', '.join(SIGNALS)}")
    if "network_seed" not in layout:
        raise ResultsError(f"{stage}: there is no network_seed; expected the outputs of {model}")


def _window(options: Mapping[str, Any], begin: float, step: float, n: int) -> slice:
    """Which bins of the counts lie between `start` and `stop`."""
    first, last = (round((options[name] - begin) / step) for name in ("start", "stop"))
    if first < 0 or last > n:
        raise ResultsError(
            f"{NAME}: start is {options['start']:g} ms and stop {options['stop']:g} ms; {options['network']} was recorded "
            f"from {begin:g} to {begin + n * step:g} ms: give times within"
        )
    return slice(first, last)


def row_of(stage: str, table: Any, seed: int, where: str) -> int:
    """The row of the network that a point was made for.

    Parameters
    ----------
    stage : str
        Who asks, for messages.
    table : Table
        Results of the network study.
    seed : int
        Of the network.
    where : str
        Name of that study.

    Raises
    ------
    ResultsError
        If there is none.
    """
    found = np.flatnonzero(table.array("seed") == seed)
    if not len(found):
        raise ResultsError(
            f"{stage}: this point was made for a network with the seed {seed}, which {where} has not; set the parameter "
            f'network of the model to "{where}", too'
        )
    return int(found[0])


def _recorded(
    table: Any, row: int, options: Mapping[str, Any], window: slice, context: Context
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Counts of a point of the network at all times, and its signals in the window; points of one batch share them."""
    key = (NAME, str(table.path), row, tuple(options["signals"]), window.start, window.stop)
    if key not in context.memo:
        one = slice(row, row + 1)
        counts = table.array("spike_counts", one)[0].astype(np.float64)
        signals = {name: table.array(f"population_{name}", one)[0].sum(axis=0)[..., window] for name in options["signals"]}
        context.memo[key] = counts, signals
    found: tuple[np.ndarray, dict[str, np.ndarray]] = context.memo[key]
    return found
