from __future__ import annotations

import numpy as np
import pytest
import torch

from hpcsim.errors import ResultsError
from hpcsim.inference.npe.density import Architecture, build
from hpcsim.inference.npe.training import TrainingConfig, train

RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((600, 2)).astype(np.float32)
Y = (X @ np.array([[1.0], [-2.0]]) + 0.1 * RANDOM.standard_normal((600, 1))).astype(np.float32)
CONFIG = TrainingConfig(batch=50, rate=0.05, epochs=8, seed=3)


def network():
    torch.manual_seed(0)
    return torch.nn.Linear(2, 1)


def run(config, checkpoint=None, y=Y):
    net = network()
    history = train(net, lambda a, b: ((net(a) - b) ** 2).mean(axis=1), X, y, config, checkpoint)
    return net, history


def test_it_learns_and_keeps_the_best_weights():
    net, history = run(CONFIG)
    np.testing.assert_allclose(net.weight.detach()[0], [1, -2], atol=0.03)
    assert history.epochs == 8 and history.best == min(history.validation) < 0.02
    kept = np.random.default_rng([3, 2]).permutation(600)[:60]
    again = ((net(torch.from_numpy(X[kept])) - torch.from_numpy(Y[kept])) ** 2).mean()
    assert float(again.detach()) == pytest.approx(history.best, rel=1e-5)


def test_it_stops_when_nothing_improves():
    _, history = run(TrainingConfig(batch=50, rate=0.05, stop_after=3, seed=3))
    assert history.since == 3 and history.epochs < 200
    assert min(history.validation[-3:]) >= history.best


class _Kill(Exception):
    pass


def test_a_killed_training_goes_on_bit_for_bit(tmp_path):
    whole, history = run(CONFIG)
    net, calls = network(), []

    def loss(a, b):
        calls.append(1)
        if len(calls) == 40:  # in the middle of the fourth epoch
            raise _Kill
        return ((net(a) - b) ** 2).mean(axis=1)

    with pytest.raises(_Kill):
        train(net, loss, X, Y, CONFIG, tmp_path / "c.safetensors")
    resumed, again = run(CONFIG, tmp_path / "c.safetensors")
    assert again.validation == history.validation
    assert torch.equal(resumed.weight, whole.weight)


def test_a_finished_training_is_not_done_again_and_more_epochs_go_on(tmp_path):
    first, history = run(CONFIG, tmp_path / "c")
    net = network()
    train(net, lambda a, b: pytest.fail("trained again"), X, Y, CONFIG, tmp_path / "c")
    assert torch.equal(net.weight, first.weight)
    _, more = run(TrainingConfig(**{**CONFIG.__dict__, "epochs": 10}), tmp_path / "c")
    assert more.validation[:8] == history.validation and more.epochs == 10


def test_a_checkpoint_of_other_data_is_not_used(tmp_path):
    run(CONFIG, tmp_path / "c", Y + 1)
    net, _ = run(CONFIG, tmp_path / "c")
    assert torch.equal(net.weight, run(CONFIG)[0].weight)


def test_a_damaged_checkpoint_says_so(tmp_path):
    (tmp_path / "c").write_bytes(b"not a checkpoint")
    with pytest.raises(ResultsError, match=r"checkpoint cannot be read.*remove it"):
        run(CONFIG, tmp_path / "c")


def test_a_loss_that_is_no_number_stops():
    with pytest.raises(ResultsError, match="validation loss of epoch 1 is nan"):
        run(CONFIG, y=np.full_like(Y, np.nan))


def test_a_network_does_not_touch_the_global_random_numbers():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, second = (build(Architecture("maf", 8, 2), X, Y, seed=1) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
