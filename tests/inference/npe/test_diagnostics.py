from __future__ import annotations

import numpy as np
import pytest
from npe_toys import FEATURES, MATRIX, OFFSET, SIGMA, Exact, observed

from hpcsim.errors import ResultsError
from hpcsim.inference.npe.diagnostics import calibration
from hpcsim.inference.npe.plots import calibrated, reach
from hpcsim.inference.npe.posterior import Posterior
from hpcsim.inference.prior import Prior
from hpcsim.plotting import pairs
from hpcsim.space import Uniform

PRIOR = Prior({"a": Uniform(-2.0, 2.0), "b": Uniform(-2.0, 2.0)})


def simulated(n, seed=0):
    theta = PRIOR.sample(n, seed) * 0.8  # the exact network knows no ends of the prior
    return theta, theta @ MATRIX.T + OFFSET + SIGMA * np.random.default_rng(seed).standard_normal((n, 3))


@pytest.fixture(scope="module")
def found():
    theta, x = simulated(200)
    return calibration(Posterior(Exact(), PRIOR, FEATURES), theta, x, samples=100, seed=1)


def test_the_exact_posterior_is_calibrated(found):
    rows = found.table()
    assert list(rows.index) == ["a", "b", "coverage"]
    assert (rows["p uniform"] > 0.01).all()
    np.testing.assert_allclose(found.covered().squeeze(), [0.5, 0.8, 0.95], atol=0.1)
    assert (found.ranks.to_numpy() <= 100).all() and len(found.ranks) == 200


def test_a_posterior_that_is_too_narrow_is_told():
    class Narrow(Exact):
        def __init__(self):
            super().__init__()
            self.root = self.root * 0.3

    theta, x = simulated(150)
    found = calibration(Posterior(Narrow(), PRIOR, FEATURES), theta, x, samples=100, seed=1)
    assert found.table().loc["coverage", "p uniform"] < 1e-6
    assert (found.covered().squeeze() < [0.25, 0.4, 0.6]).all()


def test_what_cannot_be_sampled_is_left_out():
    theta, x = simulated(40)
    x[:3] += 100
    found = calibration(Posterior(Exact(), PRIOR, FEATURES), theta, x, samples=50)
    assert len(found.coverage) == 37
    with pytest.raises(ResultsError, match="cannot be sampled at any"):
        calibration(Posterior(Exact(), PRIOR, FEATURES), theta[:3], x[:3], samples=50)


def test_figures_are_drawn(found, tmp_path):
    samples = np.random.default_rng(0).normal(size=(300, 2))
    drawn = pairs(samples, ["a", "b"], ["mV", ""], np.zeros(2), "cell")
    assert len(drawn.axes) == 3 and drawn.axes[1].get_ylabel() == "b"
    # a parameter has one axis, whether it lies along x or y, with ticks or without
    third = pairs(np.column_stack([samples, 5 + samples[:, 0]]), ["a", "b", "c"], [""] * 3, np.array([0, 0, 9.0]), "cell").axes
    assert third[1].get_ylim() == third[4].get_xlim() == third[2].get_xlim()
    assert third[3].get_ylim() == third[4].get_ylim() == third[5].get_xlim() and third[5].get_xlim()[1] == 9
    assert len(calibrated(found).axes[1].lines) == 2
    values = observed(4).to_numpy()
    panel = reach(values, FEATURES, values.min(0), values.max(0) - 1e-9)
    assert "observations out of range" in panel.axes[0].get_title("left")
    panel.savefig(tmp_path / "r.png")
