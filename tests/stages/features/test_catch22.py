"""catch22: golden values, names, versions, and series that have no features."""

from __future__ import annotations

import importlib.metadata
from typing import Any

import numpy as np
import pytest

from hpcsim.errors import PluginError, ResultsError
from hpcsim.models.model import Context
from hpcsim.outputs import Coordinate, Layout, Output
from hpcsim.stages.features.catch22 import CHECKED, available, catch22
from hpcsim.stages.signals.eeg import eeg

N_TIME = 500
T = np.arange(N_TIME)
# a series of elementary operations, the same on every machine
SERIES = np.sin(2 * np.pi * T / 37) + 0.5 * np.sin(2 * np.pi * T / 11.3) + ((T * 7919) % 101) / 101


def _layout(dims: tuple[str, ...] = ("time",), n_time: int = N_TIME, n_channel: int = 1) -> Layout:
    coordinates = {"time": Coordinate(np.arange(n_time) * 0.625, "ms"), "electrode": Coordinate(np.arange(n_channel))}
    return Layout.of([Output("eeg", dims, "mV")], coordinates)


def _options(**changes: Any) -> dict[str, Any]:
    return {option.name: option.default for option in catch22.options} | changes


def _features(signal: np.ndarray, **changes: Any) -> np.ndarray:
    return np.asarray(catch22.apply({"eeg": signal}, _options(**changes), Context())[changes.get("name", "catch22")])


GOLDEN = {
    "DN_HistogramMode_5": -0.04976427237,
    "DN_HistogramMode_10": -0.2779114495,
    "DN_OutlierInclude_p_001_mdrmd": -0.048,
    "DN_OutlierInclude_n_001_mdrmd": -0.006,
    "CO_FirstCrossing_acf_1e_pointOfCrossing": 5.141500692,
    "CO_FirstMin_ac": 4.0,
    "SP_Summaries_fft_area_5_1": 0.8807295789,
    "SP_Summaries_fft_wq_50": 0.1718058482,
    "FC_LocalSimple_mean3_stde": 0.6502209829,
    "FC_LocalSimple_mean1_taurat": 0.06706954835,
    "MD_pNN_pnn40": 0.9679358717,
    "SB_BinaryStats_mean_longstretch1": 18.0,
    "SB_BinaryStats_diff_longstretch0": 4.0,
    "SB_MotifThree_quantile_hh": 1.865485934,
    "CO_HistogramAMI_even_5bin_ami2": 0.3360811399,
    "CO_trev_1_num": -0.07367274999,
    "IN_AutoMutualInfoStats_40_gaussian_fmmi": 4.0,
    "SB_TransitionMatrix_quantile_3_ac_sumdiagcov": 0.01568790782,
    "PD_PeriodicityWang_th0_01": 5.0,
    "CO_Embed2_Dist_tau_d_expfit_meandiff": 0.7741983549,
    "SC_FluctAnal_2_rsrangefit_50_1_logi_prop_r1": 0.4565217391,
    "SC_FluctAnal_2_dfa_50_1_2_logi_prop_r1": 0.3488372093,
}


def test_golden_values():
    """Of one series, by name."""
    found = dict(zip(available(), _features(SERIES[None])[0], strict=True))
    assert found == pytest.approx(GOLDEN, rel=1e-6, abs=1e-9)


def test_subset_by_name_in_the_order_that_was_asked_for():
    """Names, never positions."""
    names = ("SB_MotifThree_quantile_hh", "CO_FirstMin_ac")
    layout = catch22.declare(_options(names=names), _layout())
    assert tuple(layout.coordinates["catch22_feature"].values) == names
    everything = _features(SERIES[None])[0]
    expected = [everything[available().index(name)] for name in names]
    np.testing.assert_array_equal(_features(SERIES[None], names=names)[0], expected)


def test_unknown_name_is_refused_with_the_nearest():
    """A name of version 0.4 is none of 1.0."""
    with pytest.raises(ResultsError, match=r'"CO_FirstMin_a".*did you mean "CO_FirstMin_ac"'):
        catch22.declare(_options(names=("CO_FirstMin_a",)), _layout())


def test_one_channel_is_dropped_and_more_are_kept():
    """Dimensions as declared."""
    one = catch22.declare(_options(), _layout(("electrode", "time")))
    assert (one["catch22"].dims, one.shape("catch22")) == (("catch22_feature",), (22,))
    assert _features(SERIES[None, None]).shape == (1, 22)
    two = catch22.declare(_options(name="c"), _layout(("electrode", "time"), n_channel=2))
    assert (two["c"].dims, two.shape("c")) == (("electrode", "c_feature"), (2, 22))
    both = _features(np.stack([SERIES, SERIES**2])[None], name="c")
    assert both.shape == (1, 2, 22)
    np.testing.assert_array_equal(both[0, 0], _features(SERIES[None])[0])
    np.testing.assert_array_equal(both[0, 1], _features(SERIES[None] ** 2)[0])


@pytest.mark.parametrize("bad", [np.zeros(N_TIME), np.full(N_TIME, np.nan), np.append(SERIES[1:], np.inf)])
def test_series_without_features_give_nan(bad: np.ndarray):
    """Constant or not finite; its neighbours are as ever."""
    found = _features(np.stack([SERIES, bad]))
    assert np.isnan(found[1]).all()
    np.testing.assert_array_equal(found[0], _features(SERIES[None])[0])


@pytest.mark.parametrize("scale", [5e-324, 1e-300, 1e-173, 1e-162, 1e-150, 1e149, 1e153, 1e155, 1e300])
def test_series_whose_variance_is_lost_give_nan(scale: float):
    """Where its square is 0 pycatch22 crashes, where it is infinite all features are 0; neighbours are as ever."""
    found = _features(np.stack([SERIES, np.round(SERIES * 4) * scale]))
    assert np.isnan(found[1]).all()
    np.testing.assert_array_equal(found[0], _features(SERIES[None])[0])


def test_a_current_that_has_died_away_gives_nan():
    """What is left of an exponential after 400 time constants, down to denormal numbers and 0."""
    assert np.isnan(_features(30 * np.exp(-(400 + 2.0 * T[None]))[:, :200])).all()


@pytest.mark.parametrize("constant", [0.1, 1e16, -70.0])
def test_a_constant_that_was_computed_gives_nan(constant: float):
    """Its last digit varies."""
    assert np.isnan(_features(np.where(T % 3, constant, np.nextafter(constant, np.inf))[None])).all()


@pytest.mark.parametrize("exponent", [-480, -100, 100, 480])
def test_a_scale_within_doubles_changes_nothing(exponent: int):
    """A power of two rounds nothing."""
    np.testing.assert_array_equal(_features(SERIES[None] * 2.0**exponent), _features(SERIES[None]))


@pytest.mark.parametrize(
    "series", [T % 2, T == 250, (T // 7).astype(np.int32), SERIES.astype(np.float32), np.clip(SERIES, -1, 1)]
)
def test_odd_series_have_finite_features(series: np.ndarray):
    """Two values, one spike, whole numbers, single precision, a clipped signal."""
    assert np.isfinite(_features(series[None])).all()


def test_short_series_are_refused_before_anything_runs():
    """The library may crash on them."""
    with pytest.raises(ResultsError, match="has 63 samples; at least 64"):
        catch22.declare(_options(), _layout(n_time=63))
    assert np.isnan(_features(SERIES[None, :63])).all()


def test_other_version_is_refused_unless_it_is_named(monkeypatch: pytest.MonkeyPatch):
    """Features of different versions have equal names and different values."""
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0.4.5")
    with pytest.raises(PluginError, match=rf'0\.4\.5 is installed, and {CHECKED} is expected.*version = "0\.4\.5"'):
        catch22.declare(_options(), _layout())
    with pytest.raises(PluginError, match=r"0\.4\.5 is installed"):
        _features(SERIES[None])
    assert catch22.declare(_options(version="0.4.5"), _layout()).shape("catch22") == (22,)


def test_eeg_of_a_radial_dipole_has_the_features_of_the_dipole():
    """The head scales the moment; features are of the standardised series: equal to 1e-9, also with the sign turned."""
    options = {option.name: option.default for option in eeg.options}
    signal = np.asarray(eeg.apply({"dipole": SERIES[None] * 1e4}, options, Context())["eeg"])
    np.testing.assert_allclose(_features(signal), _features(SERIES[None]), rtol=1e-9, atol=1e-9)
    turned = np.asarray(eeg.apply({"dipole": -SERIES[None]}, options, Context())["eeg"])
    np.testing.assert_allclose(_features(turned), _features(-SERIES[None]), rtol=1e-9, atol=1e-9)
    assert np.abs(_features(turned) - _features(signal)).max() > 1e-3
