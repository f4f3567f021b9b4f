"""Poisson regression against NeMoS, as stored by `benchmarks/glm.py --reference`, and where there is no optimum."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from hpcsim.stages.features.glm.basis import raised_cosines
from hpcsim.stages.features.glm.design import Design, filtered_spikes, scaled
from hpcsim.stages.features.glm.epochs import Piece
from hpcsim.stages.features.glm.newton import fit_poisson
from hpcsim.stages.features.glm.scores import scores
from hpcsim.stages.features.glm.separation import separated
from hpcsim.stages.features.glm.validation import folds, validate

NEMOS = json.loads(Path(__file__).with_name("nemos.json").read_text())


@pytest.fixture(scope="module")
def problem():
    current, counts = np.array(NEMOS["current"]), np.bincount(NEMOS["spikes"], minlength=4000).astype(float)
    train = [slice(60, 4000)]
    filtered = scaled(np.array([np.convolve(current, row)[:4000] for row in raised_cosines(6, 60)]), train)
    design = Design([filtered, scaled(filtered_spikes(counts, raised_cosines(5, 40)), train)])
    return design, design.select(train), counts[60:]


def objective(x, y, coef, ridge):
    rate = np.exp(coef @ x)
    return np.mean(rate - y * np.log(rate)) + ridge / 2 * np.sum(coef[1:] ** 2)


def test_the_optimum_is_that_of_nemos(problem):
    _, x, y = problem
    fit, theirs = fit_poisson(x, y, NEMOS["ridge"]), np.array(NEMOS["coef"])
    assert fit.converged
    assert fit.objective == pytest.approx(objective(x, y, fit.coef, NEMOS["ridge"]), abs=1e-12)
    assert fit.objective == pytest.approx(objective(x, y, theirs, NEMOS["ridge"]), abs=1e-6)
    np.testing.assert_allclose(fit.coef, theirs, rtol=0, atol=1e-4)


def test_scores_are_those_of_nemos(problem):
    _, x, y = problem
    found = scores(y, np.exp(np.array(NEMOS["coef"]) @ x), y.mean())
    assert found["log_likelihood"] == pytest.approx(NEMOS["log-likelihood"], abs=1e-9)
    assert found["mcfadden"] == pytest.approx(NEMOS["pseudo-r2-McFadden"], abs=1e-9)
    assert found["cohen"] == pytest.approx(NEMOS["pseudo-r2-Cohen"], abs=1e-9)


def test_bits_per_spike_are_the_gain_over_the_training_mean():
    counts, rates = np.array([0.0, 1, 0, 2]), np.array([0.1, 0.8, 0.2, 1.5])
    gain = np.sum(counts * np.log(rates / 0.5) - (rates - 0.5))
    assert scores(counts, rates, 0.5)["bits_per_spike"] == pytest.approx(gain / 3 / np.log(2))
    assert np.isnan(scores(np.zeros(4), rates, 0.5)["bits_per_spike"])


def test_the_basis_is_that_of_nemos():
    np.testing.assert_allclose(raised_cosines(5, 40), NEMOS["basis"], rtol=0, atol=1e-6)


def test_standard_errors_are_those_of_repeated_draws():
    """The spread of 400 estimates from fresh spikes, to its own error of 3.5 %."""
    random = np.random.default_rng(1)
    x = np.concatenate([np.ones((1, 1500)), random.normal(size=(3, 1500))])
    rate = np.exp(np.array([-2.5, 0.5, -0.3, 0.1]) @ x)
    fits = [fit_poisson(x, random.poisson(rate).astype(float), 0.0) for _ in range(400)]
    spread = np.std([fit.coef for fit in fits], axis=0)
    np.testing.assert_allclose(np.mean([np.sqrt(np.diag(fit.covariance)) for fit in fits], axis=0), spread, rtol=0.12)


def test_scaling_changes_neither_predictions_nor_filters(problem):
    design, x, y = problem
    fit = fit_poisson(x, y, 0.0)
    coef, errors = design.unscale(fit.coef, fit.covariance)
    raw = np.concatenate([[np.ones(4000)], *(p.rows * p.spread[:, None] + p.mean[:, None] for p in design.parts)])
    np.testing.assert_allclose(coef @ raw, design.log_rates(fit.coef), atol=1e-9)
    again = fit_poisson(raw[:, 60:], y, 0.0)
    np.testing.assert_allclose(again.coef, coef, atol=1e-3 * errors.max())


def test_ranges_are_the_bins_that_count_and_a_start_is_only_a_start(problem):
    _, x, y = problem
    some = fit_poisson(x, y, 1e-3, ranges=[(0, 1000), (1500, 3900)])
    kept = np.r_[0:1000, 1500:3900]
    other = fit_poisson(x[:, kept], y[kept], 1e-3, start=np.full(len(x), 0.01))
    np.testing.assert_allclose(some.coef, other.coef, atol=1e-5)


def test_separated_spikes_are_told_and_have_no_optimum_without_ridge():
    random = np.random.default_rng(2)
    x = np.concatenate([np.ones((1, 300)), random.normal(size=(2, 300)), (np.arange(300) % 3 == 0)[np.newaxis].astype(float)])
    y = np.where((np.arange(300) % 3 == 1) & (random.random(300) < 0.3), 1.0, 0.0)
    assert separated(x, y)
    assert not separated(x[:3], y)
    assert fit_poisson(x, y, 1e-3).converged
    assert np.abs(fit_poisson(x, y, 0.0).coef).max() > 10
    # collinear predictors are no separation: the likelihood does not rise
    assert not separated(np.concatenate([x[:3], x[1:3].sum(axis=0, keepdims=True)]), y)


def test_separation_by_fewer_spikes_than_predictors():
    """A direction in three dimensions, found by trying a grid of them."""
    random = np.random.default_rng(3)
    for _ in range(20):
        x = np.concatenate([np.ones((1, 7)), random.normal(size=(2, 7))])
        y = np.eye(7)[0]
        directions = np.array(list(product(np.linspace(-1, 1, 81), repeat=2)))
        # zero at the spike: the offset follows
        drives = np.c_[-(directions @ x[1:, 0]), directions] @ x
        assert separated(x, y) == bool(((drives[:, 1:] <= 0).all(axis=1) & (drives[:, 1:] < -1e-9).any(axis=1)).any())


def test_no_spikes_at_all_do_not_converge():
    x = np.ones((1, 50))
    assert not fit_poisson(x, np.zeros(50), 0.0).converged
    assert separated(x, np.zeros(50))


def test_blocks_keep_away_from_each_other():
    blocks = folds([Piece(0, 600, 0), Piece(600, 1000, 600)], 5, 60)
    assert [fold.held for fold in blocks[:3]] == [((0, 200),), ((200, 400),), ((400, 600),)]
    for fold in blocks:
        for (first, stop), (begin, end) in product(fold.ranges, fold.held):
            assert stop <= begin - 60 or first >= end + 60
    assert blocks[1].ranges == ((0, 140), (460, 1000))


def test_a_block_is_held_out_in_all_repeats_of_its_stimulus():
    pieces = [Piece(0, 400, 0), Piece(400, 600, 400), Piece(600, 1000, 0)]
    fitted, held = ([getattr(fold, name) for fold in folds(pieces, 3, 10)] for name in ("ranges", "held"))
    assert held == [((0, 200), (600, 800)), ((200, 400), (800, 1000)), ((400, 600),)]
    assert fitted == [((210, 590), (810, 1000)), ((0, 190), (410, 790)), ((0, 390), (610, 1000))]


def test_cross_validation_takes_the_ridge_that_predicts():
    """Forty predictors of which one matters: none of the ridge fits noise, too much of it fits nothing."""
    random = np.random.default_rng(4)
    x = np.concatenate([np.ones((1, 1200)), random.normal(size=(40, 1200))])
    y = random.poisson(np.exp(-2.5 + 0.8 * x[1])).astype(float)
    fit, chosen = validate(x, y, [0.0, 0.03, 100.0], folds([Piece(0, 1200, 0)], 5, 10))
    assert chosen == 1
    np.testing.assert_allclose(fit.coef, fit_poisson(x, y, 0.03).coef, atol=1e-5)
