"""Current-clamp sweeps of NWB files, and the table of features that the extractor of simulations makes of them."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hpcsim.errors import ResultsError, shown
from hpcsim.recordings.clamp_series import LOWEST_CURRENT, Series, check_start, opened, pairs, without_stimulus
from hpcsim.recordings.observations import describe
from hpcsim.stages.features.ephys import CORRECTED, OPTIONS, PUBLISHED, STATISTICS, Extractor
from hpcsim.stages.features.trace import VoltageTrace

if TYPE_CHECKING:
    from pandas import DataFrame

#: kHz: cutoff of the filter of the slope; and the share of a sampling rate that is taken where this is too much.
CUTOFF = next(float(option.default) for option in OPTIONS if option.name == "cutoff")  # type: ignore[arg-type]
_SLOW = 0.45
#: ms: no membrane stays at one value for so long.
_LONGEST_CONSTANT = 50.0
#: mV: no neuron rests higher; what does was recorded with an offset.
_HIGHEST_REST = -30.0
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
    left_out : mapping of str to str
        Sweeps of the file that have no stimulus, by name, and why.
    """

    name: str
    v: np.ndarray
    step: float
    amplitude: float
    start: int
    stop: int
    left_out: Mapping[str, str]


def observed_table(
    files: Iterable[str | Path],
    *,
    amplitude: float | None,
    junction_potential: float,
    definition: str = CORRECTED,
    margin: float = 100.0,
    tolerance: float = 1.0,
    rest_after: bool | None = None,
    third_from: int = 0,
    voltage_unit: str = "",
    current_unit: str = "",
    electrode: str = "",
    cutoff: float = CUTOFF,
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
    electrode : str
        Name of the electrode, where files have sweeps of several cells.
    cutoff : float, kHz
        As option of the stage. Where a file was sampled too slowly for it, 0.45 of its sampling rate is taken; a warning
        and ``attrs["cutoff"]`` say so.

    Returns
    -------
    DataFrame, shape (n_file, 24)
        A row a cell, named after the file: the statistics, and ``current`` in pA. ``attrs`` say how it was made; by file,
        ``attrs["sources"]`` says of which sweep, and which ones have no stimulus.

    Raises
    ------
    ResultsError
        If a file cannot be read, has no such sweep, is too short, or has values that no recording has.

    Warns
    -----
    UserWarning
        Where a file was sampled slowly, or its cell rests above -30 mV: an offset moves noise over the level of spikes.
    """
    import pandas

    after = definition == PUBLISHED if rest_after is None else rest_after
    rows: dict[str, list[float]] = {}
    lower: dict[str, float] = {}
    sources: dict[str, dict[str, object]] = {}
    for file in map(Path, files):
        if file.stem in rows:
            raise ResultsError(f"{file}: another file is called {file.stem}, too; expected one name per cell: rename one")
        sweep = find_sweep(file, amplitude, tolerance, voltage_unit, current_unit, electrode)
        v = _excerpt(file, sweep, margin) - junction_potential
        _check_rest(file, sweep, junction_potential)
        if 2 * cutoff * sweep.step >= 1:
            lower[file.stem] = _SLOW / sweep.step
            warnings.warn(
                f"{file}: sampled at {1 / sweep.step:g} kHz, so the slope is filtered at {lower[file.stem]:g} kHz, not at "
                f"{cutoff:g}: thresholds and widths are less exact",
                stacklevel=2,
            )
        duration = (sweep.stop - sweep.start) * sweep.step
        given = {"definition": definition, "start": margin, "stop": margin + duration, "rest_after": after}
        options = {option.name: option.default for option in OPTIONS} | given | {"third_from": third_from}
        options["cutoff"] = lower.get(file.stem, cutoff)
        extractor = Extractor(VoltageTrace(len(v), sweep.step), options)
        sources[file.stem] = {"sweep": sweep.name, "left_out": dict(sweep.left_out)}
        rows[file.stem] = [*extractor(v[np.newaxis])[0], sweep.amplitude]
    table = pandas.DataFrame.from_dict(rows, orient="index", columns=[*STATISTICS, CURRENT])
    table.index.name = "cell"
    table.attrs.update(describe(definition, rest_after=after, junction_potential=junction_potential), sources=sources)
    if lower:
        table.attrs["cutoff"] = lower
    return table


def find_sweep(
    file: Path,
    amplitude: float | None,
    tolerance: float = 1.0,
    voltage_unit: str = "",
    current_unit: str = "",
    electrode: str = "",
) -> ClampSweep:
    """The first current-clamp sweep with a current step of an amplitude, or that with the largest one.

    Parameters
    ----------
    file, amplitude, tolerance, voltage_unit, current_unit, electrode
        As of :func:`observed_table`.

    Raises
    ------
    ResultsError
        If there is none (the amplitudes that are there are named), or it is of more than one electrode; if the file
        cannot be read, does not tell which stimulus belongs to a response, or has values that no recording has.
    """
    with opened(file) as nwb:
        every = pairs(file, nwb)
        left_out = without_stimulus(nwb, every)
        known = [(response, stimulus) for response, stimulus in every if electrode in ("", response.electrode)]
        steps = [(*pair, found) for pair in known if (found := _current_step(pair[1].current(current_unit))) is not None]
        if steps and max(abs(height) for *_, (height, _, _) in steps) < LOWEST_CURRENT:
            response, stimulus, _ = steps[0]
            response.voltage(voltage_unit)
            largest = float(np.abs(stimulus.current(current_unit)).max())
            raise stimulus.wrong(f"reaches {largest:g} pA", current_unit, "pA", f"at least {LOWEST_CURRENT:g} pA")
        fitting = [one for one in steps if amplitude is None or abs(one[2][0] - amplitude) <= tolerance]
        electrodes = sorted({response.electrode for response, _, _ in fitting})
        if len(electrodes) > 1:
            raise ResultsError(
                f"{file}: there are such sweeps of the electrodes {', '.join(electrodes)}; expected one cell: choose with "
                f'electrode = "{electrodes[0]}"'
            )
        if fitting:
            # the first one of them, or of those with the largest step
            response, stimulus, (height, *ends) = max(fitting, key=lambda one: one[2][0] if amplitude is None else 0)
            start, stop = _on_the_clock(file, response, stimulus, *ends)
            return ClampSweep(response.name, response.voltage(voltage_unit), response.step, height, start, stop, left_out)
    there = ", ".join(f"{value:g}" for value in sorted(set(np.round([found[0] for *_, found in steps], 1)))) or "none"
    wanted = "with a current step" if amplitude is None else f"with a current step of {amplitude:g} pA"
    of = f" of the electrode {shown(electrode)}" if electrode else ""
    reasons = "".join(f"; {name}: {why}" for name, why in list(left_out.items())[:3])
    raise ResultsError(
        f"{file}: there is no current-clamp sweep {wanted}{of}; amplitudes that are there, in pA: {there}{reasons}"
    )


def _check_rest(file: Path, sweep: ClampSweep, junction_potential: float) -> None:
    before = sweep.v[: sweep.start]
    if len(before) and (rest := float(np.median(before)) - junction_potential) > _HIGHEST_REST:
        warnings.warn(
            f"{file}: {sweep.name} rests at {rest:.1f} mV, and no neuron rests above {_HIGHEST_REST:g}: if the recording has an "
            "offset, add it to the junction potential, else noise counts as action potentials",
            stacklevel=3,
        )


def _on_the_clock(file: Path, response: Series, stimulus: Series, start: int, stop: int) -> tuple[int, int]:
    """First sample of the response in the current step, and first one after it."""
    rates = response.step, stimulus.step
    if np.isclose(*rates, rtol=1e-6):
        if response.count != stimulus.count:
            raise ResultsError(
                f"{file}: {response.name} has {response.count} samples, its stimulus {stimulus.count}; expected equal"
            )
    else:
        start, stop = (round(at * stimulus.step / response.step) for at in (start, stop))
        if stop > response.count:
            raise ResultsError(
                f"{file}: {response.name} ends after {response.count * response.step:g} ms, during the current step of its "
                f"stimulus, which has another sampling rate ({1 / stimulus.step:g} and {1 / response.step:g} kHz)"
            )
    check_start(response, stimulus, response.step)
    return start, stop


def _current_step(current: np.ndarray) -> tuple[float, int, int] | None:
    """Amplitude, first sample and end of the longest stretch of constant current that differs from the first sample."""
    if not len(current):
        return None
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
    used = sweep.v[begin:end]
    last = int(np.flatnonzero(used != used[-1])[-1]) + 1 if (used != used[-1]).any() else 0
    if last < len(used) - around or (len(used) - last) * sweep.step > _LONGEST_CONSTANT:
        raise ResultsError(
            f"{file}: {sweep.name} is constant from {(begin + last) * sweep.step:g} ms on, so it was aborted; expected a "
            f"recording until {margin:g} ms after the current step"
        )
    return used
