"""A point's signals and spikes as a block of Neo."""

from __future__ import annotations

from typing import Any

import numpy as np

from hpcsim.collector.signals import Source, read_signals
from hpcsim.errors import PluginError
from hpcsim.plugin import not_installed


def neo_block(results: Source, point: int | str) -> Any:
    """A block with one segment.

    Parameters
    ----------
    results : Source
    point : int or str
        Row, or id.

    Returns
    -------
    neo.Block
        Parameters are annotations; everything begins at the time that the model gave it.

    Raises
    ------
    ResultsError, PluginError
        As :meth:`hpcsim.collector.results.Results.to_neo`.
    """
    try:
        import neo
        import quantities as pq
    except ModuleNotFoundError:
        raise PluginError(not_installed("results.to_neo", "neo", "export")) from None

    signals = read_signals(results, point)
    annotations = {"simulated": True, "model": str(results.table.attrs.get("model", "")), **signals.parameters}
    block, segment = neo.Block(name=signals.id), neo.Segment(name=signals.id, **annotations)
    for name, signal in signals.series.items():
        segment.analogsignals.append(
            neo.AnalogSignal(
                signal.values.reshape(len(signal.values), -1),
                units=_unit(pq, signal.unit),
                sampling_period=signal.step * pq.ms,
                t_start=signal.start * pq.ms,
                name=name,
                description=signal.description,
            )
        )
    for name, times in signals.trains.items():
        begin, end = signals.start * pq.ms, signals.stop * pq.ms
        segment.spiketrains.append(neo.SpikeTrain(times * pq.ms, t_start=begin, t_stop=end, name=name))
    if signals.epochs:
        starts = np.array([epoch.start for epoch in signals.epochs])
        lengths = np.array([epoch.stop for epoch in signals.epochs]) - starts
        labels = np.array([epoch.name for epoch in signals.epochs])
        segment.epochs.append(neo.Epoch(starts * pq.ms, lengths * pq.ms, labels, name="epochs"))
    block.segments.append(segment)
    return block


def _unit(pq: Any, unit: str) -> Any:
    """The unit as quantities has it; a number and its own word where it has no such unit."""
    try:
        return pq.Quantity(1.0, unit or "dimensionless")
    except LookupError:
        return pq.dimensionless
