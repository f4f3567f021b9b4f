from __future__ import annotations

import numpy as np
import pytest
import torch
from npe_toys import Exact, observed

from hpcsim.inference.npe.density import Architecture, build
from hpcsim.inference.npe.draws import draw

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize(("density", "parameters"), [("maf", 1), ("maf", 2), ("maf", 7), ("nsf", 3)])
def test_draws_are_those_of_sbi(density, parameters):
    theta = RANDOM.standard_normal((40, parameters)).astype(np.float32) * 5 + 3
    x = RANDOM.standard_normal((40, 4)).astype(np.float32)
    network = build(Architecture(density, 11, 3), theta, x, 1)
    with torch.no_grad():
        for weights in network.parameters():  # far from where a network starts
            weights.mul_(2.0)
        torch.manual_seed(3)
        expected = network.sample((6,), condition=torch.from_numpy(x[:5])).transpose(0, 1)
        torch.manual_seed(3)
        found = draw(network, 6, torch.from_numpy(x[:5]))
    assert found.shape == (5, 6, parameters)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)


def test_any_estimator_will_do():
    x = torch.tensor(observed(3).to_numpy(), dtype=torch.float32)
    assert draw(Exact(), 8, x).shape == (3, 8, 2)


def test_every_parameter_is_conditioned_in_half_of_the_layers():
    """Where random permutations leave a parameter first, its layer does not see the features."""
    theta, x = RANDOM.standard_normal((20, 2)).astype(np.float32), RANDOM.standard_normal((20, 3)).astype(np.float32)
    for seed in range(12):
        network = build(Architecture("maf", 8, 2), theta, x, seed)
        condition = torch.from_numpy(x[:1]).requires_grad_()
        for k in range(2):  # both parameters move with the features
            torch.manual_seed(0)
            context = network.net._embedding_net(condition)
            moved, _ = network.net._transform.inverse(torch.ones(1, 2), context=context)
            (slope,) = torch.autograd.grad(moved[0, k], condition)
            assert slope.abs().sum() > 0
