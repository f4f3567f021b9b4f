"""Local refinement: from the posterior's best guesses to parameters that meet each observation more closely.

A network that is trained on all simulations at once is only as good near one observation as its neighbourhood is
densely simulated. Here every observation gets simulations of its own: differential evolution (Storn & Price 1997,
doi:10.1023/A:1008202821328) starts from samples of its posterior, whose differences have the directions along which
parameters compensate each other, so that steps follow the valley of good fits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hpcsim.inference.predictive import Resimulate, distances
from hpcsim.inference.prior import Prior

if TYPE_CHECKING:
    from pandas import DataFrame, Index

#: Parameter sets of an observation that are remembered, and those of them that are stepped from.
_POOL, _PARENTS = 24, 6
#: Length of a step in differences of two of the pool; half of the optimum of Ter Braak 2006, 2.38/sqrt(2 d), and up to it.
_STEP = (0.1, 0.8)
#: Share of the parameters that a step changes.
_CROSSOVER = 0.8
#: The best of an observation that are judged again, and how often, with other noise each time.
_FINALISTS, _JUDGED = 5, 4


@dataclass(frozen=True, eq=False)
class Refinement:
    """How parameters of observations are refined.

    Parameters
    ----------
    prior : Prior
        Nothing outside its support is tried.
    observed : DataFrame, shape (observations, features)
        Only the features that count for the distance.
    resimulate : callable
        See :class:`~hpcsim.inference.predictive.Resimulate`.
    rounds : int
        Each simulates `candidates` sets of parameters for each observation.
    candidates : int
    scale : ndarray, shape (features,), optional
        As of :func:`hpcsim.inference.predictive.distances`.
    """

    prior: Prior
    observed: DataFrame
    resimulate: Resimulate
    rounds: int
    candidates: int
    scale: np.ndarray | None = None

    def __call__(self, start: np.ndarray, seed: int) -> tuple[DataFrame, DataFrame]:
        """Refine.

        Parameters
        ----------
        start : ndarray, shape (observations, n, parameters)
            Such as the maximum and samples of the posterior, and the nearest simulations; rows with NaN are left out.
        seed : int

        Returns
        -------
        refined : DataFrame, shape (observations, parameters)
            Of the finalists, the one whose mean distance is least when they are simulated again: the one that was
            lucky with its noise is not the best one. NaN where nothing could be simulated.
        progress : DataFrame
            A row a round: simulations so far, and the mean over observations of the distance of the best.
        """
        import pandas

        random = np.random.default_rng([seed, 6])
        theta, distance = _best(start, self._measure(start, "refine_0"))
        rows = [(start.shape[1], _mean_best(distance))]
        for number in range(1, self.rounds + 1):
            tried = self._propose(theta, distance, random)
            found = self._measure(tried, f"refine_{number}")
            theta, distance = _best(np.concatenate([theta, tried], axis=1), np.concatenate([distance, found], axis=1))
            rows.append((rows[-1][0] + self.candidates, _mean_best(distance)))
        progress = pandas.DataFrame(rows, columns=["simulations of an observation", "mean distance of the best"])
        return self._judge(theta[:, :_FINALISTS]), progress.rename_axis("round")

    def _propose(self, theta: np.ndarray, distance: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Steps from good sets of parameters along differences of others, shape (observations, candidates, parameters)."""
        n, _, width = theta.shape
        # what failed is no direction, unless there is nothing else
        good = np.maximum(np.isfinite(distance).sum(axis=1), 2)[:, None]
        shape = (n, self.candidates)
        parent, one, other = (
            np.take_along_axis(theta, (random.random(shape) * np.minimum(good, most)).astype(int)[..., None], axis=1)
            for most in (_PARENTS, theta.shape[1], theta.shape[1])
        )
        length = random.uniform(*_STEP, (*shape, 1))
        step = length * (one - other) * (random.random((*shape, width)) < _CROSSOVER)
        # a little of every direction, or the pool would never leave the space that its own differences span
        step += 0.01 * np.nanstd(theta, axis=1)[:, None] * random.standard_normal((*shape, width))
        tried = _reflected(parent + step, self.prior.low, self.prior.high)
        return np.where(self.prior.support(tried)[..., None], tried, parent)

    def _measure(self, theta: np.ndarray, name: str, other_noise: int = 0) -> np.ndarray:
        """Distance of each set of parameters, shape (observations, n); infinite where a simulation fails."""
        features = self.resimulate(listed(theta, self.observed.index, self.prior.names), name, other_noise)
        found = distances(self.observed, features, self.scale)
        return np.where(np.isfinite(found), found, np.inf).reshape(theta.shape[:2])

    def _judge(self, finalists: np.ndarray) -> DataFrame:
        import pandas

        mean = np.mean([self._measure(finalists, f"judge_{k}", k) for k in range(1, _JUDGED + 1)], axis=0)
        chosen = finalists[np.arange(len(finalists)), mean.argmin(axis=1)]
        return pandas.DataFrame(chosen, self.observed.index, list(self.prior.names))


def listed(theta: np.ndarray, index: Index, names: tuple[str, ...]) -> DataFrame:
    """Sets of parameters of observations as a table.

    Parameters
    ----------
    theta : ndarray, shape (observations, n, parameters)
    index : Index, shape (observations,)
    names : tuple of str

    Returns
    -------
    DataFrame, shape (observations * n, parameters)
        Those of an observation stand together.
    """
    import pandas

    return pandas.DataFrame(theta.reshape(-1, theta.shape[2]), index.repeat(theta.shape[1]), list(names))


def _best(theta: np.ndarray, distance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest of each observation, nearest first."""
    order = np.argsort(distance, axis=1, kind="stable")[:, :_POOL]
    return np.take_along_axis(theta, order[..., None], axis=1), np.take_along_axis(distance, order, axis=1)


def _mean_best(distance: np.ndarray) -> float:
    best = distance[:, 0]
    return float(best[np.isfinite(best)].mean()) if np.isfinite(best).any() else float("nan")


def _reflected(theta: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """What went over an end comes back by as much, and no further than the other end."""
    back = np.where(theta < low, 2 * low - theta, np.where(theta > high, 2 * high - theta, theta))
    return np.clip(back, low, high)
