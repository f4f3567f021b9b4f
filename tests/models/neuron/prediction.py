"""Signals from spikes and kernels, and how near they are to others."""

from __future__ import annotations

import numpy as np
from scipy.signal import fftconvolve

from hpcsim.collector.format.table import Table

#: Steps before the signals of the tests' networks begin: 100 ms.
FIRST = 1600


def r2(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one, other)[0, 1] ** 2)


def all_counts(network: Table, tstop: float) -> np.ndarray:
    """Spikes in each step from time 0: those of the transient still act after it."""
    n = round(tstop * 16)
    times = [network.ragged(f"spike_times_{p}", 0) * 16 for p in "EI"]
    return np.array([np.bincount(np.rint(t[t < n]).astype(int), minlength=n) for t in times], float)


def predicted(kernels: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Sum over pathways, after the transient; kernels have shape (4, n_lag)."""
    return np.asarray(sum(fftconvolve(counts[i % 2], each, mode="same") for i, each in enumerate(kernels))[FIRST:])
