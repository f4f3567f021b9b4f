"""Electrophysiological features of a voltage trace by eFEL, under its own names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hpcsim.errors import ResultsError, nearest
from hpcsim.evaluation.efel_features import available
from hpcsim.models.model import Context
from hpcsim.outputs import Batch, Coordinate, Layout, Output
from hpcsim.space.parameter import Parameter
from hpcsim.stages.features.trace import VoltageTrace, voltage_trace
from hpcsim.stages.spread import varies
from hpcsim.stages.stage import stage

NAME = "features.efel"
#: What describes the firing under a step of current: count, timing, shape, adaptation, subthreshold voltage.
DEFAULT = (
    "spike_count_stimint",
    "mean_frequency",
    "time_to_first_spike",
    "AP_begin_voltage",
    "AP_amplitude",
    "AP_duration_half_width",
    "AHP_depth",
    "ISI_CV",
    "adaptation_index2",
    "doublet_ISI",
    "voltage_base",
    "steady_state_voltage_stimend",
)


def _declare(options: Mapping[str, Any], layout: Layout) -> Layout:
    """A number a feature."""
    _trace(options, layout)
    known = available(f'the stage "{NAME}"')
    if not options["names"]:
        raise ResultsError(f"{NAME}: names is empty; expected names of eFEL, such as {', '.join(DEFAULT[:3])}")
    for name in options["names"]:
        if name not in known:
            raise ResultsError(f'{NAME}: names: eFEL has no feature "{name}"; {nearest(name, known)}')
        if options["names"].count(name) > 1:
            raise ResultsError(f'{NAME}: names: "{name}" is there twice; name a feature once')
    output = Output(options["name"], ("efel_feature",), description=f"eFEL features of {options['of']}, mean over their values")
    return Layout.of([output], {"efel_feature": Coordinate(np.array(options["names"]))})


@stage(
    NAME,
    options=[
        Parameter("of", "v", description="the voltage trace"),
        Parameter("name", "efel", description="name of the output"),
        Parameter("names", DEFAULT, description="features, by the names of eFEL"),
        Parameter("start", 100.0, "ms", description="begin of the stimulus"),
        Parameter("stop", 700.0, "ms", description="end of the stimulus"),
        Parameter("threshold", -20.0, "mV", description="voltage that an action potential crosses", source="default of eFEL"),
    ],
    declare=_declare,
    engine="efel",
    extra="brian2",
    requires=("efel",),
    source="eFEL, doi:10.5281/zenodo.593869",
)
def efel(data: Mapping[str, Batch], options: Mapping[str, Any], context: Context) -> dict[str, Batch]:
    """Features of a voltage trace by eFEL.

    Parameters
    ----------
    data : mapping
        The trace that option ``of`` names: shape (n_points, n_time), mV. It is not interpolated.
    options : mapping
        As declared.
    context : Context
        Its layout tells the times.

    Returns
    -------
    dict of str to ndarray
        ``efel``, or what option ``name`` says: shape (n_points, n_feature), in the order of option ``names`` and the units of
        eFEL. A feature with several values (one an action potential, say) is their mean; NaN without any, and in all of a
        trace that is constant or not finite.
    """
    import efel as library

    trace = _trace(options, context.layout)
    times, names = trace.first + trace.step * np.arange(trace.n_time), list(options["names"])
    values: list[list[float]] = []
    library.reset()
    try:
        library.set_setting("Threshold", options["threshold"])
        library.set_setting("interp_step", trace.step)
        for v in np.asarray(data[options["of"]], dtype=np.float64):
            context.progress(len(values) / len(data[options["of"]]))
            values.append(_features(v, times, names, options))
    finally:
        library.reset()
    return {options["name"]: np.array(values, dtype=np.float64).reshape(-1, len(names))}


def _features(v: np.ndarray, times: np.ndarray, names: list[str], options: Mapping[str, Any]) -> list[float]:
    """Features of one trace, in the order of the names."""
    if not varies(v):
        return [float("nan")] * len(names)
    import efel as library

    trace = {"T": times, "V": v, "stim_start": [options["start"]], "stim_end": [options["stop"]]}
    [found] = library.get_feature_values([trace], names, raise_warnings=False)
    means = (np.mean(found[name]) if found[name] is not None and len(found[name]) else np.nan for name in names)
    return [float(mean) if np.isfinite(mean) else np.nan for mean in means]


def _trace(options: Mapping[str, Any], layout: Layout) -> VoltageTrace:
    trace = voltage_trace(NAME, options["of"], layout)
    trace.check_stimulus(NAME, options["start"], options["stop"])
    return trace
