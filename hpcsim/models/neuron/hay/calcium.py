"""Calcium inside a resting neuron: where the currents into the shell below the membrane and the decay balance."""

from __future__ import annotations

from math import exp, log

import numpy as np

from hpcsim.models.neuron.hay.cell import TEMPERATURE
from hpcsim.models.neuron.morphology.cell import Cell
from hpcsim.models.neuron.nmodl import linear

#: Mechanisms that let calcium in.
CHANNELS = ("Ca_HVA", "Ca_LVAst")
#: mM: calcium outside (NEURON's default), and inside without a calcium current (CaDynamics_E2.mod).
OUTSIDE, LEAST = 2.0, 1e-4
#: um: shell below the membrane that the calcium current fills (CaDynamics_E2.mod).
SHELL_DEPTH = 0.1
#: C/mol; J/(mol K).
FARADAY, GAS = 96485.33212, 8.31446261815324


def resting_calcium(cell: Cell, potentials: np.ndarray) -> np.ndarray:
    """Calcium inside while the potential rests.

    Parameters
    ----------
    cell : Cell
    potentials : ndarray, mV
        Shape (n_segment,).

    Returns
    -------
    ndarray, mM
        Shape (n_segment,); `LEAST` where there are no calcium channels.

    Raises
    ------
    SimulationError
        If there are calcium channels, and the mechanisms are not loaded or NEURON holds sections of somebody else.
    """
    conductance = np.zeros(len(cell.segments))
    for channel in CHANNELS:
        peak = cell.density(f"gbar_{channel}")
        for v in np.unique(potentials[peak > 0]).tolist():
            # reversal potentials do not matter to the open fraction
            opened = linear.expand(channel, v, {f"gbar_{channel}": 1.0}).g
            conductance += np.where(potentials == v, peak * opened, 0.0)
    # mA/cm2 into mM
    gain = 1e4 * cell.density("gamma_CaDynamics_E2") * cell.density("decay_CaDynamics_E2") / (2 * FARADAY * SHELL_DEPTH)
    # few distinct ones: those of the soma, of the calcium zone and of the rest of the apical dendrite
    places, back = np.unique(np.stack([gain * conductance, potentials]), axis=1, return_inverse=True)
    return np.array([_balance(drive, v) for drive, v in places.T.tolist()])[back.ravel()]


def _balance(drive: float, v: float) -> float:
    """Solve ``cai = least - drive * (v - eca(cai))`` for cai (mM); `drive` is in mM/mV."""
    from scipy.optimize import brentq

    if not drive:
        return LEAST
    nernst = 1e3 * GAS * (TEMPERATURE + 273.15) / (2 * FARADAY)

    def excess(logarithm: float) -> float:
        """What decays over what comes in: it grows with calcium, whose logarithm therefore is its only zero."""
        return exp(logarithm) - LEAST + drive * (v - nernst * (log(OUTSIDE) - logarithm))

    # at the reversal potential nothing comes in
    highest = max(log(LEAST), log(OUTSIDE) - v / nernst) + 1
    return exp(brentq(excess, min(log(LEAST), highest) - 100, highest, xtol=1e-13))
