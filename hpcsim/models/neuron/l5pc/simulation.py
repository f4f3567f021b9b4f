"""A neuron under its protocols, in an empty NEURON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from hpcsim.evaluation.hay import Window
from hpcsim.evaluation.recording import SPIKE, Recording
from hpcsim.models.neuron.l5pc.protocols import SOMA, Bench, CellProtocol

#: ms: traces are resampled to this step, as for the published features.
SAMPLING = 0.025


@dataclass(frozen=True)
class Integrator:
    """How time goes on.

    Parameters
    ----------
    dt : float, ms
        Fixed time step; 0 for NEURON's variable-step integrator (CVODE).
    atol, rtol : float
        Absolute and relative tolerance of the latter.
    """

    dt: float = 0.0
    atol: float = 1e-3
    rtol: float = 0.0


@contextmanager
def integrating(h: Any, integrator: Integrator, celsius: float) -> Iterator[Any]:
    """Set the integrator and the temperature, and put back the former at the end."""
    solver = h.CVode()
    before = bool(solver.active()), solver.atol(), solver.rtol(), h.dt
    h.celsius = celsius
    try:
        solver.active(not integrator.dt)
        if integrator.dt:
            h.dt = integrator.dt
        else:
            solver.atol(integrator.atol)
            solver.rtol(integrator.rtol)
        yield solver
    finally:
        solver.active(before[0])
        solver.atol(before[1])
        solver.rtol(before[2])
        h.dt = before[3]


def samples(tstop: float) -> np.ndarray:
    """Times of a trace, ms."""
    return np.arange(round(tstop / SAMPLING)) * SAMPLING


def run(
    bench: Bench, protocol: CellProtocol, solver: Any, integrator: Integrator, v_init: float, *, cut_short: bool = False
) -> Recording:
    """Potentials under a protocol.

    Parameters
    ----------
    bench : Bench
    protocol : CellProtocol
    solver : CVode
        Of :func:`integrating`.
    integrator : Integrator
    v_init : float, mV
    cut_short : bool
        Whether it ends where the trace has failed for certain, and its penalty is known: with too few spikes, an early or a
        late one.

    Raises
    ------
    SimulationError
        If the trunk does not reach a site.
    """
    places = [bench.place(where) for where in protocol.measure]
    even = samples(protocol.tstop)
    found = potentials(bench, protocol, solver, integrator, v_init, places, even, cut_short=cut_short)
    n, window = found.shape[1], protocol.window
    return Recording(even[:n], found[0], found[1:], window.onset, window.duration, n == len(even))


def potentials(
    bench: Bench,
    protocol: CellProtocol,
    solver: Any,
    integrator: Integrator,
    v_init: float,
    places: Sequence[Any],
    times: np.ndarray,
    *,
    cut_short: bool = False,
) -> np.ndarray:
    """Potentials of segments under a protocol, mV, shape (n_place, n_time); fewer times where it was cut short.

    Parameters
    ----------
    bench, protocol, solver, integrator, v_init, cut_short
        As of :func:`run`.
    places : sequence of nrn.Segment
    times : ndarray, ms
        Not after the end of the protocol.
    """
    h = bench.h
    kept = [thing for stimulus in protocol.set_up for thing in stimulus.put(bench)]
    time = h.Vector().record(h._ref_t)
    recorded = [h.Vector().record(place._ref_v) for place in places]
    h.finitialize(v_init)
    stop = protocol.tstop - integrator.dt / 2
    # a step at a time; without an argument, solve makes one
    step = h.fadvance if integrator.dt else solver.solve
    failure = _Failure(bench.place(SOMA), protocol.window)
    while h.t < stop and not (cut_short and failure.certain(h.t)):
        step()
    if h.t < stop:
        times = times[times < h.t]
    # a step is recorded when the next one begins
    step()
    found = np.array([np.interp(times, time.as_numpy(), potential.as_numpy()) for potential in recorded])
    # NEURON's objects go before its sections, and before the next protocol
    kept.clear()
    return found


class _Failure:
    """Looks at each step of a run whether its trace has failed, whatever comes.

    Parameters
    ----------
    soma : nrn.Segment
    window : Window
    """

    def __init__(self, soma: Any, window: Window) -> None:
        self._soma, self._window = soma, window
        self._above, self._spikes = True, 0
        # the steps around the last upward crossing, and the last step, ms
        self._before, self._since, self._last = np.inf, np.inf, 0.0
        self._early = self._late = False

    def certain(self, t: float) -> bool:
        """Whether it has failed; asked after each step, at t ms."""
        above = self._soma.v > SPIKE
        if above and not self._above:
            self._spikes += 1
            self._before, self._since = self._last, t
        self._above, self._last = above, t
        # long enough for a sample to see it
        if above and t - self._since >= SAMPLING:
            self._early |= t < self._window.onset
            # a sample between the two steps may still be in time
            self._late |= self._before >= self._window.latest
        # before the latest time, what the penalty depends on is not all there
        return t > self._window.latest and (self._early or self._late or self._spikes < self._window.min_spikes)
