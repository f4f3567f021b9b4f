"""How well one signal predicts another: explained variance, ratio of amplitudes, spectra and coherence, by channel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hpcsim.errors import ResultsError
from hpcsim.models.model import Context
from hpcsim.outputs import Batch, Coordinate, Layout, Output
from hpcsim.space.parameter import Parameter
from hpcsim.stages.recording import time_step
from hpcsim.stages.spectra import SEGMENT, SOURCE, coherence, density, frequencies
from hpcsim.stages.spread import varies
from hpcsim.stages.stage import stage

FILTERS = ("raw", "low_pass")
#: Elliptic low-pass filter: order, ripple in the pass band (dB), attenuation in the stop band (dB), of `SOURCE`.
ORDER, RIPPLE, ATTENUATION = 2, 0.1, 40.0
#: Shortest signal, samples: the zero-phase filter extends it by so many at both ends, and a correlation needs more than two.
SHORTEST = 16


def _declare(options: Mapping[str, Any], layout: Layout) -> Layout:
    """Two signals with the same times and channels; populations are added up."""
    truth, prediction = str(options["of"]), str(options["prediction"])
    _check_dims(truth, prediction, layout)
    time = layout.coordinate(prediction)
    step = time_step("signals.compare", prediction, time)
    n = len(time) - _skipped(options, step)
    if n < SHORTEST:
        raise ResultsError(
            f"signals.compare: {prediction} has {len(time)} times, of which skip leaves {n}; at least {SHORTEST} are needed"
        )
    if not options["cutoff"] < 500 / step:
        raise ResultsError(
            f"signals.compare: cutoff is {options['cutoff']:g} Hz; "
            f"expected less than half of the sampling rate, {500 / step:g} Hz"
        )
    channels, frequency = _signal_dims(layout, prediction)[:-1], f"frequency_{prediction}"
    coordinates = {dim: layout.coordinates[dim] for dim in channels}
    coordinates["filter"] = Coordinate(np.array(FILTERS))
    coordinates[frequency] = Coordinate(frequencies(n, step, int(options["segment"])), "Hz")
    unit = f"({layout[prediction].unit})^2/Hz" if layout[prediction].unit else "1/Hz"
    outputs = [
        Output(f"{prediction}_r2", ("filter", *channels), description=f"squared correlation with {truth}"),
        Output(f"{prediction}_std_ratio", ("filter", *channels), description=f"standard deviation over that of {truth}"),
        Output(f"{prediction}_psd", (*channels, frequency), unit, description="power spectral density"),
        Output(f"{truth}_psd", (*channels, frequency), unit, description="power spectral density, populations added up"),
        Output(f"{prediction}_coherence", (*channels, frequency), description=f"coherence with {truth}"),
    ]
    return Layout.of(outputs, coordinates)


@stage(
    "signals.compare",
    options=[
        Parameter("of", "population_dipole", description="the signal that is to be predicted; populations are added up"),
        Parameter("prediction", "dipole", description="the signal that predicts it"),
        Parameter("skip", 100.0, "ms", (0, None), description="time at the start that is left out: as long as kernels reach"),
        Parameter("cutoff", 100.0, "Hz", (1e-3, None), description="of the elliptic low-pass filter", source=SOURCE),
        Parameter("segment", SEGMENT, bounds=(8, None), description="samples of a segment of Welch's method", source=SOURCE),
    ],
    declare=_declare,
    engine="scipy",
    requires=("scipy",),
    source=SOURCE,
)
def compare(data: Mapping[str, Batch], options: Mapping[str, Any], context: Context) -> dict[str, Batch]:
    """Compare a predicted signal with a simulated one, raw and low-passed, channel by channel.

    Parameters
    ----------
    data : mapping
        The two signals that the options name, time last. The one that is predicted may have a leading dimension of
        populations that the prediction has not.
    options : mapping
        As declared.
    context : Context
        Its layout tells the times.

    Returns
    -------
    dict of str to ndarray
        ``PREDICTION_r2`` and ``PREDICTION_std_ratio``, shape (n_points, 2, ...): squared Pearson correlation and
        ratio of standard deviations, raw and low-passed; NaN where a signal is constant. ``PREDICTION_psd``,
        ``OF_psd``, ``PREDICTION_coherence``, shape (n_points, ..., n_frequency).
    """
    truth, prediction = str(options["of"]), str(options["prediction"])
    step = time_step("signals.compare", prediction, context.layout.coordinate(prediction))
    first = _skipped(options, step)
    one, other = (_added_up(data, name, context.layout)[..., first:] for name in (truth, prediction))
    pairs = [(one, other), tuple(_low_passed(signal, options["cutoff"], step) for signal in (one, other))]
    segment = int(options["segment"])
    return {
        f"{prediction}_r2": np.stack([_r2(*pair) for pair in pairs], axis=1),
        f"{prediction}_std_ratio": np.stack([_std_ratio(*pair) for pair in pairs], axis=1),
        f"{truth}_psd": density(one, step, segment),
        f"{prediction}_psd": density(other, step, segment),
        f"{prediction}_coherence": coherence(one, other, step, segment),
    }


def _check_dims(truth: str, prediction: str, layout: Layout) -> None:
    """The same times and channels, and one dimension more at most."""
    dims, others = _signal_dims(layout, truth), _signal_dims(layout, prediction)
    if layout[truth].ragged or layout[prediction].ragged or not others:
        raise ResultsError(f"signals.compare: {truth} and {prediction} must be signals in time")
    same = len(dims) == len(others) and all(
        layout.coordinates[one].same(layout.coordinates[other]) for one, other in zip(dims, others, strict=True)
    )
    if not same:
        raise ResultsError(
            f"signals.compare: {truth} {_described(layout, truth)} and {prediction} {_described(layout, prediction)} differ in "
            "times or channels; a prediction by signals.dipole has the times of the spike counts with decimate = 1"
        )
    if layout[truth].unit != layout[prediction].unit:
        raise ResultsError(
            f'signals.compare: {truth} is in "{layout[truth].unit}" and {prediction} in "{layout[prediction].unit}"'
        )


def _signal_dims(layout: Layout, name: str) -> tuple[str, ...]:
    """Dimensions of a signal whose populations are added up."""
    dims = layout[name].dims
    return dims[1:] if dims[:1] == ("population",) else dims


def _added_up(data: Mapping[str, Batch], name: str, layout: Layout) -> np.ndarray:
    """A signal with its populations added up, the leading axis points."""
    signal = np.asarray(data[name], float)
    return signal if _signal_dims(layout, name) == layout[name].dims else np.asarray(signal.sum(axis=1))


def _described(layout: Layout, name: str) -> str:
    """Dimensions with their sizes."""
    return "(" + ", ".join(f"{dim}: {len(layout.coordinates[dim])}" for dim in layout[name].dims) + ")"


def _skipped(options: Mapping[str, Any], step: float) -> int:
    """Samples at the start that are left out."""
    return int(np.rint(options["skip"] / step))


def _low_passed(signal: np.ndarray, cutoff: float, step: float) -> np.ndarray:
    from scipy.signal import ellip, sosfiltfilt

    return np.asarray(sosfiltfilt(ellip(ORDER, RIPPLE, ATTENUATION, cutoff, fs=1e3 / step, output="sos"), signal))


def _r2(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Squared Pearson correlation along the last axis."""
    x, y = (_scaled(signal - signal.mean(axis=-1, keepdims=True)) for signal in (one, other))
    with np.errstate(all="ignore"):
        r2 = (x * y).sum(axis=-1) ** 2 / ((x**2).sum(axis=-1) * (y**2).sum(axis=-1))
    return np.where(varies(one) & varies(other), r2, np.nan)


def _scaled(signal: np.ndarray) -> np.ndarray:
    """A signal over a power of 2, which rounds nothing, so that fourth powers stay within float64."""
    _, exponent = np.frexp(np.abs(signal).max(axis=-1, keepdims=True))
    return np.asarray(np.ldexp(signal, -exponent))


def _std_ratio(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Standard deviation of the second over that of the first."""
    with np.errstate(all="ignore"):
        ratio = other.std(axis=-1) / one.std(axis=-1)
    return np.where(varies(one) & np.isfinite(ratio), ratio, np.nan)
