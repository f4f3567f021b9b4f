"""What one point recorded over time: signals, spike trains and epochs, for files of other tools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from hpcsim.collector.format.table import Table
from hpcsim.collector.lookup import closest, matching, not_one
from hpcsim.errors import ResultsError

if TYPE_CHECKING:
    from pandas import DataFrame

#: An output of this name labels the bins of another with the numbers of their epochs; 0 belongs to none.
EPOCH = "epoch"
_TIMES, _SENDERS = "spike_times", "spike_senders"


class Source(Protocol):
    """What is asked of :class:`hpcsim.collector.results.Results`."""

    path: Path
    table: Table

    @property
    def parameters(self) -> DataFrame: ...  # noqa: D102

    @property
    def records(self) -> DataFrame: ...  # noqa: D102

    @property
    def units(self) -> dict[str, str]: ...  # noqa: D102

    def ragged(self, name: str) -> Sequence[np.ndarray]: ...  # noqa: D102


@dataclass(frozen=True, eq=False)
class Signal:
    """An output that is sampled evenly.

    Parameters
    ----------
    values : ndarray, shape (n_time,) or (n_time, n_channels)
    unit : str
    start, step : float, ms
    channels : tuple of str
        Names of the channels; none for a single one.
    description : str
    """

    values: np.ndarray
    unit: str
    start: float
    step: float
    channels: tuple[str, ...]
    description: str

    @property
    def stop(self) -> float:
        """End of the last sample, ms."""
        return self.start + len(self.values) * self.step


@dataclass(frozen=True)
class Epoch:
    """A stretch of time with a name, ms."""

    name: str
    start: float
    stop: float


@dataclass(frozen=True, eq=False)
class Signals:
    """Everything that a point recorded over time.

    Parameters
    ----------
    id : str
    parameters : mapping of str to value
    units : mapping of str to str
        Of the parameters.
    series : mapping of str to Signal
    trains : mapping of str to ndarray
        Spike times in ms, by the name of their cell.
    epochs : tuple of Epoch
    """

    id: str
    parameters: Mapping[str, Any]
    units: Mapping[str, str]
    series: Mapping[str, Signal]
    trains: Mapping[str, np.ndarray]
    epochs: tuple[Epoch, ...]

    @property
    def start(self) -> float:
        """Begin of everything, ms."""
        return min((signal.start for signal in self.series.values()), default=0.0)

    @property
    def stop(self) -> float:
        """End of everything, ms."""
        ends = [signal.stop for signal in self.series.values()]
        return max([*ends, *(float(times.max()) for times in self.trains.values() if len(times))], default=0.0)


def find_row(results: Source, point: int | str) -> int:
    """The row of a point by its number or its id, of which the first digits do.

    Raises
    ------
    ResultsError
        If there is no such point, or several, or it has no outputs.
    """
    ids = results.table.ids()
    if isinstance(point, str):
        rows = matching(ids, point)
        if len(rows) != 1:
            found = [id.decode() for id in ids[rows]]
            raise ResultsError(f"{results.path}: {not_one(point, found, closest(ids, point)[1])}")
        row = int(rows[0])
    else:
        row = int(point)
        if not 0 <= row < len(ids):
            raise ResultsError(f"{results.path}: there is no point {point}; expected 0 to {len(ids) - 1}")
    status = str(results.records["status"].iloc[row])
    if status != "ok":
        raise ResultsError(f"{results.path}: the point {ids[row].decode()} has no outputs: it is {status}; see results.failures")
    return row


def read_signals(results: Source, point: int | str) -> Signals:
    """Read what one point recorded over time.

    Parameters
    ----------
    results : Source
    point : int or str
        Row, or id.

    Raises
    ------
    ResultsError
        As :func:`find_row`; or if the study kept nothing that is a signal or a spike train.
    """
    row, layout = find_row(results, point), results.table.layout
    series: dict[str, Signal] = {}
    trains: dict[str, np.ndarray] = {}
    for name, output in layout.outputs.items():
        if output.ragged and output.unit == "ms" and name.startswith(_TIMES):
            trains |= _trains(results, name, row)
        elif not output.ragged and 1 <= len(output.dims) <= 2 and layout.coordinate(name).unit == "ms":
            times = layout.coordinate(name).values
            steps = np.diff(times)
            if len(steps) and steps[0] > 0 and np.allclose(steps, steps[0]):
                values = results.table.array(name, slice(row, row + 1))[0]
                channels = tuple(map(str, layout.coordinate(name, 0).values)) if len(output.dims) == 2 else ()
                start, step = float(times[0]), float(f"{steps.mean():.12g}")
                series[name] = Signal(values.T, output.unit, start, step, channels, output.description)
    if not series and not trains:
        raise ResultsError(
            f"{results.path}: keeps no output over time and no spike times; it has {', '.join(layout.outputs)}: name some in "
            "[outputs] keep, and run again"
        )
    parameters = results.parameters.iloc[row].to_dict()
    units = {name: results.units.get(name.partition(".")[0], "") for name in parameters}
    labels = series.pop(EPOCH, None)
    names = [value for name, value in parameters.items() if name.startswith("sweeps.")]
    epochs = () if labels is None else _epochs(labels, [str(name) for name in names])
    return Signals(str(results.table.ids().astype(str)[row]), parameters, units, series, trains, epochs)


def _trains(results: Source, name: str, row: int) -> dict[str, np.ndarray]:
    """Spikes of one output, cell by cell."""
    times, group = np.asarray(results.ragged(name)[row], dtype=np.float64), name.removeprefix(_TIMES).strip("_")
    senders = name.replace(_TIMES, _SENDERS)
    if senders not in results.table.layout.outputs:
        return {group or "cell": np.sort(times)}
    cells = np.asarray(results.ragged(senders)[row])
    return {f"{group}_{cell}".strip("_"): np.sort(times[cells == cell]) for cell in np.unique(cells)}


def _epochs(labels: Signal, names: list[str]) -> tuple[Epoch, ...]:
    """Stretches with one number; called as the sweeps of the point are where it has such."""
    numbers = labels.values
    edges = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)]
    found = []
    for first, stop in pairwise(edges):
        number = int(numbers[first])
        if number > 0:
            name = names[number - 1] if number <= len(names) else str(number)
            found.append(Epoch(name, labels.start + first * labels.step, labels.start + stop * labels.step))
    return tuple(found)
