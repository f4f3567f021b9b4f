"""A low-pass filter without delay: four-pole Bessel, forwards and backwards."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from hpcsim.stages.features.compiled import compiled

#: Samples by which a trace is continued at both ends: three times the number of coefficients, as scipy's filtfilt does.
PADDING = 15
# reverse Bessel polynomial of order 4 (Thomson 1949, doi:10.1049/pi-3.1949.0101)
_BESSEL = (1.0, 10.0, 45.0, 105.0, 105.0)
# a constant, so that the inner loop becomes vector instructions
_PIECES = 16
# below this factor a disturbance at an edge is lost in the rounding of float64
_FORGOTTEN = 1e-17


class Filter(NamedTuple):
    """A designed filter.

    Parameters
    ----------
    b, a : tuple of 5 floats
        Numerator and denominator, a[0] = 1.
    state : tuple of 4 floats
        Of the delays, when the input has always been 1.
    memory : int
        Samples after which a disturbance is forgotten.
    """

    b: tuple[float, float, float, float, float]
    a: tuple[float, float, float, float, float]
    state: tuple[float, float, float, float]
    memory: int


@cache
def bessel(cutoff: float, step: float) -> Filter:
    """Design a four-pole Bessel low-pass filter; equal to ``scipy.signal.bessel(4, 2 * cutoff * step)`` but for rounding.

    Written out because the import of ``scipy.signal`` costs every task a second.

    Parameters
    ----------
    cutoff : float, kHz
        Below half of the sampling rate.
    step : float, ms
        Between two samples.

    Returns
    -------
    Filter
    """
    # bilinear transform s = (z - 1) / (z + 1) of the prototype, whose phase is at half of its range at the cutoff
    poles = np.roots(_BESSEL) / _BESSEL[-1] ** 0.25 * np.tan(np.pi * cutoff * step)
    a = np.poly((1 + poles) / (1 - poles)).real
    b = np.poly(-np.ones(4)) * a.sum() / 16
    memory = int(np.ceil(np.log(_FORGOTTEN) / np.log(np.abs((1 + poles) / (1 - poles)).max())))
    state = np.cumsum((b - a)[:0:-1])[::-1]
    return Filter(tuple(b.tolist()), tuple(a.tolist()), tuple(state.tolist()), memory)


@compiled
def zero_phase(x: np.ndarray, design: Filter) -> np.ndarray:
    """Filter forwards and backwards; equal to ``scipy.signal.filtfilt(b, a, x)`` but for rounding.

    The trace is cut into overlapping pieces that are filtered side by side: one step of a recursive filter waits for
    the step before, and the steps of several pieces do not wait for each other.

    Parameters
    ----------
    x : ndarray of float64
        Shape (n,), more than 15 samples.
    design : Filter

    Returns
    -------
    ndarray of float64
        Shape (n,).
    """
    padded = _continued(x)
    pieces = _cut(padded, design.memory)
    # a loop: two calls with constants are compiled apart, and the backward one then without vector instructions
    for backwards in (False, True):
        _one_way(pieces, design, backwards)
    _join(pieces, design.memory, padded)
    return padded[PADDING : len(padded) - PADDING]


@compiled
def _starts(n: int, length: int) -> np.ndarray:
    """Where the pieces of a length begin that cover n samples evenly."""
    return np.arange(_PIECES) * (n - length) // (_PIECES - 1)


@compiled
def _cut(x: np.ndarray, memory: int) -> np.ndarray:
    """The pieces side by side: shape (length, _PIECES).

    Neighbours overlap by twice the memory: what is wrong at a cut end of one is right in the other.
    """
    length = min(len(x), (len(x) + 2 * memory * (_PIECES - 1) + _PIECES - 1) // _PIECES)
    starts = _starts(len(x), length)
    pieces = np.empty((length, _PIECES))
    for k in range(length):
        for j in range(_PIECES):
            pieces[k, j] = x[starts[j] + k]
    return pieces


@compiled
def _join(pieces: np.ndarray, memory: int, out: np.ndarray) -> None:
    """Put what is right in the pieces one after the other."""
    n, length = len(out), len(pieces)
    starts = _starts(n, length)
    edge = min(memory, length)
    out[:edge] = pieces[:edge, 0]
    out[n - edge :] = pieces[length - edge :, _PIECES - 1]
    for k in range(edge, length - edge):
        for j in range(_PIECES):
            out[starts[j] + k] = pieces[k, j]


@compiled
def _continued(x: np.ndarray) -> np.ndarray:
    """The trace and its point reflections at both ends."""
    n = len(x)
    y = np.empty(n + 2 * PADDING)
    y[PADDING : n + PADDING] = x
    for k in range(PADDING):
        y[k] = 2 * x[0] - x[PADDING - k]
        y[n + PADDING + k] = 2 * x[n - 1] - x[n - 2 - k]
    return y


@compiled
def _one_way(pieces: np.ndarray, design: Filter, backwards: bool) -> None:
    """Filter in place along the first axis, as if the value at the beginning had always been there."""
    b0, b1, b2, b3, b4 = design.b
    _, a1, a2, a3, a4 = design.a
    delay = np.empty((4, _PIECES))
    last = len(pieces) - 1
    for i in range(4):
        delay[i] = design.state[i] * pieces[last if backwards else 0]
    for step in range(len(pieces)):
        k = last - step if backwards else step
        for j in range(_PIECES):
            x = pieces[k, j]
            y = b0 * x + delay[0, j]
            delay[0, j] = b1 * x + delay[1, j] - a1 * y
            delay[1, j] = b2 * x + delay[2, j] - a2 * y
            delay[2, j] = b3 * x + delay[3, j] - a3 * y
            delay[3, j] = b4 * x - a4 * y
            pieces[k, j] = y


@compiled
def slope(v: np.ndarray, step: float, design: Filter) -> np.ndarray:
    """Differences of the filtered trace over the time step.

    Parameters
    ----------
    v : ndarray of float64
        Shape (n,).
    step : float
        Between two samples.
    design : Filter

    Returns
    -------
    ndarray of float64
        Shape (n - 1,), between samples k and k + 1.
    """
    smooth = zero_phase(v, design)
    difference: np.ndarray = (smooth[1:] - smooth[:-1]) / step
    return difference


@compiled
def slope_within(v: np.ndarray, whole: np.ndarray, start: int, stop: int, step: float, design: Filter) -> np.ndarray:
    """The slope of a part of the trace that is filtered alone.

    It differs from the slope of the whole trace near its two ends only, so only these are filtered again.

    Parameters
    ----------
    v, whole : ndarray of float64
        Shapes (n,) and (n - 1,): the whole trace and its slope.
    start, stop : int
        First and last sample of the part.
    step : float
    design : Filter

    Returns
    -------
    ndarray of float64
        Shape (stop - start,).
    """
    memory = design.memory
    if stop - start < 6 * memory:
        return slope(v[start : stop + 1], step, design)
    part = whole[start:stop].copy()
    # the cut end of a piece is wrong for `memory` samples, the other end's effect is over after as many
    part[: 2 * memory] = slope(v[start : start + 3 * memory + 1], step, design)[: 2 * memory]
    part[len(part) - 2 * memory :] = slope(v[stop - 3 * memory : stop + 1], step, design)[memory:]
    return part
