"""Current-clamp series of an NWB file: which stimulus belongs to which response, and their numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hpcsim.errors import PluginError, ResultsError, UnitError, shown
from hpcsim.files import regular
from hpcsim.outputs import Coordinate
from hpcsim.plugin import not_installed
from hpcsim.space.units import convert
from hpcsim.stages.recording import time_step

#: Larger values are a missing conversion, not a recording: mV, and pA.
HIGHEST_VOLTAGE, HIGHEST_CURRENT = 1e3, 1e6
#: Smaller ones are a conversion too many: what a recording of a membrane reaches, mV, and what is injected, pA.
LOWEST_VOLTAGE, LOWEST_CURRENT = 1.0, 1e-2
#: mV: in its middle value, a membrane is nearer to 0 than this.
FARTHEST_VOLTAGE = 150.0
_WORDS = {"volts": "V", "volt": "V", "amperes": "A", "ampere": "A"}


@dataclass(frozen=True, eq=False)
class Series:
    """One series of an NWB file, or a part of it.

    Parameters
    ----------
    file : Path
    stored : TimeSeries
        As pynwb has it.
    first, count : int
        Which of its samples count.
    label : str
        What a part is called; empty: as the series.
    """

    file: Path
    stored: Any
    first: int
    count: int
    label: str = ""

    @property
    def name(self) -> str:
        """In the file, or of the part."""
        return self.label or str(self.stored.name)

    @property
    def electrode(self) -> str:
        """Name of its electrode; empty for a plain time series, which has none."""
        electrode = getattr(self.stored, "electrode", None)
        return "" if electrode is None else str(electrode.name)

    @property
    def gain(self) -> float:
        """Of the amplifier, as the file states it; the conversion holds it already. NaN where the file does not say."""
        gain = getattr(self.stored, "gain", None)
        return float(np.nan if gain is None else gain)

    def unit(self, stored: str = "") -> str:
        """What its numbers are read as: the file's unit and conversion, or what `stored` overrules it with."""
        if stored:
            return f"{stored} (given)"
        offset = f" + {self.stored.offset:g}" if self.stored.offset else ""
        return f"{self._own_unit()} x {self.stored.conversion:g}{offset}"

    def _own_unit(self) -> str:
        # pynwb replaces the unit of clamp series by the one that NWB wants, whatever the numbers are in
        own = getattr(self.stored.data, "attrs", {}).get("unit", self.stored.unit)
        return shown(own.decode(errors="replace") if isinstance(own, bytes) else own)

    @property
    def step(self) -> float:
        """Time between two samples, ms."""
        rate = self.stored.rate
        if rate is None:
            times = np.asarray(self.stored.timestamps[self.first : self.first + self.count])
            return time_step(str(self.file), self.name, Coordinate(1e3 * times, "ms"))
        if not 0 < rate < np.inf:
            raise ResultsError(f"{self.file}: {self.name} has the sampling rate {rate} Hz; expected one above 0")
        return 1e3 / float(rate)

    @property
    def start(self) -> float:
        """Time of its first sample, s; NaN where the file does not say."""
        stored = self.stored
        if stored.rate is None:
            return float(stored.timestamps[self.first]) if len(stored.timestamps) > self.first else np.nan
        return float(np.nan if stored.starting_time is None else stored.starting_time) + self.first / float(stored.rate)

    @property
    def stop(self) -> float:
        """End of its last sample, s."""
        stored = self.stored
        if stored.rate is None:
            last = stored.timestamps[self.first : self.first + self.count][-2:]
            return float(last[-1] + (last[-1] - last[0])) if len(last) else np.nan
        return self.start + self.count / float(stored.rate)

    def between(self, start: float, stop: float) -> Series:
        """The part from one time to another, s."""
        stored = self.stored
        if stored.rate is None:
            times = np.asarray(stored.timestamps[self.first : self.first + self.count])
            half = (times[1] - times[0]) / 2 if len(times) > 1 else 0.0
            first, end = (int(np.searchsorted(times, at - half)) for at in (start, stop))
        else:
            first, end = (round((at - self.start) * float(stored.rate)) for at in (start, stop))
        first, end = max(first, 0), min(end, self.count)
        return Series(self.file, stored, self.first + first, max(end - first, 0), self.label)

    def voltage(self, unit: str = "") -> np.ndarray:
        """Its samples in mV; `unit` overrules what the file says they are stored in.

        Raises
        ------
        ResultsError
            If these are no voltages of a membrane.
        """
        v = self._numbers(unit, "mV", HIGHEST_VOLTAGE)
        largest, middle = float(np.abs(v).max(initial=0.0)), float(np.median(v)) if len(v) else 0.0
        if largest < LOWEST_VOLTAGE:
            raise self.wrong(f"reaches {largest:g} mV", unit, "mV", f"a membrane, with at least {LOWEST_VOLTAGE:g} mV")
        if abs(middle) > FARTHEST_VOLTAGE:
            raise self.wrong(f"is {middle:g} mV in the middle", unit, "mV", f"a membrane, within {FARTHEST_VOLTAGE:g} mV of 0")
        return v

    def current(self, unit: str = "") -> np.ndarray:
        """Its samples in pA; `unit` overrules what the file says they are stored in.

        Raises
        ------
        ResultsError
            If these are no currents that are injected into a cell.
        """
        return self._numbers(unit, "pA", HIGHEST_CURRENT)

    def _numbers(self, stored: str, unit: str, highest: float) -> np.ndarray:
        if stored:
            factor, offset = float(convert(1, stored, unit)), 0.0
        else:
            # pynwb writes volts and amperes; other programs may have written something else
            own = _WORDS.get(self._own_unit().lower(), self._own_unit())
            try:
                factor = float(convert(1, own, unit))
            except UnitError as error:
                raise self.wrong(f'has the unit "{shown(own)}"', "", unit, "a unit that fits") from error
            factor, offset = factor * self.stored.conversion, factor * self.stored.offset
        values = np.asarray(self.stored.data[self.first : self.first + self.count], dtype=np.float64) * factor + offset
        values = self._recorded(values)
        largest = float(np.abs(values).max(initial=0.0))
        if largest > highest:
            raise self.wrong(f"reaches {largest:g} {unit}", stored, unit, f"at most {highest:g} {unit}")
        return values

    def _recorded(self, values: np.ndarray) -> np.ndarray:
        """The samples before those that an aborted recording never got."""
        finite = np.flatnonzero(np.isfinite(values))
        whole = values[: finite[-1] + 1 if len(finite) else 0]
        if len(finite) < len(whole):
            missing = len(whole) - len(finite)
            raise ResultsError(f"{self.file}: {self.name} has {missing} samples that are no numbers, between others")
        return whole

    def wrong(self, what: str, stored: str, unit: str, expected: str) -> ResultsError:
        """What to raise where numbers are in another unit than mV or pA."""
        option = "voltage_unit" if unit == "mV" else "current_unit"
        return ResultsError(
            f"{self.file}: {self.name} {what}, read as {stored or self._own_unit()}; expected {expected}: the unit or "
            f'conversion is wrong; say what the stored numbers are in, such as {option} = "{unit}"'
        )


@contextmanager
def opened(file: Path) -> Iterator[Any]:
    """An NWB file as pynwb reads it.

    Raises
    ------
    PluginError
        If pynwb is not installed.
    ResultsError
        If it is no NWB file of version 2, or is damaged.
    """
    import h5py

    try:
        from pynwb import NWBHDF5IO
    except ModuleNotFoundError:
        raise PluginError(not_installed("a recording in NWB", "pynwb", "nwb")) from None
    try:
        with ExitStack() as stack:
            try:
                with h5py.File(regular(file), "r") as plain:
                    _check_version(file, plain)
                nwb = stack.enter_context(NWBHDF5IO(str(file), "r")).read()
            except (ResultsError, OSError):
                raise
            except Exception as error:  # h5py, hdmf and pynwb raise nearly anything at a file that lacks a part
                raise ResultsError(f"{file}: is damaged, or no whole NWB file: {shown(error, 500)}") from error
            yield nwb
    except OSError as error:
        raise ResultsError(f"{file}: cannot be read as an NWB file: {error.strerror or error}") from error


def _check_version(file: Path, plain: Any) -> None:
    version = plain.attrs.get("nwb_version")
    if version is None and "nwb_version" in plain:
        # version 1 stores a text, or an array of one
        old = np.ravel(plain["nwb_version"][()])[0]
        version = old.decode(errors="replace") if isinstance(old, bytes) else old
    if version is None:
        raise ResultsError(f"{file}: is an HDF5 file, but no NWB file; expected one with nwb_version")
    if not str(version).removeprefix("NWB-").startswith("2"):
        raise ResultsError(
            f"{file}: is of NWB version {shown(version)}; expected 2: convert it, or take a newer one (the Allen Cell Types "
            'Database offers version 1; hpcsim.data.public.fetch("allen/478498617.nwb") is one of its cells in version 2)'
        )


def pairs(file: Path, nwb: Any) -> list[tuple[Series, Series]]:
    """Responses in current clamp and their stimuli.

    The table of intracellular recordings tells them; where a response is not in it, its electrode and sweep number do; or,
    without a number, its electrode and starting time.

    Raises
    ------
    ResultsError
        If more than one stimulus may belong to a response.
    """
    from pynwb.icephys import CurrentClampSeries, CurrentClampStimulusSeries, IZeroClampSeries

    table = nwb.intracellular_recordings
    found: list[tuple[Series, Series]] = []
    told = set()
    columns = (("responses", "response"), ("stimuli", "stimulus"))
    for row in range(len(table) if table is not None else 0):
        references = [table.category_tables[name][part][row] for name, part in columns]
        told |= {reference.timeseries.object_id for reference in references if reference.idx_start >= 0}
        if isinstance(references[0].timeseries, CurrentClampSeries) and all(reference.idx_start >= 0 for reference in references):
            response, stimulus = (Series(file, r.timeseries, int(r.idx_start), int(r.count)) for r in references)
            if isinstance(stimulus.stored, CurrentClampStimulusSeries):
                found.append((response, stimulus))
    stimuli: dict[tuple[str, str, float], list[Series]] = {}
    for series in nwb.stimulus.values():
        if isinstance(series, CurrentClampStimulusSeries) and series.object_id not in told:
            whole = Series(file, series, 0, len(series.data))
            stimuli.setdefault(_key(whole), []).append(whole)
    for series in nwb.acquisition.values():
        if isinstance(series, CurrentClampSeries) and not isinstance(series, IZeroClampSeries) and series.object_id not in told:
            response = Series(file, series, 0, len(series.data))
            belonging = stimuli.get(_key(response), [])
            if len(belonging) > 1:
                names = ", ".join(stimulus.name for stimulus in belonging[:5])
                raise ResultsError(
                    f"{file}: {response.name} may have the stimulus {names}; expected one of its electrode with its sweep "
                    "number, or a table of intracellular recordings"
                )
            found += [(response, stimulus) for stimulus in belonging]
    return found or _plain_pair(file, nwb)


def check_start(response: Series, stimulus: Series, tolerance: float) -> None:
    """Whether a response and its stimulus begin at the same time; beyond the recording, they have clocks of their own.

    Parameters
    ----------
    response, stimulus : Series
    tolerance : float, ms

    Raises
    ------
    ResultsError
        If they do not.
    """
    late = 1e3 * abs(response.start - stimulus.start)
    if tolerance < late < response.count * response.step:
        raise ResultsError(
            f"{response.file}: {response.name} begins {late:g} ms before or after its stimulus; expected the same time"
        )


def _plain_pair(file: Path, nwb: Any) -> list[tuple[Series, Series]]:
    """The one voltage and the one current of a file whose series are of no clamp, as those of the tutorial of NeMoS may be."""
    from pynwb import TimeSeries

    voltages = [s for s in nwb.acquisition.values() if type(s) is TimeSeries and _is_in(s, "mV")]
    currents = [s for s in nwb.stimulus.values() if type(s) is TimeSeries and _is_in(s, "pA")]
    if len(voltages) != 1 or len(currents) != 1:
        return []
    response, stimulus = (Series(file, series, 0, len(series.data)) for series in (voltages[0], currents[0]))
    return [(response, stimulus)]


def _is_in(series: Any, unit: str) -> bool:
    """Whether it is stored in something that this unit measures."""
    try:
        convert(1, _WORDS.get(str(series.unit).lower(), str(series.unit)), unit)
    except UnitError:
        return False
    return True


def without_stimulus(nwb: Any, known: Iterable[tuple[Series, Series]]) -> dict[str, str]:
    """Responses of patch clamp that are in no pair, and why."""
    from pynwb.icephys import CurrentClampSeries, IZeroClampSeries, PatchClampSeries

    paired = {response.stored.object_id for response, _ in known}
    reasons: dict[str, str] = {}
    for series in nwb.acquisition.values():
        if not isinstance(series, PatchClampSeries) or series.object_id in paired:
            continue
        if isinstance(series, IZeroClampSeries):
            reasons[str(series.name)] = "nothing was injected (I=0)"
        elif isinstance(series, CurrentClampSeries):
            reasons[str(series.name)] = "there is no stimulus of its electrode and sweep"
        else:
            reasons[str(series.name)] = "it was recorded in voltage clamp"
    return reasons


def _key(series: Series) -> tuple[str, str, float]:
    if series.stored.sweep_number is not None:
        return series.electrode, "sweep", float(series.stored.sweep_number)
    return series.electrode, "time", series.start
