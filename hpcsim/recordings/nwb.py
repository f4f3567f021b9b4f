"""Current-clamp sweeps of NWB files, and the table of features that the extractor of simulations makes of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcsim.errors import ResultsError
from hpcsim.outputs import Coordinate
from hpcsim.recordings.observations import describe
from hpcsim.space.units import convert
from hpcsim.stages.features.ephys import MENDED, OPTIONS, PUBLISHED, STATISTICS, Extractor
from hpcsim.stages.features.trace import VoltageTrace
from hpcsim.stages.recording import time_step

if TYPE_CHECKING:
    from pandas import DataFrame

#: Larger values are a missing conversion, not a recording: mV, and pA.
HIGHEST_VOLTAGE, HIGHEST_CURRENT = 1e3, 1e6
#: Column of the injected current, pA.
CURRENT = "current"


@dataclass(frozen=True, eq=False)
class ClampSweep:
    """A voltage trace under a step of current.

    Parameters
    ----------
    name : str
        Of the series in the file.
    v : ndarray of float64
        Shape (n_time,), mV as recorded.
    step : float, ms
        Between two samples.
    amplitude : float, pA
        Of the current step over what is injected before.
    start, stop : int
        First sample of the current step, and of what follows.
    """

    name: str
    v: np.ndarray
    step: float
    amplitude: float
    start: int
    stop: int


def observed_table(
    files: Iterable[str | Path],
    *,
    amplitude: float | None,
    junction_potential: float,
    definition: str = MENDED,
    margin: float = 100.0,
    tolerance: float = 1.0,
    rest_after: bool | None = None,
    third_from: int = 0,
    voltage_unit: str = "",
    current_unit: str = "",
) -> DataFrame:
    """Compute the statistics of one sweep a file, as the stage ``features.ephys`` does for simulations.

    Parameters
    ----------
    files : iterable of path
        NWB files with current-clamp recordings, a cell each.
    amplitude : float or None, pA
        Of the current step; None for the largest one of each file.
    junction_potential : float, mV
        Liquid junction potential, subtracted from the recorded voltage (M1, Scala et al. 2020: 15.4; V1, Gouwens et al.
        2020: 14).
    definition : str
        ``default`` or ``bernaerts2025``.
    margin : float, ms
        How much of the trace before and after the step is used.
    tolerance : float, pA
        How far the amplitude may be off.
    rest_after : bool, optional
        Whether the rest is taken after the step, too; without it, as the definition does for recordings: as
        published, yes; by default no, as for simulations.
    third_from : int
        As option of the stage.
    voltage_unit, current_unit : str
        What the stored numbers are in, where the file's own conversion is wrong, such as ``mV`` and ``pA``.

    Returns
    -------
    DataFrame, shape (n_file, 24)
        A row a cell, named after the file: the statistics, and ``current`` in pA. ``attrs`` say how it was made.

    Raises
    ------
    ResultsError
        If a file cannot be read, has no such sweep, is too short, or has values that no recording has.
    """
    import pandas

    after = definition == PUBLISHED if rest_after is None else rest_after
    rows = {}
    for file in map(Path, files):
        if file.stem in rows:
            raise ResultsError(f"{file}: another file is called {file.stem}, too; expected a name a cell: rename one")
        sweep = find_sweep(file, amplitude, tolerance, voltage_unit, current_unit)
        v = _excerpt(file, sweep, margin) - junction_potential
        duration = (sweep.stop - sweep.start) * sweep.step
        given = {"definition": definition, "start": margin, "stop": margin + duration, "rest_after": after}
        options = {option.name: option.default for option in OPTIONS} | given | {"third_from": third_from}
        extractor = Extractor(VoltageTrace(len(v), sweep.step), options)
        rows[file.stem] = [*extractor(v[np.newaxis])[0], sweep.amplitude]
    table = pandas.DataFrame.from_dict(rows, orient="index", columns=[*STATISTICS, CURRENT])
    table.index.name = "cell"
    table.attrs.update(describe(definition, rest_after=after, junction_potential=junction_potential))
    return table


def find_sweep(
    file: Path, amplitude: float | None, tolerance: float = 1.0, voltage_unit: str = "", current_unit: str = ""
) -> ClampSweep:
    """The first current-clamp sweep with a current step of an amplitude, or that with the largest one.

    Parameters
    ----------
    file, amplitude, tolerance, voltage_unit, current_unit
        As of :func:`observed_table`.

    Raises
    ------
    ResultsError
        If there is none; the amplitudes that are there are named.
    """
    from pynwb import NWBHDF5IO

    amplitudes, best = [], None
    try:
        with NWBHDF5IO(str(file), "r") as io:
            for response, stimulus in _pairs(io.read()):
                current = _numbers(file, stimulus, current_unit, "pA", HIGHEST_CURRENT)
                found = _current_step(current)
                if found is None:
                    continue
                height, start, stop = found
                amplitudes.append(height)
                if best is not None and (amplitude is not None or height <= best.amplitude):
                    continue
                if amplitude is None or abs(height - amplitude) <= tolerance:
                    v = _numbers(file, response, voltage_unit, "mV", HIGHEST_VOLTAGE)
                    if len(v) != len(current):
                        raise ResultsError(
                            f"{file}: {response.name} has {len(v)} samples, its stimulus {len(current)}; expected equal"
                        )
                    best = ClampSweep(response.name, v, _step(file, response), height, start, stop)
    except OSError as error:
        raise ResultsError(f"{file}: cannot be read as an NWB file: {error}") from error
    if best is None:
        there = ", ".join(f"{value:g}" for value in sorted(set(np.round(amplitudes, 1)))) or "none"
        wanted = "with a current step" if amplitude is None else f"with a current step of {amplitude:g} pA"
        raise ResultsError(f"{file}: there is no current-clamp sweep {wanted}; amplitudes that are there, in pA: {there}")
    return best


def _pairs(nwb: Any) -> Iterator[tuple[Any, Any]]:
    """Recordings in current clamp and their stimuli, by number of the sweep or, without one, by time."""
    from pynwb.icephys import CurrentClampSeries, CurrentClampStimulusSeries

    stimuli = {_key(series): series for series in nwb.stimulus.values() if isinstance(series, CurrentClampStimulusSeries)}
    for series in nwb.acquisition.values():
        if isinstance(series, CurrentClampSeries) and _key(series) in stimuli:
            yield series, stimuli[_key(series)]


def _key(series: Any) -> tuple[str, float]:
    if series.sweep_number is not None:
        return "sweep", float(series.sweep_number)
    return "time", float(series.starting_time if series.rate else series.timestamps[0])


def _numbers(file: Path, series: Any, stored: str, unit: str, highest: float) -> np.ndarray:
    """Data of a series in a unit; `stored` overrules what the file says."""
    if stored:
        factor, offset = float(convert(1, stored, unit)), 0.0
    else:
        # pynwb writes volts and amperes; other programs may have written something else
        factor = float(convert(1, {"volts": "V", "amperes": "A"}.get(series.unit, series.unit), unit))
        factor, offset = factor * series.conversion, factor * series.offset
    values = np.asarray(series.data[:], dtype=np.float64) * factor + offset
    largest = float(np.nanmax(np.abs(values), initial=0.0))
    if largest > highest:
        option = "voltage_unit" if unit == "mV" else "current_unit"
        raise ResultsError(
            f"{file}: {series.name} reaches {largest:g} {unit}, read as {stored or series.unit}; expected at most {highest:g} "
            f'{unit}: the unit or conversion is wrong; say what the stored numbers are in, such as {option} = "{unit}"'
        )
    return values


def _step(file: Path, series: Any) -> float:
    """Time between two samples, ms."""
    if series.rate:
        return 1e3 / float(series.rate)
    return time_step(str(file), series.name, Coordinate(1e3 * np.asarray(series.timestamps[:]), "ms"))


def _current_step(current: np.ndarray) -> tuple[float, int, int] | None:
    """Amplitude, first sample and end of the longest stretch of constant current that differs from the first sample."""
    changes = np.flatnonzero(np.diff(current)) + 1
    edges = np.concatenate([[0], changes, [len(current)]])
    levels = current[edges[:-1]] - current[0]
    lengths = np.where(levels != 0, np.diff(edges), 0)
    longest = int(np.argmax(lengths))
    if lengths[longest] == 0:
        return None
    return round(float(levels[longest]), 6), int(edges[longest]), int(edges[longest + 1])


def _excerpt(file: Path, sweep: ClampSweep, margin: float) -> np.ndarray:
    """The trace during the step and the margin around."""
    around = round(margin / sweep.step)
    begin, end = sweep.start - around, sweep.stop + around
    if begin < 0 or end > len(sweep.v):
        before, behind = sweep.start * sweep.step, (len(sweep.v) - sweep.stop) * sweep.step
        raise ResultsError(
            f"{file}: {sweep.name} is too short: {before:g} ms before and {behind:g} ms after the current step; expected "
            f"{margin:g} ms: choose a smaller margin"
        )
    return sweep.v[begin:end]
