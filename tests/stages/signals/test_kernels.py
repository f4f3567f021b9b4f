"""Kernels cut out of signals: where, how much of them, and when not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hpcsim.errors import ResultsError
from hpcsim.models.model import Context
from hpcsim.outputs import Coordinate, Layout, Output
from hpcsim.stages.registry import get_stage
from hpcsim.stages.signals.convolution import summed
from hpcsim.stages.signals.kernels import kernels

SIZES = np.array([4, 2])
STEPS, LAGS = 200, 40
OPTIONS = {"of": "spike_counts", "lag_max": 20.0}


def layout(step: float = 0.5, *, signals: tuple[str, ...] = ("dipole", "lfp")) -> Layout:
    channels = {"dipole": (), "lfp": ("contact",)}
    units = {"dipole": "nA um", "lfp": "mV"}
    outputs = [
        Output("spike_counts", ("population", "time_bin"), "", "int32"),
        Output("population_size", ("population",), "", "int32"),
        *(Output(f"population_{name}", ("population", *channels[name], "time_bin"), units[name]) for name in signals),
    ]
    coordinates = {
        "population": Coordinate(np.array(["E", "I"])),
        "contact": Coordinate(np.arange(3.0), "um"),
        "time_bin": Coordinate(step * np.arange(STEPS), "ms"),
    }
    return Layout.of(outputs, coordinates)


def data(first: tuple[int, int] = (30, 100)) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Signals that are sums of known kernels, which end before the next population spikes."""
    random = np.random.default_rng(1)
    truth = np.zeros((2, 2, 3, LAGS + 1))
    truth[..., 1:] = random.normal(size=(2, 2, 3, LAGS))
    counts, lfp = np.zeros((2, STEPS), int), np.zeros((2, 3, STEPS))
    for pre, bin_ in enumerate(first):
        counts[pre, bin_] = SIZES[pre]
        lfp[..., bin_ : bin_ + LAGS + 1] += SIZES[pre] * truth[:, pre]
    given = {"spike_counts": counts, "population_size": SIZES, "population_lfp": lfp, "population_dipole": lfp[:, 0]}
    return {name: array[None] for name, array in given.items()}, truth


def apply(given: dict[str, np.ndarray], **changes: Any) -> dict[str, Any]:
    return dict(kernels.apply(given, {**OPTIONS, **changes}, Context(layout=layout())))


def test_kernels_are_found_again():
    """Post:pre, of one spike, causal, with lag 0 in the middle."""
    given, truth = data()
    found, declared = apply(given), kernels.declare(OPTIONS, layout())
    assert list(declared.coordinates["pathway"].values) == ["E:E", "E:I", "I:E", "I:I"]
    np.testing.assert_allclose(declared.coordinates["lag"].values, 0.5 * np.arange(-40, 41))
    for name in ("lfp_kernel", "dipole_kernel"):
        assert found[name].shape[1:] == declared.shape(name)
    assert declared["lfp_kernel"].unit == "mV"
    np.testing.assert_allclose(found["lfp_kernel"][0][..., LAGS:], truth.reshape(4, 3, -1), atol=1e-14)
    assert not found["lfp_kernel"][..., :LAGS].any()
    np.testing.assert_array_equal(found["dipole_kernel"], found["lfp_kernel"][:, :, 0])


def test_they_are_what_the_dipole_stage_convolves():
    """The signal comes back from its own spikes."""
    given, _ = data()
    cut = apply(given)["dipole_kernel"][0]
    found = summed(given["spike_counts"][0].astype(float), cut)
    np.testing.assert_allclose(found, given["population_dipole"][0].sum(axis=0), atol=1e-12)


def spiking_twice(given: dict[str, np.ndarray]) -> None:
    given["spike_counts"][0, 0, 60] = 1


def spiking_in_part(given: dict[str, np.ndarray]) -> None:
    given["spike_counts"][0, 1, 100] = 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (spiking_twice, "population E has 5 spikes in 2 time bins; expected those of its 4 neurons in one bin"),
        (spiking_in_part, "population I has 1 spikes in 1 time bins; expected those of its 2 neurons"),
    ],
)
def test_other_spikes_are_refused(change: Any, message: str):
    """A neuron that spikes twice, or not at all."""
    given, _ = data()
    change(given)
    with pytest.raises(ResultsError, match=message):
        apply(given)


def test_responses_that_meet_are_refused():
    """Another population, or the end, within lag_max."""
    with pytest.raises(ResultsError, match="spike within lag_max of each other"):
        apply(data((30, 69))[0])
    given, _ = data()
    given["spike_counts"][0, 1] = np.roll(given["spike_counts"][0, 1], 60)
    with pytest.raises(ResultsError, match="population I spikes less than lag_max before the end"):
        apply(given)


def test_declarations_that_make_no_sense():
    """No signal, and lags longer than the signals."""
    with pytest.raises(ResultsError, match="none of population_dipole, population_lfp, population_csd"):
        kernels.declare(OPTIONS, layout(signals=()))
    with pytest.raises(ResultsError, match=r"lag_max is 100 ms; expected .* less than the time of spike_counts, 100 ms"):
        kernels.declare({**OPTIONS, "lag_max": 100.0}, layout())


def test_it_is_registered():
    """Under its name."""
    assert get_stage("signals.kernels") is kernels
