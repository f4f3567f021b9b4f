from __future__ import annotations

import numpy as np
import pytest
from npe_toys import observed, regimes, results_of

from hpcsim.errors import ResultsError
from hpcsim.inference.npe.noise import add_noise, noise_sd
from hpcsim.inference.npe.selection import nearest_rows, training_set
from hpcsim.inference.simulations import Simulations


@pytest.fixture(scope="module")
def linear_simulations(tmp_path_factory):
    space = {"a": {"uniform": [-2, 2]}, "b": {"normal": [0, 1]}, "current": {"uniform": [0, 3]}}
    with results_of(tmp_path_factory.mktemp("linear"), n=3000, **space) as results:
        yield Simulations(results, ["a", "b"], ["x"], ["current"])


@pytest.fixture(scope="module")
def broken_simulations(tmp_path_factory):
    with results_of(tmp_path_factory.mktemp("broken"), regimes, 3000, a={"uniform": [-1, 3]}) as results:
        yield Simulations(results, ["a"], ["x"])


def test_one_pass_sees_what_the_whole_table_says(broken_simulations):
    features, theta = broken_simulations.results.features(["x"]), broken_simulations.results.theta(["a"])
    good = np.isfinite(features["x"])
    found = broken_simulations.summary
    assert (found.total, found.failed, found.invalid) == (3000, 0, int((~good).sum()))
    assert found.valid == good.sum() and 0.7 < found.valid / 3000 < 0.8
    assert found.missing == {"x": int((~good).sum())}
    np.testing.assert_allclose(found.x_sd, features["x"][good].std(ddof=0), rtol=1e-12)
    np.testing.assert_allclose(found.theta_mean, theta["a"][good].mean(), rtol=1e-12)
    assert found.x_high == features["x"][good].max()
    assert all(np.isfinite(block.x).all() for block in broken_simulations.blocks(500))
    theta_valid, x_valid = broken_simulations.take(broken_simulations.valid_rows)
    np.testing.assert_array_equal(x_valid[:, 0], features["x"][good].to_numpy(np.float32))
    np.testing.assert_array_equal(theta_valid[:, 0], theta["a"][good].to_numpy(np.float32))


def test_small_blocks_give_the_same(linear_simulations):
    small = [block for block in linear_simulations.blocks(70)]
    (whole,) = linear_simulations.blocks()
    assert max(len(block.rows) for block in small) == 70
    np.testing.assert_array_equal(np.concatenate([block.x for block in small]), whole.x)


def test_rows_are_taken_in_their_order_and_named(linear_simulations):
    assert linear_simulations.features == ("x.one", "x.two", "x.three", "current")
    results = linear_simulations.results
    rows = linear_simulations.valid_rows
    theta, x = linear_simulations.take(rows)
    np.testing.assert_array_equal(theta, results.theta(["a", "b"]).to_numpy(np.float32))
    np.testing.assert_array_equal(x[:, :3], results.features(["x"]).to_numpy(np.float32))
    np.testing.assert_array_equal(x[:, 3], results.theta(["current"])["current"].to_numpy(np.float32))
    some = rows[[9, 3, 3, 700]]
    np.testing.assert_array_equal(linear_simulations.take(some)[0], theta[[9, 3, 3, 700]])
    np.testing.assert_array_equal(linear_simulations.in_order(some), rows[[3, 9, 700]])


def test_nearest_equals_brute_force(linear_simulations):
    found = linear_simulations.summary
    (whole,) = linear_simulations.blocks()
    target = np.column_stack([observed(20).to_numpy(), np.full(20, 1.0)])
    rows, distances = nearest_rows(linear_simulations.blocks(130), target, 7, found.x_mean, found.x_sd)
    every = np.linalg.norm((whole.x[None] - target[:, None]) / found.x_sd, axis=2)
    order = np.argsort(every, axis=1)[:, :7]
    np.testing.assert_array_equal(rows, whole.rows[order])
    np.testing.assert_allclose(distances, np.take_along_axis(every, order, 1), rtol=1e-9)


def test_too_few_for_the_nearest(broken_simulations):
    found = broken_simulations.summary
    with pytest.raises(ResultsError, match=f"{found.valid} valid simulations.*2900 nearest"):
        nearest_rows(broken_simulations.blocks(), np.array([[1.0]]), 2900, found.x_mean, found.x_sd)


def schedule(simulations, number, noise="none", epsilon=0.1, most=0, held=0, seed=0):
    target = np.column_stack([observed(5).to_numpy(), np.full(5, 1.0)]) if number else None
    return training_set(
        simulations, target, schedule=number, nearest=200, most=most, noise=noise, epsilon=epsilon, held=held, seed=seed
    )


def test_schedule_0_is_the_prior(linear_simulations):
    data = schedule(linear_simulations, 0, most=1000, held=50)
    theta, x = linear_simulations.take(linear_simulations.valid_rows[:1000])
    np.testing.assert_array_equal(np.concatenate([data.test_theta, data.theta]), theta)
    np.testing.assert_array_equal(np.concatenate([data.test_x, data.x]), x)
    assert len(data.test_x) == 50


def test_schedule_1_is_the_union_of_the_nearest(linear_simulations):
    data = schedule(linear_simulations, 1)
    assert 200 < len(data.theta) < 1000
    assert len(np.unique(data.theta, axis=0)) == len(data.theta)
    with pytest.raises(ResultsError, match=r'schedule 1.*needs "observations"'):
        training_set(
            linear_simulations, None, schedule=1, nearest=5, most=0, noise="none", epsilon=0.0, held=0, seed=0
        )  # fmt: skip


def test_schedule_2_adds_noise_to_features_but_not_to_what_is_known(linear_simulations):
    clean, noisy = schedule(linear_simulations, 1), schedule(linear_simulations, 2, "relative", 0.3)
    np.testing.assert_array_equal(clean.theta, noisy.theta)
    np.testing.assert_array_equal(clean.x[:, 3], noisy.x[:, 3])
    added = (noisy.x - clean.x)[:, :3] / linear_simulations.summary.x_sd[:3]
    np.testing.assert_allclose(added.std(axis=0), 0.3, rtol=0.15)
    np.testing.assert_array_equal(noisy.x, schedule(linear_simulations, 2, "relative", 0.3).x)
    assert not np.array_equal(noisy.x, schedule(linear_simulations, 2, "relative", 0.3, seed=1).x)


def test_schedule_3_moves_parameters_as_well(linear_simulations):
    clean, noisy = schedule(linear_simulations, 1), schedule(linear_simulations, 3, "published", 0.05)
    added = noisy.theta - clean.theta
    np.testing.assert_allclose(added.std(axis=0), np.sqrt(0.05 * linear_simulations.summary.theta_sd), rtol=0.15)


def test_schedule_4_is_one_clean_and_two_noisy_copies(linear_simulations):
    clean, data = schedule(linear_simulations, 1), schedule(linear_simulations, 4, "published", 0.05)
    n = len(clean.theta)
    np.testing.assert_array_equal(data.theta, np.tile(clean.theta, (3, 1)))
    np.testing.assert_array_equal(data.x[:n], clean.x)
    assert not np.isclose(data.x[n : 2 * n, 0], data.x[2 * n :, 0]).all()


def test_no_test_simulation_is_trained_on(linear_simulations):
    data = schedule(linear_simulations, 4, "published", 0.05, held=30)
    assert len(data.test_theta) == 30
    assert not {tuple(row) for row in data.test_theta.tolist()} & {tuple(row) for row in data.theta.tolist()}


def test_noise_of_both_kinds():
    scale = np.array([0.01, 1.0, 400.0])
    np.testing.assert_allclose(noise_sd("published", 0.1, scale), [0.0316228, 0.316228, 6.32456], rtol=1e-5)
    np.testing.assert_allclose(noise_sd("relative", 0.1, scale), [0.001, 0.1, 40.0])
    assert not noise_sd("none", 0.1, scale).any()
    values = add_noise(np.zeros((20_000, 3), np.float32), noise_sd("published", 0.1, scale), np.random.default_rng(0))
    assert values.dtype == np.float32
    np.testing.assert_allclose(values.std(axis=0), [0.0316228, 0.316228, 6.32456], rtol=0.02)
    np.testing.assert_allclose(np.corrcoef(values.T), np.eye(3), atol=0.03)
