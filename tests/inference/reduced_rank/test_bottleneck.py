from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from gene_toys import TRUE, public, toy

from hpcsim.errors import ResultsError
from hpcsim.inference.reduced_rank.bottleneck import SparseBottleneck, _forward, _Training
from hpcsim.inference.reduced_rank.latent import cross_validate
from hpcsim.inference.reduced_rank.sparse import SparseReducedRank

SMALL = {"hidden": (32, 8), "n_genes": 3, "epochs": (5, 3, 30, 10), "clusters": 5, "learning_rate": 5e-3, "lasso": 0.2}


@pytest.fixture(scope="module")
def fitted():
    x, y = toy()
    return x, y, SparseBottleneck(**SMALL).fit(x, y)


def test_the_genes_that_matter_survive_the_pruning(fitted):
    x, y, fit = fitted
    assert fit.genes_ == TRUE
    importance = list(fit.importance_.items())
    assert {name for name, _ in importance[:3]} == set(TRUE) and len(importance) == 20
    # the lasso leaves little of the others
    assert importance[2][1] > 2 * importance[3][1]
    assert fit.transform(x).shape == (300, 2)
    fresh_x, fresh_y = toy(seed=5)
    assert fit.score(fresh_x, fresh_y) > 0.55
    assert list(fit.scores(fresh_x, fresh_y)) == list(y.columns)


def test_a_bend_that_no_linear_regression_can_follow():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(600, 6))
    y = np.stack([np.abs(x[:, 1]), np.abs(x[:, 1]) - 0.5 * x[:, 4]], axis=1) + 0.1 * rng.normal(size=(600, 2))
    network = SparseBottleneck(**SMALL | {"n_genes": 2, "lasso": 0.02}).fit(x[:500], y[:500])
    assert network.genes_ == ("x1", "x4")
    linear = SparseReducedRank(2, 2).fit(x[:500], y[:500])
    assert network.score(x[500:], y[500:]) > 0.8 > 0.5 > linear.score(x[500:], y[500:])


def test_a_prediction_needs_no_torch_and_is_that_of_torch(fitted):
    x, _, fit = fitted
    with torch.no_grad():
        some = x[list(TRUE)]
        values = torch.tensor(((some - some.mean()) / some.std(ddof=0)).to_numpy())
        for k, (weight, bias) in enumerate(fit._layers):
            values = torch.nn.functional.linear(values, torch.as_tensor(weight), torch.as_tensor(bias))
            # neither the latent layer (number 2) nor the last has an elbow
            if k not in (2, 5):
                values = torch.nn.functional.elu(values)
    np.testing.assert_allclose(fit._decoded(fit.transform(x)), values.numpy(), atol=1e-10)


def test_the_layers_give_what_was_trained():
    x, y = toy(n=50)
    training = _Training(SparseBottleneck(**SMALL), x.to_numpy(), y.to_numpy())
    with torch.no_grad():
        trained = training._output(training._hidden(torch.tensor(x.to_numpy(), dtype=torch.float32)))
    layers = training.layers()
    np.testing.assert_allclose(_forward(_forward(x.to_numpy(), layers[:3]), layers[3:]), trained.numpy(), atol=1e-5)


def test_the_refit_goes_on_where_the_lasso_stopped(monkeypatch):
    x, y = toy()
    options = SMALL | {"epochs": (5, 3, 3, 30)}
    refitted = SparseBottleneck(**options).fit(x, y).score(x, y)
    monkeypatch.setattr(_Training, "refit", lambda training: None)
    assert refitted > SparseBottleneck(**options).fit(x, y).score(x, y) + 0.1


def test_before_pruning_the_layers_are_those_of_the_network():
    x, y = toy(n=50)
    training = _Training(SparseBottleneck(**SMALL), x.to_numpy(), y.to_numpy())
    shapes = [weight.shape for weight, _ in training.layers()]
    assert shapes == [(32, 20), (8, 32), (2, 8), (8, 2), (32, 8), (5, 32)]
    training.prune(np.array([3, 8, 15]))
    assert training.layers()[0][0].shape == (32, 3)


def test_the_published_sizes():
    network = SparseBottleneck()
    assert network.hidden == (512, 128) and network.rank == 2 and network.n_genes == 25 and network.clusters == 20


def test_equal_seeds_give_equal_fits_and_the_rest_of_torch_is_left_alone(fitted):
    x, y, fit = fitted
    torch.manual_seed(7)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    again = SparseBottleneck(**SMALL).fit(x, y)
    assert torch.equal(torch.get_rng_state(), before) and torch.get_num_threads() == threads
    pd.testing.assert_frame_equal(again.predict(x), fit.predict(x), check_exact=True)
    other = SparseBottleneck(**SMALL | {"seed": 1}).fit(x, y)
    assert not np.allclose(other.predict(x), fit.predict(x))


def test_a_stored_network_predicts_by_name(fitted, tmp_path):
    x, _, fit = fitted
    fit.save(tmp_path)
    loaded = SparseBottleneck.load(tmp_path)
    assert loaded.get_params() == fit.get_params() and loaded.importance_ == fit.importance_
    pd.testing.assert_frame_equal(loaded.predict(x[["g15", "g1", "g3", "g8"]]), fit.predict(x))
    with pytest.raises(ResultsError, match="found a fit of kind bottleneck, expected reduced_rank"):
        SparseReducedRank.load(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": (5, 5, 5)}, r"epochs \(5, 5, 5\): expected four numbers"),
        ({"hidden": ()}, r"hidden \(\).*expected at least 1"),
        ({"clusters": 30}, r"clusters 30: expected 2 to 20, half of the cells"),
        ({"validation": 1.0, "lasso": -1}, r"lasso -1.*validation 1.0"),
    ],
)
def test_options_that_make_no_sense(options, message):
    x, y = toy(n=40)
    with pytest.raises(ResultsError, match=message):
        SparseBottleneck(**SMALL | options).fit(x, y)


def test_on_the_public_counts(bernaerts_data):
    """Published with 427 genes and the full network: 0.166 +- 0.029."""
    x, y = public(bernaerts_data)
    network = SparseBottleneck(hidden=(128, 32), epochs=(10, 5, 20, 10), learning_rate=2e-3)
    scores = cross_validate(network, x, y, folds=3)
    assert (scores["genes"] == 25).all()
    assert scores["R2"].mean() >= 0.13
    assert scores["r_SS"].mean() > 0.5


@pytest.mark.slow
def test_the_full_network_on_the_public_counts(bernaerts_data):
    x, y = public(bernaerts_data)
    scores = cross_validate(SparseBottleneck(), x, y, folds=10)
    assert scores["R2"].mean() == pytest.approx(0.18, abs=0.02)
    assert scores["r_SS"].mean() == pytest.approx(0.60, abs=0.03)
