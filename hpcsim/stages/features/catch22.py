"""The 22 canonical time-series features."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from hpcsim.errors import PluginError, ResultsError, nearest
from hpcsim.models.model import Context
from hpcsim.outputs import Batch, Coordinate, Layout, Output
from hpcsim.plugin import not_installed
from hpcsim.space.parameter import Parameter
from hpcsim.stages.spread import varies
from hpcsim.stages.stage import stage

#: The version of pycatch22 that this stage is checked with. 0.4 has other names, another order and other values.
CHECKED = "1.0.2"
#: Shorter series have crashed pycatch22 (DynamicsAndNeuralSystems/pycatch22, issues of CO_Embed2), samples.
SHORTEST = 64


def _declare(options: Mapping[str, Any], layout: Layout) -> Layout:
    """Features take the place of time."""
    signal = layout[str(options["of"])]
    if signal.ragged or not 1 <= len(signal.dims) <= 2:
        raise ResultsError(
            f"features.catch22: {signal.name} has dimensions {signal.dims}; expected its time, or channels and its time"
        )
    shape = layout.shape(signal.name)
    if shape[-1] < SHORTEST:
        raise ResultsError(
            f"features.catch22: {signal.name} has {shape[-1]} samples; at least {SHORTEST} are needed, as "
            "pycatch22 may crash below; simulate longer or decimate less"
        )
    _check_version(str(options["version"]))
    feature = f"{options['name']}_feature"
    coordinates = {feature: Coordinate(np.array(_names(options)))}
    dims: tuple[str, ...] = (feature,)
    if len(shape) == 2 and shape[0] > 1:
        dims = (signal.dims[0], feature)
        coordinates[signal.dims[0]] = layout.coordinates[signal.dims[0]]
    output = Output(str(options["name"]), dims, description=f"catch22 features of {signal.name}")
    return Layout.of([output], coordinates)


@stage(
    "features.catch22",
    options=[
        Parameter("of", "eeg", description="an output whose last dimension is time"),
        Parameter("names", (), description="features, by the names of pycatch22; empty: all 22"),
        Parameter("name", "catch22", description="name of the output"),
        Parameter("version", "", description="allow this version of pycatch22 in place of the checked one"),
    ],
    declare=_declare,
    engine="pycatch22",
    extra="inference",
    requires=("pycatch22",),
    source="Lubba et al. (2019) Data Min Knowl Disc 33:1821-1852",
)
def catch22(data: Mapping[str, Batch], options: Mapping[str, Any], context: Context) -> dict[str, Batch]:
    """The 22 canonical features of a time series.

    Parameters
    ----------
    data : mapping
        The signal that option ``of`` names: shape (n_points, n_time), or (n_points, n_channel, n_time).
    options : mapping
        As declared.
    context : Context
        Not used.

    Returns
    -------
    dict of str to ndarray
        ``catch22``, or what option ``name`` says: shape (n_points, n_feature), and (n_points, n_channel, n_feature)
        where there is more than one channel. All features of a series that is constant, not finite, or so
        small or large that its variance is lost in float64 (below 1e-146 or above 1e148) are NaN.

    Raises
    ------
    PluginError
        If the installed pycatch22 is not the checked one and option ``version`` does not allow it.
    """
    del context
    _check_version(str(options["version"]))
    signal = np.asarray(data[str(options["of"])], dtype=np.float64)
    names = _names(options)
    if signal.ndim == 3 and signal.shape[1] == 1:
        signal = signal[:, 0]
    series = signal.reshape(-1, signal.shape[-1])
    values = np.array([_features(row, names) for row in series])
    return {str(options["name"]): values.reshape(*signal.shape[:-1], len(names))}


def _features(series: np.ndarray, names: tuple[str, ...]) -> list[float]:
    """Features of one series, in the order of the names."""
    # pycatch22 divides by the standard deviation: where its square is 0 the library crashes, where it is infinite all is 0
    if len(series) < SHORTEST or not varies(series):
        return [float("nan")] * len(names)
    import pycatch22

    found = pycatch22.catch22_all(series)
    values = dict(zip(found["names"], found["values"], strict=True))
    return [values[name] if np.isfinite(values[name]) else float("nan") for name in names]


def _names(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the wanted features."""
    names: tuple[str, ...] = tuple(options["names"])
    known = available()
    for name in names:
        if name not in known:
            raise ResultsError(f'features.catch22: names: there is no feature "{name}"; {nearest(name, known)}')
    return names or known


@cache
def available() -> tuple[str, ...]:
    """Names of all features that the installed pycatch22 computes, in its order.

    Returns
    -------
    tuple of str

    Raises
    ------
    PluginError
        If pycatch22 is not installed.
    """
    try:
        import pycatch22
    except ImportError:
        raise PluginError(not_installed('the stage "features.catch22"', "pycatch22", "inference")) from None
    # asked from a result: the table of names is not there before version 1.0
    return tuple(pycatch22.catch22_all(np.sin(np.arange(4.0 * SHORTEST)).tolist())["names"])


def _check_version(allowed: str) -> None:
    """Refuse a pycatch22 whose features may mean something else."""
    try:
        installed = importlib.metadata.version("pycatch22")
    except importlib.metadata.PackageNotFoundError:
        raise PluginError(not_installed('the stage "features.catch22"', "pycatch22", "inference")) from None
    if installed != (allowed or CHECKED):
        raise PluginError(
            f"features.catch22: pycatch22 {installed} is installed, and {allowed or CHECKED} is expected: another "
            f"version gives other names and values; pip install pycatch22=={allowed or CHECKED}, or set "
            f'version = "{installed}" '
            "and do not mix the features with those of another version"
        )
