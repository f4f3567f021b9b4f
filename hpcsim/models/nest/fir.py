"""Signals of a network while NEST simulates it: a filter node for each channel and pathway, whose taps are a kernel.

The node is written in NESTML (`fir.nestml`), and compiled once a machine. What it gives is the convolution that the stage
``signals.dipole`` makes of spike counts when a simulation is over; it costs a multiplication a tap and step, and is for those who
want a signal while a network runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hpcsim.errors import SimulationError
from hpcsim.models.nest import nestml

MODEL = "fir_neuron"
SOURCE = Path(__file__).with_name("fir.nestml")
#: Steps by which a signal is late: a spike is recorded with the first tap two steps after it, and that tap is at a lag of one.
LATENCY = 1


def install(cache: Path) -> None:
    """Make the filter node known to NEST; after every ``nest.ResetKernel()``, which forgets it.

    Parameters
    ----------
    cache : Path
        As in :func:`hpcsim.models.nest.nestml.load`.

    Raises
    ------
    SimulationError
        As :func:`hpcsim.models.nest.nestml.load`.
    """
    nestml.load(SOURCE, cache)


@dataclass(frozen=True)
class Filters:
    """Filter nodes of all pathways and channels, and what records them.

    Parameters
    ----------
    recorders : tuple
        A multimeter for each of the `shape[0] * shape[1]` nodes, pathway by pathway.
    shape : tuple of int
        Pathways and channels.
    dt : float, ms
    """

    recorders: tuple[Any, ...]
    shape: tuple[int, int]
    dt: float

    def signals(self, n_steps: int) -> np.ndarray:
        """What was recorded, at the bins of spike counts.

        Parameters
        ----------
        n_steps : int
            How many time steps were simulated.

        Returns
        -------
        ndarray
            Shape (n_pathway, n_channel, n_steps - 1): bin ``i`` counts spikes at the time ``i * dt``. The last bin is missing,
            since a filter gives it in the step after.
        """
        found = np.zeros((len(self.recorders), n_steps - LATENCY))
        for row, recorder in zip(found, self.recorders, strict=True):
            bins = np.rint(recorder.events["times"] / self.dt).astype(np.int64) - LATENCY
            inside = (bins >= 0) & (bins < len(row))
            row[bins[inside]] = recorder.events["y"][inside]
        return found.reshape(*self.shape, -1)


def connect(neurons: Mapping[str, Any], kernels: np.ndarray, pathways: Sequence[str], dt: float) -> Filters:
    """Put filters on the spikes of populations, in the kernel of NEST that holds them; the module is installed already.

    Parameters
    ----------
    neurons : mapping of str to NodeCollection
        By population.
    kernels : ndarray
        Shape (n_pathway, n_channel, n_lag), such as ``lfp_kernel``: as many lags before as after 0, nothing at 0 and before.
    pathways : sequence of str
        ``post:pre``, as in the results of kernels.
    dt : float, ms
        Step of the lags, and of NEST.

    Returns
    -------
    Filters
        Their signals are in the unit of the kernels.

    Raises
    ------
    SimulationError
        If kernels are not causal, or NEST's step is another one.
    """
    import nest

    middle = kernels.shape[-1] // 2
    if kernels[..., : middle + 1].any():
        raise SimulationError("the kernels act at lag 0 or before; a filter in a running simulation needs causal ones")
    if nest.resolution != dt:
        raise SimulationError(f"kernels have steps of {dt:g} ms and NEST of {nest.resolution:g} ms; make both with the same dt")
    recorders = []
    for pathway, channels in zip(pathways, kernels, strict=True):
        pre = pathway.split(":")[1]
        for kernel in channels:
            # NESTML gives vectors their length before their values
            node = nest.Create(MODEL, params={"n_taps": len(kernel) - middle - 1, "taps": kernel[middle + 1 :].tolist()})
            nest.Connect(neurons[pre], node, syn_spec={"weight": 1.0, "delay": dt})
            recorder = nest.Create("multimeter", params={"record_from": ["y"], "interval": dt})
            nest.Connect(recorder, node)
            recorders.append(recorder)
    return Filters(tuple(recorders), (len(pathways), kernels.shape[1]), dt)
