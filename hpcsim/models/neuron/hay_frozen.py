"""The neuron of Hay et al. (2011) with its channels frozen at rest: what spike-to-signal kernels are made of.

Hagen et al. (2022) PLOS Comput Biol 18(9): e1010353 call this membrane "passive-frozen": each channel is a leak that stays as
open as it is at the resting potential, which every place of the neuron shares.
"""

from __future__ import annotations

from math import isclose, log
from pathlib import Path
from typing import Any

import numpy as np

from hpcsim.models.neuron import linear
from hpcsim.models.neuron.hay_cell import MECHANISMS, RA, TEMPERATURE, HayCell

_CHANNELS = tuple(name for name in MECHANISMS if name != "CaDynamics_E2")
_CALCIUM_CHANNELS = ("Ca_HVA", "Ca_LVAst")
#: mM: calcium outside (NEURON's default), and inside without a calcium current (CaDynamics_E2.mod).
CALCIUM_OUTSIDE, CALCIUM_LEAST = 2.0, 1e-4
#: um: shell below the membrane that the calcium current fills (CaDynamics_E2.mod).
SHELL_DEPTH = 0.1
#: C/mol; J/(mol K).
FARADAY, GAS = 96485.33212, 8.31446261815324


def frozen_conductance(cell: HayCell, v_rest: float) -> np.ndarray:
    """Leak of a membrane whose channels stay as open as they are at rest.

    Parameters
    ----------
    cell : HayCell
    v_rest : float, mV
        Of the whole neuron.

    Returns
    -------
    ndarray, S/cm2
        Shape (n_segment,): the passive leak and, of each channel, its peak conductance times its open fraction. Calcium is where
        the calcium currents keep it at `v_rest`.

    Raises
    ------
    SimulationError
        If the mechanisms are not loaded, or NEURON holds sections of somebody else.
    """
    total, calcium = cell.density("g_pas"), resting_calcium(cell, v_rest)
    for channel in _CHANNELS:
        peak = cell.density(f"gbar_{channel}")
        if channel != "SK_E2":
            total = total + peak * _open(channel, v_rest)
            continue
        # few distinct concentrations: those of the soma, of the calcium zone and of the rest of the apical dendrite
        for concentration in np.unique(calcium[peak > 0]):
            there = (calcium == concentration) & (peak > 0)
            total[there] += peak[there] * _open(channel, v_rest, cai=float(concentration))
    return total


def resting_calcium(cell: HayCell, v_rest: float) -> np.ndarray:
    """Calcium inside at which the currents into the shell and the decay balance while the potential rests.

    Returns
    -------
    ndarray, mM
        Shape (n_segment,).
    """
    conductance = sum(cell.density(f"gbar_{channel}") * _open(channel, v_rest) for channel in _CALCIUM_CHANNELS)
    # mA/cm2 into mM
    gain = 1e4 * cell.density("gamma_CaDynamics_E2") * cell.density("decay_CaDynamics_E2") / (2 * FARADAY * SHELL_DEPTH)
    drives, places = np.unique(gain * conductance, return_inverse=True)
    return np.array([_balance(float(drive), v_rest) for drive in drives])[places]


def insert_frozen(cell: Any, conductance: np.ndarray, capacitance: np.ndarray, v_rest: float) -> None:
    """Give a cell of LFPy its frozen membrane; a ``custom_fun`` of ``LFPy.TemplateCell``.

    Parameters
    ----------
    cell : LFPy.TemplateCell
        Made of :func:`template_parameters`.
    conductance : ndarray, S/cm2
        Shape (n_segment,), of :func:`frozen_conductance`.
    capacitance : ndarray, uF/cm2
        Shape (n_segment,).
    v_rest : float, mV
    """
    points = []
    for section in cell.template.all:
        section.insert("pas")
        section.Ra = RA
        points += list(section)
    for point, g, cm in zip(points, conductance.tolist(), capacitance.tolist(), strict=True):
        point.g_pas, point.e_pas, point.cm = g, v_rest, cm


def template_parameters(hay: HayCell, v_rest: float, cache: Path) -> dict[str, Any]:
    """What ``LFPy.TemplateCell`` and LFPykernels need for this neuron with its frozen membrane.

    Parameters
    ----------
    hay : HayCell
    v_rest : float, mV
    cache : Path
        A directory that is kept between runs.

    Returns
    -------
    dict
        Keyword arguments; to be made before any section lives.
    """
    file = str(hay.morphology.write(cache, hay.numbers))
    membrane = {"conductance": frozen_conductance(hay, v_rest), "capacitance": hay.density("cm"), "v_rest": v_rest}
    return {
        "templatefile": file,
        "templatename": hay.morphology.name(hay.numbers),
        "morphology": file,
        "v_init": v_rest,
        "celsius": TEMPERATURE,
        "nsegs_method": None,
        "custom_fun": [insert_frozen],
        "custom_fun_args": [membrane],
    }


def _open(channel: str, v: float, **ions: float) -> float:
    """Open fraction in the steady state; reversal potentials do not matter."""
    return linear.expand(channel, v, {f"gbar_{channel}": 1.0, **ions}).g


def _balance(drive: float, v: float) -> float:
    """Solve ``cai = least - drive * (v - eca(cai))`` for cai (mM); `drive` is in mM/mV."""
    nernst = 1e3 * GAS * (TEMPERATURE + 273.15) / (2 * FARADAY)
    calcium, last = CALCIUM_LEAST, 0.0
    while not isclose(calcium, last, rel_tol=1e-12):
        last = calcium
        calcium = CALCIUM_LEAST - drive * (v - nernst * log(CALCIUM_OUTSIDE / calcium))
    return calcium
