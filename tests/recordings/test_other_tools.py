"""What hpcsim writes is opened, and its spike statistics are confirmed, by the field's own tools."""

from __future__ import annotations

import sys
import warnings

import numpy as np
import pytest
from absent import needed

import hpcsim
from hpcsim import Coordinate, Output, Parameter, model
from hpcsim.errors import PluginError
from hpcsim.recordings.export.formats import export
from hpcsim.stages.features.glm.ceiling import smooth
from hpcsim.stages.features.spikes import interval_statistics

BINS, SIZE = 2000, {"E": 6, "I": 4}
KEPT = ("spike_times_E", "spike_senders_E", "spike_times_I", "spike_senders_I", "spike_counts", "population_size", "v", "current")
FEATURES = ("spike_rate", "cv_isi", "fano_factor", "pairwise_correlation")
TIMES = {
    "population": Coordinate(np.array(list(SIZE))),
    "time_bin": Coordinate(np.arange(float(BINS)), "ms"),
    "time": Coordinate(0.5 * np.arange(2 * BINS), "ms"),
}


def trains(seed: int, n: int) -> list[np.ndarray]:
    """Gamma processes with a common slow modulation, so that counts are correlated; on a grid of 0.1 ms."""
    random = np.random.default_rng(seed)
    found = []
    for k in range(n):
        times = np.cumsum(random.gamma(1.5, 12.0 + 3 * k, 400))
        times = np.unique(np.round(times + 15 * np.sin(times / 80), 1))
        found.append(times[(times >= 0) & (times < BINS)])
    return found


@model(
    "toy.network",
    parameters=[Parameter("x", 1.0), Parameter("sweeps", ("noise1", "noise2"))],
    outputs=[
        *(Output(f"spike_times_{name}", (f"spike_{name}",), "ms", ragged=True) for name in SIZE),
        *(Output(f"spike_senders_{name}", (f"spike_{name}",), dtype="int32", ragged=True) for name in SIZE),
        Output("spike_counts", ("population", "time_bin"), dtype="int32"),
        Output("population_size", ("population",), dtype="int32"),
        Output("v", ("time",), "mV"),
        Output("current", ("time_bin",), "pA"),
        Output("epoch", ("time_bin",), dtype="int16"),
    ],
    coordinates=lambda values: TIMES,
)
def network(point, context):
    found = {"population_size": np.array(list(SIZE.values())), "spike_counts": np.empty((2, BINS), np.int32)}
    for row, (name, size) in enumerate(SIZE.items()):
        own = trains(row + 1, size)
        times, senders = np.concatenate(own), np.repeat(np.arange(size), [len(train) for train in own])
        found |= {f"spike_times_{name}": times, f"spike_senders_{name}": senders}
        found["spike_counts"][row] = np.histogram(times, np.arange(BINS + 1))[0]
    found |= {"v": -70 + np.sin(np.arange(2 * BINS) / 50), "current": 100 + 20 * np.sin(np.arange(BINS) / 30)}
    return found | {"epoch": np.repeat([1, 2], BINS // 2)}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    keep = [*KEPT, "epoch", *FEATURES]
    stages = [{"use": "features.spikes"}]
    study = hpcsim.Study("network", network, space={"x": {"values": [1]}}, stages=stages, outputs={"keep": keep})
    with study.run("inline", tmp_path_factory.mktemp("network")) as found:
        yield found


@pytest.fixture(scope="module")
def nwb(results):
    [file] = export(results, "nwb")
    return file


@pytest.fixture(scope="module")
def segment(results):
    needed("neo")
    return results.to_neo(0).segments[0]


def population(segment, name):
    return [train for train in segment.spiketrains if train.name.startswith(f"{name}_")]


def test_pynapple_opens_the_export_as_the_tutorial_of_nemos_does(nwb, results):
    needed("pynapple")
    import pynapple as nap

    data = nap.load_file(str(nwb))
    noise = data["epochs"][data["epochs"].tags == "Noise 1"]
    assert isinstance(data["units"], nap.TsGroup) and len(data["units"]) == 10
    # it ends an epoch that touches the next one a microsecond early
    np.testing.assert_allclose([noise.start[0], noise.end[0]], [0, 1], atol=2e-6)
    current = data["stimulus"].restrict(noise) * 1e12
    assert isinstance(current, nap.Tsd) and current.rate == pytest.approx(1000, rel=0.01)
    np.testing.assert_allclose(current.d[:1000], results.outputs["current"].values[0, :1000])
    np.testing.assert_allclose(data["response"].d[:] * 1e3, results.outputs["v"].values[0])
    np.testing.assert_allclose(data["units"][0].t, trains(1, 6)[0] / 1000)
    counts = data["units"].restrict(noise).count(0.001)
    assert counts.shape == (1000, 10) and counts.d.sum() == sum((train < 1000).sum() for train in [*trains(1, 6), *trains(2, 4)])


def test_nwbinspector_has_nothing_critical_to_say(nwb):
    needed("nwbinspector")
    from nwbinspector import Importance, inspect_nwbfile

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = list(inspect_nwbfile(nwbfile_path=nwb, importance_threshold=Importance.CRITICAL))
    assert [message.message for message in found] == []


def test_a_nix_file_is_the_block_of_the_point(results, segment):
    needed("nixio")
    from neo.io import NixIO

    [file] = export(results, "neo")
    assert file == results.path.parent / "export" / "neo" / f"{results.table.ids().astype(str)[0]}.nix"
    assert [left.name for left in file.parent.iterdir()] == [file.name]
    with NixIO(str(file), "ro") as io:
        [stored] = io.read_block().segments
    assert stored.annotations["x"] == 1 and stored.annotations["sweeps.1"] == "noise2" and stored.annotations["simulated"]
    for mine, theirs in zip(segment.analogsignals, stored.analogsignals, strict=True):
        np.testing.assert_array_equal(mine.magnitude, theirs.magnitude)
        assert (mine.units, mine.sampling_rate, mine.name) == (theirs.units, theirs.sampling_rate, theirs.name)
    for mine, theirs in zip(segment.spiketrains, stored.spiketrains, strict=True):
        np.testing.assert_array_equal(mine.magnitude, theirs.magnitude)
    assert stored.epochs[0].labels.tolist() == ["noise1", "noise2"]
    # again: a file takes the place of the one before
    assert export(results, "neo") == [file]


def test_libsonata_reads_the_spikes_of_a_population(results, tmp_path):
    needed("libsonata")
    import libsonata

    files = {file.name: file for file in export(results, "sonata", tmp_path)}
    spikes = libsonata.SpikeReader(str(files["spikes.h5"]))
    assert sorted(spikes.get_population_names()) == ["E", "I"]
    assert [time for node, time in spikes["I"].get() if node == 3] == pytest.approx(trains(2, 4)[3].tolist())
    report = libsonata.ElementReportReader(str(files["v.h5"]))["cell"]
    assert report.data_units == "mV" and report.times == (0, BINS, 0.5)


@pytest.mark.parametrize("name", ["E", "I"])
def test_elephant_confirms_the_statistics_of_a_population(results, segment, name):
    """Every number of `features.spikes` from the trains of `results.to_neo` as they are."""
    needed("elephant")
    import quantities as pq
    from elephant.conversion import BinnedSpikeTrain
    from elephant.spike_train_correlation import correlation_coefficient
    from elephant.statistics import cv, isi, mean_firing_rate, time_histogram

    own = population(segment, name)
    assert len(own) == SIZE[name]
    counts = time_histogram(own, 10 * pq.ms).magnitude[:, 0]
    pairs = correlation_coefficient(BinnedSpikeTrain(own, bin_size=10 * pq.ms))
    expected = {
        "spike_rate": np.mean([float(mean_firing_rate(train).rescale("1/s")) for train in own]),
        "cv_isi": np.mean([cv(isi(train)) for train in own]),
        "fano_factor": counts.var() / counts.mean(),
        "pairwise_correlation": pairs[np.triu_indices(len(own), 1)].mean(),
    }
    found = {feature: float(results.outputs[feature].sel(population=name)[0]) for feature in FEATURES}
    assert found == pytest.approx(expected, rel=1e-9)


def test_elephant_confirms_intervals_and_smoothed_rates(segment):
    needed("elephant")
    import quantities as pq
    from elephant.kernels import GaussianKernel
    from elephant.statistics import cv, instantaneous_rate, isi

    own = population(segment, "I")
    times, senders = trains(2, 4), np.repeat(np.arange(4), [len(train) for train in trains(2, 4)])
    mean, irregularity = interval_statistics(np.concatenate(times), senders)
    np.testing.assert_allclose(mean, [float(isi(train).mean()) for train in own])
    np.testing.assert_allclose(irregularity, [cv(isi(train)) for train in own])
    counts = np.histogram(times[0], np.arange(BINS + 1))[0]
    theirs = instantaneous_rate(own[0], 1 * pq.ms, GaussianKernel(10 * pq.ms), border_correction=False).rescale("1/s")
    middle = slice(100, -100)
    np.testing.assert_allclose(1000 * smooth(counts, 10.0)[middle], theirs.magnitude[middle, 0], atol=0.5)


@pytest.mark.parametrize(
    ("to", "module"), [("parquet", "pyarrow"), ("zarr", "zarr"), ("neo", "nixio"), ("nwb", "pynwb"), ("neo", "neo.io")]
)
def test_a_missing_package_is_named_with_its_extra(results, tmp_path, monkeypatch, to, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(PluginError, match=rf"pip install 'hpcsim\[{'nwb' if to == 'nwb' else 'export'}\]'"):
        export(results, to, tmp_path / "somewhere")
