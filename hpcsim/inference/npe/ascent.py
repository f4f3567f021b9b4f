"""The ascent to the maximum of a posterior's density, for many observations at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from hpcsim.inference.npe.draws import draw

if TYPE_CHECKING:
    import torch

    from hpcsim.inference.prior import Prior
    from hpcsim.inference.scales import Scales


class Density(Protocol):
    """What the ascent needs of a posterior."""

    @property
    def prior(self) -> Prior:
        """Of the parameters."""

    @property
    def network(self) -> Any:
        """The density network."""

    @property
    def theta_scales(self) -> Scales:
        """Scales on which the network sees parameters."""

    @property
    def dtype(self) -> Any:
        """Of the network's numbers."""

    @property
    def device(self) -> Any:
        """Where the network is."""

    def density(self, theta: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Log-density of parameters for each observation."""


def climb(posterior: Density, x: torch.Tensor, restarts: int, draws: int, steps: int, seed: int) -> np.ndarray:
    """Maxima and their log-densities.

    Parameters
    ----------
    posterior : Density
    x : Tensor, shape (observations, features)
        As the network sees them.
    restarts, draws, steps, seed : int
        As of :meth:`hpcsim.inference.npe.posterior.Posterior.map`.

    Returns
    -------
    ndarray, shape (observations, parameters + 1)
    """
    import torch

    low, high = posterior.prior.low, posterior.prior.high
    starts = _starts(posterior, x, restarts, draws, seed)
    u = torch.as_tensor(posterior.prior.unconstrain(starts), dtype=posterior.dtype, device=posterior.device).requires_grad_()
    ascent = torch.optim.Adam([u], lr=0.1)
    # large steps find the hill, small ones its top
    slower = torch.optim.lr_scheduler.CosineAnnealingLR(ascent, steps, eta_min=1e-4)
    best, top = starts.copy(), np.full(starts.shape[:2], -np.inf)
    for _ in range(steps + 1):
        theta = posterior.prior.constrain(u)
        density = posterior.density(theta, x)
        _keep(posterior.prior, best, top, theta.detach().cpu().numpy().astype(float), density.detach().cpu().numpy(), low, high)
        ascent.zero_grad(set_to_none=True)
        (-density.sum()).backward()
        # the restarts are separate problems; where one is off the map, it stays where it is
        u.grad = torch.nan_to_num(u.grad, 0.0, 0.0, 0.0)
        ascent.step()
        slower.step()
    chosen = top.argmax(axis=1)
    rows = np.arange(len(best))
    return np.column_stack([best[rows, chosen], top[rows, chosen]])


def _keep(
    prior: Prior, best: np.ndarray, top: np.ndarray, theta: np.ndarray, density: np.ndarray, low: np.ndarray, high: np.ndarray
) -> None:
    """Take over what is better than the best so far and allowed by the prior."""
    theta = np.clip(theta, low, high)  # float32 may round over the end
    better = (density > top) & prior.support(theta)
    best[better], top[better] = theta[better], density[better]


def _starts(posterior: Density, x: torch.Tensor, restarts: int, draws: int, seed: int) -> np.ndarray:
    """The best of the network's own draws, moved into the support, and a draw of the prior."""
    import torch

    low, high = posterior.prior.low, posterior.prior.high
    with torch.no_grad():
        drawn = draw(posterior.network, draws, x)
        theta = np.clip(posterior.theta_scales.inverse(drawn.cpu().numpy().astype(float)), low, high)
        prior = posterior.prior.sample(len(x), seed)[:, None]
        theta = np.where(posterior.prior.support(theta)[..., None], theta, prior)
        theta[:, -1:] = prior
        density = posterior.density(torch.as_tensor(theta, dtype=posterior.dtype, device=posterior.device), x).cpu().numpy()
    order = np.argsort(-density, axis=1)[:, :restarts]
    return np.take_along_axis(theta, order[..., None], axis=1)
