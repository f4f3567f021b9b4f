"""Networks: the conditional density of parameters given features, and the chance that a simulation is valid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcsim.inference.torch_seed import torch_seed

if TYPE_CHECKING:
    import torch

DENSITIES = ("maf", "nsf")


@dataclass(frozen=True)
class Architecture:
    """What a density network looks like; the defaults are those of sbi and of Bernaerts et al. 2025.

    Parameters
    ----------
    density : str
        ``maf`` (masked autoregressive flow) or ``nsf`` (neural spline flow).
    hidden : int
        Units of a hidden layer.
    transforms : int
        Layers of the flow, at least 2.
    """

    density: str = "maf"
    hidden: int = 50
    transforms: int = 5


def build(architecture: Architecture, theta: np.ndarray, x: np.ndarray, seed: int = 0) -> Any:
    """A density estimator of sbi, z-scored for the given data, with random weights.

    Parameters
    ----------
    architecture : Architecture
    theta : ndarray of float32, shape (n, parameters)
    x : ndarray of float32, shape (n, features)
    seed : int

    Returns
    -------
    ConditionalDensityEstimator
        With ``log_prob(input, condition)``, ``sample(shape, condition)`` and ``loss(input, condition)``.
    """
    with torch_seed(seed):
        network = _drawn(architecture, theta, x)
        while not _conditioned(network):
            network = _drawn(architecture, theta, x)
    return network


def _drawn(architecture: Architecture, theta: np.ndarray, x: np.ndarray) -> Any:
    """A network whose weights and permutations come from torch's global random numbers."""
    import warnings

    import torch
    from sbi.neural_nets.net_builders import build_maf, build_nsf

    make = {"maf": build_maf, "nsf": build_nsf}[architecture.density]
    with warnings.catch_warnings():
        # in one dimension a flow is hardly more than a Gaussian; it is still what was asked for
        warnings.filterwarnings("ignore", message="In one-dimensional output space")
        return make(
            torch.from_numpy(theta),
            torch.from_numpy(x),
            hidden_features=architecture.hidden,
            num_transforms=architecture.transforms,
        )


def _conditioned(network: Any) -> bool:
    """Whether every parameter is conditioned on the features in about half of the layers or more.

    The first variable of a masked autoregressive layer of nflows sees nothing, not even the features, so a parameter
    that random permutations leave first in all layers would keep its prior. With two parameters, this is no rare case.
    """
    order: Any = None
    first = []
    for layer in network.net._transform._transforms:
        permutation = getattr(layer, "_permutation", None)
        if permutation is not None:
            order = list(range(len(permutation))) if order is None else order
            first.append(order[0])
            order = [order[k] for k in permutation.tolist()]
    often = max((first.count(name) for name in first), default=0)
    return order is None or len(order) == 1 or often <= (len(first) + 1) // 2


def blank(architecture: Architecture, parameters: int, features: int) -> Any:
    """A density estimator whose weights and z-scoring wait to be loaded."""
    pattern = np.array([[-1.0], [1.0]], np.float32)
    return _drawn(architecture, np.tile(pattern, (1, parameters)), np.tile(pattern, (1, features)))


def classifier(mean: np.ndarray, sd: np.ndarray, seed: int = 0) -> torch.nn.Module:
    """A network from parameters to the logit of the chance that their simulation is valid.

    Parameters
    ----------
    mean, sd : ndarray, shape (parameters,)
        For z-scoring.
    seed : int
    """
    import torch
    from sbi.utils.sbiutils import Standardize

    with torch_seed(seed):
        return torch.nn.Sequential(
            Standardize(*(torch.as_tensor(values, dtype=torch.float32) for values in (mean, sd))),
            torch.nn.Linear(len(mean), 64),
            torch.nn.ReLU(),
            torch.nn.Linear(64, 64),
            torch.nn.ReLU(),
            torch.nn.Linear(64, 1),
        )
