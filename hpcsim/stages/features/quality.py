"""Gates that a simulated network must pass to count as cortex-like: rates, irregularity, asynchrony, spectrum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hpcsim.errors import ResultsError
from hpcsim.models.model import Context
from hpcsim.outputs import Batch, Coordinate, Layout, Output
from hpcsim.space.parameter import Parameter
from hpcsim.stages.features.spikes import NETWORK, binned_counts, check_network, interval_statistics, standardised
from hpcsim.stages.recording import Population, recorded, recording, time_step
from hpcsim.stages.spread import varies
from hpcsim.stages.stage import stage

SPIKE_GATES = (
    "rate_E",
    "rate_I",
    "rate_ratio",
    "correlation_usable",
    "correlation_mean",
    "correlation_p95",
    "isi_usable",
    "isi_mean",
    "isi_cv",
)
SPECTRUM_GATES = ("spectrum_fit", "spectrum_slope", "spectrum_peaks")
#: The thresholds are those with which ncpi chooses simulations of this network for training.
SOURCE = "ncpi, npj Syst Biol Appl 11:45 (2025), doi 10.1038/s41540-025-00527-9"


def _threshold(name: str, default: float, unit: str, description: str) -> Parameter:
    return Parameter(name, default, unit, (0, None), (), description, SOURCE)


def _gates(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the gates; those of the spectrum only where there is a signal."""
    return SPIKE_GATES + (SPECTRUM_GATES if options["signal"] else ())


def _declare(options: Mapping[str, Any], layout: Layout) -> Layout:
    """One verdict, and one a gate."""
    populations = check_network("features.quality", options, layout).populations
    if not {"E", "I"} <= set(populations):
        raise ResultsError(f"features.quality: the populations are {', '.join(populations)}; expected E and I among them")
    if options["signal"]:
        _check_signal(options, layout)
    outputs = [
        Output("valid", (), "", "int8", description="1: all gates are passed"),
        Output("gates", ("gate",), "", "int8", description="1: passed"),
    ]
    return Layout.of(outputs, {"gate": Coordinate(np.array(_gates(options)))})


def _check_signal(options: Mapping[str, Any], layout: Layout) -> None:
    """Find out whether a spectrum can be fitted."""
    signal = layout[options["signal"]]
    if signal.ragged or not 1 <= len(signal.dims) <= 2:
        raise ResultsError(f"features.quality: {signal.name} has dimensions {signal.dims}; expected time, or channels and time")
    step = time_step("features.quality", signal.name, layout.coordinate(signal.name))
    rate, duration = 1000 / step, layout.shape(signal.name)[-1] * step
    if not options["frequency_min"] < options["frequency_max"] <= rate / 2:
        raise ResultsError(
            f"features.quality: frequencies from {options['frequency_min']:g} to {options['frequency_max']:g} Hz do "
            f"not fit to a sampling rate of {rate:g} Hz; the highest is at most half of it"
        )
    if duration < options["segment"]:
        raise ResultsError(
            f"features.quality: {signal.name} lasts {duration:g} ms, less than one segment ({options['segment']:g} ms)"
        )


@stage(
    "features.quality",
    options=[
        *NETWORK,
        _threshold("rate_E_max", 20.0, "1/s", "highest mean rate of E"),
        _threshold("rate_I_max", 40.0, "1/s", "highest mean rate of I"),
        _threshold("rate_ratio_min", 1.5, "", "lowest rate of I over rate of E"),
        _threshold("rate_ratio_max", 10.0, "", "highest rate of I over rate of E"),
        _threshold("correlation_mean_max", 0.2, "", "highest mean of absolute pairwise correlations"),
        _threshold("correlation_p95_max", 0.5, "", "highest 95th percentile of absolute pairwise correlations"),
        _threshold("isi_mean_min", 2.0, "ms", "lowest median of the mean interspike intervals"),
        _threshold("isi_mean_max", 5000.0, "ms", "highest median of the mean interspike intervals"),
        _threshold("isi_cv_min", 0.5, "", "lowest median of the coefficients of variation of the intervals"),
        _threshold("isi_cv_max", 3.0, "", "highest median of the coefficients of variation of the intervals"),
        Parameter("usable_min", 50, "", (2, None), (), "fewest neurons for correlations, and for intervals", SOURCE),
        Parameter("signal", "", description="output whose spectrum is judged as well; empty: none"),
        Parameter("segment", 500.0, "ms", (1, None), description="length of Welch's segments"),
        _threshold("frequency_min", 5.0, "Hz", "start of the fit"),
        _threshold("frequency_max", 200.0, "Hz", "end of the fit"),
        Parameter("r2_min", 0.9, "", (None, 1), (), "lowest share of variance that the fit explains", SOURCE),
        Parameter("exponent_min", 0.0, "", (None, None), (), "lowest exponent of the 1/f**exponent fit", SOURCE),
        _threshold("peak_power", 0.4, "", "lowest height of a peak over the fit, decades"),
        _threshold("peak_share", 0.9, "", "peaks count from this share of the highest on"),
        Parameter("peaks_max", 2, "", (0, None), (), "most peaks that count", SOURCE),
    ],
    declare=_declare,
    engine="scipy",
    requires=("scipy",),
    source=SOURCE,
)
def quality(data: Mapping[str, Batch], options: Mapping[str, Any], context: Context) -> dict[str, Batch]:
    """Whether a network is in the range of cortex, gate by gate.

    Parameters
    ----------
    data : mapping
        As for ``features.spikes``; and the output that option ``signal`` names, shape (n_points, n_time) or
        (n_points, n_channel, n_time).
    options : mapping
        As declared.
    context : Context
        Its layout tells the populations and the bins of the counts, and the time step of the signal.

    Returns
    -------
    dict of str to ndarray of int8
        ``gates``, shape (n_points, n_gate), and ``valid``, shape (n_points,), 1 where all gates are passed. A gate
        whose quantity does not exist (no spikes, a signal that is not finite) is not passed.

    Notes
    -----
    - ``rate_E``, ``rate_I``, ``rate_ratio``: mean rates of the populations, and that of I over that of E.
    - ``correlation_*``: Pearson correlations of the counts in bins of `bin` between all pairs of `sample` neurons,
      evenly chosen from all populations together. A neuron is usable when its counts vary.
    - ``isi_*``: over the neurons of all populations with at least three spikes, the median of their mean intervals
      and of the coefficients of variation of their intervals.
    - ``spectrum_*``: power by Welch's method (Hann, half overlap), a line through log power over log frequency
      by Theil and Sen, which peaks do not pull up. What is higher over the line than `peak_power` belongs to
      peaks; r2 is that of the line over the other frequencies. Peaks are local maxima higher than `peak_power`
      and not lower than `peak_share` of the highest. With several channels all must pass.
    """
    network = recording("features.quality", options["of"], context.layout)
    n = len(data[options["of"]])
    rows = [_spike_gates(recorded(data, options, network, i), options) for i in range(n)]
    if options["signal"]:
        signal = np.asarray(data[options["signal"]], dtype=np.float64)
        step = time_step("features.quality", options["signal"], context.layout.coordinate(options["signal"]))
        rows = [row + _spectrum_gates(signal[i], 1000 / step, options) for i, row in enumerate(rows)]
    gates = np.array(rows, dtype=np.int8).reshape(n, len(_gates(options)))
    return {"valid": np.asarray(gates.all(axis=1), dtype=np.int8), "gates": gates}


def _spike_gates(populations: list[Population], options: Mapping[str, Any]) -> list[bool]:
    """Gates of one point in the order of `SPIKE_GATES`."""
    rates = {population.name: population.rate for population in populations}
    times, senders = _pooled(populations)
    size = sum(population.size for population in populations)
    correlations = _correlations(times, senders, size, populations[0].duration, options)
    intervals, cv = interval_statistics(times, senders)
    low, high = options["rate_ratio_min"] * rates["E"], options["rate_ratio_max"] * rates["E"]
    enough = len(correlations) > 0
    return [
        rates["E"] <= options["rate_E_max"],
        rates["I"] <= options["rate_I_max"],
        rates["E"] > 0 and low <= rates["I"] <= high,
        enough,
        enough and float(correlations.mean()) <= options["correlation_mean_max"],
        enough and float(np.percentile(correlations, 95)) <= options["correlation_p95_max"],
        len(cv) >= options["usable_min"],
        len(cv) > 0 and options["isi_mean_min"] <= float(np.median(intervals)) <= options["isi_mean_max"],
        len(cv) > 0 and options["isi_cv_min"] <= float(np.median(cv)) <= options["isi_cv_max"],
    ]


def _pooled(populations: list[Population]) -> tuple[np.ndarray, np.ndarray]:
    """Spikes of all populations: times from the start of the recording, ms, and indices in one row of neurons."""
    offsets = np.cumsum([0, *(population.size for population in populations[:-1])])
    senders = [population.senders + offset for population, offset in zip(populations, offsets, strict=True)]
    return np.concatenate([population.times for population in populations]), np.concatenate(senders)


def _correlations(times: np.ndarray, senders: np.ndarray, size: int, duration: float, options: Mapping[str, Any]) -> np.ndarray:
    """Absolute correlations of all pairs; none when too few neurons are usable."""
    counts = binned_counts(times, senders, size, duration, options["bin"], options["sample"])
    if len(counts) < options["usable_min"]:
        return np.empty(0)
    rows = standardised(counts)
    return np.asarray(np.abs((rows @ rows.T)[np.triu_indices(len(rows), 1)]))


def _spectrum_gates(signal: np.ndarray, rate: float, options: Mapping[str, Any]) -> list[bool]:
    """Gates of one point in the order of `SPECTRUM_GATES`; every channel must pass."""
    channels = [_channel_gates(channel, rate, options) for channel in signal.reshape(-1, signal.shape[-1])]
    return [all(gate) for gate in zip(*channels, strict=True)]


def _channel_gates(signal: np.ndarray, rate: float, options: Mapping[str, Any]) -> tuple[bool, bool, bool]:
    """Fit, slope and peaks of the spectrum of one channel."""
    if not varies(signal):
        return False, False, False
    frequency, power = _spectrum(signal, rate, options)
    exponent, r2, residual = aperiodic_fit(frequency, power, options["peak_power"])
    return (
        r2 >= options["r2_min"],
        exponent >= options["exponent_min"],
        n_peaks(residual, options["peak_power"], options["peak_share"]) <= options["peaks_max"],
    )


def _spectrum(signal: np.ndarray, rate: float, options: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies of the fit, Hz, and the power there, of a signal sampled at `rate`, Hz."""
    from scipy.signal import welch

    # the spectrum's shape is what counts: scaled signals give the same gates, and nothing underflows
    scaled = (signal - signal.mean()) / signal.std()
    frequency, power = welch(scaled, rate, "hann", nperseg=round(options["segment"] * rate / 1000))
    wanted = (frequency >= options["frequency_min"]) & (frequency <= options["frequency_max"]) & (power > 0)
    return frequency[wanted], power[wanted]


def aperiodic_fit(frequency: np.ndarray, power: np.ndarray, peak_power: float) -> tuple[float, float, np.ndarray]:
    """Fit power = offset / frequency**exponent, without being pulled up by peaks.

    Parameters
    ----------
    frequency, power : ndarray
        Shape (n_frequency,), positive.
    peak_power : float
        What is higher over the fit than this belongs to a peak, decades.

    Returns
    -------
    exponent : float
    r2 : float
        Share of the variance of log power that the line explains where there is no peak.
    residual : ndarray
        Log power over the line, decades.

    Notes
    -----
    Theil-Sen line: the median slope of all pairs of frequencies (Sen 1968, J Am Stat Assoc 63:1379-1389).
    """
    from scipy.stats import theilslopes

    x, y = np.log10(frequency), np.log10(power)
    if len(x) < 2:
        return np.nan, np.nan, np.zeros(len(x))
    slope, offset = theilslopes(y, x)[:2]
    residual = y - offset - slope * x
    background = residual <= peak_power
    total = ((y[background] - y[background].mean()) ** 2).sum()
    r2 = 1 - (residual[background] ** 2).sum() / total if total > 0 else np.nan
    return float(-slope), float(r2), np.asarray(residual)


def n_peaks(residual: np.ndarray, peak_power: float, peak_share: float) -> int:
    """Count the local maxima of a spectrum over its fit.

    Parameters
    ----------
    residual : ndarray
        Log power over the fit, decades.
    peak_power : float
        Peaks are higher than this, decades.
    peak_share : float
        And not lower than this share of the highest.

    Returns
    -------
    int
    """
    from scipy.signal import find_peaks

    places, _ = find_peaks(residual)
    heights = residual[places][residual[places] > peak_power]
    return int((heights >= peak_share * heights.max()).sum()) if len(heights) else 0
