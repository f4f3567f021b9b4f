"""Spikes drawn from a fitted model: with spike history it may run away, which no score of single bins shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hpcsim.stages.features.glm.newton import HIGHEST

#: Bins of which the rate is integrated at a time.
_AHEAD = 256


@dataclass(frozen=True, eq=False)
class Simulated:
    """One run.

    Parameters
    ----------
    spikes : ndarray of int
        Bins with a spike, from the begin of the run.
    rates : ndarray, shape (n,)
        Expected counts given the run's own spikes; NaN after it was stopped.
    runaway : bool
        Whether it was stopped since it had more spikes than allowed.
    """

    spikes: np.ndarray
    rates: np.ndarray
    runaway: bool


def simulate(drive: np.ndarray, history: np.ndarray, before: np.ndarray, most: int, random: np.random.Generator) -> Simulated:
    """Draw spikes bin by bin, at most one a bin, with probability 1 - exp(-rate).

    Parameters
    ----------
    drive : ndarray, shape (n,)
        Log of the expected count without spike history.
    history : ndarray, shape (lags,)
        Added to it at 1, 2, ... bins after each spike.
    before : ndarray of int
        Bins of spikes before the run, negative.
    most : int
        Spikes after which the run is called a runaway and stopped.
    random : Generator

    Returns
    -------
    Simulated
    """
    n, lags = len(drive), len(history)
    log_rate = np.concatenate([drive, np.zeros(lags)])
    for at in before:
        if at + lags >= 0:
            log_rate[: at + 1 + lags] += history[-at - 1 :]
    spikes: list[int] = []
    at = 0
    while at < n and len(spikes) <= most:
        # integrate up to an exponential number: one draw a spike, not one a bin
        wanted, spike = random.standard_exponential(), -1
        while at < n and spike < 0:
            stop = min(at + _AHEAD, n)
            integrated = np.cumsum(np.exp(np.minimum(log_rate[at:stop], HIGHEST)))
            if integrated[-1] >= wanted:
                spike = at + int(np.searchsorted(integrated, wanted))
            else:
                wanted -= integrated[-1]
                at = stop
        if spike >= 0:
            spikes.append(spike)
            log_rate[spike + 1 : spike + 1 + lags] += history
            at = spike + 1
    runaway = len(spikes) > most
    rates = np.exp(np.minimum(log_rate[:n], HIGHEST))
    if runaway:
        rates[at:] = np.nan
    return Simulated(np.array(spikes, dtype=np.int64), rates, runaway)
