"""A point as a file of Neurodata Without Borders, laid out as recordings in current clamp are."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from hpcsim.collector.results import Results
from hpcsim.collector.signals import Signal, Signals, read_signals
from hpcsim.errors import PluginError
from hpcsim.files import replacing
from hpcsim.plugin import not_installed

#: SI units and what one of ours is in them, of what has a place of its own in NWB.
_SI = {"mV": ("volts", 1e-3), "pA": ("amperes", 1e-12), "nA": ("amperes", 1e-9)}


def write_nwb(results: Results, rows: np.ndarray, path: Path) -> list[Path]:
    """Write a file a point into a folder, named after the points' ids.

    Parameters
    ----------
    results : Results
    rows : ndarray of int
    path : Path
        The folder; it is made.

    Returns
    -------
    list of Path

    Raises
    ------
    PluginError
        If pynwb is not installed.
    ResultsError
        If nothing was recorded over time.
    """
    import h5py

    try:
        from pynwb import NWBHDF5IO
    except ModuleNotFoundError:
        raise PluginError(not_installed("an NWB file", "pynwb", "nwb")) from None
    path.mkdir(parents=True, exist_ok=True)
    written = []
    for row in rows.tolist():
        signals = read_signals(results, row)
        target = path / f"{signals.id}.nwb"
        # as an open file, since pynwb warns of a temporary name
        with replacing(target) as temporary, h5py.File(temporary, "w") as plain, NWBHDF5IO(file=plain, mode="w") as io:
            io.write(nwb_file(results, signals))
        written.append(target)
    return written


def nwb_file(results: Results, signals: Signals) -> Any:
    """A point as pynwb has it.

    The first signal in pA is ``stimulus`` (amperes), the first in mV ``response`` (volts): with them come an electrode, and the
    tables of intracellular recordings up to repetitions. Other signals are TimeSeries of their own names and units. Spike trains
    are ``units``; epochs have tags, such as ``Noise 1``.

    Parameters
    ----------
    results : Results
    signals : Signals

    Returns
    -------
    pynwb.NWBFile
        It says that it is simulated, by which model, with which parameters.
    """
    from pynwb import NWBFile, TimeSeries
    from pynwb.file import Subject

    model, provenance = str(results.table.attrs.get("model", "")), results.provenance
    began = provenance.get("created", "1970-01-01T00:00:00+00:00")
    start = datetime.fromisoformat(began)
    file = NWBFile(
        session_description=f"simulated: a point of the study {results.table.attrs.get('study', '')} with the model {model}",
        identifier=signals.id,
        session_start_time=start if start.tzinfo else start.replace(tzinfo=UTC),
        experiment_description="simulation, no recording",
        keywords=["simulation", model],
        source_script=provenance.get("study", "") or "unknown",
        source_script_file_name="study.toml",
        notes=json.dumps({"parameters": signals.parameters, "units": signals.units}, default=str),
        # nwbinspector calls a file without a subject and its age unusable; there is no animal
        subject=Subject(subject_id=signals.id, description="no animal: a simulated point", sex="U", age="P0D"),
    )
    special = {
        name: next((key for key, signal in signals.series.items() if signal.unit in units and not signal.channels), "")
        for name, units in (("stimulus", ("pA", "nA")), ("response", ("mV",)))
    }
    for name, signal in signals.series.items():
        if name not in special.values():
            data, unit = signal.values, signal.unit or "dimensionless"
            text = ", ".join(filter(None, (signal.description, " ".join(signal.channels)))) or name
            file.add_acquisition(TimeSeries(name=name, data=data, unit=unit, description=text, **_clock(signal)))
    if all(special.values()):
        _add_clamp(file, signals, special)
    else:
        for name in filter(None, special.values()):
            signal = signals.series[name]
            unit, factor = _SI[signal.unit]
            file.add_acquisition(TimeSeries(name=name, data=factor * signal.values, unit=unit, **_clock(signal)))
    for name, times in signals.trains.items():
        if "cell_name" not in (file.units.colnames if file.units else ()):
            file.add_unit_column("cell_name", "name of the simulated cell")
        observed = [[signals.start / 1000, signals.stop / 1000]]
        file.add_unit(spike_times=times / 1000, obs_intervals=observed, cell_name=name)
    if file.units is not None:
        file.units.resolution = _resolution(signals)
    for epoch in signals.epochs:
        file.add_epoch(start_time=epoch.start / 1000, stop_time=epoch.stop / 1000, tags=[tag(epoch.name)])
    return file


def tag(sweep: str) -> str:
    """What the Allen Cell Types Database calls a sweep.

    Examples
    --------
    >>> tag("noise1"), tag("ramp")
    ('Noise 1', 'Ramp')
    """
    return f"Noise {sweep[-1]}" if sweep in ("noise1", "noise2") else sweep.capitalize()


def _resolution(signals: Signals) -> float:
    """Smallest difference of two spike times, s: the time step, or that of what is sampled."""
    steps = [signal.step for signal in signals.series.values()]
    step = signals.parameters.get("dt")
    return float(step if isinstance(step, (int, float)) else min(steps, default=1.0)) / 1000


def _clock(signal: Signal) -> dict[str, float]:
    return {"starting_time": signal.start / 1000, "rate": 1000 / signal.step}


def _add_clamp(file: Any, signals: Signals, special: dict[str, str]) -> None:
    """Stimulus and response of one electrode, and their rows in the tables."""
    from pynwb.icephys import CurrentClampSeries, CurrentClampStimulusSeries

    device = file.create_device("simulator", description="no amplifier: currents and voltages are those of the model")
    electrode = file.create_icephys_electrode(
        "electrode", device=device, description="simulated, without series resistance", cell_id=signals.id
    )
    common = {"electrode": electrode, "gain": 1.0}
    series = {}
    for name, kind in (("stimulus", CurrentClampStimulusSeries), ("response", CurrentClampSeries)):
        signal = signals.series[special[name]]
        _, factor = _SI[signal.unit]
        series[name] = kind(
            name=name, data=factor * signal.values, description=signal.description or name, **_clock(signal), **common
        )
    file.add_stimulus(series["stimulus"])
    file.add_acquisition(series["response"])
    simultaneous = []
    for epoch in signals.epochs or ():
        ranges = {}
        for name in series:
            signal = signals.series[special[name]]
            first, stop = (round((time - signal.start) / signal.step) for time in (epoch.start, epoch.stop))
            ranges[name] = (first, min(stop, len(signal.values)) - first)
        row = file.add_intracellular_recording(
            electrode=electrode,
            stimulus=series["stimulus"],
            stimulus_start_index=ranges["stimulus"][0],
            stimulus_index_count=ranges["stimulus"][1],
            response=series["response"],
            response_start_index=ranges["response"][0],
            response_index_count=ranges["response"][1],
        )
        simultaneous.append((tag(epoch.name), file.add_icephys_simultaneous_recording(recordings=[row])))
    sequential = [
        file.add_icephys_sequential_recording(
            simultaneous_recordings=[row for name, row in simultaneous if name == kind], stimulus_type=kind
        )
        for kind in dict.fromkeys(name for name, _ in simultaneous)
    ]
    if sequential:
        file.add_icephys_repetition(sequential_recordings=sequential)
