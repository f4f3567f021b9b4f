"""The truncated prior is the prior within the region of highest density: its size, its edge and its draws are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2, kstest

from hpcsim.inference.npe.truncation import TruncatedPrior

NOTHING = pd.DataFrame([[0.0]], columns=["x"])


class Normal:
    """A posterior that is an isotropic normal distribution in the unit square."""

    parameters = ("a", "b")

    def __init__(self, sd, centre=0.5, kept=1.0):
        self.sd, self.centre, self.kept = sd, centre, kept

    def sample(self, observations, n, seed, *, patience):
        theta = np.random.default_rng(seed).normal(self.centre, self.sd, (1, n, 2))
        theta[0, int(self.kept * n) :] = np.nan
        return theta

    def log_prob(self, theta, observations):
        return -((theta - self.centre) ** 2).sum(axis=-1) / 2 / self.sd**2


def everything(theta):
    return np.ones(len(theta), bool)


def drawn(prior, n):
    return np.array([prior.draw(np.random.default_rng([1, i])) for i in range(n)])


# the second is so small that hardly any draw of the prior lies in it
@pytest.mark.parametrize("sd", [0.08, 0.004])
def test_draws_are_even_in_a_disk_of_known_size(sd):
    prior = TruncatedPrior(Normal(sd), NOTHING, 0.01, 20_000, 0, everything)
    radius = sd * np.sqrt(chi2.ppf(0.99, 2))
    assert np.sqrt(-2 * sd**2 * prior.threshold) == pytest.approx(radius, rel=0.03)
    assert prior.share == pytest.approx(np.pi * radius**2, rel=0.1, abs=1e-3)
    theta = drawn(prior, 400) - 0.5
    # the share of a disk within a distance grows with its square
    assert kstest((np.linalg.norm(theta, axis=1) / radius) ** 2, "uniform").pvalue > 0.01
    assert kstest(np.arctan2(*theta.T) / np.pi, "uniform", (-1, 2)).pvalue > 0.01


def test_a_constraint_holds():
    def left(theta):
        return theta[:, 0] < 0.5

    prior = TruncatedPrior(Normal(0.08), NOTHING, 0.01, 5000, 0, left)
    assert left(drawn(prior, 50)).all() and not prior.inside(np.array([[0.6, 0.5]])).any()
    assert prior.share == pytest.approx(np.pi * 0.08**2 * chi2.ppf(0.99, 2) / 2, rel=0.15)


def test_of_a_posterior_outside_the_prior_nothing_is_cut():
    prior = TruncatedPrior(Normal(0.01, kept=0.001), NOTHING, 1e-4, 5000, 0, everything)
    assert prior.threshold == -np.inf and prior.share == 1.0
    assert drawn(prior, 50).std(axis=0) == pytest.approx(np.sqrt(1 / 12), rel=0.3)
