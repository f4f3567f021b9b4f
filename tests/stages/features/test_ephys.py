from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import signal

from hpcsim import Coordinate, Layout, Output
from hpcsim.errors import ResultsError
from hpcsim.models.model import Context
from hpcsim.stages.features.ephys import OPTIONS, STATISTICS, ephys

NAMES = list(STATISTICS)
SPIKES = NAMES[:19]


@pytest.fixture(scope="module")
def plain():
    """The straightforward implementation of the benchmark."""
    path = Path(__file__).parents[3] / "benchmarks" / "ephys.py"
    spec = importlib.util.spec_from_file_location("ephys_benchmark", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.plain


@pytest.fixture
def stored(bernaerts_data):
    return np.load(bernaerts_data / "m1_traces.npz")


def layout(n=20000, step=0.04, unit="mV", time_unit="ms", dims=("time",)):
    coordinates = {"time": Coordinate(np.arange(n) * step, time_unit), "channel": Coordinate(["a", "b"])}
    return Layout.of([Output("v", dims, unit)], coordinates)


def options(**given):
    return {option.name: option.default for option in OPTIONS} | given


def extract(v, step=0.04, **given):
    """All statistics of a batch, and whether they are valid."""
    context = Context(layout=layout(v.shape[1], step))
    found = ephys.apply({"v": v}, options(**given), context)
    return found["ephys"], found["valid"]


def action_potentials(times, n=20000, step=0.04, rest=-70.0, height=100.0, width=0.5):
    """A trace with Gaussian action potentials at these times, in ms."""
    t = np.arange(n) * step
    v = rest + 5.0 * ((t >= 100) & (t < 700)) + 0.01 * np.sin(t)
    for at in times:
        v += height * np.exp(-(((t - at) / width) ** 2)) - 8.0 * np.exp(-(((t - at - 2.5) / 1.0) ** 2))
    return v


def varied(stored, n):
    """Shifted, scaled, stretched and cut traces: onset within an action potential, clipped ones, few, none."""
    random = np.random.default_rng(7)
    traces = []
    for k in range(n):
        v = np.roll(stored[k % len(stored)], random.integers(-15000, 15000))
        v = v * random.choice([1, 1, 0.7, 0.5]) + random.choice([0, 0, -20, -25])
        if random.random() < 0.4:
            v = np.interp(np.arange(20000) / random.uniform(1, 6), np.arange(20000), v)
        if random.random() < 0.3:
            v[random.integers(2500, 17500) :] = v[:100].mean()
        traces.append(v + random.normal(0, 0.02, 20000))
    return np.array(traces)


def test_stored_statistics(stored):
    values, valid = extract(stored["V_mV"], definition="bernaerts2025")
    expected = stored["stats_extracted"]
    np.testing.assert_array_equal(np.isnan(values), np.isnan(expected))
    np.testing.assert_allclose(values, expected, rtol=1e-9, atol=0)
    np.testing.assert_array_equal(valid, np.isfinite(expected).all(axis=1))
    assert valid.dtype == np.int8


def test_equal_to_a_straightforward_implementation(stored, plain):
    traces = varied(stored["V_mV"], 150)
    values, valid = extract(traces, definition="bernaerts2025")
    np.testing.assert_allclose(values, [plain(v) for v in traces], rtol=1e-9, atol=1e-9)
    assert 20 < valid.sum() < 130  # both kinds are among them
    assert np.isnan(values[:, 2]).sum() > np.isnan(values[:, 8]).sum() > 0  # also clipped first ones, and none at all


def test_values_do_not_depend_on_the_batch(stored):
    v = stored["V_mV"][:5]
    values, _ = extract(v)
    np.testing.assert_array_equal(extract(v[::-1])[0][::-1], values)
    np.testing.assert_array_equal(extract(v[3:4])[0], values[3:4])
    np.testing.assert_array_equal(extract(np.asfortranarray(v))[0], values)


def test_float32_is_computed_in_float64(stored):
    v = stored["V_mV"][:3].astype(np.float32)
    np.testing.assert_array_equal(extract(v)[0], extract(v.astype(np.float64))[0])


def test_statistics_of_known_action_potentials():
    [values], [valid] = extract(action_potentials([150.0, 200.0, 300.0, 420.0, 600.0])[np.newaxis])
    found = dict(zip(NAMES, values, strict=True))
    assert valid == 1
    assert np.exp([found[name] for name in NAMES[8:13]]) - 3 == pytest.approx([5, 1, 2, 3, 2])
    assert found["v_rest"] == pytest.approx(-70, abs=0.01)
    assert found["ap_threshold"] == pytest.approx(-65, abs=1)
    assert found["ap_threshold"] + found["ap_amplitude"] == pytest.approx(35, abs=0.2)
    assert found["ap_width"] == pytest.approx(2 * 0.5 * np.sqrt(np.log(2)), abs=0.08)
    assert found["ap_ahp"] < -5
    assert np.exp(found["log_isi_adaptation"]) == pytest.approx(2, rel=0.01)
    intervals = np.array([50, 100, 120, 180])
    assert np.exp(found["log_isi_cv"]) == pytest.approx(intervals.std() / intervals.mean(), rel=0.01)
    assert np.exp(found["log_latency"]) - 0.4 == pytest.approx(49, abs=0.5)


def test_moments_are_those_of_scipy(stored):
    from scipy import stats

    v = stored["V_mV"][4]
    found = dict(zip(NAMES, extract(v[np.newaxis])[0][0], strict=True))
    during = v[2501:17500]
    assert found["v_mean"] == pytest.approx(during.mean(), rel=1e-12)
    assert found["v_variance"] == pytest.approx(during.var(), rel=1e-12)
    assert found["v_skewness"] == pytest.approx(stats.skew(during), rel=1e-10)


@pytest.mark.parametrize(("n", "published", "published_v1", "mended"), [(2, False, False, False), (4, False, True, True)])
def test_when_the_third_action_potential_counts(n, published, published_v1, mended):
    v = action_potentials(150 + 60.0 * np.arange(n))[np.newaxis]
    third = slice(4, 8)
    assert np.isfinite(extract(v, definition="bernaerts2025")[0][0, third]).all() == published
    assert np.isfinite(extract(v, definition="bernaerts2025", third_from=3)[0][0, third]).all() == published_v1
    assert np.isfinite(extract(v)[0][0, third]).all() == mended


def test_five_action_potentials_are_enough_as_published():
    v = action_potentials(150 + 60.0 * np.arange(5))[np.newaxis]
    assert np.isfinite(extract(v, definition="bernaerts2025")[0][0, 4:8]).all()


def test_rest_after_the_step():
    v = action_potentials([200.0])
    v[17501:] += 2.0
    before, both = (extract(v[np.newaxis], rest_after=after)[0][0, 19] for after in (False, True))
    assert before == pytest.approx(v[:2500].mean(), rel=1e-12)
    assert both == pytest.approx(np.concatenate([v[:2500], v[17501:]]).mean(), rel=1e-12)


def test_equal_intervals_have_no_logarithm():
    # the same samples again and again: all intervals are exactly equal
    v = action_potentials([])
    v[2500:17500] = np.tile(action_potentials([130.0])[2500:5000], 6)
    found = dict(zip(NAMES, extract(v[np.newaxis])[0][0], strict=True))
    assert np.exp(found["log_count"]) == pytest.approx(9)
    assert np.isnan(found["log_isi_cv"])
    assert found["log_isi_adaptation"] == 0


def test_definitions_differ_before_a_clipped_one():
    # the last one falls more steeply than the first, but not to its threshold
    t = np.arange(20000) * 0.04
    v = action_potentials([300.0])
    v += 100 * np.exp(-(((t - 690) / 0.4) ** 2)) * (t < 690) + (40 + 60 * np.exp(-(((t - 690) / 0.2) ** 2))) * (t >= 690)
    published, mended = (
        dict(zip(NAMES, extract(v[np.newaxis], definition=name)[0][0], strict=True)) for name in ("bernaerts2025", "default")
    )
    assert mended["ap_ahp"] == pytest.approx(-8, abs=3)
    assert published["ap_ahp"] != mended["ap_ahp"]


@pytest.mark.parametrize("spoil", [np.nan, np.inf, -np.inf])
def test_traces_that_are_not_finite(stored, spoil):
    v = stored["V_mV"][:2].copy()
    v[1, 19_000] = spoil
    values, valid = extract(v)
    assert np.isfinite(values[0]).all() and np.isnan(values[1]).all()
    assert valid.tolist() == [1, 0]


def test_constant_and_silent_traces():
    silent = -70 + 5 * (np.arange(20000) > 3000) + 0.1 * np.sin(np.arange(20000))
    values, valid = extract(np.array([np.full(20000, -70.0), silent]))
    assert np.isnan(values[0]).all()
    assert np.isnan(values[1, :19]).all() and np.isfinite(values[1, 19:]).all()
    assert valid.tolist() == [0, 0]


@pytest.mark.parametrize("scale", [1e-200, 1e-110, 1e120, 1e200])
def test_traces_at_the_edges_of_doubles_have_no_infinite_statistics(scale):
    values, _ = extract(action_potentials([150, 300, 500])[np.newaxis] * scale)
    assert not np.isinf(values).any()


def test_declares_its_outputs():
    declared = ephys.declare(options(name="stats"), layout())
    assert declared.outputs["stats"].dims == ("ephys_feature",)
    assert declared.coordinates["ephys_feature"].values.tolist() == NAMES
    assert declared.outputs["valid"].dtype == "int8" and declared.shape("valid") == ()
    assert len(NAMES) == 23


def test_empty_batch():
    values, valid = extract(np.empty((0, 20000)))
    assert values.shape == (0, 23) and valid.shape == (0,)


@pytest.mark.parametrize(
    ("there", "given", "message"),
    [
        (layout(n=15000), {}, r"0 to 599.96 ms.*100 to 700 ms"),
        (layout(), {"start": 0.0}, "begins before the stimulus"),
        (layout(), {"start": 700.0, "stop": 100.0}, "expected start before stop"),
        (layout(), {"stop": 100.4}, "at least 20 samples"),
        (layout(unit="V"), {}, 'in "V"; expected "mV"'),
        (layout(time_unit="s"), {}, 'in "s"; expected "ms"'),
        (layout(dims=("channel", "time")), {}, "expected its time alone"),
        (layout(n=16000, step=0.05), {}, "less than 0.05 ms"),
        (layout(), {"of": "w"}, 'no output "w"'),
    ],
)
def test_what_does_not_fit_is_refused(there, given, message):
    with pytest.raises(ResultsError, match=message):
        ephys.declare(options(**given), there)


@pytest.mark.parametrize("step", [0.04, 0.02])
@pytest.mark.parametrize("n", [16, 40, 400, 20000])
def test_filter_is_that_of_scipy(n, step):
    from hpcsim.stages.features.zero_phase import bessel, slope, slope_within, zero_phase

    v = np.cumsum(np.random.default_rng(n).normal(size=n)) - 70
    design = bessel(10.0, step)
    b, a = signal.bessel(4, 20 * step)
    np.testing.assert_allclose(design.b, b, rtol=1e-12)
    np.testing.assert_allclose(zero_phase(v, design), signal.filtfilt(b, a, v), rtol=0, atol=1e-10)
    if n == 20000:
        part = slope_within(v, slope(v, step, design), 2500, 17500, step, design)
        np.testing.assert_allclose(part, np.diff(signal.filtfilt(b, a, v[2500:17501])) / step, rtol=0, atol=1e-9)


def test_progress_is_told_and_may_stop(stored, monkeypatch):
    from hpcsim.stages.features import ephys as module

    monkeypatch.setattr(module, "_EVERY", -1.0)
    told = []
    context = Context(layout=layout(), progress=told.append)
    ephys.apply({"v": stored["V_mV"][:4]}, options(), context)
    assert told == [0, 0.25, 0.5, 0.75]


def test_compiled_code_is_kept_between_processes(tmp_path):
    code = (
        "import sys\n"
        "from hpcsim.stages.features.compiled import compiled\n"
        "assert 'numba' not in sys.modules\n"
        "import hpcsim.stages.features.zero_phase as z, numpy as np\n"
        "z.bessel(10.0, 0.04)\n"
        "z._continued(np.arange(50.0))\n"
        "print(sum(z._continued.stats.cache_hits.values()), 'scipy.signal' in sys.modules)\n"
    )
    environment = {**os.environ, "HPCSIM_CACHE": str(tmp_path)}
    environment.pop("NUMBA_CACHE_DIR", None)
    printed = [
        subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True).stdout.split()
        for _ in range(2)
    ]
    assert printed == [["0", "False"], ["1", "False"]]
    assert list((tmp_path / "numba").rglob("*.nbi"))
