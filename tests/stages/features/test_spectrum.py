"""Spectra of spike counts: against the definition, against known spectra, and their names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import hpcsim
from hpcsim.errors import ResultsError, StudyError
from hpcsim.models.model import Context
from hpcsim.outputs import Coordinate, Layout, Output
from hpcsim.stages.features.spectrum import spectrum
from hpcsim.stages.spectra import coherence

DT, N_TIME = 2.0**-4, 32_000


def _layout(n_time: int = N_TIME) -> Layout:
    coordinates = {
        "population": Coordinate(np.array(["E", "I"])),
        "time_bin": Coordinate(200 + np.arange(n_time) * DT, "ms"),
    }
    return Layout.of([Output("spike_counts", ("population", "time_bin"), "", "int32")], coordinates)


def _run(counts: np.ndarray, **changes: Any) -> tuple[dict[str, np.ndarray], Layout]:
    options = {option.name: option.default for option in spectrum.options} | changes
    recorded = _layout(counts.shape[-1])
    layout = spectrum.declare(options, recorded)
    found = spectrum.apply({"spike_counts": counts}, options, Context(layout=recorded.union(layout)))
    assert set(found) == set(layout.outputs)
    for name, values in found.items():
        assert np.shape(values) == (len(counts), *layout.shape(name))
    return {name: np.asarray(values) for name, values in found.items()}, layout


def _poisson(rate: float = 0.5, n: int = 2) -> np.ndarray:
    """Counts, shape (n, 2, n_time); those of I are twice as many."""
    return np.random.default_rng(1).poisson([[[rate], [2 * rate]]], size=(n, 2, N_TIME))


def test_it_is_the_published_estimate():
    """Hann windows of 2048 samples, 512 apart, each without its mean, up to 200 Hz: by the definition of Welch (1967)."""
    counts = _poisson()
    found, layout = _run(counts)
    frequency = layout.coordinate("psd_E").values
    np.testing.assert_allclose(frequency, 7.8125 * np.arange(26))
    assert layout["psd_E"].unit == "1/Hz" and layout.coordinate("psd_I").unit == "Hz"
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(2048) / 2048)
    for row, name in enumerate("EI"):
        signal = counts[1, row].astype(float)
        parts = np.array([signal[a : a + 2048] for a in range(0, N_TIME - 2047, 512)])
        power = np.abs(np.fft.rfft((parts - parts.mean(axis=1, keepdims=True)) * window)) ** 2
        one_sided = 2 * power.mean(axis=0) * DT * 1e-3 / (window**2).sum()
        one_sided[0] /= 2
        np.testing.assert_allclose(found[f"psd_{name}"][1], one_sided[:26], rtol=1e-9)


def test_independent_spikes_have_a_flat_spectrum():
    """That of a Poisson process: twice its mean count times the time step, at every frequency."""
    found, _ = _run(_poisson(n=8))
    for name, mean in (("E", 0.5), ("I", 1.0)):
        # the window smears the mean that is taken off over the first two frequencies
        np.testing.assert_allclose(found[f"psd_{name}"][:, 2:].mean(axis=0), 2 * mean * DT * 1e-3, rtol=0.2)
        assert found[f"psd_{name}"][:, 2:].mean() == pytest.approx(2 * mean * DT * 1e-3, rel=0.05)


def test_an_oscillation_stands_at_its_frequency():
    time = np.arange(N_TIME) * DT * 1e-3
    rate = 2 * (1 + np.sin(2 * np.pi * 62.5 * time))
    counts = np.random.default_rng(2).poisson(np.broadcast_to(rate, (1, 2, N_TIME)))
    found, layout = _run(counts, bands=5)
    assert layout.coordinate("psd_E").values[found["psd_E"][0].argmax()] == 62.5
    # 62.5 Hz lies in the second of the bands of 39 Hz, whose middles are given
    np.testing.assert_allclose(layout.coordinate("log_psd_E").values, 23.4375 + 39.0625 * np.arange(5))
    assert found["log_psd_E"][0].argmax() == 1


def test_bands_hold_every_frequency_above_zero_once():
    counts = _poisson()
    found, _ = _run(counts, bands=25)
    np.testing.assert_allclose(found["log_psd_I"], np.log10(found["psd_I"][:, 1:]))
    found, layout = _run(counts, bands=3)
    parts = np.split(found["psd_E"][:, 1:], [9, 17], axis=1)
    np.testing.assert_allclose(found["log_psd_E"], np.log10([part.mean(axis=1) for part in parts]).T)
    np.testing.assert_allclose(layout.coordinate("log_psd_E").values, 7.8125 * np.array([5, 13.5, 21.5]))


def test_a_silent_population_has_no_power_and_no_logarithm():
    counts = _poisson()
    counts[0, 0] = 0
    found, _ = _run(counts, bands=4)
    assert (found["psd_E"][0] == 0).all() and np.isnan(found["log_psd_E"][0]).all()
    assert np.isfinite(found["log_psd_E"][1]).all() and np.isfinite(found["log_psd_I"]).all()


def test_a_point_does_not_depend_on_its_company():
    counts = _poisson(n=3)
    together, alone = _run(counts, bands=4)[0], _run(counts[1:2], bands=4)[0]
    for name, values in alone.items():
        np.testing.assert_array_equal(together[name][1:2], values)


def test_a_short_recording_has_longer_steps_of_frequency():
    _, layout = _run(_poisson()[..., :1024], segment=4096)
    np.testing.assert_allclose(layout.coordinate("psd_E").values, 15.625 * np.arange(13))


def test_coherence_of_a_signal_with_itself_is_one():
    signal = _poisson()[0, 0].astype(float)
    np.testing.assert_allclose(coherence(signal, -3 * signal, DT, 2048)[1:], 1)


def test_what_does_not_fit_is_told():
    with pytest.raises(ResultsError, match="26 bands are asked for, and there are 25 frequencies above 0 and up to 200 Hz"):
        _run(_poisson(), bands=26)
    with pytest.raises(StudyError, match=r"stages\[0\]: .*dimensions \('population',\); expected a population and a time"):
        hpcsim.Study("s", "nest.hagen_lif", stages=[{"use": "features.spectrum", "of": "rate"}])


def test_a_study_names_its_values_by_population_and_frequency():
    study = hpcsim.Study("s", "nest.hagen_lif", fixed={"tstop": 1000, "transient": 200}, stages=[{"use": "features.spectrum"}])
    assert study.layout.shape("psd_E") == (26,)
    assert study.layout.coordinate("psd_E").values[3] == 23.4375
