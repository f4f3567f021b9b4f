"""The spikes of a network, replayed into its neurons with linear membranes and no connections between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp, log
from pathlib import Path
from typing import Any

import numpy as np

from hpcsim.models.neuron.hagen import cells, connections, membranes
from hpcsim.models.neuron.hagen.ground_truth import GroundTruth
from hpcsim.models.neuron.hagen.neurons import Neuron, Neurons, Receptor
from hpcsim.models.neuron.nmodl import linear

#: ms: NEURON tells a spike so much after the step in which the threshold was crossed (its netcvode.cpp).
TOLD = 1e-10
#: From uS ms / (s um2) to S/cm2.
DENSITY = 0.1

#: Presynaptic populations, each with the synapses from it onto a neuron.
Inputs = Sequence[tuple[str, connections.Synapses]]


class Replay(Neurons):
    """Neurons with linear membranes and current-based synapses, which hear recorded spikes and not each other.

    Membranes are those of the network around its resting potentials, and weights are those conductances times the driving force
    there: ``w_I = -w (V_rest - E_syn)`` (Hagen et al. (2022) PLOS Comput Biol 18(9): e1010353). There is no external drive;
    with ``g_eff`` its mean conductance is in the leak, as is that of recurrent synapses.

    All potentials are deviations from the resting ones, which count from that of the soma: where the resting potential differs
    between segments, the axial currents of that profile are part of the rest.

    Parameters
    ----------
    h, parallel, values
        As of :class:`Neurons`.
    truth : GroundTruth
    cache : Path
        Where compiled mechanisms are kept.
    merged : bool
        As of :class:`Neurons`.
    """

    def __init__(
        self, h: Any, parallel: Any, values: Mapping[str, Any], truth: GroundTruth, cache: Path, *, merged: bool = True
    ) -> None:
        # membranes are derived in an empty NEURON, before the first neuron is made
        self._membranes = {p: membranes.linearised(cells.cell(values, p), v, values["membrane"]) for p, v in truth.V_rest.items()}
        super().__init__(h, parallel, values, truth.seed, merged=merged)
        self._truth, self._cache = truth, cache
        self._rest = {p: float(v[self.segments[p].soma]) for p, v in truth.V_rest.items()}

    def connect(self) -> None:
        """Make membranes, synapses, and what plays the spikes; once."""
        for neuron in self:
            inputs = list(self._inputs(neuron))
            self._linearise(neuron, inputs)
            potential = self._truth.V_rest[neuron.population]
            for pre, drawn in inputs:
                reversal = self._values[f"E_syn_{neuron.population}{pre}"]
                self._join(neuron, pre, drawn, drawn.weight * (reversal - potential[drawn.segment]))
        self._play()

    def initialise(self) -> None:
        """Set all states to rest."""
        for neuron in self:
            for point in neuron.points:
                point.v = self._rest[neuron.population]
        self._h.finitialize()

    def _linearise(self, neuron: Neuron, inputs: Inputs) -> None:
        """Give a neuron its membrane."""
        for point, expansions in zip(neuron.points, self._membranes[neuron.population], strict=True):
            linear.insert(point, expansions, self._cache, rest=self._rest[neuron.population])
        if self._values["g_eff"]:
            for point, g in zip(neuron.points, self._mean_conductance(neuron, inputs).tolist(), strict=True):
                point.g_pas += g

    def _mean_conductance(self, neuron: Neuron, inputs: Inputs) -> np.ndarray:
        """Of all synapses of a neuron, S/cm2, shape (n_segment,)."""
        values, own = self._values, self.segments[neuron.population]
        external = connections.drive(values, self._seed, neuron.population, neuron.index, own).synapses
        total = external * values["weight_ext"] * values["nu_ext"] * integral(*self._receptor("ext")[:2])
        for pre, drawn in inputs:
            weight = np.bincount(drawn.segment, drawn.weight, len(own))
            total += weight * self._truth.rate[pre] * integral(*self._receptor(neuron.population + pre)[:2])
        return np.asarray(DENSITY * total / own.area)

    def _play(self) -> None:
        """Send the spikes to all connections on this rank."""
        times = np.concatenate([times for times, _ in self._truth.spikes.values()])
        gids = np.concatenate([self.first[p] + senders for p, (_, senders) in self._truth.spikes.items()])
        order = np.argsort(times, kind="stable")
        self._pattern = self._h.PatternStim()
        self._pattern.play(self._h.Vector(times[order] + TOLD), self._h.Vector(gids[order]))

    def _new_synapse(self, point: Any, receptor: Receptor) -> Any:
        synapse = self._h.Exp2SynI(point)
        synapse.tau1, synapse.tau2, _ = receptor
        return synapse


def integral(tau_rise: float, tau_decay: float) -> float:
    """Integral of a double exponential whose peak is 1.

    Parameters
    ----------
    tau_rise, tau_decay : float, ms

    Returns
    -------
    float
        ms.

    Notes
    -----
    Roth & van Rossum (2009), Modeling synapses, in: De Schutter (ed.), Computational Modeling Methods for Neuroscientists.
    """
    peak = tau_rise * tau_decay / (tau_decay - tau_rise) * log(tau_decay / tau_rise)
    return (tau_decay - tau_rise) / (exp(-peak / tau_decay) - exp(-peak / tau_rise))
