"""sbi: https://sbi.readthedocs.io, simulate_for_sbi with two workers; parameters are drawn from the prior."""

from __future__ import annotations

import sys

import torch
from sbi.inference import simulate_for_sbi
from sbi.utils import BoxUniform
from sbi.utils.user_input_checks import process_prior, process_simulator
from work import store, work

if __name__ == "__main__":
    n, folder = int(sys.argv[1]), sys.argv[2]
    prior, _, returns_numpy = process_prior(BoxUniform(torch.zeros(1), torch.ones(1)))
    simulator = process_simulator(work, prior, returns_numpy)
    theta, x = simulate_for_sbi(simulator, prior, num_simulations=n, num_workers=2, show_progress_bar=False)
    store(folder, theta.flatten().tolist(), x.flatten().tolist())
