"""Blocked cross-validation of the ridge: blocks of neighbouring bins with gaps, since neighbouring bins are alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from hpcsim.stages.features.glm.epochs import Piece
from hpcsim.stages.features.glm.newton import HIGHEST, Fit, fit_poisson
from hpcsim.stages.features.glm.scores import log_likelihood


@dataclass(frozen=True)
class Fold:
    """Ranges of training bins that are held out, and ranges of the others that are fitted."""

    held: tuple[tuple[int, int], ...]
    ranges: tuple[tuple[int, int], ...]


def folds(pieces: Sequence[Piece], count: int, gap: int) -> list[Fold]:
    """Blocks of the stimulus, of equal length, each held out in all of its repeats.

    Parameters
    ----------
    pieces : sequence of Piece
        Epochs in the order of their bins; a frozen noise that was in the fit would not be held out.
    count : int
        Number of blocks.
    gap : int
        Bins of the longest filter: as many on both sides of a block are neither fitted nor held out.

    Examples
    --------
    >>> [fold.ranges for fold in folds([Piece(0, 90, 0)], 3, 5)]
    [((35, 90),), ((0, 25), (65, 90)), ((0, 55),)]
    """
    edges = np.linspace(0, max(piece.at + piece.stop - piece.first for piece in pieces), count + 1).round().astype(int)
    found = []
    for first, stop in pairwise(edges.tolist()):
        held = []
        for piece in pieces:
            begin, end = piece.first + max(first - piece.at, 0), min(piece.first + stop - piece.at, piece.stop)
            if end > begin:
                held.append((begin, end))
        # between two blocks, from the end of one to the begin of the next
        borders = [-gap, *(border for block in held for border in block), pieces[-1].stop + gap]
        ranges = ((a + gap, b - gap) for a, b in zip(borders[::2], borders[1::2], strict=True))
        found.append(Fold(tuple(held), tuple((a, b) for a, b in ranges if b > a)))
    return found


def validate(predictors: np.ndarray, counts: np.ndarray, ridges: Sequence[float], blocks: Sequence[Fold]) -> tuple[Fit, int]:
    """The fit to all bins with the ridge that predicts held-out blocks best.

    Parameters
    ----------
    predictors : ndarray, shape (p, n)
        Scaled; the first row is one.
    counts : ndarray, shape (n,)
    ridges : sequence of float
        Candidates; a single one is taken as it is.
    blocks : sequence of Fold

    Returns
    -------
    fit : Fit
    chosen : int
        Which ridge.
    """
    if len(ridges) == 1:
        return fit_poisson(predictors, counts, ridges[0]), 0
    # from the strongest on: each optimum is near to the one before
    order = sorted(range(len(ridges)), key=lambda k: -ridges[k])
    fits: dict[int, Fit] = {}
    start = None
    for k in order:
        fits[k] = fit_poisson(predictors, counts, ridges[k], start=start)
        start = fits[k].coef if fits[k].converged else None
    held = np.zeros(len(ridges))
    for block in blocks:
        start = None
        for k in order:
            fit = fit_poisson(predictors, counts, ridges[k], ranges=block.ranges, start=_first(start, fits[k]))
            start = fit.coef if fit.converged else None
            held[k] += sum(_held_out(predictors[:, a:b], counts[a:b], fit) for a, b in block.held)
    # a tie, or nothing finite, goes to the strongest ridge
    best = max(order, key=lambda k: held[k] if fits[k].converged else -np.inf)
    return fits[best], best


def _first(start: np.ndarray | None, fit: Fit) -> np.ndarray | None:
    return start if start is not None else fit.coef if fit.converged else None


def _held_out(predictors: np.ndarray, counts: np.ndarray, fit: Fit) -> float:
    """Log-likelihood of all bins of a block."""
    if not fit.converged:
        return -np.inf
    return len(counts) * log_likelihood(counts, np.exp(np.minimum(fit.coef @ predictors, HIGHEST)))
