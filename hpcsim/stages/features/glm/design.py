"""Predictors: those of a stimulus, shared by all cells that saw it, and those of a cell's own spikes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hpcsim.errors import ResultsError
from hpcsim.stages.features.glm.epochs import Split

#: Models from the plainest on; each begins with a constant.
MODELS = ("instantaneous", "current", "history")


@dataclass(frozen=True, eq=False)
class Scaled:
    """Predictors of mean 0 and standard deviation 1 in the training bins.

    Parameters
    ----------
    rows : ndarray, shape (p, n_bins)
    mean, spread : ndarray, shape (p,)
        In units of the predictors; a spread of zero is replaced by one.
    """

    rows: np.ndarray
    mean: np.ndarray
    spread: np.ndarray


def scaled(rows: np.ndarray, train: Sequence[slice]) -> Scaled:
    """Scale by the training bins alone, so that nothing of the held-out ones enters."""
    seen = [rows[:, piece] for piece in train]
    n = sum(piece.shape[1] for piece in seen)
    mean = sum(piece.sum(axis=1) for piece in seen) / n
    centred = rows - mean[:, np.newaxis]
    spread = np.sqrt(sum(np.einsum("ij,ij->i", centred[:, piece], centred[:, piece]) for piece in train) / n)
    # what varies by rounding alone is constant
    spread = np.where(spread > 1e-12 * np.max([np.abs(piece).max(axis=1, initial=0.0) for piece in seen], axis=0), spread, 1.0)
    centred /= spread[:, np.newaxis]
    return Scaled(centred, mean, spread)


class Stimulus:
    """A current, its split into epochs, and its predictors.

    Parameters
    ----------
    where : str
        Who asks, for messages.
    current : ndarray, shape (n_bins,), pA
    split : Split
    basis : ndarray, shape (n_current, window)
        Of the current filter; the first lag is the bin itself.
    """

    def __init__(self, where: str, current: np.ndarray, split: Split, basis: np.ndarray) -> None:
        self.current, self.split, self.basis = current, split, basis
        seen = split.select("train", current)
        if seen.std() <= 1e-12 * np.abs(seen).max(initial=0.0):
            raise ResultsError(
                f"{where}: the current is {seen[0]:g} pA in all bins of the training epochs; a filter needs one that varies"
            )

    @cached_property
    def instantaneous(self) -> Scaled:
        """The current of the bin."""
        return scaled(self.current[np.newaxis], self.split.slices("train"))

    @cached_property
    def filtered(self) -> Scaled:
        """The current through every basis function."""
        n = len(self.current)
        return scaled(np.array([np.convolve(self.current, row)[:n] for row in self.basis]), self.split.slices("train"))

    def history(self, counts: np.ndarray, basis: np.ndarray) -> Scaled:
        """Earlier spikes of a cell through every basis function; the first lag is the bin before.

        Parameters
        ----------
        counts : ndarray, shape (n_bins,)
        basis : ndarray, shape (n_history, lags)
        """
        return scaled(filtered_spikes(counts, basis), self.split.slices("train"))


def filtered_spikes(counts: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Sum over earlier spikes of each basis function at their lag, shape (n_history, n_bins)."""
    n, lags = len(counts), basis.shape[1]
    rows = np.zeros((len(basis), n + lags))
    # spikes are few: one at a time costs less than a convolution
    for at in np.flatnonzero(counts):
        rows[:, at + 1 : at + 1 + lags] += counts[at] * basis
    return rows[:, :n]


@dataclass(frozen=True, eq=False)
class Design:
    """A constant and the predictors of one model and one cell.

    Parameters
    ----------
    parts : sequence of Scaled
    """

    parts: Sequence[Scaled]

    def select(self, pieces: Sequence[slice]) -> np.ndarray:
        """A row of ones, and the scaled predictors in some bins, shape (p, n)."""
        p, n = 1 + sum(len(part.mean) for part in self.parts), sum(piece.stop - piece.start for piece in pieces)
        rows = np.ones((p, n))
        column = 0
        for piece in pieces:
            stop, row = column + piece.stop - piece.start, 1
            for part in self.parts:
                rows[row : row + len(part.mean), column:stop] = part.rows[:, piece]
                row += len(part.mean)
            column = stop
        return rows

    def log_rates(self, coef: np.ndarray) -> np.ndarray:
        """Of all bins, from coefficients of the scaled predictors, shape (n_bins,)."""
        total, row = coef[0], 1
        for part in self.parts:
            total = total + coef[row : row + len(part.mean)] @ part.rows
            row += len(part.mean)
        return np.asarray(total)

    def unscale(self, coef: np.ndarray, covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients of the predictors as they were before scaling, and their standard errors."""
        mean, spread = (np.concatenate([getattr(part, name) for part in self.parts]) for name in ("mean", "spread"))
        turn = np.diag(np.concatenate([[1.0], 1 / spread]))
        turn[0, 1:] = -mean / spread
        with np.errstate(invalid="ignore"):
            errors = np.sqrt(np.diag(turn @ covariance @ turn.T))
        return turn @ coef, errors
