"""Generalized linear models of recorded cells, as the stage ``features.glm`` makes them of simulated ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcsim.errors import ResultsError
from hpcsim.models.model import Context
from hpcsim.outputs import Coordinate, Layout, Output
from hpcsim.recordings.noise_sweeps import NoiseSweep, Reading, read_sweeps
from hpcsim.stages.features.glm.glm import glm

if TYPE_CHECKING:
    from pandas import DataFrame


def glm_table(
    files: Iterable[str | Path],
    *,
    train: str = "Noise 1",
    test: str = "Noise 2",
    options: Mapping[str, Any] | None = None,
    junction_potential: float = 0.0,
    spike_level: float = -20.0,
    electrode: str = "",
    voltage_unit: str = "",
    current_unit: str = "",
) -> DataFrame:
    """Fit the models to one cell a file.

    Parameters
    ----------
    files : iterable of path
        NWB files with current-clamp sweeps under noise.
    train, test : str
        What the stimuli are called: a tag of epochs, or a stimulus description. Where neither is in a file, the stimulus itself
        tells: the first noise is `train`, the next different one `test`.
    options : mapping, optional
        Of the stage, but for names of outputs and epochs.
    junction_potential : float, mV
        Subtracted from the recorded voltage.
    spike_level : float, mV
        Spikes are the file's units; where it has none, upward crossings of this voltage.
    electrode : str
        Name of the electrode, where files have sweeps of several cells.
    voltage_unit, current_unit : str
        What the stored numbers are in, where the file's own unit and conversion are wrong, such as ``mV`` and ``pA``.

    Returns
    -------
    DataFrame
        A row a file, by its name; columns are the outputs of the stage with the labels of their dimensions, such as
        ``glm_bits_per_spike.history.test``. ``attrs["sources"]`` says by file what told the tags, which units and gain the file
        states, where spikes come from, and which sweeps were left out, with the reason.

    Raises
    ------
    ResultsError
        If a file cannot be read, lacks such sweeps, or stimulus and response differ in length.
    """
    import pandas

    rows: dict[str, dict[str, Any]] = {}
    sources: dict[str, dict[str, Any]] = {}
    chosen = {option.name: option.default for option in glm.options} | dict(options or {})
    reading = Reading(float(chosen["bin"]), junction_potential, spike_level, electrode, voltage_unit, current_unit)
    for file in map(Path, files):
        if file.stem in rows:
            raise ResultsError(f"{file}: another file is called {file.stem}, too; expected one name per cell: rename one")
        sweeps, sources[file.stem] = read_sweeps(file, (train, test), reading)
        rows[file.stem] = _row(sweeps, test, chosen)
    table = pandas.DataFrame.from_dict(rows, orient="index")
    table.index.name = "cell"
    table.attrs.update(extractor={glm.name: glm.version}, junction_potential=junction_potential, sources=sources)
    return table


def _row(sweeps: Sequence[NoiseSweep], test: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The stage on sweeps that follow each other."""
    width = float(options["bin"])
    current, v = (np.concatenate([getattr(sweep, name) for sweep in sweeps]) for name in ("current", "v"))
    lengths = [len(sweep.current) for sweep in sweeps]
    starts = width * np.concatenate([[0], np.cumsum(lengths)[:-1]])
    outputs = [
        Output("spike_times", ("spike",), "ms", ragged=True),
        Output("current", ("time_bin",), "pA"),
        Output("epoch", ("time_bin",), dtype="int16"),
        Output("v", ("time_bin",), "mV"),
    ]
    layout = Layout.of(outputs, {"time_bin": Coordinate(width * np.arange(len(current)), "ms")})
    data = {
        "spike_times": [np.concatenate([start + sweep.spikes for start, sweep in zip(starts, sweeps, strict=True)])],
        "current": current[np.newaxis],
        "epoch": np.repeat(np.arange(1, len(sweeps) + 1), lengths).astype(np.int16)[np.newaxis],
        "v": v[np.newaxis],
    }
    names = {"of": "spike_times", "current": "current", "epochs": "epoch", "voltage": "v"}
    held = tuple(float(k) for k, sweep in enumerate(sweeps, 1) if sweep.tag == test)
    given = {**options, **names, "test": held}
    declared = glm.declare(given, layout)
    found = glm.apply(data, given, Context(layout=layout.union(declared)))
    row: dict[str, Any] = {}
    for name, output in declared.outputs.items():
        labels = [map(str, declared.coordinates[dim].values.tolist()) for dim in output.dims]
        row |= {
            ".".join([name, *label]): value
            for label, value in zip(product(*labels), np.asarray(found[name])[0].ravel().tolist(), strict=True)
        }
    return row
