"""Variation in the unit cube: simulated binary crossover and polynomial mutation, both within the bounds.

Deb and Agrawal 1995, Complex Systems 9, 115; bounded as in Deb 2001, Multi-Objective Optimization using Evolutionary
Algorithms, Wiley.
"""

from __future__ import annotations

import numpy as np


def crossover(first: np.ndarray, second: np.ndarray, eta: float, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two children of two parents; each gene is crossed with probability one half.

    Parameters
    ----------
    first, second : ndarray, shape (variables,)
    eta : float
        Distribution index: the larger, the nearer children are to their parents.
    random : Generator
    """
    low, high = np.minimum(first, second), np.maximum(first, second)
    width = high - low
    crossed = (random.random(len(first)) < 0.5) & (width > 1e-14)
    u, swapped = random.random(len(first)), random.random(len(first)) < 0.5
    width_ = np.where(crossed, width, 1.0)
    middle = (low + high) / 2
    below = middle - _spread(1 + 2 * low / width_, u, eta) * width_ / 2
    above = middle + _spread(1 + 2 * (1 - high) / width_, u, eta) * width_ / 2
    one, other = np.where(swapped, above, below), np.where(swapped, below, above)
    return np.clip(np.where(crossed, one, first), 0, 1), np.clip(np.where(crossed, other, second), 0, 1)


def _spread(beta: np.ndarray, u: np.ndarray, eta: float) -> np.ndarray:
    alpha = 2 - beta ** -(eta + 1)
    inner = np.where(u <= 1 / alpha, u * alpha, 1 / np.maximum(2 - u * alpha, 1e-300))
    return np.asarray(inner ** (1 / (eta + 1)))


def mutation(position: np.ndarray, eta: float, share: float, random: np.random.Generator) -> np.ndarray:
    """A mutant; each gene changes with probability `share`.

    Parameters
    ----------
    position : ndarray, shape (variables,)
    eta : float
        Distribution index: the larger, the smaller are changes.
    share : float
    random : Generator
    """
    changed, u = random.random(len(position)) < share, random.random(len(position))
    down = (2 * u + (1 - 2 * u) * (1 - position) ** (eta + 1)) ** (1 / (eta + 1)) - 1
    up = 1 - (2 * (1 - u) + 2 * (u - 0.5) * position ** (eta + 1)) ** (1 / (eta + 1))
    with np.errstate(invalid="ignore"):
        delta = np.where(u < 0.5, down, up)
    return np.clip(np.where(changed, position + delta, position), 0, 1)
