"""Sweeps under noise of an NWB file, and where the file says which stimulus, unit and spikes they have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hpcsim.errors import ResultsError
from hpcsim.recordings.clamp_series import LOWEST_CURRENT, Series, check_start, opened, pairs, without_stimulus

#: Share of a bin by which a number of samples may miss it.
_TOLERANCE = 1e-6
#: A stimulus is noise where the current changes in more than this share of the bins in which it is on, and at least the second
#: share of the changes is up, and down.
_CHANGING, _ONE_WAY = 0.5, 0.1


@dataclass(frozen=True, eq=False)
class NoiseSweep:
    """A sweep in bins.

    Parameters
    ----------
    name : str
        Of the response in the file.
    tag : str
        What its stimulus is called.
    current : ndarray, shape (n_bins,), pA
    v : ndarray, shape (n_bins,), mV
        At the begin of each bin.
    spikes : ndarray, ms
        From the begin of the sweep.
    """

    name: str
    tag: str
    current: np.ndarray
    v: np.ndarray
    spikes: np.ndarray


@dataclass(frozen=True)
class Reading:
    """How numbers of a file are read.

    Parameters
    ----------
    width : float, ms
        Of a bin.
    junction_potential : float, mV
        Subtracted from the voltage.
    spike_level : float, mV
        Spikes are upward crossings of it where the file has no units.
    electrode : str
        Whose sweeps; empty: of all.
    voltage_unit, current_unit : str
        What the stored numbers are in; empty: what the file says.
    """

    width: float
    junction_potential: float = 0.0
    spike_level: float = -20.0
    electrode: str = ""
    voltage_unit: str = ""
    current_unit: str = ""


#: A response, its stimulus, and what that is called.
_Tagged = tuple[Series, Series, str]


def read_sweeps(file: Path, tags: Sequence[str], reading: Reading) -> tuple[list[NoiseSweep], dict[str, Any]]:
    """Sweeps of these tags in bins, in the order of time, and where their tags, units and spikes come from.

    What a stimulus is called is told by the tags of the epochs; where no epoch has one of the names, by the stimulus description;
    where none has, by the stimulus itself: the first noise in the file has the first name, the next different one the second.

    Parameters
    ----------
    file : Path
    tags : sequence of str
    reading : Reading

    Returns
    -------
    sweeps : list of NoiseSweep
    source : dict
        ``tags``, ``spikes``, ``units``, ``gain``, and ``left_out``, by name of the sweep the reason.

    Raises
    ------
    ResultsError
        If one of the tags has no sweep, spikes are outside of all of them, a stimulus begins at another time than its
        response, or a sweep does not fit to bins.
    """
    left_out: dict[str, str] = {}
    found: list[tuple[float, NoiseSweep]] = []
    with opened(file) as nwb:
        every = pairs(file, nwb)
        left_out |= without_stimulus(nwb, every)
        known = [pair for pair in every if reading.electrode in ("", pair[0].electrode)]
        tagged, told_by = _tagged(nwb, known, tags, reading)
        units, spikes_from = _units(file, nwb, known, reading)
        source = {"tags": told_by, "spikes": spikes_from, **_stated(tagged, tags, reading), "left_out": left_out}
        for response, stimulus, tag in tagged:
            if tag not in tags:
                continue
            sweep = _sweep(response, stimulus, tag, units, reading)
            if np.ptp(sweep.current) == 0:
                left_out[sweep.name] = f"its stimulus is constant, {sweep.current[0]:g} pA"
            else:
                found.append((response.start, sweep))
        _check_current(tagged, tags, found, reading)
    sweeps = [sweep for _, sweep in sorted(found, key=lambda pair: pair[0])]
    for tag in tags:
        if not any(sweep.tag == tag for sweep in sweeps):
            other = sorted({name for *_, name in tagged} - set(tags))
            reasons = f"; left out: {'; '.join(f'{name}: {why}' for name, why in list(left_out.items())[:3])}" if left_out else ""
            raise ResultsError(
                f'{file}: there is no sweep "{tag}" with a stimulus that varies (told by the {told_by}); it has {other or "none"}'
                f"{reasons}"
            )
    return sweeps, source


def _tagged(nwb: Any, known: Sequence[tuple[Series, Series]], tags: Sequence[str], reading: Reading) -> tuple[list[_Tagged], str]:
    """Each pair with the name of its stimulus, and what told it; a pair that lasts for several epochs is cut."""
    epochs = _epochs(nwb)
    if any(tag in tags for _, _, names in epochs for tag in names):
        return [cut for pair in known for cut in _cut(*pair, epochs, tags)], "epochs"
    described = [(response, stimulus, _description(response, stimulus)) for response, stimulus in known]
    if any(tag in tags for *_, tag in described):
        return described, "stimulus description"
    names: dict[bytes, str] = {}
    found: list[_Tagged] = []
    for response, stimulus, description in described:
        current = _binned(stimulus, reading.width, stimulus.current(reading.current_unit))
        if not is_noise(current):
            found.append((response, stimulus, description))
            continue
        key = np.round(current / np.abs(current).max(), 6).tobytes()
        if key not in names:
            names[key] = tags[len(names)] if len(names) < len(tags) else f"noise {len(names) + 1}"
        found.append((response, stimulus, names[key]))
    return found, "stimulus itself: the first noise, and the next different one"


def is_noise(current: np.ndarray) -> bool:
    """Whether a current goes up and down from bin to bin, other than steps and ramps do.

    Examples
    --------
    >>> is_noise(np.array([0.0, 0, 3, 1, 4, 1, 5, 0])), is_noise(np.array([0.0, 0, 1, 2, 3, 4, 0]))
    (True, False)
    """
    on = np.flatnonzero(current != current[:1])
    if len(on) < 2:
        return False
    changes = np.diff(current)[on - 1]
    changing = changes[changes != 0]
    share_up = float((changing > 0).mean())
    return bool(len(changing) > _CHANGING * len(on) and _ONE_WAY < share_up < 1 - _ONE_WAY)


def _epochs(nwb: Any) -> list[tuple[float, float, list[str]]]:
    """Begin, end and tags of the epochs, s."""
    if nwb.epochs is None or "tags" not in nwb.epochs.colnames:
        return []
    columns = (nwb.epochs[name][:] for name in ("start_time", "stop_time", "tags"))
    return [(float(start), float(stop), list(map(str, tags))) for start, stop, tags in zip(*columns, strict=True)]


def _cut(
    response: Series, stimulus: Series, epochs: Sequence[tuple[float, float, list[str]]], tags: Sequence[str]
) -> list[_Tagged]:
    """The parts of a pair in the epochs with one of the tags; the whole pair with what it is in where there is none."""
    parts: list[_Tagged] = []
    half = stimulus.step / 2000
    for start, stop, names in epochs:
        tag = next((name for name in names if name in tags), "")
        inside = stimulus.start - half <= start and stop <= stimulus.stop + half
        if not tag or not (inside or start <= (stimulus.start + stimulus.stop) / 2 < stop):
            continue
        if inside and max(start - stimulus.start, stimulus.stop - stop) > 2 * half:
            name = f"{response.name} from {start:g} s"
            parts.append((replace(response.between(start, stop), label=name), stimulus.between(start, stop), tag))
        else:
            parts.append((response, stimulus, tag))
    middle = (stimulus.start + stimulus.stop) / 2
    other = next((", ".join(names) for start, stop, names in epochs if start <= middle < stop), "")
    return parts or [(response, stimulus, other)]


def _description(response: Series, stimulus: Series) -> str:
    for series in (stimulus, response):
        for name in ("stimulus_description", "description"):
            text = str(getattr(series.stored, name, None) or "")
            # what pynwb and MIES write where nothing is known
            if text and text not in ("no description", "N/A", "PLACEHOLDER"):
                return text
    return ""


def _units(file: Path, nwb: Any, known: Sequence[tuple[Series, Series]], reading: Reading) -> tuple[np.ndarray | None, str]:
    """Spike times in s, or None where the voltage must tell; and which of the two it is."""
    level = f"voltage above {reading.spike_level:g} mV"
    table = nwb.units
    if table is None or "spike_times" not in table.colnames or len(table) != 1:
        n = 0 if table is None else len(table)
        return None, level + (f", since the file has {n} units" if n > 1 else "")
    times = np.asarray(table["spike_times"][0], dtype=np.float64)
    if known:
        begin, end = min(r.start for r, _ in known), max(r.stop for r, _ in known)
        outside = times[~((times >= begin - 1e-3) & (times <= end + 1e-3))]
        if len(outside):
            raise ResultsError(
                f"{file}: {len(outside)} of {len(times)} spikes of its unit, the first at {outside[0]:g} s, are outside of its "
                f"recordings from {begin:g} to {end:g} s; expected spike times on the clock of the series"
            )
    return times, "units"


def _stated(tagged: Sequence[_Tagged], tags: Sequence[str], reading: Reading) -> dict[str, Any]:
    """Units, conversion and gain of the first sweep that is used, as they were read."""
    for response, stimulus, tag in tagged:
        if tag in tags:
            units = {"stimulus": stimulus.unit(reading.current_unit), "response": response.unit(reading.voltage_unit)}
            return {"units": units, "gain": response.gain}
    return {}


def _sweep(response: Series, stimulus: Series, tag: str, units: np.ndarray | None, reading: Reading) -> NoiseSweep:
    width = reading.width
    current = _binned(stimulus, width, stimulus.current(reading.current_unit))
    v = response.voltage(reading.voltage_unit) - reading.junction_potential
    if abs(len(current) * width - len(v) * response.step) > 2 * width:
        raise ResultsError(
            f"{response.file}: {response.name} lasts {len(v) * response.step:g} ms, and its stimulus "
            f"{len(current) * width:g} ms; expected one length"
        )
    # where an epoch cuts both, each begins at a sample of its own
    check_start(response, stimulus, max(response.step, stimulus.step))
    n = min(len(current), round(len(v) * response.step / width))
    if units is None:
        level = reading.spike_level
        spikes = response.step * (1 + np.flatnonzero((v[1:] >= level) & (v[:-1] < level)))
    else:
        spikes = 1000 * (units - response.start)
    inside = spikes[(spikes >= 0) & (spikes < n * width)]
    samples = v[np.minimum(np.round(np.arange(n) * width / response.step).astype(int), len(v) - 1)]
    return NoiseSweep(response.name, tag, current[:n], samples, inside)


def _check_current(
    tagged: Sequence[_Tagged], tags: Sequence[str], found: Sequence[tuple[float, NoiseSweep]], reading: Reading
) -> None:
    """Currents that vary, but that no amplifier injects, are in another unit than the file says."""
    largest = max((float(np.abs(sweep.current).max()) for _, sweep in found), default=np.inf)
    if largest < LOWEST_CURRENT:
        stimulus = next(stimulus for _, stimulus, tag in tagged if tag in tags)
        raise stimulus.wrong(f"reaches {largest:g} pA", reading.current_unit, "pA", f"at least {LOWEST_CURRENT:g} pA")


def _binned(series: Series, width: float, values: np.ndarray) -> np.ndarray:
    """Means of bins."""
    per_bin = round(width / series.step)
    if per_bin < 1 or abs(per_bin * series.step - width) > _TOLERANCE * width:
        raise ResultsError(
            f"{series.file}: {series.name} has a sample every {series.step:g} ms; expected a part of the bin of {width:g} ms"
        )
    if len(values) < per_bin:
        raise ResultsError(
            f"{series.file}: {series.name} lasts {len(values) * series.step:g} ms; expected at least a bin of {width:g} ms"
        )
    return np.asarray(values[: len(values) // per_bin * per_bin].reshape(-1, per_bin).mean(axis=1))
