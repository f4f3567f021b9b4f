"""Generalized linear models of NWB files: the numbers of the simulation that was exported, and files that lack something."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from pynwb import NWBHDF5IO, NWBFile
from pynwb.icephys import CurrentClampSeries, CurrentClampStimulusSeries, VoltageClampSeries

import hpcsim
from hpcsim import Coordinate, Output, Parameter, model
from hpcsim.errors import ResultsError
from hpcsim.recordings.export.formats import export
from hpcsim.recordings.glm_table import glm_table

N = 5000
SHORT = {"window": 40.0, "n_current": 5, "history": 30.0, "n_history": 4, "simulations": 2}
SWEEPS = ("noise1", "noise1", "noise2", "noise2")


def stimulus(seed):
    white = np.random.default_rng(seed).normal(size=N + 60)
    return 80 + 60 * np.convolve(white, np.exp(-np.arange(30) / 5), mode="same")[60:]


def cell():
    """Current, and a voltage of 2 samples a millisecond with spikes that the current drives."""
    current = np.concatenate([stimulus(1), stimulus(1), stimulus(2), stimulus(2)])
    random = np.random.default_rng(3)
    spike = (random.random(4 * N) < 0.03 * np.exp((current - current.mean()) / 150)) & (np.arange(4 * N) % 3 == 0)
    v = np.full(8 * N, -70.0)
    v[2 * np.flatnonzero(spike) + 1] = 20.0
    return current, v, np.flatnonzero(spike) + 0.5


@model(
    "toy.injected",
    parameters=[Parameter("x", 1.0), Parameter("sweeps", SWEEPS)],
    outputs=[
        Output("spike_times", ("spike",), "ms", ragged=True),
        Output("v", ("time",), "mV"),
        Output("current", ("time_bin",), "pA"),
        Output("epoch", ("time_bin",), dtype="int16"),
    ],
    coordinates=lambda values: {
        "time": Coordinate(0.5 * np.arange(8 * N), "ms"),
        "time_bin": Coordinate(np.arange(4.0 * N), "ms"),
    },
)
def injected(point, context):
    current, v, spikes = cell()
    return {"spike_times": spikes, "v": v, "current": current, "epoch": np.repeat([1, 2, 3, 4], N)}


def test_an_exported_simulation_gives_the_numbers_of_the_stage(tmp_path):
    study = hpcsim.Study(
        "injected", injected, space={"x": {"values": [1]}}, stages=[{"use": "features.glm", "voltage": "v", **SHORT}]
    )
    with study.run("inline", tmp_path / "run") as results:
        files = export(results, "nwb")
        table = glm_table(files, options=SHORT)
        names = {name: results.outputs[name].values[0] for name in results.outputs if str(name).startswith("glm_")}
    [row] = table.index
    units = {"stimulus": "amperes x 1", "response": "volts x 1"}
    told = {"tags": "epochs", "left_out": {}, "spikes": "units", "units": units, "gain": 1.0}
    assert table.attrs["sources"][row] == told
    for name, values in names.items():
        mine = [column for column in table if column == name or column.startswith(f"{name}.")]
        np.testing.assert_allclose(table.loc[row, mine].to_numpy(float), values.ravel(), rtol=1e-6, atol=1e-9, err_msg=name)
    assert table["glm_bits_per_spike.current.test"].iloc[0] > 0
    assert table["glm_n_spikes.test"].iloc[0] > 50


def write(path, *, kind=CurrentClampSeries, cut=0, tags=("Noise 1", "Noise 2"), constant=False):
    """Two sweeps without epochs or units; the stimulus description tells them."""
    nwb = NWBFile("a test", path.stem, datetime(2025, 1, 1, tzinfo=UTC))
    electrode = nwb.create_icephys_electrode("e", device=nwb.create_device("amplifier"), description="patch")
    current, v, _ = cell()
    for k, (tag, first) in enumerate(zip(tags, (0, 2 * N), strict=True)):
        common = {"electrode": electrode, "gain": 1.0, "sweep_number": np.uint32(k), "stimulus_description": tag}
        piece = 1e-12 * current[first : first + N] * (0 if constant else 1) + 5e-12
        trace = 1e-3 * v[2 * first : 2 * (first + N) - cut] if kind is CurrentClampSeries else np.zeros(2 * N)
        nwb.add_acquisition(kind(name=f"v{k}", data=trace, rate=2000.0, starting_time=20.0 * k, **common))
        nwb.add_stimulus(CurrentClampStimulusSeries(name=f"i{k}", data=piece, rate=1000.0, starting_time=20.0 * k, **common))
    with NWBHDF5IO(str(path), "w") as io:
        io.write(nwb)
    return path


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_spikes_come_from_the_voltage_and_tags_from_the_description(tmp_path):
    table = glm_table([write(tmp_path / "a.nwb")], options=SHORT, junction_potential=10.0)
    source = table.attrs["sources"]["a"]
    assert (source["tags"], source["spikes"]) == ("stimulus description", "voltage above -20 mV") and source["left_out"] == {}
    _, _, spikes = cell()
    inside = (spikes > 40) & (spikes < N)
    assert table.loc["a", "glm_n_spikes.train"] == inside.sum()
    assert table.loc["a", "glm_valid"] == 1


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("changes", "options", "words"),
    [
        ({"cut": 100}, {}, "v0 lasts 4950 ms, and its stimulus 5000 ms; expected one length"),
        (
            {"tags": ("Noise 1", "Ramp")},
            {},
            r"no sweep \"Noise 2\" with a stimulus that varies \(told by the stimulus description\); it has \['Ramp'\]",
        ),
        ({"constant": True}, {}, 'no sweep "Noise 1" with a stimulus that varies'),
        ({"kind": VoltageClampSeries}, {}, 'no sweep "Noise 1"'),
        ({}, {"bin": 0.7}, "i0 has a sample every 1 ms; expected a part of the bin of 0.7 ms"),
    ],
)
def test_files_that_lack_something(tmp_path, changes, options, words):
    with pytest.raises(ResultsError, match=words):
        glm_table([write(tmp_path / "a.nwb", **changes)], options={**SHORT, **options})


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_name_is_a_cell(tmp_path):
    (tmp_path / "other").mkdir()
    files = [write(tmp_path / "a.nwb"), write(tmp_path / "other" / "a.nwb")]
    with pytest.raises(ResultsError, match="another file is called a, too"):
        glm_table(files, options=SHORT)


def test_a_truncated_file(tmp_path):
    file = tmp_path / "a.nwb"
    file.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(200))
    with pytest.raises(ResultsError, match=r"a\.nwb"):
        glm_table([file])
