"""Toy models whose posterior is known, and studies of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

import hpcsim
from hpcsim import Coordinate, Output, Parameter, model
from hpcsim.inference.npe.density import Architecture, blank
from hpcsim.inference.npe.posterior import Posterior
from hpcsim.inference.prior import Prior
from hpcsim.space import Uniform

torch.set_num_threads(1)

#: Noise of the linear model, and its matrix: x = A theta + b + sigma * N(0, 1).
SIGMA = 0.2
MATRIX = np.array([[1.0, 0.4], [-0.3, 1.0], [0.5, 0.5]])
OFFSET = np.array([0.0, 10.0, -5.0])
FEATURES = ("x.one", "x.two", "x.three")


def _names(values):
    return {"feature": Coordinate(np.array(["one", "two", "three"]))}


@model(
    "npe_toys.linear",
    parameters=[Parameter("a", 0.0, "mV"), Parameter("b", 0.0, "mV"), Parameter("current", 0.0, "pA")],
    outputs=[Output("x", ("feature",), "mV")],
    coordinates=_names,
    batch=5000,
)
def linear(points, context):
    """Linear, with normal noise; a known current shifts the first feature."""
    theta = np.column_stack([points.columns["a"], points.columns["b"]])
    noise = np.array([np.random.Generator(np.random.Philox(seed)).standard_normal(3) for seed in points.seeds.tolist()])
    x = theta @ MATRIX.T + OFFSET + SIGMA * noise
    x[:, 0] += points.columns["current"]
    return {"x": x}


@model("npe_toys.regimes", parameters=[Parameter("a", 0.0)], outputs=[Output("x")], batch=5000)
def regimes(points, context):
    """Two regimes: below zero, the feature is not defined; at a = 3 the point fails."""
    a = points.columns["a"]
    noise = np.array([np.random.Generator(np.random.Philox(seed)).standard_normal() for seed in points.seeds.tolist()])
    return {"x": np.where(a < 0, np.nan, np.abs(a) + 0.3 * noise)}


def results_of(folder: Path, toy: Any = linear, n: int = 5000, **space: Any) -> hpcsim.Results:
    """Results of a study of a toy, drawn at random."""
    drawn = space or {"a": {"uniform": [-2, 2]}, "b": {"normal": [0, 1]}}
    study = hpcsim.Study("toy", toy, space=drawn, design={"method": "random", "n": n}, seed=7)
    return study.run("inline", folder)


def linear_posterior(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean, shape (n, 2), and covariance of the linear model with a flat prior on `a` and N(0, 1) on `b`."""
    precision = MATRIX.T @ MATRIX / SIGMA**2 + np.diag([0.0, 1.0])
    covariance = np.linalg.inv(precision)
    return (x - OFFSET) @ MATRIX / SIGMA**2 @ covariance, covariance


def table(x: np.ndarray, names: tuple[str, ...] = FEATURES) -> pd.DataFrame:
    """Observations with names."""
    return pd.DataFrame(x, [f"cell{i}" for i in range(len(x))], list(names))


def observed(n: int, seed: int = 0) -> pd.DataFrame:
    """Observations of the linear model."""
    random = np.random.default_rng(seed)
    theta = np.column_stack([random.uniform(-1.2, 1.2, n), random.normal(0, 0.7, n)])
    return table(theta @ MATRIX.T + OFFSET + SIGMA * random.standard_normal((n, 3)))


class Exact(torch.nn.Module):
    """The exact posterior of the linear model under flat priors, in the form of sbi's estimators."""

    def __init__(self) -> None:
        super().__init__()
        precision = MATRIX.T @ MATRIX / SIGMA**2
        self.gain = torch.nn.Parameter(torch.as_tensor(np.linalg.solve(precision, MATRIX.T / SIGMA**2), dtype=torch.float32))
        self.root = torch.as_tensor(np.linalg.cholesky(np.linalg.inv(precision)), dtype=torch.float32)

    def _normal(self, condition: torch.Tensor) -> torch.distributions.Distribution:
        mean = (condition - torch.as_tensor(OFFSET, dtype=torch.float32)) @ self.gain.T
        return torch.distributions.MultivariateNormal(mean, scale_tril=self.root)

    def log_prob(self, input: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        return self._normal(condition).log_prob(input)

    def sample(self, shape: tuple[int], condition: torch.Tensor) -> torch.Tensor:
        return self._normal(condition).sample(shape)


def published_posterior(arrays: Mapping[str, np.ndarray]) -> Posterior:
    """The published NPE-N posterior of M1 as a posterior of ours (weights of Bernaerts et al. 2025)."""
    bounds = {
        "C": (0.1, 15), "R_input": (20, 1000), "tau": (0.1, 70), "gNat": (0, 250), "gNa": (0, 100), "gKd": (0, 30),
        "gM": (0, 3), "gKv31": (0, 250), "gL": (0, 3), "E_leak": (-130, -50), "tau_max": (50, 4000), "VT": (-90, -35),
        "r_SS": (0.1, 3),
    }  # fmt: skip
    network = blank(Architecture(), 13, 23)
    state = network.state_dict()
    flow = "net._transform._transforms"
    found = {f"{flow}.0._shift": "theta_shift", f"{flow}.0._scale": "theta_scale"}
    found |= {"net._embedding_net.0._mean": "x_mean", "net._embedding_net.0._std": "x_std"}
    parts = {"initial_layer": "0", "context_layer": "c", "blocks.0.linear": "1", "blocks.1.linear": "2", "final_layer": "f"}
    for k in range(5):
        for name, ours in parts.items():
            where = f"{flow}.{2 * k + 1}.autoregressive_net.{name}"
            found |= {f"{where}.weight": f"l{k}_W{ours}", f"{where}.bias": f"l{k}_b{ours}"}
        found[f"{flow}.{2 * k + 2}._permutation"] = f"l{k}_perm"
    network.load_state_dict(state | {name: torch.as_tensor(arrays[key]) for name, key in found.items()})
    network.eval()
    prior = Prior({name: Uniform(*map(float, ends)) for name, ends in bounds.items()})
    return Posterior(network, prior, tuple(f"s{k}" for k in range(23)))
