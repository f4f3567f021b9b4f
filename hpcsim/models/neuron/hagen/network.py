"""The recurrent network in NEURON: active neurons that excite and inhibit each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hpcsim.models.neuron.hagen import connections
from hpcsim.models.neuron.hagen.neurons import Neuron, Neurons, Receptor


class Network(Neurons):
    """Neurons with active membranes and conductance-based synapses.

    Parameters
    ----------
    h, parallel, values, seed, merged
        As of :class:`Neurons`.
    """

    def __init__(self, h: Any, parallel: Any, values: Mapping[str, Any], seed: int, *, merged: bool = True) -> None:
        super().__init__(h, parallel, values, seed, merged=merged)
        for neuron in self:
            self._activate(neuron)
        self._spike_times, self._spike_gids = h.Vector(), h.Vector()
        parallel.spike_record(-1, self._spike_times, self._spike_gids)

    def connect(self) -> None:
        """Make recurrent synapses and external drive; once, when all ranks have their neurons."""
        for neuron in self:
            for pre, drawn in self._inputs(neuron):
                self._join(neuron, pre, drawn, drawn.weight)
            self._excite(neuron)

    def initialise(self) -> None:
        """Set all states to those at time 0."""
        self._h.finitialize(self._values["V_init"])

    def spikes(self) -> tuple[np.ndarray, np.ndarray]:
        """Spikes of the own neurons: times in ms, on the grid of time steps, and numbers in the whole network."""
        dt = self._values["dt"]
        return np.rint(self._spike_times.as_numpy() / dt) * dt, self._spike_gids.as_numpy().astype(np.int64)

    def _activate(self, neuron: Neuron) -> None:
        """Give a neuron its channels, and what sees its spikes."""
        self.cells[neuron.population].activate(self._h, neuron.sections)
        soma, parallel = neuron.sections[0], self._parallel
        detector = self._h.NetCon(soma(0.5)._ref_v, None, sec=soma)
        detector.threshold = self._values["threshold"]
        gid = self.first[neuron.population] + neuron.index
        parallel.set_gid2node(gid, int(parallel.id()))
        parallel.cell(gid, detector)
        neuron.kept.append(detector)

    def _excite(self, neuron: Neuron) -> None:
        """One Poisson generator a segment."""
        values = self._values
        if not values["nu_ext"]:
            return
        receptor = self._receptor("ext")
        drive = connections.drive(values, self._seed, neuron.population, neuron.index, self.segments[neuron.population])
        for segment in np.flatnonzero(drive.synapses).tolist():
            generator = self._h.NetStim()
            generator.interval = 1000 / (values["nu_ext"] * int(drive.synapses[segment]))
            generator.number, generator.start, generator.noise = 1e12, 0, 1
            generator.noiseFromRandom123(*drive.streams[segment].tolist())
            synapse = self._synapse(neuron, receptor, segment)
            connection = self._h.NetCon(generator, synapse, 0, values["dt"], values["weight_ext"])
            neuron.kept += [generator, connection]

    def _new_synapse(self, point: Any, receptor: Receptor) -> Any:
        synapse = self._h.Exp2Syn(point)
        synapse.tau1, synapse.tau2, synapse.e = receptor
        return synapse
