"""Spikes and signals of a point as SONATA files, as simulators of networks write them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hpcsim.collector.results import Results
from hpcsim.collector.signals import Signal, Signals, read_signals
from hpcsim.files import replacing

#: Of HDF5 files of the format, as its specification (2020) says.
MAGIC, VERSION = 0x0A7A, (0, 1)
#: Order of spikes, by its name in the specification.
_SORTING = {"none": 0, "by_id": 1, "by_time": 2}
#: Population of a model of a single cell, whose only node is 0.
_CELL = "cell"


def write_sonata(results: Results, rows: np.ndarray, path: Path) -> list[Path]:
    """Write a folder a point: ``spikes.h5``, and a report for each signal.

    Parameters
    ----------
    results : Results
    rows : ndarray of int
    path : Path
        Where the folders go, named after the points' ids.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    ResultsError
        If nothing was recorded over time.
    """
    import h5py

    written: list[Path] = []
    for row in rows.tolist():
        signals = read_signals(results, row)
        folder = path / signals.id
        folder.mkdir(parents=True, exist_ok=True)
        if signals.trains:
            with replacing(folder / "spikes.h5") as temporary, h5py.File(temporary, "w") as file:
                _mark(file)
                _add_spikes(file, signals)
            written.append(folder / "spikes.h5")
        for name, signal in signals.series.items():
            with replacing(folder / f"{name}.h5") as temporary, h5py.File(temporary, "w") as file:
                _mark(file)
                _add_report(file, name if signal.channels else _CELL, signal)
            written.append(folder / f"{name}.h5")
    return written


def _mark(file: Any) -> None:
    file.attrs["magic"], file.attrs["version"] = np.uint32(MAGIC), np.array(VERSION, np.uint32)


def populations(trains: Mapping[str, np.ndarray]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Times, ms, and ids of nodes of every population, in the order of time.

    Examples
    --------
    >>> populations({"E_0": np.array([2.0]), "E_4": np.array([1.0])})
    {'E': (array([1., 2.]), array([4, 0], dtype=uint64))}
    """
    parts: dict[str, list[tuple[np.ndarray, int]]] = {}
    for name, times in trains.items():
        population, _, number = name.rpartition("_")
        known = (population, int(number)) if population and number.isdigit() else (name, 0)
        parts.setdefault(known[0], []).append((times, known[1]))
    found = {}
    for population, several in parts.items():
        times = np.concatenate([each for each, _ in several])
        nodes = np.concatenate([np.full(len(each), node, np.uint64) for each, node in several])
        order = np.lexsort((nodes, times))
        found[population] = (times[order], nodes[order])
    return found


def _add_spikes(file: Any, signals: Signals) -> None:
    import h5py

    for population, (times, nodes) in populations(signals.trains).items():
        group = file.create_group(f"spikes/{population}")
        group.attrs.create("sorting", _SORTING["by_time"], dtype=h5py.enum_dtype(_SORTING, basetype="u1"))
        group.create_dataset("timestamps", data=times).attrs["units"] = "ms"
        group.create_dataset("node_ids", data=nodes)


def _add_report(file: Any, population: str, signal: Signal) -> None:
    """A value a node and time step; a channel is a node."""
    data = signal.values.reshape(len(signal.values), -1)
    group = file.create_group(f"report/{population}")
    group.create_dataset("data", data=data.astype(np.float32)).attrs["units"] = signal.unit or "dimensionless"
    n = data.shape[1]
    mapping = {
        "node_ids": np.arange(n, dtype=np.uint64),
        "index_pointers": np.arange(n + 1, dtype=np.uint64),
        "element_ids": np.zeros(n, np.uint32),
        "element_pos": np.full(n, 0.5),
        "time": np.array([signal.start, signal.stop, signal.step]),
    }
    for name, values in mapping.items():
        group.create_dataset(f"mapping/{name}", data=values)
    group["mapping/time"].attrs["units"] = "ms"
    group["mapping/node_ids"].attrs.create("sorted", 1, dtype=np.uint8)
