"""Signals and potentials of a network, read while it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hpcsim.models.neuron.hagen.ball_and_sticks import POPULATIONS
from hpcsim.models.neuron.hagen.neurons import Neurons
from hpcsim.models.neuron.signals import probes

#: Time steps whose currents are multiplied with the matrix of the probes at once.
BLOCK = 64


class Recorder:
    """What is read from a network while it runs.

    Parameters
    ----------
    network : Neurons
    values : mapping
        Parameters of the model.

    Attributes
    ----------
    signals : dict of str to ndarray
        By population: LFP, CSD and dipole moment as stacked rows, shape (2 n_contact + 1, n_time), of own neurons.
    soma_potentials : dict of str to ndarray, mV
        By population: shape (n_recorded, n_time_v), zero where another rank owns the neuron.
    segment_potentials : dict of str to ndarray, mV
        By population: shape (n_segment, n_time_v), sums over own recorded neurons.
    """

    def __init__(self, h: Any, network: Neurons, values: Mapping[str, Any]) -> None:
        self._first = round(values["transient"] / values["dt"])
        self._steps = round(values["tstop"] / values["dt"])
        self._every = round(values["dt_v"] / values["dt"])
        self._step = 0
        n_time = self._steps - self._first
        samples = -(-n_time // self._every)
        self._matrices = {p: probes.stacked(values, network.segments[p], network.positions(p)) for p in POPULATIONS}
        self.signals = {p: np.zeros((len(matrix), n_time)) for p, matrix in self._matrices.items()}
        self._currents = _Gathering(h, [point._ref_i_membrane_ for neuron in network for point in neuron.points])
        self._block = np.zeros((BLOCK, len(self._currents)))
        sampled = {p: [n for n in network.neurons[p] if n.index < values["n_recorded"]] for p in POPULATIONS}
        self._rows = {p: [neuron.index for neuron in own] for p, own in sampled.items()}
        self._voltages = _Gathering(h, [point._ref_v for p in POPULATIONS for neuron in sampled[p] for point in neuron.points])
        self._soma = {p: s.soma for p, s in network.segments.items()}
        n_recorded = {p: min(values["n_recorded"], size) for p, size in network.sizes.items()}
        self.soma_potentials = {p: np.zeros((n_recorded[p], samples)) for p in POPULATIONS}
        self.segment_potentials = {p: np.zeros((len(s), samples)) for p, s in network.segments.items()}

    def initial(self) -> None:
        """Read potentials at time 0, before the first step; there are no transmembrane currents yet."""
        if self._first == 0:
            self._read_potentials(0)

    def step(self) -> None:
        """Read after a time step; NEURON calls it."""
        self._step += 1
        sample = self._step - self._first
        # the step that ends at tstop lies beyond the last left edge
        if sample < 0 or self._step >= self._steps:
            return
        self._block[sample % BLOCK] = self._currents.read()
        if sample % BLOCK == BLOCK - 1 or self._step == self._steps - 1:
            self._multiply(sample - sample % BLOCK, sample + 1)
        if sample % self._every == 0:
            self._read_potentials(sample // self._every)

    def _multiply(self, start: int, stop: int) -> None:
        """From transmembrane currents of a block of time steps to signals."""
        column = 0
        for population, matrix in self._matrices.items():
            currents = self._block[: stop - start, column : column + matrix.shape[1]]
            self.signals[population][:, start:stop] = matrix @ currents.T
            column += matrix.shape[1]

    def _read_potentials(self, sample: int) -> None:
        potentials, first = self._voltages.read(), 0
        for population in POPULATIONS:
            rows, mean = self._rows[population], self.segment_potentials[population]
            own = potentials[first : first + len(rows) * len(mean)].reshape(len(rows), len(mean))
            self.soma_potentials[population][rows, sample] = own[:, self._soma[population]]
            mean[:, sample] = own.sum(axis=0)
            first += own.size


class _Gathering:
    """Many numbers of NEURON, read at once."""

    def __init__(self, h: Any, references: Sequence[Any]) -> None:
        self._n = len(references)
        # NEURON makes no empty list of pointers
        self._pointers, self._vector = h.PtrVector(max(1, self._n)), h.Vector(max(1, self._n))
        for i, reference in enumerate(references):
            self._pointers.pset(i, reference)

    def __len__(self) -> int:
        return self._n

    def read(self) -> np.ndarray:
        """The numbers now; valid until the next call."""
        if self._n:
            self._pointers.gather(self._vector)
        return np.asarray(self._vector.as_numpy()[: self._n])
