"""Quality gates: each of them fails alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hpcsim.errors import ResultsError
from hpcsim.models.model import Context
from hpcsim.outputs import Coordinate, Layout, Output
from hpcsim.stages.features.quality import SPECTRUM_GATES, SPIKE_GATES, aperiodic_fit, n_peaks, quality

DT, N_TIME, START = 0.5, 8000, 2000.0
SIZES = (80, 20)
SAMPLING_RATE = 1600.0


def _options(**changes: Any) -> dict[str, Any]:
    return {option.name: option.default for option in quality.options} | changes


def _layout(rate: float = SAMPLING_RATE, unit: str = "ms", populations: str = "EI") -> Layout:
    times = [Output(f"spike_times_{p}", (f"spike_{p}",), "ms", ragged=True) for p in populations]
    senders = [Output(f"spike_senders_{p}", (f"spike_{p}",), ragged=True) for p in populations]
    counts = [Output("spike_counts", ("population", "time_bin")), Output("population_size", ("population",), dtype="int32")]
    return Layout.of(
        [*counts, Output("eeg", ("electrode", "time")), *times, *senders],
        {
            "population": Coordinate(np.array(list(populations))),
            "time_bin": Coordinate(START + np.arange(N_TIME) * DT, "ms"),
            "electrode": Coordinate(np.arange(1)),
            "time": Coordinate(START + np.arange(16000) * 1000 / rate, unit),
        },
    )


def _network(rate_E: float = 5.0, rate_I: float = 15.0, active: int = 100, common: float = 0.0) -> dict[str, Any]:
    """Poisson neurons; the first `active` of each hundred fire; a share `common` of spikes is everybody's."""
    rng = np.random.default_rng(7)
    data: dict[str, Any] = {"spike_counts": np.zeros((1, 2, N_TIME), np.int32), "population_size": np.array([SIZES])}
    shared = rng.random(N_TIME)
    for p, (name, size, rate) in enumerate(zip("EI", SIZES, (rate_E, rate_I), strict=True)):
        probability = rate * DT / 1000
        fired = rng.random((size, N_TIME)) < (1 - common) * probability
        fired |= shared < common * probability
        fired[size * active // 100 :] = False
        senders, bins = np.nonzero(fired)
        data[f"spike_times_{name}"] = [START + bins * DT]
        data[f"spike_senders_{name}"] = [senders.astype(np.int32)]
        data["spike_counts"][0, p] = fired.sum(axis=0)
    return data


def _gates(data: dict[str, Any], rate: float = SAMPLING_RATE, **changes: Any) -> dict[str, int]:
    options = _options(**changes)
    layout = quality.declare(options, _layout(rate))
    found = quality.apply(data, options, Context(layout=_layout(rate)))
    values = np.asarray(found["gates"])
    assert values.dtype == np.asarray(found["valid"]).dtype == np.int8
    assert values.shape[1:] == layout.shape("gates")
    gates = dict(zip(layout.coordinates["gate"].values.tolist(), values[0].tolist(), strict=True))
    assert np.asarray(found["valid"]).tolist() == [int(all(gates.values()))]
    return gates


def _failed(data: dict[str, Any], rate: float = SAMPLING_RATE, **changes: Any) -> set[str]:
    return {name for name, passed in _gates(data, rate, **changes).items() if not passed}


def _coloured(exponent: float, peaks: tuple[float, ...] = (), seed: int = 0) -> np.ndarray:
    """Noise of power 1/f**exponent with sines on it, shape (1, 1, 16000), sampled at 1600 Hz."""
    rng = np.random.default_rng(seed)
    frequency = np.fft.rfftfreq(16000, 1 / SAMPLING_RATE)
    spectrum = np.exp(2j * np.pi * rng.random(len(frequency))) * np.maximum(frequency, 1) ** (-exponent / 2)
    spectrum[0] = 0
    signal = np.fft.irfft(spectrum, 16000)
    time, scale = np.arange(16000) / SAMPLING_RATE, 20 * signal.std()
    for peak in peaks:
        signal += scale * peak ** (-exponent / 2) * np.sin(2 * np.pi * peak * time)
    return signal[None, None]


def test_asynchronous_irregular_network_is_valid():
    """Poisson neurons at 5 and 15 spikes a second."""
    assert _gates(_network()) == dict.fromkeys(SPIKE_GATES, 1)


@pytest.mark.parametrize(
    ("network", "failed"),
    [
        ({"rate_E": 25.0, "rate_I": 39.0}, {"rate_E"}),
        ({"rate_E": 15.0, "rate_I": 45.0}, {"rate_I"}),
        ({"rate_E": 8.0, "rate_I": 8.0}, {"rate_ratio"}),
        ({"rate_E": 2.0, "rate_I": 35.0}, {"rate_ratio"}),
        # a median over neurons hides what a few do, a percentile over pairs does not
        ({"common": 0.9}, {"correlation_mean", "correlation_p95"}),
    ],
)
def test_gates_of_rates_and_synchrony(network: dict[str, Any], failed: set[str]):
    """Those fail that should, and no other."""
    assert _failed(_network(**network)) == failed


def test_few_active_neurons_are_not_enough():
    """Less than fifty usable ones: no correlations, and too few intervals."""
    assert _failed(_network(active=40)) == {
        "correlation_usable",
        "correlation_mean",
        "correlation_p95",
        "isi_usable",
    }


def test_clock_like_neurons_are_too_regular():
    """Intervals that do not vary; neurons are out of step so that they do not correlate."""
    data = _network()
    rng = np.random.default_rng(2)
    for p, (name, size, every) in enumerate(zip("EI", SIZES, (200.0, 70.0), strict=True)):
        period = every + rng.uniform(-20, 20, size)
        trains = [np.arange(rng.uniform(0, T), N_TIME * DT - 1, T) // DT * DT for T in period]
        data[f"spike_times_{name}"] = [START + np.concatenate(trains)]
        data[f"spike_senders_{name}"] = [np.repeat(np.arange(size), [len(train) for train in trains])]
        edges = START + np.arange(N_TIME + 1) * DT
        data["spike_counts"][0, p] = np.histogram(data[f"spike_times_{name}"][0], edges)[0]
    assert _failed(data) == {"isi_cv"}


def test_silent_network_fails_where_nothing_can_be_measured():
    """No spikes: rates are low enough, everything else is missing."""
    assert _failed(_network(rate_E=0.0, rate_I=0.0)) == set(SPIKE_GATES) - {"rate_E", "rate_I"}


def test_thresholds_are_options():
    """The same network, judged otherwise."""
    assert _failed(_network(), rate_E_max=4.0) == {"rate_E"}
    assert _failed(_network(), isi_mean_max=50.0) == {"isi_mean"}
    assert _failed(_network(), usable_min=101) == {
        "correlation_usable",
        "correlation_mean",
        "correlation_p95",
        "isi_usable",
    }


@pytest.mark.parametrize(
    ("signal", "failed"),
    [
        (_coloured(1.5), set()),
        (_coloured(1.5, (40.0,)), set()),
        (_coloured(1.5, (20.0, 90.0)), set()),
        (_coloured(-1.5), {"spectrum_slope"}),
        (_coloured(0.0), {"spectrum_fit"}),
        (_coloured(1.5, (20.0, 50.0, 90.0)), {"spectrum_peaks"}),
        (np.full((1, 1, 16000), np.nan), set(SPECTRUM_GATES)),
        (np.zeros((1, 1, 16000)), set(SPECTRUM_GATES)),
    ],
)
def test_gates_of_the_spectrum(signal: np.ndarray, failed: set[str]):
    """Noise of a known exponent, with and without peaks."""
    assert _failed(_network() | {"eeg": signal}, signal="eeg") == failed


def test_sampling_rate_is_that_of_the_signal():
    """Peaks at 20, 50 and 90 Hz are at half of that when the same samples come half as fast, and one leaves the fit."""
    data = _network() | {"eeg": _coloured(1.5, (20.0, 50.0, 90.0))}
    assert _failed(data, rate=800.0, signal="eeg", frequency_min=12.0) == set()
    assert _failed(data, rate=800.0, signal="eeg") == {"spectrum_peaks"}


def test_sizes_are_those_of_the_point():
    """The same spikes from a fifth of the neurons are five times the rate."""
    data = _network(active=20)
    data["population_size"] = np.array([[16, 4]])
    assert {"rate_E", "rate_I"}.isdisjoint(_failed(_network(active=20), usable_min=2))
    assert _gates(data, usable_min=2, rate_E_max=2.0)["rate_E"] == 0
    assert _gates(_network(active=20), usable_min=2, rate_E_max=2.0)["rate_E"] == 1


def test_aperiodic_fit_finds_the_exponent_under_peaks():
    """A line in double logarithms, with three bins pulled up by two decades."""
    frequency = np.arange(5.0, 201.0, 2.0)
    power = 3.0 / frequency**1.7
    power[[10, 30, 31]] *= 100
    exponent, r2, residual = aperiodic_fit(frequency, power, 0.4)
    assert exponent == pytest.approx(1.7, abs=0.02)
    assert r2 > 0.999
    assert residual[[10, 30, 31]] == pytest.approx(2, abs=0.02)


@pytest.mark.parametrize(
    ("residual", "n"),
    [([0, 1, 0, 0.95, 0, 0.5, 0], 2), ([0, 0.3, 0, 0.3, 0], 0), ([0, 1, 0, 1, 0, 1, 0], 3), ([0, 0.5, 0, 1, 0], 1)],
)
def test_number_of_peaks(residual: list[float], n: int):
    """Higher than 0.4, and within a tenth of the highest."""
    assert n_peaks(np.array(residual), 0.4, 0.9) == n


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frequency_max": 900.0}, "sampling rate of 1600 Hz; the highest is at most half of it"),
        ({"segment": 20000.0}, "less than one segment"),
    ],
)
def test_signal_that_does_not_fit_is_refused(changes: dict[str, Any], message: str):
    """When the study is checked."""
    with pytest.raises(ResultsError, match=message):
        quality.declare(_options(signal="eeg", **changes), _layout())


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        (_layout(unit="s"), 'times of eeg are in "s"; expected "ms"'),
        (_layout(rate=300.0), "sampling rate of 300 Hz; the highest is at most half"),
        (_layout(populations="ES"), "the populations are E, S; expected E and I"),
    ],
)
def test_outputs_that_do_not_fit_are_refused(layout: Layout, message: str):
    """When the study is checked."""
    with pytest.raises(ResultsError, match=message):
        quality.declare(_options(signal="eeg"), layout)
