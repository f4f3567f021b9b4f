"""Results as other tools read them: tables, NWB as pynwb reads it back, and Neo."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from absent import needed

import hpcsim
from hpcsim import Coordinate, Output, Parameter, model
from hpcsim.errors import ResultsError
from hpcsim.recordings.export.formats import export

CELL = [
    Output("spike_times", ("spike",), "ms", ragged=True),
    Output("v", ("time",), "mV"),
    Output("current", ("time_bin",), "pA"),
    Output("epoch", ("time_bin",), dtype="int16"),
    Output("rate", ("population", "time_bin"), "Hz"),
    Output("n_spikes", dtype="int32"),
]
TIMES = {
    "time": Coordinate(0.5 * np.arange(80), "ms"),
    "time_bin": Coordinate(np.arange(40.0), "ms"),
    "population": Coordinate(np.array(["E", "I"])),
}


@model(
    "toy.recorded",
    parameters=[Parameter("x", 1.0, "nA"), Parameter("sweeps", ("noise1", "noise2", "noise1"))],
    outputs=CELL,
    coordinates=lambda values: TIMES,
)
def recorded(point, context):
    x = point["x"]
    if x == 3:
        raise ValueError("this point fails")
    return {
        "spike_times": np.array([1.5, 20.25, 33.0])[: int(x) + 1],
        "v": -70 + x * np.sin(np.arange(80) / 5),
        "current": 10 * x + np.arange(40.0),
        "epoch": np.repeat([1, 0, 2, 3], 10),
        "rate": np.stack([np.full(40, x), np.full(40, 2 * x)]),
        "n_spikes": int(x) + 1,
    }


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    study = hpcsim.Study("recorded", recorded, space={"x": {"values": [0, 1, 2, 3]}}, outputs={"keep": [o.name for o in CELL]})
    with study.run("inline", tmp_path_factory.mktemp("recorded")) as found:
        yield found


def test_a_table_of_all_points_that_succeeded(results, tmp_path):
    [file] = export(results, "csv", tmp_path / "points.csv")
    table = pd.read_csv(file, index_col="id")
    assert table["x"].tolist() == [0, 1, 2] and table["n_spikes"].tolist() == [1, 2, 3]
    assert table["sweeps.1"].tolist() == ["noise2"] * 3 and table["v.0.5"].iloc[2] == -70 + 2 * np.sin(0.2)


def test_the_command(results, command, tmp_path):
    folder = results.path.parent
    done = command("export", folder, "--to", "csv", "--where", "x > 0", "--out", tmp_path / "some.csv")
    assert done.returncode == 0, done.stderr
    assert pd.read_csv(tmp_path / "some.csv")["x"].tolist() == [1, 2]
    done = command("export", folder, "--to", "csv", "--where", "y > 0")
    assert done.returncode != 0 and 'there is no number "y"' in done.stderr


def test_traces_are_no_columns(results, tmp_path, monkeypatch):
    from hpcsim.recordings.export import table

    monkeypatch.setattr(table, "LONGEST", 40)
    [file] = export(results, "csv", tmp_path / "points.csv")
    columns = pd.read_csv(file).columns
    assert "v.0.5" not in columns and "current.39.0" in columns


def test_chosen_points(results, tmp_path):
    ids = results.table.ids().astype(str)

    def chosen(where="", ids=()):
        [file] = export(results, "csv", tmp_path / "some.csv", where, ids)
        return pd.read_csv(file)["x"].tolist()

    assert chosen("x > 0.5") == [1, 2]
    assert chosen("n_spikes == 2 or x == 0") == [0, 1]
    assert chosen(ids=[ids[2][:12], ids[0]]) == [2, 0]
    assert chosen("x < 1", [ids[2], ids[0]]) == [0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("xls",), 'no format "xls"'),
        (("csv", None, "y > 1"), 'where: there is no number "y"'),
        (("csv", None, "x + 1"), "where: .*is a number, expected a comparison"),
        (("csv", None, "x > 7"), "no point that succeeded meets x > 7"),
        (("csv", None, "", ["zz"]), 'no point has an id that begins with "zz"'),
    ],
)
def test_what_cannot_be_exported(results, arguments, words):
    with pytest.raises(ResultsError, match=words):
        export(results, *arguments)
    failed = results.table.ids().astype(str)[3]
    with pytest.raises(ResultsError, match=f"{failed} has no outputs: it is failed"):
        export(results, "nwb", None, "", [failed])
    assert not (results.path.parent / "export" / "points.csv").exists()


def test_parquet(results, tmp_path):
    needed("pyarrow")
    [file] = export(results, "parquet", tmp_path / "points.parquet")
    assert pd.read_parquet(file)["x"].tolist() == [0, 1, 2]


def test_zarr(results, tmp_path):
    needed("zarr")
    import xarray as xr

    export(results, "zarr", tmp_path / "points.zarr", "x > 0")
    with xr.open_zarr(tmp_path / "points.zarr") as stored:
        assert stored["x"].values.tolist() == [1, 2]
        np.testing.assert_array_equal(stored["v"].values, results.outputs["v"].values[1:3])
    with pytest.raises(ResultsError, match="is there already"):
        export(results, "zarr", tmp_path / "points.zarr")


def test_sonata_spikes_and_reports(results, tmp_path):
    """By the names and types of its specification; libsonata reads both."""
    import h5py

    written = export(results, "sonata", tmp_path, "x == 2")
    assert [file.name for file in written] == ["spikes.h5", "v.h5", "current.h5", "rate.h5"]
    with h5py.File(written[0]) as file:
        group = file["spikes/cell"]
        assert group["timestamps"][()].tolist() == [1.5, 20.25, 33] and group["timestamps"].attrs["units"] == "ms"
        assert group["node_ids"][()].tolist() == [0, 0, 0] and group["node_ids"].dtype == np.uint64
        assert group.attrs["sorting"] == 2 and h5py.check_enum_dtype(group.attrs.get_id("sorting").dtype)["by_time"] == 2
        assert file.attrs["magic"] == 0x0A7A and file.attrs["version"].tolist() == [0, 1]
    with h5py.File(written[3]) as file:
        group = file["report/rate"]
        np.testing.assert_array_equal(group["data"][()], np.tile([2, 4], (40, 1)))
        assert group["mapping/time"][()].tolist() == [0, 40, 1] and group["data"].attrs["units"] == "Hz"
        assert group["mapping/node_ids"][()].tolist() == [0, 1] and group["mapping/index_pointers"][()].tolist() == [0, 1, 2]
    needed("libsonata")
    import libsonata

    spikes = libsonata.SpikeReader(str(written[0]))["cell"].get()
    assert spikes == [(0, 1.5), (0, 20.25), (0, 33.0)]
    report = libsonata.ElementReportReader(str(written[3]))["rate"]
    assert report.times == (0.0, 40.0, 1.0) and report.data_units == "Hz"
    np.testing.assert_array_equal(report.get().data, np.tile([2, 4], (40, 1)))


@pytest.fixture(scope="module")
def files(results):
    return export(results, "nwb", where="x > 0")


@pytest.fixture
def nwb(files):
    from pynwb import NWBHDF5IO

    with NWBHDF5IO(str(files[1]), "r") as io:
        yield io.read()


def test_nwb_has_a_file_a_point(results, files):
    ids = results.table.ids().astype(str)
    assert [file.name for file in files] == [f"{ids[1]}.nwb", f"{ids[2]}.nwb"]
    assert files[0].parent == results.path.parent / "export" / "nwb"


def test_nwb_has_stimulus_response_units_and_epochs_in_si(nwb):
    stimulus, response = nwb.stimulus["stimulus"], nwb.acquisition["response"]
    np.testing.assert_allclose(stimulus.data[:], 1e-12 * (20 + np.arange(40)))
    np.testing.assert_allclose(response.data[:], 1e-3 * (-70 + 2 * np.sin(np.arange(80) / 5)))
    assert (stimulus.unit, stimulus.rate, response.unit, response.rate) == ("amperes", 1000, "volts", 2000)
    np.testing.assert_allclose(nwb.units["spike_times"][0], [0.0015, 0.02025, 0.033])
    np.testing.assert_allclose(nwb.units["obs_intervals"][0], [[0, 0.04]])
    assert [tags for tags in nwb.epochs["tags"][:]] == [["Noise 1"], ["Noise 2"], ["Noise 1"]]
    np.testing.assert_allclose(nwb.epochs["start_time"][:], [0, 0.02, 0.03])
    np.testing.assert_allclose(nwb.epochs["stop_time"][:], [0.01, 0.03, 0.04])
    np.testing.assert_array_equal(nwb.acquisition["rate"].data[:], np.tile([2, 4], (40, 1)))


def test_nwb_has_the_tables_of_intracellular_recordings(nwb):
    recordings = nwb.intracellular_recordings
    assert len(recordings) == 3
    row = recordings.category_tables["responses"]["response"][1]
    assert (row.idx_start, row.count, row.timeseries.name) == (40, 20, "response")
    row = recordings.category_tables["stimuli"]["stimulus"][1]
    assert (row.idx_start, row.count, row.timeseries.name) == (20, 10, "stimulus")
    assert nwb.icephys_sequential_recordings["stimulus_type"][:].tolist() == ["Noise 1", "Noise 2"]
    assert len(nwb.icephys_sequential_recordings["simultaneous_recordings"][0]) == 2
    assert len(nwb.icephys_repetitions) == 1


def test_nwb_says_that_it_is_simulated(nwb):
    assert nwb.session_description.startswith("simulated") and "simulation" in nwb.keywords[:]
    assert "toy.recorded" in nwb.session_description
    # without these, nwbinspector has critical findings
    assert nwb.subject.description.startswith("no animal") and nwb.subject.subject_id == nwb.identifier and nwb.subject.age
    assert nwb.icephys_electrodes["electrode"].cell_id == nwb.identifier and nwb.units.resolution == 0.0005
    assert json.loads(nwb.notes)["parameters"]["x"] == 2 and json.loads(nwb.notes)["units"]["x"] == "nA"
    assert 'name = "recorded"' in nwb.source_script


def test_our_own_reader_of_recordings_finds_the_sweeps(files):
    from hpcsim.recordings.clamp_series import opened, pairs

    with opened(files[1]) as nwb:
        found = pairs(files[1], nwb)
        assert len(found) == 3
        response, stimulus = found[1]
        np.testing.assert_allclose(stimulus.current(), 20 + np.arange(20.0, 30.0))
        np.testing.assert_allclose(response.voltage(), -70 + 2 * np.sin(np.arange(40, 60) / 5))


def test_neo(results):
    block = results.to_neo(2)
    [segment] = block.segments
    v, current = (next(s for s in segment.analogsignals if s.name == name) for name in ("v", "current"))
    assert str(v.units.dimensionality) == "mV" and float(v.sampling_rate.rescale("Hz")) == 2000
    np.testing.assert_allclose(current.magnitude[:, 0], 20 + np.arange(40.0))
    [train] = segment.spiketrains
    assert train.times.rescale("ms").magnitude.tolist() == [1.5, 20.25, 33] and float(train.t_stop) == 40
    [epochs] = segment.epochs
    assert epochs.labels.tolist() == ["noise1", "noise2", "noise1"] and epochs.durations.magnitude.tolist() == [10] * 3
    assert segment.annotations["x"] == 2 and segment.annotations["simulated"]
    assert results.to_neo(results.table.ids().astype(str)[2][:8]).name == block.name


def test_senders_become_cells():
    """Spikes of a population are trains of its neurons."""
    from hpcsim.collector.signals import _trains

    class Network:
        class table:
            class layout:
                outputs = ("spike_times_E", "spike_senders_E")

        def ragged(self, name):
            return [{"spike_times_E": np.array([3.0, 1.0, 2.0]), "spike_senders_E": np.array([4, 4, 0])}[name]]

    found = _trains(Network(), "spike_times_E", 0)
    assert {name: times.tolist() for name, times in found.items()} == {"E_0": [2.0], "E_4": [1.0, 3.0]}


def test_results_without_anything_over_time(tmp_path):
    @model("toy.number", parameters=[Parameter("x", 1.0)], outputs=[Output("y")])
    def number(point, context):
        return {"y": point["x"]}

    with hpcsim.Study("number", number, space={"x": {"values": [1]}}).run("inline", tmp_path / "n") as found:
        with pytest.raises(ResultsError, match="keeps no output over time"):
            found.to_neo(0)
        with pytest.raises(ResultsError, match="there is no point 1; expected 0 to 0"):
            found.to_neo(1)
