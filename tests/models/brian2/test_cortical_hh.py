"""The cortical cell against the published traces, against its equations in numpy, and against its own contract."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import oracle
import pytest

from hpcsim.errors import Interrupted, SimulationError
from hpcsim.models.brian2.blocks import voltage_blocks
from hpcsim.models.brian2.cortical_hh import PARAMETERS, Workspace, check, coordinates, cortical_hh, program, simulate_traces
from hpcsim.models.brian2.equations import CELLS
from hpcsim.models.model import Context
from hpcsim.paths import cache_directory
from hpcsim.testing import check_model

PRIOR = {parameter.name: parameter.bounds for parameter in PARAMETERS[:13]}
SHORT = {"duration": 40.0, "step_start": 10.0, "step_stop": 30.0}


def prior(n, seed=1):
    random = np.random.default_rng(seed)
    return {name: random.uniform(low, high, n) for name, (low, high) in PRIOR.items()}


def spikes(voltages):
    return (np.diff((voltages > 0).astype(int), axis=1) == 1).sum(axis=1)


def test_recovered_noise_reproduces_the_published_traces(bernaerts_data):
    with np.load(bernaerts_data / "m1_traces.npz") as file:
        theta, noise, batch, stored = (file[name] for name in ("theta", "noise_pA", "batch", "V_mV"))
    values = dict(zip(PRIOR, theta.astype(float).T, strict=True))
    voltages = simulate_traces(values, noise=noise[batch])
    assert voltages.shape == stored.shape == (30, 20_000)
    assert np.abs(voltages - stored).max() < 1e-6


@pytest.mark.parametrize("preset", ["m1", "v1"])
def test_it_is_the_published_model_at_both_temperatures(preset):
    """Exponential Euler from the old state, written out in numpy with the paper's constants."""
    published = {
        "m1": {"temperature": 25.0, "E_Na": 69.0, "E_K": -98.4, "E_Ca": 127.2},
        "v1": {"temperature": 34.0, "E_Na": 53.5, "E_K": -101.3, "E_Ca": 131.1},
    }[preset]
    times = {"step_start": 20.0, "step_stop": 130.0, "duration": 150.0}
    values = prior(40)
    noise = np.random.default_rng(2).normal(0, 10, (40, 3750))
    expected = oracle.traces({**values, **published, **times, "I": 400.0, "dt": 0.04}, noise)
    voltages = simulate_traces({**values, **cortical_hh.presets[preset], **times, "I": 400.0}, noise=noise)
    assert spikes(expected).sum() > 50
    np.testing.assert_allclose(voltages, expected, rtol=0, atol=1e-6)


def test_presets_are_the_published_protocols():
    m1, v1 = cortical_hh.presets["m1"], cortical_hh.presets["v1"]
    assert (m1["I"], m1["step_start"], m1["step_stop"], m1["duration"]) == (300, 100, 700, 800)
    assert (v1["step_start"], v1["step_stop"], v1["duration"]) == (100, 1100, 1200)
    assert "I" not in v1
    assert cortical_hh.presets["m1_no_rss"] == {**m1, "r_SS": 1.0}
    assert cortical_hh.layout(m1).shape("v") == (20_000,)
    assert cortical_hh.layout(v1).shape("v") == (30_000,)
    np.testing.assert_allclose(coordinates(cortical_hh.defaults())["time"].values[[0, 1, -1]], [0, 0.04, 799.96])


def test_the_default_cell_rests_and_fires():
    [voltages] = simulate_traces({}, seeds=np.array([1], np.uint64))
    assert voltages[0] == -80.0
    assert voltages[:2500].mean() == pytest.approx(-80, abs=3)
    assert voltages[17_700:].max() < -50
    assert 5 <= spikes(voltages[np.newaxis])[0] <= 60


def test_noise_comes_from_the_seed_alone():
    seeds = np.array([3, 2**63 + 3, 4, 2**64 - 1], np.uint64)
    values = {**SHORT, "C": np.full(4, 2.0), "duration": 40.12}
    noise = 10 * oracle.normal_numbers(seeds, 1003)
    voltages = simulate_traces(values, seeds=seeds)
    np.testing.assert_allclose(voltages, simulate_traces(values, noise=noise), rtol=0, atol=1e-7)
    assert len(np.unique(voltages[:, 500])) == 4
    silent = simulate_traces({**values, "noise_sd": 0.0}, seeds=seeds)
    np.testing.assert_array_equal(silent, simulate_traces(values, noise=np.zeros(1003)))


def test_noise_is_normal_and_white():
    noise = oracle.normal_numbers(np.arange(200, dtype=np.uint64) * 2**31, 5000)
    assert noise.mean() == pytest.approx(0, abs=4e-3)
    assert noise.std() == pytest.approx(1, abs=3e-3)
    assert (np.abs(noise) > 3).mean() == pytest.approx(0.0026998, rel=0.1)
    assert (noise**4).mean() == pytest.approx(3, abs=0.04)
    for lag in (1, 2, 3):
        assert (noise[:, lag:] * noise[:, :-lag]).mean() == pytest.approx(0, abs=5e-3)
        assert (noise[:, lag:] ** 2 * noise[:, :-lag] ** 2).mean() == pytest.approx(1, abs=0.015)
    assert np.abs(np.corrcoef(noise) - np.eye(200)).max() < 0.08


def test_values_do_not_depend_on_company_or_place():
    n = CELLS + 37
    values, seeds = prior(n), np.random.default_rng(3).integers(0, 2**64, n, np.uint64)
    together = simulate_traces({**values, **SHORT}, seeds=seeds)
    for places in ([n - 1], [5], [6, 7, 8], np.arange(n)[::-1]):
        others = simulate_traces({**{name: column[places] for name, column in values.items()}, **SHORT}, seeds=seeds[places])
        np.testing.assert_array_equal(others, together[places])


def test_two_batches_at_a_time_do_not_disturb_each_other():
    seeds = np.arange(4, dtype=np.uint64)
    runs = [{**prior(4, seed), **SHORT} for seed in (1, 2)]
    alone = [simulate_traces(run, seeds=seeds) for run in runs]
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda run: simulate_traces(run, seeds=seeds), runs))
    np.testing.assert_array_equal(both, alone)
    assert not np.array_equal(*both)


def test_the_step_is_on_for_the_declared_steps():
    """The first voltage that can differ is the one after the first step with current."""
    at_rest, pulsed = (simulate_traces({**SHORT, "I": I}, noise=np.zeros(1000))[0] for I in (0.0, 300.0))  # noqa: E741
    assert np.flatnonzero(at_rest != pulsed)[0] == 251
    longer = simulate_traces({**SHORT, "step_stop": 40.0}, noise=np.zeros(1000))[0]
    assert np.flatnonzero(longer != pulsed)[0] == 751


@pytest.mark.parametrize(("E_leak", "VT"), [(-66.0, -60.0), (-50.0, -63.0), (-50.0, -65.0), (-50.0, -90.0)])
def test_rates_have_their_limit_where_they_are_0_by_0(E_leak, VT):
    near = {"E_leak": np.array([E_leak, E_leak + 1e-7]), "VT": VT, **SHORT}
    voltages = simulate_traces(near, noise=np.zeros(1000))
    np.testing.assert_allclose(voltages[0], voltages[1], atol=0.01)


def test_time_step_and_duration_are_free():
    fine = simulate_traces({**SHORT, "dt": 0.01, "duration": 35.0}, noise=np.zeros(3500))[0]
    coarse = simulate_traces({**SHORT, "dt": 0.02, "duration": 35.0}, noise=np.zeros(1750))[0]
    assert np.abs(fine[::2][:600] - coarse[:600]).max() < 0.2
    assert not np.array_equal(fine[::2], coarse)


def test_it_keeps_the_contract():
    given = check_model(cortical_hh, SHORT, cache=cache_directory())
    assert given["v"].shape == (3, 1000)
    assert not np.array_equal(given["v"][0], given["v"][1])


def test_the_identity_names_equations_and_flags(monkeypatch):
    from hpcsim.models.brian2 import equations

    before = cortical_hh.identity()
    assert "-ffast-math" in before["flags"]
    monkeypatch.setattr(equations, "EQUATIONS", equations.EQUATIONS.replace("0.182", "0.183"))
    assert cortical_hh.identity()["equations"] != before["equations"]


@pytest.mark.parametrize(
    ("values", "noise", "words"),
    [
        ({"gKV31": 1.0}, np.zeros(1000), 'no parameter "gKV31"; did you mean "gKv31"'),
        ({"dt": np.array([0.04, 0.02])}, np.zeros(1000), "dt differs between the cells"),
        ({}, np.zeros(999), r"noise has shape \(999,\), expected \(1000,\) or \(1, 1000\)"),
        ({"C": np.ones(2), "tau": np.ones(3)}, np.zeros(1000), r"one length; found \[1, 2, 3\]"),
        ({"E_leak": np.array([-80.0, np.nan])}, np.zeros(1000), "1 of 2 cells is not finite.*cell 1"),
        ({}, None, "needs seeds, or noise"),
    ],
)
def test_bad_input(values, noise, words):
    with pytest.raises(SimulationError, match=words):
        simulate_traces({**SHORT, **values}, noise=noise)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"step_stop": 900.0}, "must lie within the duration"),
        ({"step_start": 750.0}, "must lie within the duration"),
        ({"duration": 0.001}, "shorter than the time step"),
    ],
)
def test_values_that_make_no_sense_together(values, words):
    assert words in check({**cortical_hh.defaults(), **values})
    assert check(cortical_hh.defaults()) == ""


def test_variables_that_the_cells_do_not_have_are_told():
    blocks = voltage_blocks(program(cache_directory()), {"k_leak": np.ones(1), "g_leak": np.ones(1)}, {"steps": 10}, 10)
    with pytest.raises(SimulationError, match="the cells have no variable g_leak"):
        list(blocks)


def test_a_request_to_stop_is_heard():
    heard = []

    def stop(fraction):
        heard.append(fraction)
        if fraction > 0.2:
            raise Interrupted("stopped")

    with pytest.raises(Interrupted):
        simulate_traces(SHORT, seeds=np.zeros(1, np.uint64), progress=stop)
    assert heard == pytest.approx([0.0, 0.1, 0.2, 0.3])


def test_memory_is_used_again_only_when_nobody_holds_it():
    workspace = Workspace()
    first = workspace((4, 10))
    row, place = first[1], first.ctypes.data
    first[:] = 1.0
    del first
    second = workspace((4, 10))
    second[:] = 2.0
    assert second.ctypes.data != place
    assert (row == 1.0).all()
    place = second.ctypes.data
    del second
    third = workspace((3, 10))
    assert third.ctypes.data == place
    assert third.shape == (3, 10)


def test_prepare_compiles_once():
    context = Context(cache=cache_directory())
    cortical_hh.prepare(context)
    programs = sorted((context.cache / "brian2").glob("*/main"))
    ages = [program.stat().st_mtime_ns for program in programs]
    cortical_hh.prepare(context)
    assert sorted((context.cache / "brian2").glob("*/main")) == programs
    assert [program.stat().st_mtime_ns for program in programs] == ages
