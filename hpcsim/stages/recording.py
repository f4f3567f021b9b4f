"""A recorded network: its populations, when its spikes were counted, and the spikes of one point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hpcsim.errors import ResultsError
from hpcsim.outputs import Batch, Coordinate, Layout

#: Spikes lie on the grid of the time step: half of a nanosecond guards the edges of bins against rounding, ms.
EDGE = 5e-7


@dataclass(frozen=True)
class Recording:
    """Which populations spike counts are of, and which times.

    Parameters
    ----------
    populations : tuple of str
        In the order of the counts.
    start : float, ms
        Left edge of the first bin.
    step : float, ms
        Width of a bin.
    n_bins : int
    """

    populations: tuple[str, ...]
    start: float
    step: float
    n_bins: int

    @property
    def duration(self) -> float:
        """From the left edge of the first bin to the right edge of the last, ms."""
        return self.n_bins * self.step


def recording(where: str, name: str, layout: Layout) -> Recording:
    """What the coordinates of spike counts say.

    Parameters
    ----------
    where : str
        Name of the stage that asks, for messages.
    name : str
        Name of the counts.
    layout : Layout

    Returns
    -------
    Recording

    Raises
    ------
    ResultsError
        If there are no such counts, their dimensions are not population and time, or the bins are not equally wide
        and in ms.
    """
    counts = layout[name]
    if counts.ragged or len(counts.dims) != 2:
        raise ResultsError(f"{where}: {name} has dimensions {counts.dims}; expected a population and a time")
    populations, time = (layout.coordinates[dim] for dim in counts.dims)
    step = time_step(where, name, time)
    return Recording(tuple(map(str, populations.values)), float(time.values[0]), step, len(time))


def time_step(where: str, name: str, time: Coordinate) -> float:
    """Step of evenly spaced times.

    Parameters
    ----------
    where : str
        Name of the stage that asks, for messages.
    name : str
        Whose times they are, for messages.
    time : Coordinate

    Returns
    -------
    float
        ms.

    Raises
    ------
    ResultsError
        If the times are not in ms, less than two, or not growing evenly.
    """
    if time.unit != "ms":
        raise ResultsError(f'{where}: the times of {name} are in "{time.unit}"; expected "ms": give its coordinate in ms')
    if len(time) < 2:
        raise ResultsError(f"{where}: {name} has {len(time)} times; at least two are needed to know their step")
    steps = np.diff(time.values)
    mean = float(steps.mean())
    if not (mean > 0 and np.allclose(steps, mean, rtol=1e-6, atol=0)):
        raise ResultsError(
            f"{where}: the times of {name} have steps from {steps.min():g} to {steps.max():g} ms; expected equal ones, above 0"
        )
    # times are rounded in their last digits: twelve digits give back the step that was meant
    return float(f"{mean:.12g}")


@dataclass(frozen=True, eq=False)
class Population:
    """The recorded spikes of one population at one point.

    Parameters
    ----------
    name : str
    size : int
        Number of neurons.
    counts : ndarray
        Shape (n_time,), spikes a bin.
    times, senders : ndarray
        Shape (n_spike,); ms from the left edge of the first bin, and indices of neurons from 0.
    step : float, ms
        Width of a bin.
    """

    name: str
    size: int
    counts: np.ndarray
    times: np.ndarray
    senders: np.ndarray
    step: float

    @property
    def duration(self) -> float:
        """Of the recording, ms."""
        return len(self.counts) * self.step

    @property
    def rate(self) -> float:
        """Spikes per neuron and second, 1/s; NaN without neurons."""
        return float(self.counts.sum()) / self.size / (self.duration / 1000) if self.size else float("nan")


def recorded(data: Mapping[str, Batch], options: Mapping[str, Any], network: Recording, i: int) -> list[Population]:
    """Spikes of all populations at one point, in the order of the counts.

    Parameters
    ----------
    data : mapping
    options : mapping
        ``of`` names the counts, and ``sizes_of`` the numbers of neurons.
    network : Recording
    i : int
        Which point of the batch.

    Returns
    -------
    list of Population

    Raises
    ------
    ResultsError
        If a spike comes from a neuron that its population does not have.
    """
    counts, sizes = np.asarray(data[options["of"]][i]), np.asarray(data[options["sizes_of"]][i])
    populations = []
    for name, size, binned in zip(network.populations, sizes.tolist(), counts, strict=True):
        times = np.asarray(data[f"spike_times_{name}"][i], dtype=np.float64) - network.start
        senders = np.asarray(data[f"spike_senders_{name}"][i], dtype=np.int64)
        if len(senders) and not 0 <= senders.min() <= senders.max() < size:
            raise ResultsError(
                f"spikes of population {name} come from neurons {senders.min()} to {senders.max()}, and {options['sizes_of']} "
                f"says that it has {size:g}; neurons are counted from 0"
            )
        inside = (times >= -EDGE) & (times < network.duration - EDGE)
        populations.append(Population(name, int(size), binned, times[inside], senders[inside], network.step))
    return populations
