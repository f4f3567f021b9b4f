"""Spike counts convolved with spike-to-signal kernels: which kernel belongs to which counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hpcsim.errors import ResultsError
from hpcsim.outputs import Coordinate
from hpcsim.stages.recording import time_step


def pathways(populations: Sequence[str]) -> list[str]:
    """Every pair of populations, post:pre; the presynaptic one changes fastest."""
    return [f"{post}:{pre}" for post in populations for pre in populations]


def ordered(stage: str, kernels: np.ndarray, names: Coordinate, populations: Sequence[str], where: str) -> np.ndarray:
    """Kernels of all pathways between the populations of spike counts.

    Parameters
    ----------
    stage : str
        That asks, for messages.
    kernels : ndarray
        Shape (n_pathway, ..., n_lag).
    names : Coordinate
        Of their pathways.
    populations : sequence of str
        In the order of the counts.
    where : str
        Whose kernels they are, for messages.

    Returns
    -------
    ndarray
        Shape (n_population**2, ..., n_lag), in the order of :func:`pathways`.

    Raises
    ------
    ResultsError
        If a pathway has no kernel, or kernels are not finite.
    """
    rows = {str(pathway): row for pathway, row in zip(names.values, kernels, strict=True)}
    wanted = pathways(populations)
    missing = [pathway for pathway in wanted if pathway not in rows]
    if missing:
        raise ResultsError(
            f"{stage}: {where} has no kernel for {', '.join(missing)} (post:pre); "
            f"it has {', '.join(rows)}, and the populations of the counts are {', '.join(populations)}"
        )
    found = np.array([rows[pathway] for pathway in wanted], dtype=np.float64)
    if not np.isfinite(found).all():
        raise ResultsError(f"{stage}: the kernels of {where} are not finite; did its point fail?")
    return found


def check_lags(stage: str, lag: Coordinate, dt: float, where: str) -> None:
    """Check that lags have the step of the counts, and 0 in their middle.

    Parameters
    ----------
    stage, where : str
        As in :func:`ordered`.
    lag : Coordinate
    dt : float, ms
        Of the counts.

    Raises
    ------
    ResultsError
        If they have not.
    """
    kernels = f"the kernels of {where}"
    step = time_step(stage, kernels, lag)
    if not np.isclose(step, dt, rtol=1e-6, atol=0):
        raise ResultsError(
            f"{stage}: {kernels} have steps of {step:g} ms and the counts of {dt:g} ms; make both with the same dt"
        )
    if not np.allclose(lag.values, -lag.values[::-1], atol=1e-6 * dt):
        raise ResultsError(
            f"{stage}: {kernels} have lags from {lag.values[0]:g} to {lag.values[-1]:g} ms; expected as many before as after 0"
        )


def convolved(counts: np.ndarray, kernels: np.ndarray) -> np.ndarray:
    """Kernels with the counts of their presynaptic populations, pathway by pathway; lag 0 stays in its place.

    Parameters
    ----------
    counts : ndarray
        Shape (n_population, n_time).
    kernels : ndarray
        Shape (n_pathway, ..., n_lag), in the order of :func:`pathways`, or of one postsynaptic population.

    Returns
    -------
    ndarray
        Shape (n_pathway, ..., n_time).
    """
    channels = kernels.shape[1:-1]
    rows = kernels.reshape(len(kernels), -1, kernels.shape[-1])
    found = [[_same(counts[i % len(counts)], kernel) for kernel in pathway] for i, pathway in enumerate(rows)]
    return np.array(found).reshape(len(kernels), *channels, counts.shape[-1])


def _same(signal: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """The middle of a convolution, as long as the signal.

    Bit for bit ``scipy.signal.fftconvolve(signal, kernel, mode="same")``, whose module takes longer to import than a second of
    a small network to simulate: each task would wait for it.
    """
    from scipy.fft import irfft, next_fast_len, rfft

    n = len(signal) + len(kernel) - 1
    length = next_fast_len(n, True)
    # single precision stays what it is; SciPy multiplies where there is nothing to transform
    whole = signal * kernel if 1 in (len(signal), len(kernel)) else irfft(rfft(signal, length) * rfft(kernel, length), length)
    start = (len(kernel) - 1) // 2
    return np.asarray(whole[start : start + len(signal)])


def summed(counts: np.ndarray, kernels: np.ndarray) -> np.ndarray:
    """Sum of :func:`convolved` over all pathways.

    Returns
    -------
    ndarray
        Shape (..., n_time).
    """
    # convolution is linear: kernels of one presynaptic population add up first, and are convolved once
    n = len(counts)
    return np.asarray(convolved(counts, kernels.reshape(n, n, *kernels.shape[1:]).sum(axis=0)).sum(axis=0))
