"""Neurons of two populations in NEURON: those of one rank, their synapses, and how they run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from hpcsim.errors import SimulationError
from hpcsim.models.neuron.hagen import cells, connections
from hpcsim.models.neuron.hagen.ball_and_sticks import PATHWAYS, POPULATIONS, TEMPERATURE
from hpcsim.models.neuron.nmodl import mechanisms

#: ms: how long NEURON runs before Python hears signals again.
PIECE = 4.0

#: Time constants of rise and decay (ms), and reversal potential (mV): synapses that share them add up exactly.
Receptor = tuple[float, float, float]


class Probe(Protocol):
    """What reads from neurons while they run."""

    def initial(self) -> None:
        """Read at time 0, before the first step."""

    def step(self) -> None:
        """Read after a time step."""


@contextmanager
def parallel_session() -> Iterator[tuple[Any, Any]]:
    """NEURON without any neuron at the start and at the end, with transmembrane currents switched on.

    Yields
    ------
    tuple
        ``neuron.h`` and its ParallelContext.

    Raises
    ------
    SimulationError
        If sections are alive at the start.
    """
    with mechanisms.empty_session() as h:
        parallel = h.ParallelContext()
        parallel.gid_clear()
        h.CVode().use_fast_imem(True)
        h.celsius = TEMPERATURE
        try:
            yield h, parallel
        finally:
            parallel.gid_clear()


@dataclass(eq=False)
class Neuron:
    """One neuron of a population.

    Parameters
    ----------
    population : str
    index : int
        In its population.
    position : ndarray, um
        Of the soma.
    sections, points : list
        NEURON's sections, and its segments in the order of `Segments`.
    kept : list
        What NEURON forgets unless Python holds it: synapses, connections, generators.
    synapses : dict
        One a receptor and segment, where they are merged.
    """

    population: str
    index: int
    position: np.ndarray
    sections: list[Any]
    points: list[Any]
    kept: list[Any] = field(default_factory=list)
    synapses: dict[tuple[Receptor, int], Any] = field(default_factory=dict)


class Neurons(ABC):
    """The neurons that this rank owns: those whose number leaves the rank when divided by the count of ranks.

    Where they lie and who is connected to whom follows from parameters and seed alone. Subclasses give them a membrane, and
    say what their synapses are.

    Parameters
    ----------
    h, parallel : HocObject
        Of :func:`parallel_session`.
    values : mapping
        Parameters of the network.
    seed : int
        64 bits, of the network.
    merged : bool
        One synapse a segment and receptor, with many connections, which is exact since its response is linear in its
        inputs; otherwise one for each contact, several times slower.

    Attributes
    ----------
    sizes : dict of str to int
        Neurons of all ranks, by population.
    first : dict of str to int
        NEURON's number of the first neuron, by population: those of all populations stand in one row.
    cells : dict of str to Cell
        What the neurons of a population are.
    segments : dict of str to Segments
        Of a neuron, by population.
    neurons : dict of str to list of Neuron
        Own neurons, by population.
    n_synapses : int
        Recurrent ones onto own neurons.

    Raises
    ------
    SimulationError
        If there are more ranks than neurons.
    """

    def __init__(self, h: Any, parallel: Any, values: Mapping[str, Any], seed: int, *, merged: bool = True) -> None:
        self._h, self._parallel, self._values, self._seed, self._merged = h, parallel, values, seed, merged
        self.sizes = {population: connections.size(values, population) for population in POPULATIONS}
        self.cells = {population: cells.cell(values, population) for population in POPULATIONS}
        self.segments = {population: cell.segments for population, cell in self.cells.items()}
        self.n_synapses = 0
        if problem := connections.too_many_ranks(values, int(parallel.nhost())):
            raise SimulationError(problem)
        self.first = dict(zip(POPULATIONS, np.cumsum([0, *self.sizes.values()]).tolist(), strict=False))
        self.neurons = {population: self._create(population) for population in POPULATIONS}

    def __iter__(self) -> Iterator[Neuron]:
        return (neuron for population in POPULATIONS for neuron in self.neurons[population])

    def positions(self, population: str) -> np.ndarray:
        """Somata of own neurons, um, shape (n_neuron, 3)."""
        return np.array([neuron.position for neuron in self.neurons[population]]).reshape(-1, 3)

    def run(self, probe: Probe, progress: Callable[[float], None]) -> None:
        """Simulate from 0 to ``tstop``.

        Parameters
        ----------
        probe : Probe
        progress : callable
            Told which part is done.
        """
        h, stop, solver = self._h, self._values["tstop"], self._h.CVode()
        h.dt = self._values["dt"]
        self._parallel.set_maxstep(10)
        self.initialise()
        probe.initial()
        # NEURON finds it again by identity
        step = probe.step
        solver.extra_scatter_gather(0, step)
        try:
            for time in [*np.arange(PIECE, stop, PIECE).tolist(), stop]:
                self._parallel.psolve(time)
                progress(time / stop)
        finally:
            solver.extra_scatter_gather_remove(step)

    @abstractmethod
    def connect(self) -> None:
        """Make synapses and what drives them; once, when all ranks have their neurons."""

    @abstractmethod
    def initialise(self) -> None:
        """Set all states to those at time 0."""

    @abstractmethod
    def _new_synapse(self, point: Any, receptor: Receptor) -> Any:
        """A synapse on a segment."""

    def _create(self, population: str) -> list[Neuron]:
        """Own neurons of a population, without membrane."""
        rank, ranks, first = int(self._parallel.id()), int(self._parallel.nhost()), self.first[population]
        made = []
        for index in range(self.sizes[population]):
            if (first + index) % ranks != rank:
                continue
            position = connections.position(self._values, self._seed, population, index)
            made.append(Neuron(population, index, position, *self.cells[population].create(self._h)))
        return made

    def _inputs(self, neuron: Neuron) -> Iterator[tuple[str, connections.Synapses]]:
        """Presynaptic populations of a neuron, each with the synapses that are drawn for it."""
        depth, own = float(neuron.position[2]), self.segments[neuron.population]
        for pathway in PATHWAYS:
            post, pre = pathway.split(":")
            if post == neuron.population:
                yield pre, connections.synapses(self._values, self._seed, pathway, neuron.index, depth, own)

    def _join(self, neuron: Neuron, pre: str, drawn: connections.Synapses, weights: np.ndarray) -> None:
        """Make the synapses of one pathway onto a neuron, with weights in the unit of its synapses."""
        receptor, first, connect = self._receptor(neuron.population + pre), self.first[pre], self._parallel.gid_connect
        self.n_synapses += len(drawn)
        for source, segment, weight, delay in zip(
            drawn.pre.tolist(), drawn.segment.tolist(), weights.tolist(), drawn.delay.tolist(), strict=True
        ):
            connection = connect(first + source, self._synapse(neuron, receptor, segment))
            connection.weight[0] = weight
            connection.delay = delay
            neuron.kept.append(connection)

    def _synapse(self, neuron: Neuron, receptor: Receptor, segment: int) -> Any:
        """The synapse of a receptor on a segment: an old one where they are merged."""
        if self._merged and (receptor, segment) in neuron.synapses:
            return neuron.synapses[receptor, segment]
        synapse = self._new_synapse(neuron.points[segment], receptor)
        neuron.synapses[receptor, segment] = synapse
        neuron.kept.append(synapse)
        return synapse

    def _receptor(self, suffix: str) -> Receptor:
        values = self._values
        return values[f"tau_rise_{suffix}"], values[f"tau_decay_{suffix}"], values[f"E_syn_{suffix}"]
