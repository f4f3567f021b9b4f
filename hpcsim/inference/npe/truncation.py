"""Truncation: the prior where the posterior of one observation has nearly all of its mass (Deistler et al. 2022).

Draws from there are draws from the prior, so that a network learns from those of all rounds with the loss of the first one.
Deistler, Goncalves and Macke 2022, doi:10.48550/arXiv.2210.04815; as ``get_density_thresholder`` and ``RestrictedPrior`` of sbi.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pandas import DataFrame

    from hpcsim.inference.npe.posterior import Posterior

#: Candidates of a draw from the prior that are looked at together.
_CANDIDATES = 256
#: Draws from the prior that tell which share of it the region is.
_PROBES = 8192
#: Smaller shares are drawn from by resampling draws of the posterior; so many are resampled for one draw, as in sbi.
_RARE, _RESAMPLED = 1 / 500, 1024
#: The posterior is drawn from so many times as often as its draws are wanted, and this share of them must lie in the prior.
_PATIENCE, _ENOUGH = 10, 0.01

Allowed = Callable[[np.ndarray], np.ndarray]


class TruncatedPrior:
    """A uniform prior over the unit cube within the region of highest posterior density of one observation.

    Parameters
    ----------
    posterior : Posterior
        Of parameters between 0 and 1.
    observation : DataFrame, shape (1, features)
    epsilon : float
        Share of the posterior's mass that the region leaves out.
    draws : int
        Draws of the posterior that tell where the region ends.
    seed : int
        Of these draws.
    allowed : callable
        From parameters, shape (n, parameters), to which of them a constraint allows.

    Attributes
    ----------
    threshold : float
        Logarithm of the posterior's density at the edge of the region; -inf where hardly any draw of the posterior lies in the
        prior, so that nothing is known of the region and it is the whole prior.
    share : float
        Of the prior that lies in the region, about.
    """

    def __init__(
        self, posterior: Posterior, observation: DataFrame, epsilon: float, draws: int, seed: int, allowed: Allowed
    ) -> None:
        self.posterior, self.observation, self._allowed = posterior, observation, allowed
        theta = posterior.sample(observation, draws, seed, patience=_PATIENCE)[0]
        theta = theta[np.isfinite(theta).all(axis=1)]
        theta = theta[allowed(theta)]
        self.threshold = -np.inf
        if len(theta) >= max(1, _ENOUGH * draws):
            self.threshold = float(np.quantile(self._density(theta), epsilon, method="lower"))
        probes = np.random.default_rng([seed, 6]).random((_PROBES, len(posterior.parameters)))
        self.share = float(self.inside(probes).mean())

    def inside(self, theta: np.ndarray) -> np.ndarray:
        """Which parameters lie in the region, shape (n,)."""
        if np.isinf(self.threshold):
            return self._allowed(theta)
        return np.asarray(self._allowed(theta) & (self._density(theta) >= self.threshold))

    def draw(self, random: np.random.Generator) -> np.ndarray:
        """One draw, shape (parameters,): the first of the prior's in the region, or a resampled one of the posterior's."""
        rare = self.share < _RARE and np.isfinite(self.threshold)
        while True:
            theta = self._resampled(random) if rare else random.random((_CANDIDATES, len(self.posterior.parameters)))
            inside = np.flatnonzero(self.inside(theta))
            if len(inside):
                return np.asarray(theta[inside[0]])

    def _resampled(self, random: np.random.Generator) -> np.ndarray:
        """One of many draws of the posterior, by the inverse of its density there; none where none lies in the region."""
        theta = self.posterior.sample(self.observation, _RESAMPLED, int(random.integers(2**62)), patience=_PATIENCE)[0]
        theta = theta[np.isfinite(theta).all(axis=1)]
        theta = theta[self.inside(theta)]
        if not len(theta):
            return np.asarray(theta)
        density = self._density(theta)
        weights = np.exp(density.min() - density)
        return np.asarray(theta[[random.choice(len(theta), p=weights / weights.sum())]])

    def _density(self, theta: np.ndarray) -> np.ndarray:
        return np.asarray(self.posterior.log_prob(theta[None], self.observation)[0])
