"""Draws of a density network; those of masked autoregressive flows several times faster than nflows makes them.

To invert a masked autoregressive layer, nflows evaluates its whole network once for each parameter. But a hidden unit
sees only the parameters up to its degree (Germain et al. 2015, MADE), so that it is final as soon as these are: here each
unit is computed once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def draw(network: Any, n: int, condition: torch.Tensor) -> torch.Tensor:
    """Draws given each condition, from torch's global random numbers.

    Parameters
    ----------
    network : ConditionalDensityEstimator
        Of sbi.
    n : int
        Draws of each condition.
    condition : Tensor, shape (conditions, features)

    Returns
    -------
    Tensor, shape (conditions, n, parameters)
    """
    import torch

    flow = getattr(network, "net", None)
    if flow is None or not any(_is_masked(layer) for layer in flow._transform._transforms):
        drawn: torch.Tensor = network.sample((n,), condition=condition).transpose(0, 1)
        return drawn
    with torch.no_grad():
        context = flow._embedding_net(condition)
        # parameters first: what belongs to one parameter or unit is contiguous
        z = torch.randn(len(condition) * n, *network.input_shape, device=condition.device).T.contiguous()
        for layer in reversed(flow._transform._transforms):
            z = _invert(layer, z, context, n) if _is_masked(layer) else layer.inverse(z.T)[0].T.contiguous()
        return z.T.reshape(len(condition), n, -1)


def _is_masked(layer: Any) -> bool:
    from nflows.transforms import MaskedAffineAutoregressiveTransform

    # other blocks (residual, with batch norm or dropout) are never built here
    return isinstance(layer, MaskedAffineAutoregressiveTransform) and not layer.autoregressive_net.use_residual_blocks


def _invert(layer: Any, z: torch.Tensor, context: torch.Tensor, n: int) -> torch.Tensor:
    """The inverse of one layer, shape (parameters, conditions * n)."""
    import torch
    from torch.nn.functional import softplus

    made = layer.autoregressive_net
    order = torch.argsort(made.initial_layer.degrees, stable=True)
    ends = torch.searchsorted(made.initial_layer.degrees[order].contiguous(), torch.arange(len(z) + 1), right=True).tolist()
    seen = made.activation(made.context_layer(context)).T[order].repeat_interleave(n, dim=1)
    first = (made.initial_layer.weight * made.initial_layer.mask)[order]
    inner = [block.linear for block in made.blocks]
    weights = [(linear.weight * linear.mask)[order][:, order] for linear in inner]
    offsets = [made.initial_layer.bias[order], *(linear.bias[order] for linear in inner)]
    last = (made.final_layer.weight * made.final_layer.mask)[:, order]
    hidden = [torch.empty_like(seen) for _ in offsets]
    x = torch.empty_like(z)
    start = 0
    for k, end in enumerate(ends):
        # units of degree k see the parameters before the k-th, which are final
        units = slice(start, end)
        value = first[units, :k] @ x[:k] + offsets[0][units, None] + seen[units]
        hidden[0][units] = made.activation(value)
        for below, above, weight, offset in zip(hidden, hidden[1:], weights, offsets[1:], strict=False):
            above[units] = made.activation(weight[units, :end] @ below[:end] + offset[units, None])
        start = end
        if k < len(z):
            rows = slice(2 * k, 2 * k + 2)
            scale, shift = last[rows, :end] @ hidden[-1][:end] + made.final_layer.bias[rows, None]
            x[k] = (z[k] - shift) / (softplus(scale) + layer._epsilon)
    return x
