"""Weights of networks in one file of safetensors: no pickle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hpcsim.files import replacing


def save_weights(path: Path, networks: Mapping[str, Any]) -> None:
    """Write the weights of several networks, by their names; those that are None are left out."""
    from safetensors.torch import save_file

    tensors = {
        f"{name}/{key}": tensor.detach().cpu().clone().contiguous()
        for name, network in networks.items()
        if network is not None
        for key, tensor in network.state_dict().items()
    }
    with replacing(path) as temporary:
        save_file(tensors, temporary)


def put_weights(networks: Mapping[str, Any], tensors: Mapping[str, Any]) -> None:
    """Give networks the weights that were saved under their names; they are ready for use then."""
    for name, network in networks.items():
        prefix = f"{name}/"
        network.load_state_dict({key.removeprefix(prefix): v for key, v in tensors.items() if key.startswith(prefix)})
        network.eval()
