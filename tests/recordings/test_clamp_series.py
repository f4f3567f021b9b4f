"""NWB files that differ in how sweeps, electrodes, times, units and stimuli are stored; damaged and old ones."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from pynwb import NWBHDF5IO, NWBFile
from pynwb.icephys import CurrentClampSeries, CurrentClampStimulusSeries, VoltageClampSeries

from hpcsim.errors import ResultsError
from hpcsim.recordings.nwb import find_sweep, observed_table

RATE = 25e3
AMPLITUDES = [-100.0, 100.0, 200.0, 300.0]
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning:pynwb", "ignore::UserWarning:hdmf")


def current(amplitude: float, rate: float = RATE, after: float = 0.2) -> np.ndarray:
    """pA: 200 ms nothing, 600 ms a step, and nothing."""
    return np.repeat([0.0, amplitude, 0.0], [round(s * rate) for s in (0.2, 0.6, after)])


def voltage(amplitude: float, rate: float = RATE) -> np.ndarray:
    """mV: a membrane with noise, and an action potential for each 100 pA."""
    t = np.arange(round(rate)) / rate * 1e3
    v = -70 + 0.05 * amplitude * ((t >= 200) & (t < 800)) + 0.01 * np.random.default_rng(1).normal(size=len(t))
    for k in range(int(max(amplitude, 0) / 100)):
        v += 90 * np.exp(-(((t - 250 - 150 * k) / 0.6) ** 2))
    return v


class Draft:
    """An NWB file in the making."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.nwb = NWBFile("a test", "test", datetime(2025, 1, 1, tzinfo=UTC))
        self.device = self.nwb.create_device("amplifier")

    def electrode(self, name: str = "e") -> Any:
        return self.nwb.create_icephys_electrode(name, device=self.device, description="patch")

    def response(self, name: str, electrode: Any, v: np.ndarray, kind: Any = CurrentClampSeries, **more: Any) -> Any:
        series = kind(name=name, data=v, electrode=electrode, **{"gain": 1.0, "rate": RATE, "starting_time": 0.0} | more)
        self.nwb.add_acquisition(series)
        return series

    def stimulus(self, name: str, electrode: Any, i: np.ndarray, **more: Any) -> Any:
        common = {"gain": 1.0, "rate": RATE, "starting_time": 0.0} | more
        series = CurrentClampStimulusSeries(name=name, data=i, electrode=electrode, **common)
        self.nwb.add_stimulus(series)
        return series

    def sweep(self, number: int, electrode: Any, amplitude: float, tag: str = "", **more: Any) -> None:
        common = {"sweep_number": np.uint32(number), "starting_time": float(number)} | more
        self.response(f"r{number}{tag}", electrode, voltage(amplitude) * 1e-3, **common)
        self.stimulus(f"s{number}{tag}", electrode, current(amplitude) * 1e-12, **common)

    def written(self) -> Path:
        with NWBHDF5IO(str(self.path), "w") as io:
            io.write(self.nwb)
        return self.path


@pytest.fixture
def draft(tmp_path: Path) -> Draft:
    return Draft(tmp_path / "cell.nwb")


def spikes(file: Path, amplitude: float | None = 300, **given: Any) -> int:
    row = observed_table([file], amplitude=amplitude, junction_potential=0.0, **given).iloc[0]
    return round(np.exp(row["log_count"]) - 3)


def test_the_table_of_recordings_tells_the_stimulus(draft: Draft) -> None:
    electrode = draft.electrode()
    for k, amplitude in enumerate(AMPLITUDES):
        # all at the same time, without a number
        response = draft.response(f"r{k}", electrode, voltage(amplitude) * 1e-3)
        stimulus = draft.stimulus(f"s{k}", electrode, current(amplitude) * 1e-12)
        draft.nwb.add_intracellular_recording(electrode=electrode, stimulus=stimulus, response=response)
    file = draft.written()
    for k, amplitude in enumerate(AMPLITUDES):
        found = find_sweep(file, amplitude)
        assert (found.name, found.amplitude, found.start, found.stop) == (f"r{k}", amplitude, 5000, 20000)
    assert (spikes(file), spikes(file, 100)) == (3, 1)


def test_a_stimulus_that_nothing_tells_is_refused(draft: Draft) -> None:
    electrode = draft.electrode()
    for k, amplitude in enumerate(AMPLITUDES):
        draft.response(f"r{k}", electrode, voltage(amplitude) * 1e-3)
        draft.stimulus(f"s{k}", electrode, current(amplitude) * 1e-12)
    with pytest.raises(ResultsError, match=r"r0 may have the stimulus s0, s1, s2, s3; expected one of its electrode"):
        find_sweep(draft.written(), 300)


def test_a_stimulus_is_that_of_the_same_electrode(draft: Draft) -> None:
    first, second = draft.electrode("first"), draft.electrode("second")
    for k, amplitude in enumerate(AMPLITUDES):
        draft.sweep(k, first, amplitude, "_a")
        draft.sweep(k, second, 50 + amplitude, "_b")
    file = draft.written()
    assert find_sweep(file, 300).name == "r3_a" and spikes(file) == 3
    with pytest.raises(ResultsError, match=r'the electrodes first, second; expected one cell: choose with electrode = "first"'):
        find_sweep(file, None)
    assert find_sweep(file, None, electrode="second").name == "r3_b"
    with pytest.raises(ResultsError, match="no current-clamp sweep with a current step of 300 pA of the electrode second"):
        find_sweep(file, 300, electrode="second")


def test_a_stimulus_of_another_rate_is_put_on_the_clock_of_the_response(draft: Draft) -> None:
    electrode, number = draft.electrode(), {"sweep_number": np.uint32(0)}
    draft.response("r", electrode, voltage(300) * 1e-3, **number)
    draft.stimulus("s", electrode, current(300, 10e3, after=1.7) * 1e-12, **{"rate": 10e3} | number)
    file = draft.written()
    found = find_sweep(file, 300)
    assert (found.start, found.stop) == (5000, 20000)
    assert spikes(file) == 3


@pytest.mark.parametrize(
    ("v", "i", "more", "message"),
    [
        (voltage(300)[:-1], current(300), {}, "has 24999 samples, its stimulus 25000; expected equal"),
        (voltage(300)[:15000], current(300, 10e3), {"rate": 10e3}, "ends after 600 ms, during the current step"),
        (voltage(300), current(300), {"starting_time": 0.1}, "begins 100 ms before or after its stimulus"),
    ],
)
def test_times_that_do_not_fit(draft: Draft, v: np.ndarray, i: np.ndarray, more: dict[str, Any], message: str) -> None:
    electrode, number = draft.electrode(), {"sweep_number": np.uint32(0)}
    draft.response("r", electrode, v * 1e-3, **number)
    draft.stimulus("s", electrode, i * 1e-12, **number | more)
    with pytest.raises(ResultsError, match=message):
        find_sweep(draft.written(), 300)


@pytest.mark.parametrize(
    ("volts", "amperes", "amplitude", "message"),
    [
        (1e-6, 1e-24, None, r"r reaches .* mV, read as volts; expected a membrane, with at least 1 mV: .* voltage_unit"),
        (1e-6, 1e-12, 300, r"r reaches .* mV, read as volts; expected a membrane, with at least 1 mV"),
        (1e-3, 1e-24, 300, r"s reaches 3e-10 pA, read as amperes; expected at least 0.01 pA: .* current_unit"),
        (1e-2, 1e-12, 300, r"r is -5.* mV in the middle, read as volts; expected a membrane, within 150 mV of 0"),
        (1.0, 1e-12, 300, r"r reaches .* mV, read as volts; expected at most 1000 mV"),
    ],
)
def test_numbers_that_no_membrane_has(draft: Draft, volts: float, amperes: float, amplitude: Any, message: str) -> None:
    electrode, number = draft.electrode(), {"sweep_number": np.uint32(0)}
    draft.response("r", electrode, voltage(300) * volts, **number)
    draft.stimulus("s", electrode, current(300) * amperes, **number)
    with pytest.raises(ResultsError, match=message):
        find_sweep(draft.written(), amplitude)


def test_conversion_and_offset_of_the_file(draft: Draft) -> None:
    electrode, number = draft.electrode(), {"sweep_number": np.uint32(0)}
    stored = np.round((voltage(300) + 70) / 0.01).astype(np.int16)
    draft.response("r", electrode, stored, conversion=1e-5, offset=-0.07, **number)
    draft.stimulus("s", electrode, current(300), conversion=1e-12, **number)
    np.testing.assert_allclose(find_sweep(draft.written(), 300).v, voltage(300), atol=0.006)


@pytest.mark.parametrize("rate", [5e3, 10e3, 20e3])
def test_slow_recordings_have_statistics_with_a_lower_cutoff_and_a_note(draft: Draft, rate: float) -> None:
    electrode, more = draft.electrode(), {"sweep_number": np.uint32(0), "rate": rate}
    draft.response("r", electrode, voltage(300, rate) * 1e-3, **more)
    draft.stimulus("s", electrode, current(300, rate) * 1e-12, **more)
    file = draft.written()
    with pytest.warns(UserWarning, match=f"sampled at {rate / 1e3:g} kHz, so the slope is filtered at"):
        table = observed_table([file], amplitude=300, junction_potential=0.0)
    assert round(np.exp(table["log_count"].iloc[0]) - 3) == 3
    assert table.attrs["cutoff"] == {"cell": pytest.approx(0.45 * rate / 1e3)}


def test_fast_recordings_keep_their_cutoff(draft: Draft) -> None:
    draft.sweep(0, draft.electrode(), 300)
    assert "cutoff" not in observed_table([draft.written()], amplitude=300, junction_potential=0.0).attrs


@pytest.mark.parametrize(
    ("fill", "message"), [(0.0, "is constant from 450 ms on"), (np.nan, "is too short"), (-0.07, "is constant from")]
)
def test_an_aborted_recording_is_refused(draft: Draft, fill: float, message: str) -> None:
    electrode, number = draft.electrode(), {"sweep_number": np.uint32(0)}
    v = voltage(300) * 1e-3
    v[round(0.45 * RATE) :] = fill
    draft.response("r", electrode, v, **number)
    draft.stimulus("s", electrode, current(300) * 1e-12, **number)
    with pytest.raises(ResultsError, match=message):
        observed_table([draft.written()], amplitude=300, junction_potential=0.0)


def test_gaps_are_refused(draft: Draft) -> None:
    electrode, number = draft.electrode(), {"sweep_number": np.uint32(0)}
    v = voltage(300) * 1e-3
    v[8000:8003] = np.nan
    draft.response("r", electrode, v, **number)
    draft.stimulus("s", electrode, current(300) * 1e-12, **number)
    with pytest.raises(ResultsError, match="r has 3 samples that are no numbers, between others"):
        find_sweep(draft.written(), 300)


def _empty(draft: Draft) -> None:
    electrode, number = draft.electrode(), {"sweep_number": np.uint32(0)}
    draft.response("r", electrode, np.zeros(0), **number)
    draft.stimulus("s", electrode, np.zeros(0), **number)


def _voltage_clamp(draft: Draft) -> None:
    electrode, number = draft.electrode(), {"sweep_number": np.uint32(0)}
    draft.response("r", electrode, current(300) * 1e-12, VoltageClampSeries, **number)
    draft.stimulus("s", electrode, current(300) * 1e-12, **number)


def _no_stimulus(draft: Draft) -> None:
    draft.response("r", draft.electrode(), voltage(300) * 1e-3, sweep_number=np.uint32(0))


def _no_step(draft: Draft) -> None:
    draft.sweep(0, draft.electrode(), 0.0)


@pytest.mark.parametrize("build", [_empty, _voltage_clamp, _no_stimulus, _no_step])
@pytest.mark.parametrize("amplitude", [300, None])
def test_files_without_a_step_in_current_clamp(draft: Draft, build: Callable[[Draft], None], amplitude: Any) -> None:
    build(draft)
    reason = {_voltage_clamp: "; r: it was recorded in voltage clamp", _no_stimulus: "; r: there is no stimulus of its"}.get(
        build, ""
    )
    with pytest.raises(ResultsError, match=rf"there is no current-clamp sweep with a current step.*in pA: none{reason}"):
        find_sweep(draft.written(), amplitude)


def test_old_and_other_files(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "old.nwb", "w") as file:
        file["nwb_version"] = "NWB-1.0.5"
        file.create_group("acquisition/timeseries")
    with pytest.raises(ResultsError, match=r"is of NWB version NWB-1\.0\.5; expected 2: convert it"):
        find_sweep(tmp_path / "old.nwb", 300)
    with h5py.File(tmp_path / "other.nwb", "w") as file:
        file["x"] = 1
    with pytest.raises(ResultsError, match="is an HDF5 file, but no NWB file"):
        find_sweep(tmp_path / "other.nwb", 300)
    os.mkfifo(tmp_path / "pipe.nwb")
    with pytest.raises(ResultsError, match="it is a pipe, expected a file"):
        find_sweep(tmp_path / "pipe.nwb", 300)
    with pytest.raises(ResultsError, match="No such file"):
        find_sweep(tmp_path / "none.nwb", 300)


def test_damaged_files(draft: Draft) -> None:
    draft.sweep(0, draft.electrode(), 300)
    file = draft.written()
    content = file.read_bytes()
    with h5py.File(file, "r+") as plain:
        del plain["general"], plain["session_start_time"]
    with pytest.raises(ResultsError, match=r"cell\.nwb: "):
        find_sweep(file, 300)
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(ResultsError, match=r"cell\.nwb: cannot be read as an NWB file"):
        find_sweep(file, 300)
    file.write_bytes(content)
    with h5py.File(file, "r+") as plain:
        # pynwb stumbles over it before it reads anything
        del plain["specifications/hdmf-common"]
        plain.create_group("specifications/hdmf-common")
    with pytest.raises(ResultsError, match=r"cell\.nwb: is damaged, or no whole NWB file"):
        find_sweep(file, 300)
    file.write_bytes(content)
    with h5py.File(file, "r+") as plain:
        del plain.attrs["nwb_version"]
        plain.create_group("nwb_version")
    with pytest.raises(ResultsError, match=r"cell\.nwb: is damaged, or no whole NWB file"):
        find_sweep(file, 300)
