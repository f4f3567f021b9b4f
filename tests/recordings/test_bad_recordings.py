"""What `glm_table` says to files that lack something, contradict themselves or are damaged."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from pynwb import NWBHDF5IO
from pynwb.icephys import VoltageClampSeries
from test_glm_table import SHORT, N, cell, write

from hpcsim.errors import ResultsError
from hpcsim.recordings.glm_table import glm_table

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")


@pytest.fixture
def file(tmp_path):
    """Two sweeps at 0 and 20 s without epochs and units."""
    return write(tmp_path / "cell.nwb")


def with_unit(file, times):
    with NWBHDF5IO(str(file), "a") as io:
        nwb = io.read()
        nwb.add_unit(spike_times=np.asarray(times, float))
        io.write(nwb)
    return file


def assert_same_coefficients(table, expected):
    mine, theirs = (each.filter(like="glm_coef").to_numpy() for each in (table, expected))
    np.testing.assert_allclose(mine, theirs, rtol=1e-6)


def test_a_cell_without_spikes_is_a_row_that_says_so(file):
    row = glm_table([with_unit(file, [])], options=SHORT).iloc[0]
    assert (row["glm_silent"], row["glm_valid"], row["glm_n_spikes.train"]) == (1, 0, 0)
    assert row.filter(like="glm_coef").isna().all()


def test_spikes_outside_of_the_recording(file):
    spikes = cell()[2][:200] / 1000
    with pytest.raises(
        ResultsError, match=r"2 of 202 spikes of its unit, the first at -3 s, are outside of its recordings from 0"
    ):
        glm_table([with_unit(file, [-3, *spikes, 1000])], options=SHORT)


@pytest.mark.parametrize(("unit", "factor"), [("nA", 1e-3), ("pA", 1.0), ("amperes", 1e-12)])
def test_the_unit_of_the_file_counts(file, unit, factor):
    """Whatever pynwb makes of it; and it is stated."""
    expected = glm_table([file], options=SHORT)
    with h5py.File(file, "r+") as plain:
        for name in ("i0", "i1"):
            data = plain[f"stimulus/presentation/{name}/data"]
            data[...] = data[()] * 1e12 * factor
            data.attrs["unit"] = unit
    table = glm_table([file], options=SHORT)
    assert table.attrs["sources"]["cell"]["units"]["stimulus"] == f"{unit} x 1"
    assert_same_coefficients(table, expected)


@pytest.mark.parametrize(
    ("factor", "words"),
    [(1e12, r"i0 reaches .* pA, read as amperes; .* current_unit"), (1e-12, r"i0 reaches .* at least 0\.01 pA")],
)
def test_a_current_that_is_in_another_unit_than_the_file_says(file, factor, words):
    expected = glm_table([file], options=SHORT)
    with h5py.File(file, "r+") as plain:
        for name in ("i0", "i1"):
            plain[f"stimulus/presentation/{name}/data"][...] *= factor
    with pytest.raises(ResultsError, match=words):
        glm_table([file], options=SHORT)
    if factor > 1:
        table = glm_table([file], options=SHORT, current_unit="pA")
        assert table.attrs["sources"]["cell"]["units"]["stimulus"] == "pA (given)"
        assert_same_coefficients(table, expected)


def test_a_stimulus_with_gaps(file):
    with h5py.File(file, "r+") as plain:
        plain["stimulus/presentation/i0/data"][100:103] = np.nan
    with pytest.raises(ResultsError, match="i0 has 3 samples that are no numbers, between others"):
        glm_table([file], options=SHORT)


def begun_later(file, seconds):
    """The first stimulus begins so many s later than its response."""
    with h5py.File(file, "r+") as plain:
        plain["stimulus/presentation/i0/starting_time"][()] += seconds
    return file


@pytest.mark.parametrize("seconds", [0.1, -0.1])
def test_a_stimulus_that_begins_at_another_time(file, seconds):
    with pytest.raises(ResultsError, match=r"cell\.nwb: v0 begins 100 ms before or after its stimulus; expected the same time"):
        glm_table([begun_later(file, seconds)], options=SHORT)


@pytest.mark.parametrize("seconds", [0.0009, 1000.0])
def test_a_stimulus_that_begins_within_a_step_or_has_a_clock_of_its_own(file, seconds):
    expected = glm_table([file], options=SHORT)
    assert_same_coefficients(glm_table([begun_later(file, seconds)], options=SHORT), expected)


def test_voltage_clamp_is_named_as_the_reason(tmp_path):
    with pytest.raises(ResultsError, match=r'no sweep "Noise 1".*left out: v0: it was recorded in voltage clamp'):
        glm_table([write(tmp_path / "cell.nwb", kind=VoltageClampSeries)], options=SHORT)


def test_a_constant_stimulus_is_named_as_the_reason(tmp_path):
    with pytest.raises(ResultsError, match=r'no sweep "Noise 1".*left out: v0: its stimulus is constant, 5 pA'):
        glm_table([write(tmp_path / "cell.nwb", constant=True)], options=SHORT)


def test_a_truncated_file(file):
    content = file.read_bytes()
    for share in (0.3, 0.9, 0.999):
        file.write_bytes(content[: int(share * len(content))])
        with pytest.raises(ResultsError, match=r"cell\.nwb: (cannot be read|is damaged)"):
            glm_table([file], options=SHORT)


def test_a_file_of_version_1(tmp_path):
    """As the Allen Cell Types Database has them."""
    with h5py.File(tmp_path / "478498617_ephys.nwb", "w") as plain:
        plain["nwb_version"] = "NWB-1.0.5"
        plain["acquisition/timeseries/Sweep_35/data"] = np.zeros(10)
    with pytest.raises(ResultsError, match=r"is of NWB version NWB-1\.0\.5; expected 2: convert it.*allen/478498617"):
        glm_table([tmp_path / "478498617_ephys.nwb"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"bin": 50.0}, "window is 40 ms; expected at least two bins of 50 ms"),
        ({"bin": 2.0 * N}, "i0 lasts 5000 ms; expected at least a bin of 10000 ms"),
    ],
)
def test_a_bin_that_is_wider_than_the_window(file, options, words):
    with pytest.raises(ResultsError, match=words):
        glm_table([file], options={**SHORT, **options})
