"""The ball-and-sticks network in NEURON: the neurons of one rank, their synapses, and how they run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from hpcsim.errors import SimulationError
from hpcsim.models.neuron import ball_and_sticks, connections, mechanisms
from hpcsim.models.neuron.ball_and_sticks import PATHWAYS, POPULATIONS, SECTIONS, TEMPERATURE
from hpcsim.models.neuron.recorder import Recorder
from hpcsim.models.neuron.segments import Segments, segments

MECHANISMS = ("Ih", "NaTa_t", "SKv3_1")
#: ms: how long NEURON runs before Python hears signals again.
PIECE = 4.0

#: Time constants of rise and decay (ms), and reversal potential (mV): synapses that share them add up exactly.
Receptor = tuple[float, float, float]


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
        parallel, solver = h.ParallelContext(), h.CVode()
        state = h.dt, bool(solver.use_fast_imem())
        parallel.gid_clear()
        solver.use_fast_imem(True)
        h.celsius = TEMPERATURE
        try:
            yield h, parallel
        finally:
            parallel.gid_clear()
            h.dt = state[0]
            solver.use_fast_imem(state[1])


@dataclass(eq=False)
class Neuron:
    """One neuron of the network.

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
    """

    population: str
    index: int
    position: np.ndarray
    sections: list[Any]
    points: list[Any]
    kept: list[Any]


class Network:
    """The neurons of the network that this rank owns: those whose number leaves the rank when divided by their count.

    Parameters
    ----------
    h, parallel : HocObject
        Of :func:`parallel_session`.
    values : mapping
        Parameters of the model.
    seed : int
        64 bits.
    merged : bool
        One synapse a segment and receptor, with many connections, which is exact since its conductance is linear in
        its inputs; otherwise one for each contact, several times slower.

    Attributes
    ----------
    segments : dict of str to Segments
        Of a neuron, by population.
    neurons : dict of str to list of Neuron
        Own neurons, by population.
    n_synapses : int
        Recurrent ones onto own neurons.
    """

    def __init__(self, h: Any, parallel: Any, values: Mapping[str, Any], seed: int, *, merged: bool = True) -> None:
        self._h, self._parallel, self._values, self._seed, self._merged = h, parallel, values, seed, merged
        self.sizes = {population: connections.size(values, population) for population in POPULATIONS}
        self.segments = {population: segments(ball_and_sticks.shape(values, population)) for population in POPULATIONS}
        self.n_synapses = 0
        ranks = int(parallel.nhost())
        if problem := connections.too_many_ranks(values, ranks):
            raise SimulationError(problem)
        # NEURON numbers the neurons of all populations in one row
        self._first = dict(zip(POPULATIONS, np.cumsum([0, *self.sizes.values()]).tolist(), strict=False))
        self.neurons = {population: self._create(population) for population in POPULATIONS}
        self._spike_times, self._spike_gids = h.Vector(), h.Vector()
        parallel.spike_record(-1, self._spike_times, self._spike_gids)

    def __iter__(self) -> Iterator[Neuron]:
        return (neuron for population in POPULATIONS for neuron in self.neurons[population])

    def connect(self) -> None:
        """Make recurrent synapses and external drive; once, when all ranks have their neurons."""
        for neuron in self:
            self._connect(neuron)

    def positions(self, population: str) -> np.ndarray:
        """Somata of own neurons, um, shape (n_neuron, 3)."""
        return np.array([neuron.position for neuron in self.neurons[population]]).reshape(-1, 3)

    def spikes(self) -> tuple[np.ndarray, np.ndarray]:
        """Spikes of the own neurons: times in ms, on the grid of time steps, and numbers in the whole network."""
        dt = self._values["dt"]
        return np.rint(self._spike_times.as_numpy() / dt) * dt, self._spike_gids.as_numpy().astype(np.int64)

    def _create(self, population: str) -> list[Neuron]:
        first, parallel = self._first[population], self._parallel
        made = []
        for index in range(self.sizes[population]):
            gid = first + index
            if gid % int(parallel.nhost()) != int(parallel.id()):
                continue
            position = connections.position(self._values, self._seed, population, index)
            sections, points = _cell(self._h, self._values, population, self.segments[population])
            detector = self._h.NetCon(sections[0](0.5)._ref_v, None, sec=sections[0])
            detector.threshold = self._values["threshold"]
            parallel.set_gid2node(gid, int(parallel.id()))
            parallel.cell(gid, detector)
            made.append(Neuron(population, index, position, sections, points, [detector]))
        return made

    def _connect(self, neuron: Neuron) -> None:
        """Recurrent synapses and external drive onto one neuron."""
        values, connect = self._values, self._parallel.gid_connect
        shared: dict[tuple[Receptor, int], Any] = {}
        for pathway in PATHWAYS:
            post, pre = pathway.split(":")
            if post != neuron.population:
                continue
            depth, own = float(neuron.position[2]), self.segments[post]
            drawn = connections.synapses(values, self._seed, pathway, neuron.index, depth, own)
            receptor, first = _receptor(values, post + pre), self._first[pre]
            self.n_synapses += len(drawn)
            for source, segment, weight, delay in zip(
                drawn.pre.tolist(), drawn.segment.tolist(), drawn.weight.tolist(), drawn.delay.tolist(), strict=True
            ):
                connection = connect(first + source, self._synapse(neuron, shared, receptor, segment))
                connection.weight[0] = weight
                connection.delay = delay
                neuron.kept.append(connection)
        self._excite(neuron, shared)

    def _excite(self, neuron: Neuron, shared: dict[tuple[Receptor, int], Any]) -> None:
        """One Poisson generator a segment."""
        values = self._values
        if not values["nu_ext"]:
            return
        receptor = _receptor(values, "ext")
        drive = connections.drive(values, self._seed, neuron.population, neuron.index, self.segments[neuron.population])
        for segment in np.flatnonzero(drive.synapses).tolist():
            generator = self._h.NetStim()
            generator.interval = 1000 / (values["nu_ext"] * int(drive.synapses[segment]))
            generator.number, generator.start, generator.noise = 1e12, 0, 1
            generator.noiseFromRandom123(*drive.streams[segment].tolist())
            synapse = self._synapse(neuron, shared, receptor, segment)
            connection = self._h.NetCon(generator, synapse, 0, values["dt"], values["weight_ext"])
            neuron.kept += [generator, connection]

    def _synapse(self, neuron: Neuron, shared: dict[tuple[Receptor, int], Any], receptor: Receptor, segment: int) -> Any:
        """The synapse of a receptor on a segment: an old one where they are merged."""
        if self._merged and (receptor, segment) in shared:
            return shared[receptor, segment]
        synapse = self._h.Exp2Syn(neuron.points[segment])
        synapse.tau1, synapse.tau2, synapse.e = receptor
        shared[receptor, segment] = synapse
        neuron.kept.append(synapse)
        return synapse


def run(h: Any, parallel: Any, values: Mapping[str, Any], recorder: Recorder, progress: Callable[[float], None]) -> None:
    """Simulate from 0 to ``tstop``.

    Parameters
    ----------
    h, parallel : HocObject
    values : mapping
        Parameters of the model.
    recorder : Recorder
    progress : callable
        Told which part is done.
    """
    solver = h.CVode()
    h.dt = values["dt"]
    parallel.set_maxstep(10)
    h.finitialize(values["V_init"])
    recorder.initial()
    step = recorder.step
    solver.extra_scatter_gather(0, step)
    try:
        for stop in [*np.arange(PIECE, values["tstop"], PIECE).tolist(), values["tstop"]]:
            parallel.psolve(stop)
            progress(stop / values["tstop"])
    finally:
        solver.extra_scatter_gather_remove(step)


def _receptor(values: Mapping[str, Any], suffix: str) -> Receptor:
    return values[f"tau_rise_{suffix}"], values[f"tau_decay_{suffix}"], values[f"E_syn_{suffix}"]


def _cell(h: Any, values: Mapping[str, Any], population: str, own: Segments) -> tuple[list[Any], list[Any]]:
    """One neuron with its active membrane: sections, and segments in the order of `own`."""
    shape = ball_and_sticks.shape(values, population)
    at_soma, at_sticks = ball_and_sticks.channels(values)
    sections, points = [], []
    for name in SECTIONS:
        section = h.Section(name=name)
        section.nseg = own.number(name)
        section.L, section.diam = getattr(shape, f"{name}_length"), getattr(shape, f"{name}_diameter")
        section.Ra, section.cm = shape.Ra, shape.cm
        for mechanism in ("pas", *MECHANISMS):
            section.insert(mechanism)
        channels = at_soma if name == "soma" else at_sticks
        section.g_pas, section.e_pas = channels.leak, values["E_leak"]
        section.gbar_NaTa_t, section.ena = channels.NaTa_t, values["E_Na"]
        section.gbar_SKv3_1, section.ek = channels.SKv3_1, values["E_K"]
        section.gbar_Ih, section.ehcn_Ih = channels.Ih, values["E_h"]
        sections.append(section)
        points += list(section)
    for stick, end in zip(sections[1:], (0, 1), strict=True):
        stick.connect(sections[0](end), 0)
    return sections, points
