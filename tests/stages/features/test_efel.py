from __future__ import annotations

import efel as library
import numpy as np
import pytest

from hpcsim import Coordinate, Layout, Output
from hpcsim.errors import ResultsError
from hpcsim.models.model import Context
from hpcsim.stages.features.efel import DEFAULT, efel


def layout(n=20000, unit="mV"):
    return Layout.of([Output("v", ("time",), unit)], {"time": Coordinate(np.arange(n) * 0.04, "ms")})


def options(**given):
    return {option.name: option.default for option in efel.options} | given


def extract(v, **given):
    return efel.apply({"v": v}, options(**given), Context(layout=layout()))["efel"]


@pytest.fixture
def stored(bernaerts_data):
    return np.load(bernaerts_data / "m1_traces.npz")


def test_values_are_those_of_efel(stored):
    v = stored["V_mV"][:2]
    names = ("spike_count", "AP_amplitude", "voltage_base")
    library.reset()
    library.set_setting("interp_step", 0.04)
    traces = [{"T": np.arange(20000) * 0.04, "V": row, "stim_start": [100.0], "stim_end": [700.0]} for row in v]
    expected = [[np.mean(found[name]) for name in names] for found in library.get_feature_values(traces, names)]
    library.reset()
    np.testing.assert_allclose(extract(v, names=names), expected, rtol=1e-12)


def test_agrees_with_the_own_extractor_where_both_mean_the_same(stored):
    # regular firing, where it does not matter what exactly is an action potential
    own = stored["stats_extracted"][:8]
    found = extract(stored["V_mV"][:8], names=("spike_count", "voltage_base"))
    np.testing.assert_array_equal(found[:, 0], np.round(np.exp(own[:, 8]) - 3))
    np.testing.assert_allclose(found[:, 1], own[:, 19], atol=0.5)


def test_what_has_no_value_is_nan(stored):
    silent = -70 + 0.1 * np.sin(np.arange(20000))
    v = np.array([silent, np.full(20000, -70.0), np.where(np.arange(20000) == 5, np.nan, silent)])
    found = extract(v, names=("spike_count", "AP_amplitude", "voltage_base"))
    assert found[0, 0] == 0 and np.isnan(found[0, 1]) and found[0, 2] == pytest.approx(-70, abs=0.1)
    assert np.isnan(found[1:]).all()


def test_settings_of_efel_are_left_as_they_were():
    extract(np.array([-70 + 0.1 * np.sin(np.arange(20000))]), threshold=-5.0)
    assert library.get_settings().Threshold == -20.0
    assert library.get_settings().interp_step == 0.1


def test_defaults_are_declared():
    declared = efel.declare(options(), layout())
    assert declared.coordinates["efel_feature"].values.tolist() == list(DEFAULT)
    assert len(DEFAULT) == 12


@pytest.mark.parametrize(
    ("there", "given", "message"),
    [
        (layout(), {"names": ("AP_amplitud",)}, 'did you mean "AP_amplitude"'),
        (layout(), {"names": ("ISI_CV", "ISI_CV")}, "there twice"),
        (layout(), {"names": ()}, "names is empty"),
        (layout(n=10000), {}, "simulate longer"),
        (layout(unit="V"), {}, 'expected "mV"'),
    ],
)
def test_what_does_not_fit_is_refused(there, given, message):
    with pytest.raises(ResultsError, match=message):
        efel.declare(options(**given), there)
