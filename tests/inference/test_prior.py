from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from fake_results import gaussian
from scipy import stats

from hpcsim.errors import ResultsError, SpaceError
from hpcsim.inference.prior import Prior
from hpcsim.space import Choice, Loguniform, Normal, Truncnormal, Uniform

MIXED = Prior(
    {"a": Uniform(-2.0, 3.0), "b": Loguniform(0.1, 10.0), "c": Normal(1.0, 2.0), "d": Truncnormal(0.0, 1.0, -0.5, 4.0)},
    "a + k < c + 3",
    {"k": 0.5},
)


def test_density_is_that_of_scipy():
    theta = Prior(MIXED.distributions).sample(200, 1)
    expected = (
        stats.uniform(-2, 5).logpdf(theta[:, 0])
        + stats.loguniform(0.1, 10).logpdf(theta[:, 1])
        + stats.norm(1, 2).logpdf(theta[:, 2])
        + stats.truncnorm(-0.5, 4).logpdf(theta[:, 3])
    )
    allowed = theta[:, 0] + 0.5 < theta[:, 2] + 3
    assert 0 < allowed.sum() < 200
    np.testing.assert_array_equal(MIXED.support(theta), allowed)
    np.testing.assert_allclose(MIXED.log_prob(theta), np.where(allowed, expected, -np.inf), rtol=1e-12)


def test_support_ends_at_the_bounds():
    prior = Prior({"a": Uniform(-2.0, 3.0), "b": Normal(0.0, 1.0)})
    theta = np.array([[[-2.0, 99.0], [3.0, 0.0]], [[-2.0001, 0.0], [3.0001, 0.0]]])
    assert prior.support(theta).tolist() == [[True, True], [False, False]]


def test_samples_obey_the_constraint_and_the_seed():
    theta = MIXED.sample(500, 3)
    assert theta.shape == (500, 4)
    assert MIXED.support(theta).all()
    np.testing.assert_array_equal(theta, MIXED.sample(500, 3))
    assert not np.array_equal(theta, MIXED.sample(500, 4))
    with pytest.raises(SpaceError, match="less than a thousandth"):
        Prior({"a": Uniform(0.0, 1.0)}, "a > 2").sample(5, 0)


def test_unconstrained_space_and_back():
    theta = MIXED.sample(300, 5)
    u = MIXED.unconstrain(theta)
    np.testing.assert_allclose(MIXED.constrain(torch.as_tensor(u)).numpy(), theta, rtol=1e-5, atol=1e-5)
    wild = torch.full((1, 4), 80.0), torch.full((1, 4), -80.0)
    for u in wild:  # however far, float32 included, it stays in the support of each parameter
        assert ((MIXED.constrain(u).numpy() >= MIXED.low - 1e-6) & (MIXED.constrain(u).numpy() <= MIXED.high + 1e-6)).all()
    off = np.array([[-5.0, 1e9, 7.0, -9.0]])
    np.testing.assert_allclose(MIXED.constrain(torch.as_tensor(MIXED.unconstrain(off))), [[-2, 10, 7, -0.5]], atol=1e-4)


def test_position_in_the_support_and_back():
    theta = MIXED.sample(300, 5)
    position = MIXED.position(theta)
    assert ((position[:, [0, 1, 3]] >= 0) & (position[:, [0, 1, 3]] <= 1)).all()
    # draws of the loguniform are rounded to 11 digits
    np.testing.assert_allclose(MIXED.at(position), theta, rtol=1e-10)
    ends = np.array([[-2.0, 0.1, 3.0, -0.5], [3.0, 10.0, -1.0, 4.0], [0.5, 1.0, 1.0, 1.75]])
    np.testing.assert_allclose(MIXED.position(ends), [[0, 0, 1, 0], [1, 1, -1, 1], [0.5, 0.5, 0, 0.5]], atol=1e-12)
    assert MIXED.at(np.array([[1.0, 1.0, 0.0, 1.0]])).tolist() == [[3.0, 10.0, 1.0, 4.0]]


def test_json_and_back():
    again = Prior.from_dict(json.loads(json.dumps(MIXED.to_dict())))
    assert again == MIXED


def test_of_a_study_with_units():
    results = gaussian()
    results.study = {
        "space": {"theta_0": {"uniform": [-1e6, 2e6], "unit": "fA"}, "theta_1": {"normal": [0, 1]}, "theta_2": [1, 2]},
        "design": {"constraint": "theta_0 < limit"},
        "recipe": {"fixed": {"limit": 1}},
    }
    prior = Prior.of(results)
    assert prior.distributions == {"theta_0": Uniform(-1.0, 2.0), "theta_1": Normal(0.0, 1.0)}
    assert prior.constants == {"limit": 1.0}
    assert Prior.of(results, ["theta_1", "theta_0"]).names == ("theta_1", "theta_0")
    with pytest.raises(ResultsError, match=r'"theta_2" has no prior.*theta'):
        Prior.of(results, ["theta_2"])
    with pytest.raises(SpaceError, match="theta_0"):
        Prior.of(results, ["theta_1"])  # the constraint ties it to a parameter that is not inferred


def test_what_the_bounds_of_a_parameter_cut_off_has_no_density():
    results = gaussian()
    space = {"theta_0": {"normal": [1, 5]}, "theta_1": {"normal": [0, 1]}}
    results.study = {"space": space, "bounds": {"theta_0": [0.1, 1000.0]}}
    prior = Prior.of(results)
    theta = np.array([[-1.0, 0.0], [0.0999, 0.0], [0.1, 0.0], [9.0, 1.0]])
    expected = stats.truncnorm((0.1 - 1) / 5, (1000 - 1) / 5, 1, 5).logpdf(theta[:, 0]) + stats.norm.logpdf(theta[:, 1])
    np.testing.assert_allclose(prior.log_prob(theta), expected, rtol=1e-12)
    assert prior.support(theta).tolist() == [False, False, True, True]
    u = prior.unconstrain(theta)
    assert (prior.constrain(torch.as_tensor(10 * u)).numpy()[:, 0] >= 0.1 - 1e-6).all()
    assert (prior.sample(1000, 1)[:, 0] >= 0.1).all()
    assert Prior.from_dict(json.loads(json.dumps(prior.to_dict()))) == prior


def test_what_has_no_density_is_refused():
    with pytest.raises(SpaceError, match=r"w is drawn from choice.*leave w out"):
        Prior({"w": Choice((1.0, 2.0))})
    results = gaussian()
    results.study = {"space": {"theta_0": [1, 2]}}
    with pytest.raises(ResultsError, match="draws no parameter"):
        Prior.of(results)
