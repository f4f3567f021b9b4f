"""Stimuli of Hay et al. (2011) PLOS Comput Biol 7: e1002107, and potentials of a neuron under them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from hpcsim.models.neuron.hay.cell import TEMPERATURE, V_INIT, load
from hpcsim.models.neuron.morphology.cell import Cell
from hpcsim.models.neuron.nmodl.mechanisms import empty_session

#: ms: traces are resampled to this step, as for the published features.
SAMPLING = 0.025


@dataclass(frozen=True)
class Pulse:
    """A constant current into the middle of the soma: nA, ms, ms."""

    amplitude: float
    start: float
    duration: float


@dataclass(frozen=True)
class DendriticInput:
    """A double-exponential current into the apical dendrite.

    Parameters
    ----------
    distance : float, um
        From the soma.
    peak : float, nA
    start, tau_rise, tau_decay : float, ms
    """

    distance: float
    peak: float
    start: float
    tau_rise: float = 1.0
    tau_decay: float = 5.0


@dataclass(frozen=True)
class Protocol:
    """A stimulus.

    Parameters
    ----------
    tstop : float, ms
    pulses : tuple of Pulse
    dendritic : tuple of DendriticInput
    """

    tstop: float
    pulses: tuple[Pulse, ...] = ()
    dendritic: tuple[DendriticInput, ...] = ()


@dataclass(frozen=True, eq=False)
class Traces:
    """Potentials under a protocol.

    Parameters
    ----------
    time : ndarray, ms
        Shape (n_time,).
    soma : ndarray, mV
        Shape (n_time,).
    sites : ndarray, mV
        Shape (n_site, n_time), along the apical dendrite.
    """

    time: np.ndarray
    soma: np.ndarray
    sites: np.ndarray

    def spike_times(self, threshold: float = -30.0) -> np.ndarray:
        """Upward crossings of a threshold (mV) at the soma, ms; -30 mV as published."""
        return np.asarray(self.time[1:][(self.soma[:-1] < threshold) & (self.soma[1:] >= threshold)])


_BRIEF = Pulse(1.9, 295.0, 5.0)
#: As in the published BAC_firing.hoc.
_EPSP = DendriticInput(620.0, 0.5, 300.0, tau_rise=0.5)

#: By name: rest; steps of 0.619, 0.793 and 1.507 nA for 2 s; a somatic spike that propagates back (``bAP``); dendritic input
#: alone (``EPSP``), which is subthreshold; and both together (``BAC``: back-propagating action potential activated calcium
#: spike).
PROTOCOLS = MappingProxyType(
    {
        "rest": Protocol(2000.0),
        **{f"step{i}": Protocol(3000.0, (Pulse(nA, 700.0, 2000.0),)) for i, nA in enumerate((0.619, 0.793, 1.507), 1)},
        "bAP": Protocol(600.0, (_BRIEF,)),
        "EPSP": Protocol(600.0, (), (_EPSP,)),
        "BAC": Protocol(600.0, (_BRIEF,), (_EPSP,)),
    }
)


def simulate(cell: Cell, protocol: Protocol, cache: Path, sites: Sequence[float] = (), dt: float = 0.0) -> Traces:
    """Potentials of a neuron under a protocol, in an empty NEURON.

    Parameters
    ----------
    cell : Cell
    protocol : Protocol
    cache : Path
        Where compiled mechanisms are kept.
    sites : sequence of float, um
        Distances from the soma where the apical dendrite is recorded.
    dt : float, ms
        Time step; 0 for NEURON's variable-step integrator with its default tolerance, as published.

    Returns
    -------
    Traces

    Raises
    ------
    SimulationError
        If mechanisms do not compile, NEURON holds sections of somebody else, or the dendrite does not reach a site.
    """
    load(cache)
    with empty_session() as h:
        sections, points = cell.create(h)
        cell.activate(h, sections)
        soma = sections[0](0.5)
        kept: list[Any] = []
        for pulse in protocol.pulses:
            clamp = h.IClamp(soma)
            clamp.amp, clamp.delay, clamp.dur = pulse.amplitude, pulse.start, pulse.duration
            kept.append(clamp)
        for given in protocol.dendritic:
            synapse, event = h.Exp2SynI(points[cell.site(given.distance)]), h.NetStim()
            synapse.tau1, synapse.tau2 = given.tau_rise, given.tau_decay
            event.number, event.start = 1, given.start
            kept += [synapse, event, h.NetCon(event, synapse, 0, 0, given.peak)]
        recorded = [soma, *(points[cell.site(distance)] for distance in sites)]
        time, potentials = h.Vector().record(h._ref_t), [h.Vector().record(point._ref_v) for point in recorded]
        _run(h, protocol.tstop, dt)
        even = np.arange(0, protocol.tstop, SAMPLING)
        found = np.array([np.interp(even, time.as_numpy(), potential.as_numpy()) for potential in potentials])
        # NEURON's objects go before its sections
        kept = potentials = recorded = []
        del time, soma, points, sections
    return Traces(even, found[0], found[1:])


def _run(h: Any, tstop: float, dt: float) -> None:
    """Integrate, and leave the integrator as it was."""
    solver = h.CVode()
    before = bool(solver.active()), h.dt
    h.celsius = TEMPERATURE
    try:
        solver.active(not dt)
        if dt:
            h.dt = dt
        h.finitialize(V_INIT)
        if dt:
            while h.t < tstop - dt / 2:
                h.fadvance()
        else:
            solver.solve(tstop)
    finally:
        solver.active(before[0])
        h.dt = before[1]
