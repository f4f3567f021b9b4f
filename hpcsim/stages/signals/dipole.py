"""Current dipole moment of a network: population spike counts convolved with spike-to-signal kernels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hpcsim.errors import ResultsError
from hpcsim.models.model import Context
from hpcsim.outputs import Batch, Coordinate, Layout, Output
from hpcsim.space.parameter import Parameter
from hpcsim.stages.recording import Recording, recording
from hpcsim.stages.signals.convolution import check_lags, convolved, ordered, pathways, summed
from hpcsim.stages.stage import stage

TIME = "time_dipole"
UNIT = "nA um"
#: Shortest signal that SciPy's zero-phase Chebyshev filter of order 8 can be run over, samples.
SHORTEST = 28


def _declare(options: Mapping[str, Any], layout: Layout) -> Layout:
    """Check the counts; time of the dipole is every `decimate`-th bin of them."""
    name, factor = str(options["of"]), _factor(options)
    network = recording("signals.dipole", name, layout)
    if factor > 1 and network.n_bins < SHORTEST:
        raise ResultsError(
            f"signals.dipole: {name} has {network.n_bins} bins, too few to decimate (at least {SHORTEST}); set decimate = 1"
        )
    time = layout.coordinate(name)
    coordinates = {TIME: Coordinate(time.values[::factor], time.unit)}
    outputs = [Output("dipole", (TIME,), UNIT, description="current dipole moment along z")]
    if options["components"]:
        coordinates["pathway"] = Coordinate(np.array(pathways(network.populations)))
        outputs.append(Output("dipole_components", ("pathway", TIME), UNIT, description="dipole by pathway, post:pre"))
    return Layout.of(outputs, coordinates)


@stage(
    "signals.dipole",
    options=[
        Parameter("kernel", "", description="study that made the kernels (study:NAME)"),
        Parameter("of", "spike_counts", description="spike counts by population and time bin"),
        # above 13 SciPy advises to decimate in several steps
        Parameter("decimate", 10, bounds=(1, 13), description="keep one sample in so many, low-pass filtered; 1: all"),
        Parameter("components", False, description="also give the contribution of each pathway"),
    ],
    declare=_declare,
    inputs=("kernel",),
    engine="scipy",
    requires=("scipy",),
    source="Hagen et al. (2022) PLOS Comput Biol 18(9): e1010353",
)
def dipole(data: Mapping[str, Batch], options: Mapping[str, Any], context: Context) -> dict[str, Batch]:
    """Current dipole moment of a network, from its spike counts and from the kernels of another study.

    Parameters
    ----------
    data : mapping
        The counts that option ``of`` names: shape (n_points, n_population, n_time), spikes a bin.
    options : mapping
        As declared.
    context : Context
        ``context.inputs[options["kernel"]]`` holds ``dipole_kernel``: one point, pathways named post:pre, nA um.
        Its layout tells the populations and the bins of the counts.

    Returns
    -------
    dict of str to ndarray
        ``dipole``, shape (n_points, n_time_dipole), nA um: over all pairs of populations, the sum of the counts of
        the presynaptic one convolved with the kernel post:pre. With option ``components`` also
        ``dipole_components``, shape (n_points, n_pathway, n_time_dipole).

    Raises
    ------
    ResultsError
        If the kernels are not of one point, do not cover all pathways, are not finite, or have another time step.
    """
    counts = np.asarray(data[str(options["of"])], dtype=np.float64)
    kernels = _kernels(options, context, recording("signals.dipole", str(options["of"]), context.layout))
    factor = _factor(options)
    if options["components"]:
        parts = np.array([_decimated(convolved(point, kernels), factor) for point in counts])
        return {"dipole": parts.sum(axis=1), "dipole_components": parts}
    return {"dipole": np.array([_decimated(summed(point, kernels), factor) for point in counts])}


def _kernels(options: Mapping[str, Any], context: Context, network: Recording) -> np.ndarray:
    """Kernels of all pathways, shape (n_population**2, n_lag), nA um, in the order of `pathways`."""
    table, name = context.input(options["kernel"]), options["kernel"]
    values = np.asarray(table.array("dipole_kernel"))
    if values.ndim != 3 or len(values) != 1:
        raise ResultsError(
            f'signals.dipole: dipole_kernel of the study "{name}" has shape {values.shape}; expected one point, '
            "(1, n_pathway, n_lag); make a study of a single point for the kernel"
        )
    where = f'the study "{name}"'
    check_lags("signals.dipole", table.coordinate("lag"), network.step, where)
    return ordered("signals.dipole", values[0], table.coordinate("pathway"), network.populations, where)


def _decimated(signal: np.ndarray, factor: int) -> np.ndarray:
    """One sample in `factor` along the last axis, low-pass filtered without a delay."""
    if factor == 1:
        return signal
    from scipy.signal import decimate

    return np.asarray(decimate(signal, factor, axis=-1, zero_phase=True))


def _factor(options: Mapping[str, Any]) -> int:
    return int(options["decimate"])
