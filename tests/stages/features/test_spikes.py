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
    return {option.name: option.default for option in spikes.options} | changes


def _layout(n_time: int = 400, dt: float = DT, start: float = START) -> Layout:
    times = [Output(f"spike_times_{p}", (f"spike_{p}",), "ms", ragged=True) for p in "EI"]
    senders = [Output(f"spike_senders_{p}", (f"spike_{p}",), ragged=True) for p in "EI"]
    counts = [Output("spike_counts", ("population", "time_bin")), Output("population_size", ("population",), dtype="int32")]
    return Layout.of(
        [*counts, *times, *senders],
        {"population": Coordinate(np.array(["E", "I"])), "time_bin": Coordinate(start + np.arange(n_time) * dt, "ms")},
    )


def _data(points: list[dict[str, list[list[float]]]], n_time: int = 400, start: float = START) -> dict[str, Any]:
    """Batches from lists of spike times by neuron, ms; silent neurons have empty lists."""
    edges = start + np.arange(n_time + 1) * DT
    data: dict[str, Any] = {"spike_counts": np.zeros((len(points), 2, n_time), np.int32)}
    data["population_size"] = np.array([[len(point[name]) for name in "EI"] for point in points], np.int32)
    for p, name in enumerate("EI"):
        trains = [[(t, i) for i, train in enumerate(point[name]) for t in train] for point in points]
        data[f"spike_times_{name}"] = [np.array([t for t, _ in train]) for train in trains]
        data[f"spike_senders_{name}"] = [np.array([i for _, i in train], np.int32) for train in trains]
        for k, times in enumerate(data[f"spike_times_{name}"]):
            data["spike_counts"][k, p] = np.histogram(times[times < edges[-1]], edges)[0]
    return data


def _random_point(seed: int) -> dict[str, list[list[float]]]:
    """Trains on the grid of DT, of different lengths."""
    rng = np.random.default_rng(seed)
    train = [(START + DT * np.sort(rng.choice(400, rng.integers(0, 30), replace=False))).tolist() for _ in range(10)]
    return {"E": train[:6], "I": train[6:]}


def _run(points: list[dict[str, list[list[float]]]], **changes: Any) -> dict[str, np.ndarray]:
    options = _options(**changes)
    layout = spikes.declare(options, _layout())
    found = spikes.apply(_data(points), options, Context(layout=_layout()))
    assert {name: np.shape(values)[1:] for name, values in found.items()} == {name: layout.shape(name) for name in layout.outputs}
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
    found = spikes.apply(data, _options(), Context(layout=_layout(n_time)))
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


def test_every_point_has_its_own_sizes():
    """The same spikes in a network with two more silent neurons: lower rates, all else unchanged."""
    point = _random_point(3)
    found = _run([point, {"E": [*point["E"], [], []], "I": point["I"]}])
    assert found["spike_rate"][1].tolist() == pytest.approx((found["spike_rate"][0] * [6 / 8, 1]).tolist())
    for name in ("cv_isi", "fano_factor", "pairwise_correlation"):
        np.testing.assert_array_equal(found[name][1], found[name][0])


def test_population_without_neurons_has_no_features():
    """And the other one has its own."""
    point = _random_point(3)
    found = _run([point, {"E": point["E"], "I": []}])
    for values in found.values():
        assert values[1, 0] == values[0, 0]
        assert np.isnan(values[1, 1])


def test_spikes_outside_the_bins_are_left_out():
    """A recorder that also ran in the transient: the bins of the counts say what counts, also after a silent beginning."""
    point = _random_point(4)
    late = {name: [[t for t in train if t >= START + 50] for train in trains] for name, trains in point.items()}
    longer = {name: [[3.0, 50.0, 99.5, *train, 300.0, 301.0] for train in trains] for name, trains in late.items()}
    expected, found = _run([late]), _run([longer])
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)


def test_bins_start_at_the_first_left_edge():
    """Two bins of 10 ms touch at 110 ms, wherever the first spike is: shared bins make a correlation of 1."""
    found = _run([{"E": [[103.0, 109.5]] + [[104.0, 105.0]] * 5, "I": [[109.5], [110.0], [], []]}])
    assert found["pairwise_correlation"][0, 0] == pytest.approx(1)
    assert found["pairwise_correlation"][0, 1] == pytest.approx(-1 / 19)


@pytest.mark.parametrize("edge", [0.1, 0.3, 1.7])
def test_steps_that_are_no_binary_fractions(edge: float):
    """Left edges from a multiplication: spikes on them are in the bins that they open."""
    dt, n_time = 0.1, 4000
    edges = edge + dt * np.arange(n_time)
    every = edges[50::100]
    counts = np.zeros((1, 2, n_time), np.int32)
    counts[0, :, 50::100] = 2
    data: dict[str, Any] = {"spike_counts": counts, "population_size": np.array([[2, 2]])}
    for name in "EI":
        data[f"spike_times_{name}"] = [np.repeat(every, 2)]
        data[f"spike_senders_{name}"] = [np.tile([0, 1], len(every))]
    found = spikes.apply(data, _options(), Context(layout=_layout(n_time, dt, edge)))
    np.testing.assert_allclose(found["spike_rate"], 100.0, rtol=1e-12)
    np.testing.assert_allclose(found["cv_isi"], 0, atol=1e-9)
    np.testing.assert_array_equal(found["fano_factor"], 0)
    assert np.isnan(found["pairwise_correlation"]).all()


def _changed(**changes: Any) -> Layout:
    """The layout with other outputs or coordinates."""
    layout = _layout()
    outputs = [
        Output(**{"name": o.name, "dims": o.dims, "unit": o.unit, "ragged": o.ragged} | changes.get(o.name, {}))
        for o in layout.outputs.values()
    ]
    return Layout.of(outputs, {**layout.coordinates, **changes.get("coordinates", {})})


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        (_changed(spike_counts={"dims": ("time_bin",)}), "expected a population and a time"),
        (_changed(population_size={"dims": ("time_bin",)}), r"population_size has dimensions .* expected population alone"),
        (_changed(population_size={"name": "size"}), 'no output "population_size"'),
        (_changed(spike_times_I={"unit": "s"}), 'spike_times_I is in "s"; expected "ms"'),
        (_changed(coordinates={"time_bin": Coordinate(np.arange(9.0), "s")}), 'spike_counts are in "s"; expected "ms"'),
        (_changed(coordinates={"time_bin": Coordinate(np.arange(9.0) ** 2, "ms")}), "steps from 1 to 15 ms; expected equal"),
        (_changed(coordinates={"population": Coordinate(np.array(["E", "S"]))}), 'no output "spike_times_S"'),
    ],
)
def test_outputs_that_do_not_fit_are_refused(layout: Layout, message: str):
    """When the study is checked."""
    with pytest.raises(ResultsError, match=message):
        spikes.declare(_options(), layout)


@pytest.mark.parametrize("width", [0.25, 150.0])
def test_bin_that_does_not_fit_is_refused(width: float):
    """Narrower than a bin of the counts, or wider than half of them."""
    with pytest.raises(ResultsError, match=r"at least a bin of the counts \(0\.5 ms\) and at most half"):
        spikes.declare(_options(bin=width), _layout())


def test_spikes_from_outside_the_population_are_refused():
    """The sizes are wrong, and so would be the rates."""
    data = _data([{"E": [[110.0]] * 6, "I": []}])
    data["population_size"][0, 0] = 3
    with pytest.raises(ResultsError, match="neurons 0 to 5, and population_size says that it has 3"):
        spikes.apply(data, _options(), Context(layout=_layout()))
