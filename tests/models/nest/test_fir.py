"""Filters in a running NEST against the convolution of spike counts afterwards."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from absent import absent

from hpcsim.errors import SimulationError
from hpcsim.models.nest import fir
from hpcsim.stages.signals.convolution import convolved

DT, N_STEPS, REACH = 2.0**-4, 2400, 160
PATHWAYS = ("E:E", "E:I", "I:E", "I:I")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the node is compiled, once."""
    if find_spec("pynestml") is None:
        absent("NESTML: pip install 'hpcsim[nestml]'")
    return tmp_path_factory.mktemp("Zürich labör's cache")


def kernels() -> np.ndarray:
    """Causal ones, all different, shape (4, 2, 2 REACH + 1)."""
    made = np.random.default_rng(1).normal(size=(4, 2, 2 * REACH + 1))
    made[..., : REACH + 1] = 0
    return made


def reset(dt: float = DT) -> Any:
    import nest

    nest.ResetKernel()
    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.set(tics_per_ms=round(1000 / dt), resolution=dt)
    return nest


def populations(nest: Any, seed: int) -> dict[str, Any]:
    """Neurons that repeat random trains; many spikes of a population fall into one step."""
    random, made = np.random.default_rng(seed), {}
    for population, size in (("E", 40), ("I", 10)):
        trains = [DT * np.sort(random.choice(np.arange(1, N_STEPS - 1), 60, replace=False)) for _ in range(size)]
        generators = nest.Create("spike_generator", size, params=[{"spike_times": train.tolist()} for train in trains])
        made[population] = nest.Create("parrot_neuron", size)
        nest.Connect(generators, made[population], "one_to_one", {"delay": DT})
    return made


def counted(nest: Any, neurons: dict[str, Any]) -> dict[str, Any]:
    recorders = {}
    for population, own in neurons.items():
        recorders[population] = nest.Create("spike_recorder")
        nest.Connect(own, recorders[population])
    return recorders


def test_online_is_offline(cache: Path):
    """To 1e-12 of the largest value, for all pathways and channels; twice, since NEST forgets the node when it is reset."""
    for seed in (1, 2):
        nest = reset()
        fir.install(cache)
        neurons = populations(nest, seed)
        recorders = counted(nest, neurons)
        filters = fir.connect(neurons, kernels(), PATHWAYS, DT)
        nest.Simulate(N_STEPS * DT)
        bins = {p: np.rint(recorder.events["times"] / DT).astype(int) for p, recorder in recorders.items()}
        counts = np.array([np.bincount(bins[p], minlength=N_STEPS)[:N_STEPS] for p in "EI"], float)
        assert counts.max() > 2 and counts.sum() > 2000
        expected, found = convolved(counts, kernels())[..., :-1], filters.signals(N_STEPS)
        assert found.shape == expected.shape == (4, 2, N_STEPS - 1)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.abs(expected).max())
        assert len({float(signal.max()) for signal in found.reshape(8, -1)}) == 8


def test_what_does_not_fit_is_refused(cache: Path):
    """Kernels that know the future, and another time step."""
    reset(dt=2.0**-3)
    with pytest.raises(SimulationError, match=r"kernels have steps of 0.0625 ms and NEST of 0.125 ms"):
        fir.connect({}, kernels(), PATHWAYS, DT)
    early = kernels()
    early[2, 1, REACH] = 1e-9
    with pytest.raises(SimulationError, match="act at lag 0 or before"):
        fir.connect({}, early, PATHWAYS, DT)
