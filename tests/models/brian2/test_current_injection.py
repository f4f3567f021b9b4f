"""Cells under a protocol: the same as the cortical cell with that current, spikes where it crosses, and its own contract."""

from __future__ import annotations

import numpy as np
import pytest

from hpcsim.errors import SimulationError
from hpcsim.models.brian2 import cortical_hh
from hpcsim.models.brian2.cortical_hh import simulate_traces
from hpcsim.models.brian2.current_injection import current_injection
from hpcsim.models.brian2.injection import BATCH, Intrinsic
from hpcsim.models.brian2.protocol import waveforms
from hpcsim.models.model import Context
from hpcsim.outputs import Layout
from hpcsim.paths import cache_directory
from hpcsim.space.points import Points
from hpcsim.testing import check_model

SHORT = {
    "sweeps": ("noise1", "step"),
    "lead": 10.0,
    "pulse": 60.0,
    "gap": 10.0,
    "tail": 6.0,
    "lowest_frequency": 20.0,
    "amplitude": 400.0,
}
STEPS = 2 * (10 + 3 * 60 + 2 * 10 + 6) * 25


def points(n=3, **changes):
    values = {**current_injection.defaults(), **SHORT, **changes}
    columns = {}
    for name, value in values.items():
        many = value if isinstance(value, list) else [value] * n
        columns[name] = np.array(many) if isinstance(many[0], (int, float)) else np.array([*many, None], dtype=object)[:n]
    return Points(columns, [f"{k:032x}" for k in range(n)], np.zeros(n, np.int64), np.arange(n, dtype=np.uint64) + 7)


def run(some):
    return current_injection.simulate(some, Context(cache=cache_directory(), layout=Layout()))


def test_it_is_the_cortical_cell_under_that_current():
    some = points(3, gM=[0.1, 0.5, 2.0], amplitude=[400.0, 500.0, 600.0], sample=0.04, noise_sd=[10.0, 0.0, 30.0])
    found = run(some)
    waves = waveforms(some[0].values)
    noise = Intrinsic(some.seeds, some.columns["noise_sd"])
    injected = waves.current(some.columns, 0, STEPS)
    injected += np.concatenate([noise.currents(slice(0, 3), a, min(a + 100, STEPS)) for a in range(0, STEPS, 100)], axis=1)
    # without its own step of current, of 300 pA by default
    expected = simulate_traces(
        {"gM": np.array([0.1, 0.5, 2.0]), "duration": STEPS * 0.04, "I": 0.0, "step_stop": 100.0}, noise=injected
    )
    np.testing.assert_array_equal(found["v"], expected)
    for v, times in zip(found["v"], found["spike_times"], strict=True):
        crossed = np.flatnonzero((v[1:] >= -20) & (v[:-1] < -20)) + 1
        np.testing.assert_allclose(times, 0.04 * crossed)
        assert len(times) > 3
    np.testing.assert_allclose(found["current"], waves.current(some.columns, 0, STEPS).reshape(3, -1, 25).mean(axis=2))
    assert found["epoch"].shape == found["current"].shape and found["epoch"][0, [0, 215, 216, -1]].tolist() == [1, 1, 2, 2]


def test_a_coarser_sample_is_a_part_of_the_trace():
    fine, coarse = run(points(1, sample=0.04)), run(points(1, sample=0.52))
    np.testing.assert_array_equal(coarse["v"], fine["v"][:, ::13])
    np.testing.assert_array_equal(coarse["spike_times"][0], fine["spike_times"][0])


def test_it_keeps_the_contract(monkeypatch):
    # the program is that of the cortical cell, and is not compiled once more
    made = cortical_hh.program(cache_directory())
    monkeypatch.setattr(cortical_hh, "program", lambda cache: made)
    given = check_model(current_injection, {**SHORT, "sweeps": ("noise2",)})
    assert given["v"].shape == given["current"].shape == (3, 216)


def test_more_cells_than_the_program_has():
    n = BATCH + 3
    amplitudes = np.linspace(200, 600, n).tolist()
    short = {"sweeps": ("step",), "pulses": (1.0,), "lead": 4.0, "pulse": 20.0, "tail": 1.0, "sample": 0.04}
    together = run(points(n, amplitude=amplitudes, **short))
    crossed = (together["v"][:, 1:] >= -20) & (together["v"][:, :-1] < -20)
    for times, steps in zip(together["spike_times"], crossed, strict=True):
        np.testing.assert_allclose(times, 0.04 * (1 + np.flatnonzero(steps)))
    # some cross at the begin of a block of steps
    assert crossed[:, 99::100].any()
    some = points(n, amplitude=amplitudes, **short)
    alone = run(some[np.array([n - 1, 4])])
    for name in ("v", "current"):
        np.testing.assert_array_equal(alone[name], together[name][[n - 1, 4]])
    np.testing.assert_array_equal(alone["spike_times"][0], together["spike_times"][n - 1])


def test_points_share_their_clock():
    with pytest.raises(SimulationError, match="pulse differs between the cells of a batch"):
        run(points(2, pulse=[60.0, 61.0]))


def test_intrinsic_noise_is_white_and_of_the_seed():
    noise = Intrinsic(np.array([1, 2], np.uint64), np.array([1.0, 2.0]))
    drawn = np.concatenate([noise.currents(slice(0, 2), a, a + 100) for a in range(0, 20_000, 100)], axis=1)
    np.testing.assert_allclose(drawn.std(axis=1), [1, 2], rtol=0.02)
    assert abs(np.corrcoef(drawn)[0, 1]) < 0.02 and abs(np.corrcoef(drawn[0, 1:], drawn[0, :-1])[0, 1]) < 0.02
    second = Intrinsic(np.array([2], np.uint64), np.array([2.0]))
    np.testing.assert_array_equal(second.currents(slice(0, 1), 0, 100)[0], drawn[1, :100])


def test_a_voltage_that_is_lost_is_told():
    with pytest.raises(SimulationError, match="the voltage of 1 of 2 cells is not finite"):
        run(points(2, amplitude=[100.0, np.nan]))
