"""Time rescaling and simulation of models whose rate is known."""

from __future__ import annotations

import numpy as np
import pytest

from hpcsim.stages.features.glm.ceiling import noise_ceiling, signal_power, smooth
from hpcsim.stages.features.glm.rescaling import ks_test, rescaled_intervals
from hpcsim.stages.features.glm.simulation import simulate

NOTHING = np.empty(0, dtype=int)


@pytest.mark.parametrize("rate", [20.0, 40.0, 80.0])
def test_right_models_are_rejected_as_often_as_they_should_be(rate):
    """Of 400 cells 5 % with a standard error of 1.1 %, and at 80 Hz the plain test rejects many more."""
    drive = np.log(rate / 1000) + 0.8 * np.sin(np.arange(3000) / 40)
    history = -3 * np.exp(-np.arange(30) / 5)
    drive, rejected, plain = drive + 0.3, 0, 0
    for seed in range(400):
        random = np.random.default_rng([seed, int(rate)])
        run = simulate(drive, history, NOTHING, 10**6, random)
        counts = np.bincount(run.spikes, minlength=3000)
        halves = [(counts[:1500], run.rates[:1500]), (counts[1500:], run.rates[1500:])]
        rejected += ks_test(rescaled_intervals(halves, random))[1] < 0.05
        plain += ks_test(np.diff(np.cumsum(run.rates)[run.spikes]))[1] < 0.05
    assert 0.02 < rejected / 400 < 0.08
    assert rate < 80 or plain > 3 * rejected


def test_wrong_models_are_rejected():
    random = np.random.default_rng(1)
    run = simulate(np.full(5000, np.log(0.05)), -5 * np.exp(-np.arange(30) / 8), NOTHING, 10**6, random)
    counts = np.bincount(run.spikes, minlength=5000)
    assert ks_test(rescaled_intervals([(counts, np.full(5000, counts.mean()))], random))[1] < 1e-4


def test_what_is_left_of_a_piece_goes_on_in_the_next():
    counts, rates = np.array([0, 1, 0, 0, 0, 1]), np.full(6, 1e-9)
    whole, *_ = (rescaled_intervals(p, np.random.default_rng(0)) for p in ([(counts, rates)],))
    cut = rescaled_intervals([(counts[:3], rates[:3]), (counts[3:], rates[3:])], np.random.default_rng(0))
    np.testing.assert_allclose(cut[1], 3e-9, atol=1.001e-9)
    assert len(whole) == len(cut) == 2
    assert ks_test(np.empty(0)) != ks_test(np.ones(3)) and np.isnan(ks_test(np.empty(0))[0])


def test_spikes_have_the_rate_of_the_model():
    run = simulate(np.full(200_000, np.log(0.05)), np.empty(0), NOTHING, 10**6, np.random.default_rng(1))
    assert len(run.spikes) == pytest.approx(200_000 * -np.expm1(-0.05), rel=0.03)
    assert not run.runaway


def test_history_acts_from_the_next_bin_on_and_from_before_the_run():
    """A refractory time of three bins under a rate that fires in every bin it can."""
    history = np.array([-100.0, -100, -100])
    run = simulate(np.full(20, 10.0), history, np.array([-2]), 10**6, np.random.default_rng(1))
    assert run.spikes.tolist() == [2, 6, 10, 14, 18]
    np.testing.assert_allclose(run.rates[:3], np.exp([-90.0, -90.0, 10.0]))


def test_a_runaway_is_stopped():
    run = simulate(np.full(5000, np.log(0.01)), np.full(50, 0.5), NOTHING, 200, np.random.default_rng(1))
    assert run.runaway and len(run.spikes) == 201
    assert np.isnan(run.rates[-1]) and np.isfinite(run.rates[: run.spikes[-1] + 1]).all()


def test_the_noise_ceiling_is_the_correlation_with_the_mean_of_what_repeats():
    """Signal of variance 1 and noise of variance 4 in five repeats: the mean has 1 of 1.8."""
    random = np.random.default_rng(1)
    signal = random.normal(size=20_000)
    responses = signal + 2 * random.normal(size=(5, 20_000))
    assert signal_power(responses) == pytest.approx(1, abs=0.05)
    assert noise_ceiling(responses) == pytest.approx(np.sqrt(1 / 1.8), abs=0.02)
    assert np.corrcoef(signal, responses.mean(axis=0))[0, 1] == pytest.approx(noise_ceiling(responses), abs=0.02)
    assert np.isnan(noise_ceiling(responses[:1])) and np.isnan(noise_ceiling(np.zeros((3, 10))))


def test_smoothing_keeps_spikes_and_spreads_them():
    spike = np.eye(1, 101, 50)
    wide = smooth(spike, 5.0)[0]
    assert wide.sum() == pytest.approx(1) and wide.argmax() == 50
    assert np.sqrt(wide @ (np.arange(101) - 50) ** 2) == pytest.approx(5, rel=0.01)
