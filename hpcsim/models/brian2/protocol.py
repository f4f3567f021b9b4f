"""Protocols of injected current: frozen noise, steps, ramps, or a current from a file, sweep after sweep.

The noise sweeps are those of the Allen Cell Types Database ("Noise 1" and "Noise 2"): three pulses of 3 s with rising mean, on
which pink noise rides; the two have different frozen noises. A point's current is

    holding + amplitude * (base + cv * noise) + gain * recorded

so that it is swept without another waveform.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from hpcsim.errors import ResultsError, SimulationError
from hpcsim.files import read_arrays, regular
from hpcsim.space.parameter import Parameter

ALLEN = "Allen Cell Types Database, electrophysiology white paper; Teeter et al. 2018, doi:10.1038/s41467-017-02717-4"
SWEEPS = ("noise1", "noise2", "step", "ramp", "file")
#: Seeds of the frozen noises.
_SEEDS = {"noise1": 1, "noise2": 2}

PARAMETERS: tuple[Parameter, ...] = (
    Parameter("sweeps", ("noise1", "noise1", "noise2", "noise2"), choices=SWEEPS, description="in order; an epoch each"),
    Parameter("amplitude", 200.0, "pA", description="current that the pulses are multiples of, such as the rheobase"),
    Parameter("pulses", (0.75, 1.0, 1.5), description="means of the pulses of a sweep, in amplitudes", source=ALLEN),
    Parameter("cv", 0.2, bounds=(0.0, None), description="standard deviation of the noise, in means of the pulse", source=ALLEN),
    Parameter("holding", 0.0, "pA", description="current that is always injected"),
    Parameter("lead", 2000.0, "ms", (0.0, None), description="before the first pulse of a sweep", source=ALLEN),
    Parameter("pulse", 3000.0, "ms", (1.0, None), description="duration of a pulse", source=ALLEN),
    Parameter("gap", 5000.0, "ms", (0.0, None), description="between two pulses", source=ALLEN),
    Parameter("tail", 1000.0, "ms", (0.0, None), description="after the last pulse of a sweep"),
    Parameter("lowest_frequency", 1.0, "Hz", (1e-3, None), description="of the pink noise", source=ALLEN),
    Parameter("highest_frequency", 100.0, "Hz", (1e-3, None), description="of the pink noise", source=ALLEN),
    Parameter("current_file", "", description="absolute path of a .npy or text file with one column, pA; of sweeps of kind file"),
    Parameter("current_hash", "", description="first 16 digits of the file's SHA-256, so that a change of it is another study"),
    Parameter("current_step", 0.05, "ms", (1e-3, None), description="time between two values of the file"),
    Parameter("gain", 1.0, description="of the current of the file"),
    Parameter("current_bin", 1.0, "ms", (1e-3, None), description="bins whose mean current is an output"),
)
#: Parameters that may differ from point to point.
SWEPT = ("amplitude", "cv", "holding", "gain")


@dataclass(frozen=True, eq=False)
class Waveforms:
    """What the current of all points is made of.

    Parameters
    ----------
    base, noise, recorded : ndarray, shape (steps,)
        In amplitudes, in amplitudes for a cv of one, and in pA.
    sweep : ndarray of int16, shape (steps,)
        Number of the sweep, from 1.
    """

    base: np.ndarray
    noise: np.ndarray
    recorded: np.ndarray
    sweep: np.ndarray

    def current(self, columns: Mapping[str, np.ndarray], start: int, stop: int) -> np.ndarray:
        """Currents of some steps in pA, shape (n, stop - start), from `SWEPT` of the points."""
        base, noise, recorded = (wave[start:stop] for wave in (self.base, self.noise, self.recorded))
        amplitude, cv, holding, gain = (columns[name][:, np.newaxis] for name in SWEPT)
        return np.asarray(holding + amplitude * (base + cv * noise) + gain * recorded)

    def binned(self, columns: Mapping[str, np.ndarray], steps: int) -> np.ndarray:
        """Mean currents of bins of so many steps in pA, shape (n, n_bins)."""
        base, noise, recorded = (wave.reshape(-1, steps).mean(axis=1) for wave in (self.base, self.noise, self.recorded))
        return Waveforms(base, noise, recorded, self.sweep[::steps]).current(columns, 0, len(base))


def waveforms(values: Mapping[str, Any]) -> Waveforms:
    """The waveforms of a protocol.

    Parameters
    ----------
    values : mapping
        `PARAMETERS`, and ``dt`` in ms.

    Raises
    ------
    SimulationError
        If the file cannot be read, or is another one than `current_hash` says.
    """
    dt = float(values["dt"])
    parts: list[tuple[np.ndarray, ...]] = []
    for name in values["sweeps"]:
        n = sweep_steps(values, name)
        base, noise, recorded = np.zeros((3, n))
        if name == "file":
            at = np.floor(np.arange(n) * dt / values["current_step"] + 1e-9).astype(np.int64)
            recorded = read_current(values["current_file"], values["current_hash"])[at]
        elif name == "ramp":
            ramp = slice(_steps(values["lead"], dt), n - _steps(values["tail"], dt))
            base[ramp] = np.linspace(0, max(values["pulses"]), ramp.stop - ramp.start)
        else:
            for k, mean in enumerate(values["pulses"]):
                first = _steps(values["lead"], dt) + k * (_steps(values["pulse"], dt) + _steps(values["gap"], dt))
                pulse = slice(first, first + _steps(values["pulse"], dt))
                base[pulse] = mean
                if name in _SEEDS:
                    band = (values["lowest_frequency"], values["highest_frequency"])
                    noise[pulse] = mean * pink_noise(pulse.stop - first, dt, band, (_SEEDS[name], k))
        parts.append((base, noise, recorded, np.full(n, len(parts) + 1, np.int16)))
    return Waveforms(*(np.concatenate(wave) for wave in zip(*parts, strict=True)))


def sweep_steps(values: Mapping[str, Any], name: str) -> int:
    """Time steps of a sweep."""
    dt, pulses = float(values["dt"]), len(values["pulses"])
    if name == "file":
        samples = len(read_current(values["current_file"], values["current_hash"]))
        return int(samples * values["current_step"] / dt + 1e-9)
    parts = [values["lead"], values["tail"], *[values["pulse"]] * pulses, *[values["gap"]] * (pulses - 1)]
    return sum(_steps(part, dt) for part in parts)


def _steps(duration: float, dt: float) -> int:
    return round(float(duration) / dt)


def pink_noise(n: int, dt: float, band: tuple[float, float], seed: tuple[int, int]) -> np.ndarray:
    """Frozen noise whose power falls with the inverse of the frequency.

    Parameters
    ----------
    n : int
    dt : float, ms
    band : (lowest, highest), Hz
        Frequencies that it has.
    seed : tuple of int

    Returns
    -------
    ndarray, shape (n,)
        Of mean 0 and variance 1.
    """
    # periods of the whole noise, so that rounding of frequencies does not move the band
    first, last = (edge * n * dt / 1000 for edge in band)
    periods = np.arange(max(1, np.ceil(first - 1e-6)), min(n // 2, np.floor(last + 1e-6)) + 1)
    # drawn for the frequencies inside alone: another time step leaves the noise as it is
    phases = np.exp(2j * np.pi * np.random.default_rng(seed).random(len(periods)))
    spectrum = np.zeros(n // 2 + 1, complex)
    spectrum[periods.astype(np.int64)] = phases / np.sqrt(periods)
    noise = np.fft.irfft(spectrum, n)
    return np.asarray((noise - noise.mean()) / noise.std())


def digest(path: str) -> str:
    """What `current_hash` of a file is."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]


@lru_cache(maxsize=4)
def read_current(path: str, expected: str) -> np.ndarray:
    """The current of a file, pA.

    Raises
    ------
    SimulationError
        If it is not the file that was meant, or holds something else than finite numbers in one column.
    """
    file = Path(path)
    if not file.is_absolute():
        raise SimulationError(f'current_file is "{path}"; expected an absolute path, since tasks may run in another folder')
    try:
        found = digest(str(regular(file)))
        values = next(iter(read_arrays(file).values())) if file.suffix == ".npy" else np.loadtxt(file, dtype=float)
    except (OSError, ValueError, ResultsError) as error:
        raise SimulationError(
            f"{path}: no current can be read ({error}); expected a .npy or text file with one column"
        ) from error
    if found != expected:
        raise SimulationError(
            f'{path}: current_hash is "{expected}", and that of the file "{found}"; set it if this file is meant'
        )
    current = np.asarray(values, dtype=np.float64)
    if current.ndim != 1 or not len(current) or not np.isfinite(current).all():
        raise SimulationError(f"{path}: found an array of shape {current.shape}; expected one column of finite numbers in pA")
    current.flags.writeable = False
    return current


def check(values: Mapping[str, Any]) -> str:
    """Why a protocol makes no sense, or an empty string."""
    dt, steps = float(values["dt"]), round(float(values["current_bin"]) / float(values["dt"]))
    if not values["sweeps"] or not values["pulses"]:
        return "sweeps and pulses must name at least one each"
    if steps < 1 or abs(steps * dt - values["current_bin"]) > 1e-6 * dt:
        return f"current_bin ({values['current_bin']:g} ms) must be a multiple of the time step dt ({dt:g} ms)"
    if not values["lowest_frequency"] < values["highest_frequency"]:
        return "lowest_frequency must be below highest_frequency"
    if not values["highest_frequency"] * dt < 500:
        return f"highest_frequency ({values['highest_frequency']:g} Hz) must be below half the rate of the time step"
    try:
        lengths = {name: sweep_steps(values, name) for name in values["sweeps"]}
    except SimulationError as error:
        return str(error)
    for name, length in lengths.items():
        if length < steps or length % steps:
            return (
                f"the sweep {name} lasts {length * dt:g} ms; it must be a multiple of current_bin ({values['current_bin']:g} ms)"
            )
    if _SEEDS.keys() & lengths.keys() and values["pulse"] * values["lowest_frequency"] < 1000:
        return f"a pulse of {values['pulse']:g} ms holds no whole period of lowest_frequency ({values['lowest_frequency']:g} Hz)"
    return ""
