"""The row lasso of a product of two thin matrices: a path of solutions, refitted and turned to principal axes.

Minimises ``||Y - X W V'||^2 / 2n + a * (l1_ratio * sum of row norms of W + (1 - l1_ratio) / 2 * ||W||^2)`` with
``V'V = 1``, by turns over W (multi-task elastic net) and V (Procrustes). Kobak et al. 2021, doi:10.1111/rssc.12494.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from hpcsim.errors import ResultsError

#: Strengths of the ridge of the refit, a cell; features are z-scored.
RIDGES = np.geomspace(1e-3, 1.0, 13)

# by turns until V changes by less, which took 3 to 10 turns on transcriptomes of cortical cells
_TURNS, _STILL = 50, 1e-3


@dataclass(frozen=True, eq=False)
class Solution:
    """Weights at one penalty.

    Parameters
    ----------
    penalty, absolute : float
        As a fraction of the least penalty that selects no gene, and `a` itself.
    w : ndarray, shape (features, rank)
    v : ndarray, shape (targets, rank)
    """

    penalty: float
    absolute: float
    w: np.ndarray
    v: np.ndarray

    @property
    def selected(self) -> np.ndarray:
        """Indices of the features that have a weight."""
        return np.flatnonzero(self.w.any(axis=1))


def path(x: np.ndarray, y: np.ndarray, rank: int, penalties: Sequence[float] | np.ndarray, l1_ratio: float) -> Iterator[Solution]:
    """Solutions for falling penalties; each starts from the one before.

    Parameters
    ----------
    x : ndarray, shape (cells, features)
    y : ndarray, shape (cells, targets)
        Both z-scored.
    rank : int
    penalties : sequence of float
        Fractions of the least penalty that selects no gene.
    l1_ratio : float

    Raises
    ------
    ResultsError
        If `x` or `y` has fewer columns than the rank.
    """
    from sklearn import config_context
    from sklearn.linear_model import MultiTaskElasticNet

    covariance = x.T @ y
    v = np.linalg.svd(covariance, full_matrices=False)[2][:rank].T
    if v.shape[1] < rank:
        raise ResultsError(f"rank {rank} needs as many columns in x and y, found {x.shape[1]} and {y.shape[1]}")
    # below this one, the gene that covaries most with the latent dimensions gets a weight
    most = float(np.linalg.norm(covariance @ v, axis=1).max()) / (len(x) * l1_ratio)
    net = MultiTaskElasticNet(l1_ratio=l1_ratio, fit_intercept=False, warm_start=True, tol=1e-4, max_iter=10_000)
    # the same objective, up to a constant, with a row a feature instead of a row a cell
    q, r = np.linalg.qr(x)
    x, y, shrunk = np.asfortranarray(r), q.T @ y, len(x) / len(r)
    for penalty in penalties:
        net.set_params(alpha=max(penalty * most * shrunk, 1e-12))
        for _ in range(_TURNS):
            # the checks of scikit-learn take longer than a fit that starts near its end
            with config_context(assume_finite=True, skip_parameter_validation=True):
                w = net.fit(x, y @ v).coef_.T
            if not w.any():
                break
            before, v = v, _turned(covariance, w)
            if np.abs(v - before).max() < _STILL:
                break
        yield Solution(float(penalty), penalty * most, w.copy(), v.copy())


def _turned(covariance: np.ndarray, w: np.ndarray) -> np.ndarray:
    """The orthonormal V that fits best to these W (Procrustes), shape (targets, rank).

    Where fewer features than dimensions are selected, some directions are free: they become those in which features
    and targets covary most, since otherwise rounding errors would choose them, and the rest of the path with them.
    """
    u, spread, vt = np.linalg.svd(covariance.T @ w, full_matrices=False)
    bound = int((spread > 1e-9 * spread[0]).sum())
    if bound < len(spread):
        known = u[:, :bound]
        rest = covariance.T - known @ (known.T @ covariance.T)
        u[:, bound:] = np.linalg.svd(rest, full_matrices=False)[0][:, : len(spread) - bound]
    turned: np.ndarray = u @ vt
    return turned


def relaxed_solution(x: np.ndarray, y: np.ndarray, solution: Solution) -> Solution:
    """The selected features, refitted by reduced-rank ridge regression: the lasso shrinks what it keeps.

    In closed form (Mukherjee & Zhu 2011, doi:10.1002/sam.10138). The strength of the ridge is the one of `RIDGES` with the
    lowest generalised cross-validation error (Golub, Heath & Wahba 1979, doi:10.1080/00401706.1979.10489751): the penalty of
    the lasso, which the published fits use again here, is far too strong for it when few features are selected.
    """
    features, rank = solution.selected, solution.v.shape[1]
    if not len(features):
        return solution
    u, spread, vt = np.linalg.svd(x[:, features], full_matrices=False)
    rotated = u.T @ y
    power, kept = (rotated**2).sum(axis=1), spread[:, None] ** 2 / (spread[:, None] ** 2 + len(x) * RIDGES)
    error = (y**2).sum() - power.sum() + power @ (1 - kept) ** 2
    k = int(np.argmin(error / (len(x) - kept.sum(axis=0)) ** 2))
    ridge = vt.T @ (rotated * (spread / (spread**2 + len(x) * RIDGES[k]))[:, None])
    # the directions of the targets that the ridge explains best
    v = np.linalg.eigh(rotated.T @ (rotated * kept[:, k, None]))[1][:, ::-1][:, :rank]
    w = np.zeros((x.shape[1], rank))
    w[features] = ridge @ v
    return Solution(solution.penalty, solution.absolute, w, v)


def principal(x: np.ndarray, w: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same product, with the principal axes of the latent cells as dimensions and with fixed signs."""
    latent = x @ w
    turn = np.linalg.eigh(latent.T @ latent)[1][:, ::-1]
    w, v = w @ turn, v @ turn
    signs = np.sign(v[np.abs(v).argmax(axis=0), np.arange(v.shape[1])])
    return w * signs, v * signs
