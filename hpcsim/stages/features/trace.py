"""When the samples of a voltage trace are, and whether a stimulus fits to them."""

from __future__ import annotations

from dataclasses import dataclass

from hpcsim.errors import ResultsError
from hpcsim.outputs import Layout
from hpcsim.stages.recording import time_step


@dataclass(frozen=True)
class VoltageTrace:
    """Times of the samples.

    Parameters
    ----------
    n_time : int
        Number of samples.
    step : float, ms
        Between two samples.
    first : float, ms
        Time of the first sample.
    """

    n_time: int
    step: float
    first: float = 0.0

    @property
    def last(self) -> float:
        """Time of the last sample, ms."""
        return self.first + (self.n_time - 1) * self.step

    def check_stimulus(self, where: str, start: float, stop: float) -> None:
        """Refuse a stimulus that is not inside of the trace.

        Parameters
        ----------
        where : str
            Who asks, for the message.
        start, stop : float, ms

        Raises
        ------
        ResultsError
        """
        if not start < stop:
            raise ResultsError(f"{where}: start is {start:g} ms and stop is {stop:g} ms; expected start before stop")
        if not self.first < start - self.step / 2 or not stop < self.last - self.step / 2:
            raise ResultsError(
                f"{where}: the trace reaches from {self.first:g} to {self.last:g} ms, the stimulus from {start:g} to {stop:g} "
                "ms; expected a trace that begins before the stimulus and ends after it: simulate longer, or set start and stop"
            )


def voltage_trace(where: str, name: str, layout: Layout) -> VoltageTrace:
    """What the layout says about a voltage trace.

    Parameters
    ----------
    where : str
        Who asks, for messages.
    name : str
        Name of the output.
    layout : Layout

    Raises
    ------
    ResultsError
        If there is no such output, it has other dimensions than its time, or another unit than mV.
    """
    trace = layout[name]
    if trace.ragged or len(trace.dims) != 1:
        raise ResultsError(f"{where}: {name} has dimensions {trace.dims}; expected its time alone")
    if trace.unit != "mV":
        raise ResultsError(f'{where}: {name} is in "{trace.unit}"; expected "mV"')
    times = layout.coordinate(name)
    return VoltageTrace(len(times), time_step(where, name, times), float(times.values[0]))
