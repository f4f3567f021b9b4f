"""Spike features against definitions, written out naively."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcsim.errors import ResultsError
from hpcsim.models.model import Context
from hpcsim.outputs import Coordinate, Layout, Output
from hpcsim.stages.features.spikes import interval_statistics, spikes

DT, START = 0.5, 100.0


def _options(**changes: Any) -> dict[str, Any]:
    return {option.name: option.default for option in spikes.options} | {"sizes": (6.0, 4.0), "dt": DT} | changes


def _layout(n_time: int = 400, dt: float = DT, start: float = START) -> Layout:
    ragged = [
        Output(f"{what}_{p}", (f"spike_{p}",), ragged=True) for what in ("spike_times", "spike_senders") for p in "EI"
    ]
    return Layout.of(
        [Output("spike_counts", ("population", "time_bin")), *ragged],
        {"population": Coordinate(np.array(["E", "I"])), "time_bin": Coordinate(start + np.arange(n_time) * dt, "ms")},
    )


def _data(points: list[dict[str, list[list[float]]]], n_time: int = 400, start: float = START) -> dict[str, Any]:
    """Batches from lists of spike times by neuron, ms."""
    edges = start + np.arange(n_time + 1) * DT
    data: dict[str, Any] = {"spike_counts": np.zeros((len(points), 2, n_time), np.int32)}
    for p, name in enumerate("EI"):
        trains = [[(t, i) for i, train in enumerate(point[name]) for t in train] for point in points]
        data[f"spike_times_{name}"] = [np.array([t for t, _ in train]) for train in trains]
        data[f"spike_senders_{name}"] = [np.array([i for _, i in train], np.int32) for train in trains]
        for k, times in enumerate(data[f"spike_times_{name}"]):
            data["spike_counts"][k, p] = np.histogram(times, edges)[0]
    return data


def _random_point(seed: int) -> dict[str, list[list[float]]]:
    """Trains on the grid of DT, of different lengths."""
    rng = np.random.default_rng(seed)
    train = [
        (START + DT * np.sort(rng.choice(400, rng.integers(0, 30), replace=False))).tolist() for _ in range(10)
    ]
    return {"E": train[:6], "I": train[6:]}


def _run(points: list[dict[str, list[list[float]]]], **changes: Any) -> dict[str, np.ndarray]:
    options = _options(**changes)
    layout = spikes.declare(options, _layout())
    found = spikes.apply(_data(points), options, Context())
    assert {name: np.shape(values)[1:] for name, values in found.items()} == {
        name: layout.shape(name) for name in layout.outputs
    }
    return {name: np.asarray(values) for name, values in found.items()}


def test_definitions():
    """Each feature against numpy's plain functions, on random trains."""
    point = _random_point(5)
    found = _run([point])
    for p, name in enumerate("EI"):
        trains = [np.array(train) for train in point[name]]
        cv = [np.diff(train).std() / np.diff(train).mean() for train in trains if len(train) >= 3]
        edges = START + np.arange(21) * 10.0
        counts = np.array([np.histogram(train, edges)[0] for train in trains])
        population = counts.sum(axis=0)
        varying = counts[counts.std(axis=1) > 0]
        pairs = np.corrcoef(varying)[np.triu_indices(len(varying), 1)]
        expected = {
            "spike_rate": sum(map(len, trains)) / len(trains) / 0.2,
            "cv_isi": np.mean(cv),
            "fano_factor": population.var() / population.mean(),
            "pairwise_correlation": pairs.mean(),
        }
        for feature, value in expected.items():
            assert found[feature][0, p] == pytest.approx(value, rel=1e-12), (feature, name)


def test_clocks_and_silence():
    """Regular neurons have CV 0; two that fire together correlate; a silent population has no features but its rate."""
    bursts = [110.0, 112.0, 151.0, 230.0, 231.0, 290.0]
    clock = [100.0 + 20.0 * k for k in range(10)]
    found = _run([{"E": [clock] * 6, "I": [[], [], [], []]}, {"E": [bursts] * 6, "I": [bursts, bursts, [], []]}])
    assert found["spike_rate"][0].tolist() == [50.0, 0.0]
    assert found["cv_isi"][0, 0] == pytest.approx(0, abs=1e-12)
    assert np.isnan([found[name][0, 1] for name in ("cv_isi", "fano_factor", "pairwise_correlation")]).all()
    np.testing.assert_allclose(found["pairwise_correlation"][1], [1.0, 1.0])


def test_poisson_neurons():
    """Irregular, independent: CV and Fano factor near 1, correlation near 0 (bounds from the sizes of the sample)."""
    rng = np.random.default_rng(0)
    n_time, n = 40_000, 60
    trains = [(START + DT * np.flatnonzero(rng.random(n_time) < 0.01)).tolist() for _ in range(2 * n)]
    data = _data([{"E": trains[:n], "I": trains[n:]}], n_time=n_time)
    found = spikes.apply(data, _options(sizes=(float(n), float(n))), Context())
    np.testing.assert_allclose(found["cv_isi"], 1, atol=0.03)
    np.testing.assert_allclose(found["fano_factor"], 1, atol=0.12)
    np.testing.assert_allclose(found["pairwise_correlation"], 0, atol=3e-3)


def test_a_point_does_not_depend_on_its_company():
    """Bit for bit."""
    points = [_random_point(seed) for seed in range(3)]
    together = _run(points)
    for i, point in enumerate(points):
        for name, values in _run([point]).items():
            np.testing.assert_array_equal(values[0], together[name][i])


def test_sample_limits_the_correlated_neurons():
    """With a sample of two, they are the first and the last."""
    point = _random_point(1)
    point["E"][0] = point["E"][-1] = [110.0, 112.0, 151.0, 230.0, 290.0]
    assert _run([point], sample=2)["pairwise_correlation"][0, 0] == pytest.approx(1)


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 4)), max_size=60, unique=True))
def test_interval_statistics(events: list[tuple[int, int]]):
    """Any order of spikes gives what one neuron after the other gives."""
    times = np.array([float(t) for t, _ in events])
    senders = np.array([sender for _, sender in events], np.int64)
    mean, cv = interval_statistics(times, senders)
    trains = [np.sort(times[senders == sender]) for sender in range(5)]
    intervals = [np.diff(train) for train in trains if len(train) >= 3]
    np.testing.assert_allclose(mean, [interval.mean() for interval in intervals])
    np.testing.assert_allclose(cv, [interval.std() / interval.mean() for interval in intervals], atol=1e-12)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"populations": ("E", "S")}, "populations E, I"),
        ({"sizes": (6.0,)}, "give both for each"),
        ({"dt": 0.25}, "option dt is 0.25 ms"),
        ({"bin": 150.0}, "at most half of the"),
    ],
)
def test_options_that_do_not_fit_are_refused(changes: dict[str, Any], message: str):
    """When the study is checked."""
    with pytest.raises(ResultsError, match=message):
        spikes.declare(_options(**changes), _layout())


def test_spikes_from_outside_the_population_are_refused():
    """The sizes are wrong, and so would be the rates."""
    with pytest.raises(ResultsError, match="neurons 0 to 5, and it has 3; set option sizes"):
        _run([{"E": [[110.0]] * 6, "I": []}], sizes=(3.0, 4.0))
