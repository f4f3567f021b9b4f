"""A cell whose spikes come from a known generalized linear model, under a frozen noise in four epochs."""

from __future__ import annotations

from typing import Any

import numpy as np

from hpcsim.models.model import Context
from hpcsim.outputs import Coordinate, Layout, Output
from hpcsim.stages.features.glm.basis import raised_cosines
from hpcsim.stages.features.glm.glm import glm
from hpcsim.stages.features.glm.simulation import simulate

#: Bins of 1 ms of an epoch; two epochs repeat one noise, two others another.
N = 6000
WINDOW, PAST = 60, 40
CURRENT_FILTER = 0.0012 * np.exp(-np.arange(WINDOW) / 10)
HISTORY_FILTER = -6 * np.exp(-np.arange(PAST) / 6)
SHORT = {"window": float(WINDOW), "n_current": 6, "history": float(PAST), "n_history": 5}


def noise(seed: int, n: int = N) -> np.ndarray:
    """Noise with a time constant of 5 ms, pA."""
    white = np.random.default_rng(seed).normal(size=n + 50)
    return 100 + 60 * np.convolve(white, np.exp(-np.arange(50) / 5), mode="same")[50:]


def stimulus() -> tuple[np.ndarray, np.ndarray]:
    """The current and the numbers of the epochs."""
    first, second = noise(1), noise(2)
    return np.concatenate([first, first, second, second]), np.repeat([1, 2, 3, 4], N).astype(np.int16)


def spikes(current: np.ndarray, rate: float, seed: int, history: np.ndarray = HISTORY_FILTER) -> np.ndarray:
    """Counts of the known model, with this rate where there is neither current nor spike."""
    drive = np.log(rate / 1000) + np.convolve(current - current.mean(), CURRENT_FILTER)[: len(current)]
    found = simulate(drive, history, np.empty(0, int), 10**6, np.random.default_rng(seed))
    return np.bincount(found.spikes, minlength=len(current)).astype(float)


def layout(n: int, step: float = 1.0) -> Layout:
    outputs = [
        Output("spike_times", ("spike",), "ms", ragged=True),
        Output("current", ("time_bin",), "pA"),
        Output("epoch", ("time_bin",), dtype="int16"),
        Output("v", ("time_bin",), "mV"),
    ]
    return Layout.of(outputs, {"time_bin": Coordinate(step * np.arange(n), "ms")})


def run(data: dict[str, Any], n: int, step: float = 1.0, **changes: Any) -> tuple[dict[str, np.ndarray], Layout]:
    """Outputs of the stage, checked against what it declares."""
    options = {option.name: option.default for option in glm.options} | SHORT | {"simulations": 4} | changes
    there = layout(n, step)
    declared = glm.declare(options, there)
    found = glm.apply(data, options, Context(layout=there.union(declared)))
    assert set(found) == set(declared.outputs)
    for name, values in found.items():
        assert np.shape(values) == (len(data["spike_times"]), *declared.shape(name))
        assert np.asarray(values).dtype == np.dtype(declared[name].dtype)
    return {name: np.asarray(values) for name, values in found.items()}, declared


def batch(counts: list[np.ndarray], current: np.ndarray, epoch: np.ndarray) -> dict[str, Any]:
    """A batch of points under one stimulus; spikes lie in the middle of their bins."""
    times = [np.repeat(np.arange(len(each)), each.astype(int)) + 0.5 for each in counts]
    n = len(counts)
    return {
        "spike_times": times,
        "current": np.tile(current, (n, 1)),
        "epoch": np.tile(epoch, (n, 1)),
        "v": np.full((n, len(current)), -70.0),
    }


def bases() -> tuple[np.ndarray, np.ndarray]:
    return raised_cosines(6, WINDOW), raised_cosines(5, PAST)
