"""Protocols: what is put on a neuron, how long it runs, and what is measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

from hpcsim.errors import SimulationError, nearest
from hpcsim.evaluation import hay
from hpcsim.models.neuron.l5pc import trunk
from hpcsim.models.neuron.morphology.cell import Cell

SOMA = "soma"


@dataclass(frozen=True, eq=False)
class Bench:
    """A neuron that has been built, for stimuli to be put on.

    Parameters
    ----------
    h : HocObject
    cell : Cell
    points : list of nrn.Segment
        In the order of its segments.
    values : mapping
        Parameters.
    """

    h: Any
    cell: Cell
    points: Sequence[Any]
    values: Mapping[str, Any]

    def place(self, where: float | str) -> Any:
        """The segment at a place: ``soma``, um along the trunk, or the parameter that says how many um."""
        if where == SOMA:
            return self.points[self.cell.segments.soma]
        distance = float(self.values[where]) if isinstance(where, str) else where
        return self.points[trunk.site(self.cell, distance, float(self.values.get("tuft", trunk.TUFT)))]


class Stimulus(Protocol):
    """What can be put on a neuron."""

    def put(self, bench: Bench) -> list[Any]:
        """Put it there, and return the objects that must live as long as the simulation."""


@dataclass(frozen=True)
class Pulse:
    """A constant current: nA, ms, ms; into the soma or another place."""

    amplitude: float
    onset: float
    duration: float
    where: float | str = SOMA

    def put(self, bench: Bench) -> list[Any]:
        """Put it there, and return the objects that must live as long as the simulation."""
        clamp = bench.h.IClamp(bench.place(self.where))
        clamp.amp, clamp.delay, clamp.dur = self.amplitude, self.onset, self.duration
        return [clamp]


@dataclass(frozen=True)
class SynapticCurrent:
    """A current that rises and decays exponentially.

    Parameters
    ----------
    where : float or str
        um along the trunk, or the parameter that says so.
    peak : float, nA
    onset, tau_rise, tau_decay : float, ms
    """

    where: float | str
    peak: float
    onset: float
    tau_rise: float = 1.0
    tau_decay: float = 5.0

    def put(self, bench: Bench) -> list[Any]:
        """Put it there, and return the objects that must live as long as the simulation."""
        h = bench.h
        synapse, event = h.Exp2SynI(bench.place(self.where)), h.NetStim()
        synapse.tau1, synapse.tau2 = self.tau_rise, self.tau_decay
        event.number, event.start = 1, self.onset
        return [synapse, event, h.NetCon(event, synapse, 0, 0, self.peak)]


@dataclass(frozen=True)
class CellProtocol:
    """A protocol.

    Parameters
    ----------
    name : str
    set_up : tuple of Stimulus
    tstop : float, ms
        How long it runs.
    measure : tuple of str or float
        Places that are recorded, ``soma`` first: um along the trunk, or parameters that say so.
    window : Window
        When the stimulus counts, and how many spikes it makes at least.

    Raises
    ------
    SimulationError
        If nothing is measured, or the stimulus is not inside of the run.
    """

    name: str
    set_up: tuple[Stimulus, ...]
    tstop: float
    measure: tuple[float | str, ...]
    window: hay.Window

    def __post_init__(self) -> None:
        if not self.measure or self.measure[0] != SOMA:
            found = f"measures {', '.join(map(str, self.measure))}" if self.measure else "measures nothing"
            raise SimulationError(f'the protocol "{self.name}" {found}; expected "soma" first, and then places on the trunk')
        window = self.window
        if not 0 < window.onset < window.onset + window.duration < self.tstop:
            raise SimulationError(
                f'the protocol "{self.name}" runs {self.tstop:g} ms, and its stimulus counts from {window.onset:g} to '
                f"{window.onset + window.duration:g} ms; expected it inside of the run, and time before it"
            )

    @property
    def sites(self) -> tuple[float | str, ...]:
        """Places on the trunk that are recorded."""
        return self.measure[1:]


def named(protocols: Mapping[str, CellProtocol], names: Sequence[str]) -> list[CellProtocol]:
    """Some of the protocols, in this order.

    Raises
    ------
    SimulationError
        If there is no such protocol.
    """
    for name in names:
        if name not in protocols:
            raise SimulationError(f'there is no protocol "{name}"; {nearest(name, protocols)}')
    return [protocols[name] for name in names]


_BRIEF = Pulse(1.9, 295.0, 5.0)
_BURSTS = (
    CellProtocol("bAP", (_BRIEF,), 600.0, (SOMA, "site_1", "site_2"), hay.WINDOWS["bAP"]),
    CellProtocol("BAC", (_BRIEF, SynapticCurrent("site_1", 0.5, 300.0)), 600.0, (SOMA, "site_1"), hay.WINDOWS["BAC"]),
)
_STEPS = (
    CellProtocol(name, (Pulse(nA, 700.0, 2000.0),), 3000.0, (SOMA,), hay.WINDOWS[name])
    for name, nA in (("step1", 0.619), ("step2", 0.793), ("step3", 1.507))
)
#: By name: a somatic spike that propagates back, the same with dendritic input, and three steps of current. As the In Silico
#: Framework has them: Hay et al. (2011) with an input that rises in 1 ms.
PROTOCOLS: Mapping[str, CellProtocol] = MappingProxyType({protocol.name: protocol for protocol in (*_BURSTS, *_STEPS)})
