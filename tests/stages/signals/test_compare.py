"""Comparison of a predicted signal with a simulated one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hpcsim.errors import ResultsError
from hpcsim.models.model import Context
from hpcsim.outputs import Coordinate, Layout, Output
from hpcsim.stages.signals.compare import compare

DT, N_TIME = 2.0**-4, 16_000
TIME = 200 + np.arange(N_TIME) * DT


def _layout(n_time: int = N_TIME, unit: str = "mV", prediction_step: float = DT) -> Layout:
    coordinates = {
        "population": Coordinate(np.array(["E", "I"])),
        "contact": Coordinate(np.array([100.0, 0.0]), "um"),
        "time_bin": Coordinate(TIME[:n_time], "ms"),
        "time_lfp": Coordinate(200 + np.arange(n_time) * prediction_step, "ms"),
    }
    outputs = [
        Output("population_lfp", ("population", "contact", "time_bin"), "mV"),
        Output("lfp", ("contact", "time_lfp"), unit),
        Output("one", ("time_bin",), "mV"),
    ]
    return Layout.of(outputs, coordinates)


def _options(**changes: Any) -> dict[str, Any]:
    defaults = {option.name: option.default for option in compare.options}
    return defaults | {"of": "population_lfp", "prediction": "lfp"} | changes


def _run(truth: np.ndarray, prediction: np.ndarray, **changes: Any) -> dict[str, np.ndarray]:
    options, recorded = _options(**changes), _layout()
    layout = compare.declare(options, recorded)
    data = {"population_lfp": truth, "lfp": prediction}
    found = compare.apply(data, options, Context(layout=recorded.union(layout)))
    assert set(found) == set(layout.outputs)
    for name, values in found.items():
        assert np.shape(values)[1:] == layout.shape(name)
    return {name: np.asarray(values) for name, values in found.items()}


def _truth(n: int = 1) -> np.ndarray:
    """White noise of two populations on two contacts, shape (n, 2, 2, n_time)."""
    return np.random.default_rng(1).normal(size=(n, 2, 2, N_TIME))


def test_a_perfect_prediction_is_the_sum_of_the_populations():
    """R2 is 1, and the ratio is the factor."""
    truth = _truth()
    found = _run(truth, -1.5 * truth.sum(axis=1) + 7)
    np.testing.assert_allclose(found["lfp_r2"], np.ones((1, 2, 2)))
    np.testing.assert_allclose(found["lfp_std_ratio"], np.full((1, 2, 2), 1.5))
    np.testing.assert_allclose(found["lfp_coherence"][..., 1:], 1)
    np.testing.assert_allclose(found["lfp_psd"][..., 1:], 1.5**2 * found["population_lfp_psd"][..., 1:], rtol=1e-6)


def test_r2_is_the_squared_correlation_of_numpy():
    """Channel by channel, after the time that is left out."""
    truth = _truth()
    prediction = truth.sum(axis=1) + np.random.default_rng(2).normal(size=(1, 2, N_TIME)) * np.array([0.5, 2.0])[:, None]
    prediction[..., :1600] = 100
    found = _run(truth, prediction)
    for channel in range(2):
        one, other = truth.sum(axis=1)[0, channel, 1600:], prediction[0, channel, 1600:]
        assert found["lfp_r2"][0, 0, channel] == pytest.approx(np.corrcoef(one, other)[0, 1] ** 2)
        assert found["lfp_std_ratio"][0, 0, channel] == pytest.approx(other.std() / one.std())
    assert found["lfp_r2"][0, 0, 0] > found["lfp_r2"][0, 0, 1]


def test_low_pass_filter_forgives_what_is_above_it():
    """An error at 1 kHz is in the raw numbers and not in the filtered ones; one at 20 Hz is in both."""
    slow = np.cumsum(_truth().sum(axis=1), axis=-1)
    slow -= slow.mean(axis=-1, keepdims=True)
    truth = np.stack([slow, np.zeros_like(slow)], axis=1)
    for frequency, forgiven in ((1000.0, True), (20.0, False)):
        found = _run(truth, slow + slow.std() * np.sin(2 * np.pi * frequency * TIME * 1e-3))
        raw, low_passed = found["lfp_r2"][0, :, 0]
        assert raw < 0.8
        assert (low_passed > 0.99) == forgiven


def test_spectra_and_coherence_tell_the_frequency():
    """A shared 62.5 Hz rhythm in independent noise."""
    rhythm = np.sin(2 * np.pi * 62.5 * TIME * 1e-3)
    noise = np.random.default_rng(3).normal(size=(2, 2, N_TIME))
    truth = np.stack([rhythm + noise[0], np.zeros_like(noise[0])])[None]
    found = _run(truth, (rhythm + noise[1])[None])
    frequency = compare.declare(_options(), _layout()).coordinates["frequency_lfp"]
    assert frequency.unit == "Hz"
    for name in ("lfp_psd", "population_lfp_psd", "lfp_coherence"):
        assert frequency.values[found[name][0, 0].argmax()] == 62.5
    # all of the power of white noise and rhythm
    total = found["lfp_psd"][0, 0].sum() * frequency.values[1]
    assert total == pytest.approx((rhythm + noise[1, 0]).var(), rel=0.05)


def test_constant_signals_give_nan():
    """A silent network has nothing to correlate."""
    found = _run(np.zeros((1, 2, 2, N_TIME)), _truth().sum(axis=1))
    assert np.isnan(found["lfp_r2"]).all()


@pytest.mark.parametrize("name", ["lfp_r2", "lfp_std_ratio", "lfp_coherence"])
def test_nothing_is_infinite_and_no_rounding_is_compared(name: str):
    """0.1 has another last digit in each sum."""
    truth = _truth()
    constant = np.full_like(truth, 0.1)
    constant[..., ::3] = np.nextafter(0.1, 1)
    assert np.isnan(_run(constant, truth.sum(axis=1))[name]).all()
    huge = _run(truth * 1e200, truth.sum(axis=1) * 1e200)
    assert not any(np.isinf(values).any() for values in huge.values())


@pytest.mark.parametrize("exponent", [-300, 300])
def test_r2_does_not_depend_on_the_unit(exponent: int):
    truth, prediction = _truth(), _truth().sum(axis=1) + np.random.default_rng(2).normal(size=(1, 2, N_TIME))
    expected = _run(truth, prediction)
    found = _run(truth * 2.0**exponent, prediction * 2.0**exponent)
    np.testing.assert_array_equal(found["lfp_r2"][:, 0], expected["lfp_r2"][:, 0])


def test_a_point_does_not_depend_on_its_company():
    """Bit for bit."""
    truth = _truth(3)
    prediction = truth.sum(axis=1) + np.random.default_rng(2).normal(size=(3, 2, N_TIME))
    together = _run(truth, prediction)
    for i in range(3):
        for name, values in _run(truth[i : i + 1], prediction[i : i + 1]).items():
            np.testing.assert_array_equal(values[0], together[name][i])


@pytest.mark.parametrize(
    ("layout", "changes", "message"),
    [
        (_layout(), {"prediction": "one"}, r"population_lfp \(population: 2, contact: 2, .* differ in times or channels"),
        (_layout(prediction_step=2 * DT), {}, "differ in times or channels; .* decimate = 1"),
        (_layout(unit="uV"), {}, 'population_lfp is in "mV" and lfp in "uV"'),
        (_layout(n_time=1610), {}, "has 1610 times, of which skip leaves 10; at least 16"),
        (_layout(), {"cutoff": 8000.0}, "cutoff is 8000 Hz; expected less than half of the sampling rate, 8000 Hz"),
        (_layout(), {"prediction": "lpf"}, 'did you mean "lfp"'),
    ],
)
def test_signals_that_do_not_fit_are_refused(layout: Layout, changes: dict[str, Any], message: str):
    """When the study is checked."""
    with pytest.raises(ResultsError, match=message):
        compare.declare(_options(**changes), layout)
