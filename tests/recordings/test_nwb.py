from __future__ import annotations

import warnings
from datetime import UTC, datetime

import numpy as np
import pytest
from pynwb import NWBHDF5IO, NWBFile
from pynwb.icephys import CurrentClampSeries, CurrentClampStimulusSeries

from hpcsim.errors import ResultsError
from hpcsim.recordings.nwb import find_sweep, observed_table
from hpcsim.stages.features.ephys import OPTIONS, STATISTICS, Extractor
from hpcsim.stages.features.trace import VoltageTrace

NAMES = list(STATISTICS)


@pytest.fixture
def trace(bernaerts_data):
    return np.load(bernaerts_data / "m1_traces.npz")["V_mV"][3]


def write(path, sweeps, rate=25_000.0, numbered=True, stored=("V", "A"), margin=2500):
    """An NWB file with sweeps: (pA, voltage in mV)."""
    nwb = NWBFile("a test", path.stem, datetime(2025, 1, 1, tzinfo=UTC))
    electrode = nwb.create_icephys_electrode("e", device=nwb.create_device("amplifier"), description="patch")
    volts, amperes = 1e-3 if stored[0] == "V" else 1.0, 1e-12 if stored[1] == "A" else 1.0
    for k, (amplitude, v) in enumerate(sweeps):
        current = np.zeros(len(v))
        current[margin : len(v) - margin] = amplitude * amperes
        common = {"electrode": electrode, "gain": 1.0, "rate": rate, "starting_time": 10.0 * k}
        if numbered:
            common["sweep_number"] = np.uint32(k)
        nwb.add_acquisition(CurrentClampSeries(name=f"v{k}", data=v * volts, **common))
        nwb.add_stimulus(CurrentClampStimulusSeries(name=f"i{k}", data=current, **common))
    with NWBHDF5IO(str(path), "w") as io:
        io.write(nwb)
    return path


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("numbered", [True, False])
def test_the_same_values_as_of_the_simulation(tmp_path, trace, numbered):
    file = write(tmp_path / "cell_1.nwb", [(-100, trace * 0.5), (300, trace + 15.4)], numbered=numbered)
    table = observed_table([file], amplitude=300, junction_potential=15.4, definition="bernaerts2025", rest_after=False)
    options = {option.name: option.default for option in OPTIONS} | {"definition": "bernaerts2025"}
    expected = Extractor(VoltageTrace(20000, 0.04), options)(trace[np.newaxis])[0]
    np.testing.assert_allclose(table.loc["cell_1", NAMES].to_numpy(dtype=float), expected, rtol=1e-9)
    assert table.loc["cell_1", "current"] == 300
    assert table.attrs["extractor"] == {"features.ephys": "1"}
    assert table.attrs["junction_potential"] == 15.4 and table.attrs["definition"] == "bernaerts2025"


def test_the_definition_chooses_the_rest(tmp_path, trace):
    v = trace.copy()
    v[17501:] += 3
    file = write(tmp_path / "c.nwb", [(300, v)])
    rests = {
        name: observed_table([file], amplitude=300, junction_potential=0, definition=name).loc["c", "v_rest"]
        for name in ("default", "bernaerts2025")
    }
    assert rests["default"] == pytest.approx(v[:2500].mean(), rel=1e-9)
    assert rests["bernaerts2025"] == pytest.approx(np.concatenate([v[:2500], v[17501:]]).mean(), rel=1e-9)


def test_sampling_rate_is_respected(tmp_path, trace):
    dense = np.interp(np.arange(40000) / 2, np.arange(20000), trace)
    slow, fast = (
        observed_table([file], amplitude=300, junction_potential=0).iloc[0]
        for file in (
            write(tmp_path / "a.nwb", [(300, trace)]),
            write(tmp_path / "b.nwb", [(300, dense)], rate=50_000.0, margin=5000),
        )
    )
    assert fast["log_count"] == slow["log_count"]
    assert fast["ap_width"] == pytest.approx(slow["ap_width"], abs=0.09)
    assert fast["log_isi_adaptation"] == pytest.approx(slow["log_isi_adaptation"], abs=0.05)


def test_the_largest_current(tmp_path, trace):
    file = write(tmp_path / "c.nwb", [(100, trace), (340, trace + 1), (200, trace)])
    found = find_sweep(file, None)
    assert found.name == "v1" and found.amplitude == 340 and (found.start, found.stop) == (2500, 17500)


def test_step_is_found_beside_a_test_pulse(tmp_path, trace):
    longer = np.concatenate([np.full(5000, trace[0]), trace])
    file = write(tmp_path / "c.nwb", [(300, longer)], margin=2500)
    with NWBHDF5IO(str(file), "r+") as io:
        data = io.read().stimulus["i0"].data
        data[:] = 0
        data[500:800] = -50e-12
        data[7500:22500] = 300e-12
    found = find_sweep(file, 300)
    assert (found.start, found.stop) == (7500, 22500)
    table = observed_table([file], amplitude=300, junction_potential=0)
    direct = observed_table([write(tmp_path / "d.nwb", [(300, trace)])], amplitude=300, junction_potential=0)
    np.testing.assert_allclose(table.to_numpy(), direct.to_numpy(), rtol=1e-9)


def test_numbers_that_are_not_what_the_file_says(tmp_path, trace):
    file = write(tmp_path / "c.nwb", [(300, trace)], stored=("mV", "pA"))
    with pytest.raises(ResultsError, match='current_unit = "pA"'):
        find_sweep(file, 300)
    with pytest.raises(ResultsError, match='voltage_unit = "mV"'):
        find_sweep(file, 300, current_unit="pA")
    found = find_sweep(file, 300, voltage_unit="mV", current_unit="pA")
    assert found.amplitude == 300
    np.testing.assert_array_equal(found.v, trace)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"amplitude": 320}, r"of 320 pA; amplitudes that are there, in pA: -100, 300"),
        ({"margin": 200}, "too short: 100 ms before"),
    ],
)
def test_no_such_sweep(tmp_path, trace, given, message):
    file = write(tmp_path / "c.nwb", [(-100, trace), (300, trace)])
    with pytest.raises(ResultsError, match=message):
        observed_table([file], **{"amplitude": 300, "junction_potential": 0} | given)


def test_files_that_cannot_be_used(tmp_path, trace):
    (tmp_path / "text.nwb").write_text("no HDF5")
    with pytest.raises(ResultsError, match="cannot be read"):
        observed_table([tmp_path / "text.nwb"], amplitude=300, junction_potential=0)
    file = write(tmp_path / "c.nwb", [(300, trace)])
    with pytest.raises(ResultsError, match="another file is called c"):
        observed_table([file, file], amplitude=300, junction_potential=0)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_recording_with_an_offset_is_told(tmp_path, trace):
    file = write(tmp_path / "offset.nwb", [(300, trace + 60)])
    with pytest.warns(UserWarning, match=r"v0 rests at -\d.* mV, and no neuron rests above -30"):
        observed_table([file], amplitude=300, junction_potential=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        mended = observed_table([file], amplitude=300, junction_potential=60)
    assert mended.loc["offset", "v_rest"] < -30
