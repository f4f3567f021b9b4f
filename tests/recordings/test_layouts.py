"""Files in the layouts of Allen's cell of NeMoS' tutorial, of DANDI 000008 and of MIES, built here after their documentation."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from pynwb import NWBHDF5IO, NWBFile, TimeSeries
from pynwb.icephys import CurrentClampSeries, CurrentClampStimulusSeries, IZeroClampSeries, VoltageClampSeries
from test_clamp_series import current as step_current
from test_clamp_series import voltage as step_voltage
from test_glm_table import SHORT, N, cell

from hpcsim.recordings.glm_table import glm_table
from hpcsim.recordings.nwb import find_sweep, observed_table

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning:pynwb", "ignore::UserWarning:hdmf")
#: s before the first sweep of noise in Allen's layout.
BEFORE = 2.0


def written(nwb, path):
    with NWBHDF5IO(str(path), "w") as io:
        io.write(nwb)
    return path


def begun(path):
    nwb = NWBFile("a test", path.stem, datetime(2025, 1, 1, tzinfo=UTC))
    return nwb, nwb.create_device("amplifier")


def allen(path, *, plain=False, clock="rate", tagged=True):
    """One stimulus and one response of the whole experiment, a unit, and an epoch a sweep with its tag."""
    nwb, device = begun(path)
    current, v, spikes = cell()
    current = np.concatenate([np.repeat([0.0, 100.0], 1000), current])
    v = np.concatenate([np.full(4000, -70.0), v])
    electrode = nwb.create_icephys_electrode("electrode", device=device, description="patch")
    for name, data, rate, kind in (
        ("stimulus", 1e-12 * current, 1000.0, CurrentClampStimulusSeries),
        ("response", 1e-3 * v, 2000.0, CurrentClampSeries),
    ):
        times = {"timestamps": np.arange(len(data)) / rate} if clock == "timestamps" else {"rate": rate, "starting_time": 0.0}
        if plain:
            series = TimeSeries(name=name, data=data, unit="amperes" if name == "stimulus" else "volts", **times)
        else:
            series = kind(name=name, data=data, electrode=electrode, gain=1.0, **times)
        (nwb.add_stimulus if name == "stimulus" else nwb.add_acquisition)(series)
    if tagged:
        nwb.add_epoch(start_time=0.0, stop_time=BEFORE, tags=["Long Square"])
        for k, tag in enumerate(("Noise 1", "Noise 1", "Noise 2", "Noise 2")):
            start = BEFORE + k * N / 1000
            nwb.add_epoch(start_time=start, stop_time=start + N / 1000, tags=[tag])
    nwb.add_unit(spike_times=BEFORE + spikes / 1000)
    return written(nwb, path)


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """The coefficients of the plainest of the files."""
    return glm_table([allen(tmp_path_factory.mktemp("allen") / "cell.nwb")], options=SHORT)


def assert_same(table, expected):
    columns = [column for column in expected if column.startswith(("glm_coef", "glm_n_spikes", "glm_bits_per_spike"))]
    np.testing.assert_allclose(table[columns].to_numpy(float), expected[columns].to_numpy(float), rtol=1e-6)


@pytest.mark.parametrize("options", [{"plain": True}, {"clock": "timestamps"}])
def test_the_cell_of_the_tutorial_is_cut_at_its_epochs(tmp_path, expected, options):
    table = glm_table([allen(tmp_path / "cell.nwb", **options)], options=SHORT)
    assert_same(table, expected)
    # the first bins of each sweep are left out
    assert table["glm_n_spikes.train"].iloc[0] == sum((cell()[2] > k * N + 40) & (cell()[2] < (k + 1) * N) for k in (0, 1)).sum()
    source = table.attrs["sources"]["cell"]
    assert source["tags"] == "epochs" and source["spikes"] == "units" and source["left_out"] == {}
    assert source["units"] == {"stimulus": "amperes x 1", "response": "volts x 1"}


def mies(path, *, aborted=False):
    """A series a sweep in mV and pA with its conversion, headstages, voltage clamp, epochs that are parts of stimuli."""
    nwb, device = begun(path)
    heads = [nwb.create_icephys_electrode(f"electrode_{k}", device=device, description=f"Headstage {k}") for k in (0, 1)]
    nwb.add_acquisition(
        VoltageClampSeries(
            "data_00000_AD0", data=np.zeros(100), electrode=heads[0], gain=1.0, rate=2000.0, starting_time=0.0, sweep_number=0
        )
    )
    current, v, _ = cell()
    for k, stimset in enumerate(("C1NSSEED_1_DA_0", "C1NSSEED_1_DA_0", "C1NSSEED_2_DA_0", "C1NSSEED_2_DA_0", "C1RP25PR_DA_0")):
        number, start = k + 1, 10.0 * (k + 1)
        part = slice(k * N, (k + 1) * N) if k < 4 else slice(0, 0)
        injected = current[part] if k < 4 else np.linspace(0, 300, N)
        response = v[2 * part.start : 2 * part.stop] if k < 4 else np.full(2 * N, -70.0)
        common = {
            "electrode": heads[0],
            "gain": 5.0,
            "sweep_number": number,
            "stimulus_description": stimset,
            "description": "PLACEHOLDER",
            "starting_time": start,
        }
        nwb.add_acquisition(CurrentClampSeries(f"data_{number:05}_AD0", data=response, conversion=1e-3, rate=2000.0, **common))
        if not (aborted and k == 1):
            nwb.add_stimulus(
                CurrentClampStimulusSeries(f"data_{number:05}_DA0", data=injected, conversion=1e-12, rate=1000.0, **common)
            )
        for level, (first, stop) in enumerate(((0, N), (0, 500), (500, N))):
            tags = [f"Name=Epoch {level}", f"ShortName=E{level}"]
            nwb.add_epoch(start_time=start + first / 1000, stop_time=start + stop / 1000, tags=tags)
    return written(nwb, path)


def test_sweeps_of_mies_are_told_by_their_stimulus_set(tmp_path, expected):
    names = {"train": "C1NSSEED_1_DA_0", "test": "C1NSSEED_2_DA_0"}
    table = glm_table([mies(tmp_path / "a.nwb")], options=SHORT, **names)
    source = table.attrs["sources"]["a"]
    assert source["tags"] == "stimulus description" and source["spikes"] == "voltage above -20 mV" and source["gain"] == 5
    assert source["units"] == {"stimulus": "amperes x 1e-12", "response": "volts x 0.001"}
    assert source["left_out"] == {"data_00000_AD0": "it was recorded in voltage clamp"}
    # spikes are at the samples after those that the unit has
    assert_same(table.filter(regex="n_spikes"), expected.filter(regex="n_spikes"))


def test_a_sweep_without_stimulus_is_left_out_with_the_reason(tmp_path):
    table = glm_table([mies(tmp_path / "a.nwb", aborted=True)], options=SHORT, train="C1NSSEED_1_DA_0", test="C1NSSEED_2_DA_0")
    assert table.attrs["sources"]["a"]["left_out"]["data_00002_AD0"] == "there is no stimulus of its electrode and sweep"
    assert table["glm_valid"].iloc[0] == 1


def test_the_stimulus_itself_tells_where_nothing_else_does(tmp_path):
    """Names that are not in the file: the ramp is no noise, and the second of the different noises tests."""
    table = glm_table([mies(tmp_path / "a.nwb")], options=SHORT)
    named = glm_table([mies(tmp_path / "b.nwb")], options=SHORT, train="C1NSSEED_1_DA_0", test="C1NSSEED_2_DA_0")
    assert table.attrs["sources"]["a"]["tags"].startswith("stimulus itself")
    np.testing.assert_array_equal(table.to_numpy(float), named.to_numpy(float))


def test_series_of_dandi_000008(tmp_path):
    """A series a step, numbered, with one without injection; no epochs, units or descriptions."""
    nwb, device = begun(tmp_path / "cell.nwb")
    electrode = nwb.create_icephys_electrode("elec0", device=device, description="no description")
    for k, amplitude in enumerate((-100.0, 0.0, 100.0, 300.0)):
        common = {"electrode": electrode, "gain": 1.0, "rate": 25e3, "starting_time": 1.4 * k, "sweep_number": k}
        series = {"data": step_voltage(amplitude), "conversion": 1e-3, **common}
        if amplitude:
            nwb.add_acquisition(CurrentClampSeries(f"CurrentClampSeries{k:03}", **series))
            nwb.add_stimulus(
                CurrentClampStimulusSeries(
                    f"CurrentClampStimulusSeries{k:03}", data=step_current(amplitude), conversion=1e-12, **common
                )
            )
        else:
            nwb.add_acquisition(IZeroClampSeries(f"CurrentClampSeries{k:03}", **series))
    file = written(nwb, tmp_path / "cell.nwb")
    found = find_sweep(file, 300)
    assert (found.name, found.start, found.stop) == ("CurrentClampSeries003", 5000, 20000)
    table = observed_table([file], amplitude=300, junction_potential=15.4)
    left_out = {"CurrentClampSeries001": "nothing was injected (I=0)"}
    assert table.attrs["sources"] == {"cell": {"sweep": "CurrentClampSeries003", "left_out": left_out}}
    row = table.iloc[0]
    assert round(np.exp(row["log_count"]) - 3) == 3 and row["current"] == 300
    assert row["v_rest"] == pytest.approx(-85.4, abs=0.05)
