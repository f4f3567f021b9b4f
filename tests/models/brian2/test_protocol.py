"""Protocols of injected current: their timing, their noise, and what makes no sense."""

from __future__ import annotations

import numpy as np
import pytest

from hpcsim.errors import SimulationError
from hpcsim.models.brian2.current_injection import current_injection
from hpcsim.models.brian2.injection import check, coordinates
from hpcsim.models.brian2.protocol import digest, pink_noise, waveforms

SHORT = {"lead": 20.0, "pulse": 300.0, "gap": 40.0, "tail": 10.0, "lowest_frequency": 5.0}
LENGTH = 20 + 3 * 300 + 2 * 40 + 10


def values(**changes):
    return {**current_injection.defaults(), **SHORT, **changes}


def current(amplitude=100.0, cv=0.2, holding=0.0, gain=1.0, **changes):
    """The current in each step, pA."""
    waves = waveforms(values(**changes))
    columns = {"amplitude": amplitude, "cv": cv, "holding": holding, "gain": gain}
    return waves.current({name: np.array([value]) for name, value in columns.items()}, 0, len(waves.base))[0]


def test_noise_sweeps_are_three_rising_pulses():
    """Means of 0.75, 1 and 1.5 amplitudes, standard deviations of 0.2 of them, and nothing but the holding current between."""
    injected = current(sweeps=("noise1",), holding=-5.0) + 5
    assert len(injected) == LENGTH * 25
    for k, mean in enumerate((75, 100, 150)):
        pulse = injected[(20 + 340 * k) * 25 : (320 + 340 * k) * 25]
        assert pulse.mean() == pytest.approx(mean) and pulse.std() == pytest.approx(0.2 * mean)
    np.testing.assert_allclose(injected[np.r_[:500, 8000:9000, 16500:17500, 25000:25250]], 0, atol=1e-12)


def test_noise_is_frozen_and_the_two_differ():
    injected = current(sweeps=("noise1", "noise1", "noise2")).reshape(3, -1)
    np.testing.assert_array_equal(injected[0], injected[1])
    assert abs(np.corrcoef(injected[0, 500:8000], injected[2, 500:8000])[0, 1]) < 0.5
    assert not np.array_equal(injected[0, 500:8000] / 75, injected[0, 9000:16500] / 100)


def test_noise_is_pink_between_its_frequencies_and_does_not_know_the_time_step():
    noise = pink_noise(75_000, 0.04, (1.0, 100.0), (1, 0))
    power = np.abs(np.fft.rfft(noise)) ** 2
    frequency = np.round(np.fft.rfftfreq(75_000, 0.04e-3), 6)
    inside = (frequency >= 1) & (frequency <= 100)
    scaled = power[inside] * frequency[inside]
    np.testing.assert_allclose(scaled, scaled[0], rtol=1e-6)
    assert power[~inside].max() < 1e-12 * power.max()
    np.testing.assert_allclose(noise[::5], pink_noise(15_000, 0.2, (1.0, 100.0), (1, 0)), atol=2e-3)


def test_steps_and_ramps():
    step, ramp = current(sweeps=("step",)), current(sweeps=("ramp",))
    assert np.unique(step).tolist() == [0, 75, 100, 150]
    assert ramp[:500].max() == 0 and ramp[25_000 - 1] == ramp.max() == 150
    assert (np.diff(ramp[500:25_000]) > 0).all()


@pytest.mark.parametrize("name", ["wave.npy", "wave.txt"])
def test_a_current_from_a_file(tmp_path, name):
    file = tmp_path / name
    wave = np.array([1.0, 2.0, -3.0, 0.5])
    np.save(file, wave) if name.endswith("npy") else np.savetxt(file, wave)
    given = {"sweeps": ("file",), "current_file": str(file), "current_hash": digest(str(file)), "current_step": 0.5}
    np.testing.assert_allclose(current(**given, gain=2.0, dt=0.1), np.repeat(2 * wave, 5))
    assert check(values(**given, dt=0.1)) == ""
    file.write_bytes(file.read_bytes() + b"\n")
    with pytest.raises(SimulationError, match="current_hash"):
        current(**{**given, "current_hash": "0" * 16})
    assert "expected an absolute path" in check(values(**{**given, "current_file": name}))
    assert "no current can be read" in check(values(**{**given, "current_file": str(tmp_path / "none.npy")}))


def test_files_that_are_no_current(tmp_path):
    for wave in (np.zeros((3, 2)), np.array([1.0, np.nan]), np.zeros(0)):
        file = tmp_path / f"{wave.size}.npy"
        np.save(file, wave)
        with pytest.raises(SimulationError, match="expected one column of finite numbers in pA"):
            current(sweeps=("file",), current_file=str(file), current_hash=digest(str(file)))
    (tmp_path / "words.txt").write_text("one\ntwo\n")
    assert "no current can be read" in check(values(sweeps=("file",), current_file=str(tmp_path / "words.txt")))


def test_clocks():
    found = coordinates(values(sweeps=("noise1", "ramp"), sample=0.2))
    np.testing.assert_allclose(found["time"].values, 0.2 * np.arange(2 * LENGTH * 5))
    np.testing.assert_allclose(found["time_bin"].values, np.arange(2 * LENGTH))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sweeps": ()}, "at least one"),
        ({"current_bin": 0.05}, "current_bin .* must be a multiple of the time step"),
        ({"sample": 0.05}, "sample .* must be a multiple of the time step"),
        ({"lowest_frequency": 200.0}, "must be below highest_frequency"),
        ({"highest_frequency": 20_000.0}, "below half the rate of the time step"),
        ({"lowest_frequency": 1.0}, "holds no whole period"),
        ({"tail": 10.4}, "must be a multiple of current_bin"),
    ],
)
def test_values_that_make_no_sense_together(changes, words):
    import re

    assert re.search(words, check(values(**changes)))
    assert check(values()) == "" and check(current_injection.defaults()) == ""
