"""Poisson regression with a logarithmic link by Newton's method, for one cell.

scikit-learn's solver ``newton-cholesky`` finds the same optimum in about twice the time (`benchmarks/glm.py`), without the
information matrix, and its import alone costs a task as much as a hundred fits. Here a step reads the predictors once, in pieces
that stay in the cache, and a fit begins near its end, at the optimum of a part of the bins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

#: Bins that are handled at a time: with some twenty predictors they stay in a core's second-level cache.
PIECE = 2048
#: Newton's decrement, twice the distance to the optimum in log-likelihood per bin, from which one more step is the last: the
#: distance is squared by it.
TOLERANCE = 1e-10
#: Which share of each piece is in the part that a fit begins with, and fewest spikes there.
_PART, _FEWEST = 4, 20
MOST_ITERATIONS, MOST_HALVINGS = 50, 30
#: Log rates beyond it would overflow.
HIGHEST = 500.0


@dataclass(frozen=True, eq=False)
class Fit:
    """The optimum that was found.

    Parameters
    ----------
    coef : ndarray, shape (p,)
        The first belongs to the constant.
    information : ndarray, shape (p, p)
        Second derivative of the objective times the number of bins; its inverse is the covariance of `coef`.
    objective : float
        Mean over bins of rate - count * log(rate), and the ridge.
    iterations : int
    converged : bool
    """

    coef: np.ndarray
    information: np.ndarray
    objective: float
    iterations: int
    converged: bool

    @property
    def covariance(self) -> np.ndarray:
        """Of the coefficients; NaN where the information has no inverse."""
        try:
            return np.linalg.inv(self.information)
        except np.linalg.LinAlgError:
            return np.full_like(self.information, np.nan)


def fit_poisson(
    predictors: np.ndarray,
    counts: np.ndarray,
    ridge: float,
    *,
    ranges: Sequence[tuple[int, int]] = (),
    start: np.ndarray | None = None,
) -> Fit:
    """Minimise mean(rate - count * log(rate)) + ridge/2 * sum(coef[1:]**2), with rate = exp(coef @ predictors).

    Parameters
    ----------
    predictors : ndarray, shape (p, n)
        Scaled; the first row is one.
    counts : ndarray, shape (n,)
    ridge : float
        Not on the constant.
    ranges : sequence of (first, last + 1)
        Which bins count; all without.
    start : ndarray, shape (p,), optional
        Where to begin; the optimum does not depend on it.

    Returns
    -------
    Fit
        Not converged without spikes. Separated ones have no optimum without ridge: it ends where the likelihood no longer rises.
    """
    pieces = _pieces(ranges or [(0, len(counts))])
    problem = _Problem(predictors, counts, ridge, pieces)
    if not problem.spikes:
        return Fit(problem.null(), np.zeros((len(predictors),) * 2), np.nan, 0, False)
    if start is None:
        some = [slice(piece.start, piece.start + (piece.stop - piece.start) // _PART) for piece in pieces]
        part = _Problem(predictors, counts, ridge, some)
        first = _minimise(part, part.null()) if part.spikes >= _FEWEST else None
        start = first.coef if first is not None and first.converged else None
    found = _minimise(problem, problem.null() if start is None else start)
    # a part of the bins may lead astray where all of them do not
    return found if found.converged or start is None else _minimise(problem, problem.null())


def _minimise(problem: _Problem, coef: np.ndarray) -> Fit:
    """Newton's steps from some coefficients on."""
    objective, gradient, hessian = problem.at(coef)
    for iteration in range(1, MOST_ITERATIONS + 1):
        try:
            step = np.linalg.solve(hessian, gradient)
        except np.linalg.LinAlgError:
            break
        decrement = float(gradient @ step)
        if not np.isfinite(decrement):
            break
        if decrement < TOLERANCE:
            return Fit(coef - step, problem.n * hessian, objective - decrement / 2, iteration, bool(np.isfinite(objective)))
        found = _descend(problem, coef, step, objective, decrement)
        if found is None:
            break
        coef, (objective, gradient, hessian) = found
    return Fit(coef, problem.n * hessian, objective, iteration, False)


_Value = tuple[float, np.ndarray, np.ndarray]


def _descend(
    problem: _Problem, coef: np.ndarray, step: np.ndarray, objective: float, decrement: float
) -> tuple[np.ndarray, _Value] | None:
    """The step, halved until the objective falls as a slope lets expect."""
    scale = 1.0
    for _ in range(MOST_HALVINGS):
        following = coef - scale * step
        value = problem.at(following)
        # rounding of a mean over many bins may hide a small gain
        if value[0] <= objective - 1e-4 * scale * decrement + 1e-14 * abs(objective):
            return following, value
        scale /= 2
    return None


def _pieces(ranges: Sequence[tuple[int, int]]) -> list[slice]:
    return [slice(a, min(a + PIECE, last)) for first, last in ranges for a in range(first, last, PIECE)]


class _Problem:
    """Objective, gradient and second derivative on some of the bins."""

    def __init__(self, predictors: np.ndarray, counts: np.ndarray, ridge: float, pieces: Sequence[slice]) -> None:
        self.predictors, self.pieces = predictors, pieces
        self.penalty = np.full(len(predictors), ridge)
        self.penalty[0] = 0.0
        self.spikes = sum(float(counts[piece].sum()) for piece in pieces)
        self.n = sum(piece.stop - piece.start for piece in pieces)
        self.observed = sum((predictors[:, piece] @ counts[piece] for piece in pieces), np.zeros(len(predictors))) / self.n

    def null(self) -> np.ndarray:
        """The mean rate alone."""
        coef = np.zeros(len(self.predictors))
        coef[0] = np.log(self.observed[0]) if self.observed[0] > 0 else -HIGHEST
        return coef

    def at(self, coef: np.ndarray) -> _Value:
        p = len(coef)
        hessian = np.zeros((p, p))
        for piece in self.pieces:
            x = self.predictors[:, piece]
            rate = np.exp(np.minimum(coef @ x, HIGHEST))
            hessian += (x * rate) @ x.T
        # the first predictor is one: the first row holds the sums of rate and of rate times predictor
        objective = hessian[0, 0] / self.n - coef @ self.observed + self.penalty @ coef**2 / 2
        gradient = hessian[0] / self.n - self.observed + self.penalty * coef
        return float(objective), gradient, hessian / self.n + np.diag(self.penalty)
