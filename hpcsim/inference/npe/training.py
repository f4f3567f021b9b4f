"""Training of a network: early stopping on a validation part, checkpoints that a killed training goes on from."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcsim.errors import ResultsError
from hpcsim.files import replacing
from hpcsim.inference.torch_seed import one_thread

if TYPE_CHECKING:
    import torch

#: From a batch of rows of both tables to the loss of each row.
Loss = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class TrainingConfig:
    """How to train; the defaults are those of sbi 0.27 (``NPE.train``).

    Parameters
    ----------
    batch : int
        Rows of a step.
    rate : float
        Learning rate of Adam.
    stop_after : int
        Epochs without improvement of the validation loss after which training stops.
    epochs : int
        The most epochs; 0 sets no limit.
    validation : float
        Share of the rows that only tell when to stop.
    clip : float
        Largest norm of a gradient.
    seed : int
    device : str
        ``cpu`` or ``cuda``.
    """

    batch: int = 200
    rate: float = 5e-4
    stop_after: int = 20
    epochs: int = 0
    validation: float = 0.1
    clip: float = 5.0
    seed: int = 0
    device: str = "cpu"


@dataclass
class History:
    """Mean losses of every epoch, and how training ended."""

    training: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    best: float = math.inf
    since: int = 0

    @property
    def epochs(self) -> int:
        """Epochs that are finished."""
        return len(self.validation)

    def finished(self, config: TrainingConfig) -> bool:
        """Whether training is over."""
        return self.since >= config.stop_after or 0 < config.epochs <= self.epochs


@one_thread()
def train(
    network: torch.nn.Module,
    loss: Loss,
    first: np.ndarray,
    second: np.ndarray,
    config: TrainingConfig,
    checkpoint: Path | None = None,
) -> History:
    """Train a network, and leave it with the weights that were best on the validation part.

    Parameters
    ----------
    network : Module
    loss : callable
        Of a batch of `first` and one of `second`.
    first, second : ndarray of float32, shapes (n, a) and (n, b)
    config : TrainingConfig
    checkpoint : Path, optional
        Written after every epoch, and read when it belongs to this training; the result is then the same as if
        nothing had happened.

    Raises
    ------
    ResultsError
        If the loss is not finite.
    """
    import torch

    data = [torch.from_numpy(np.ascontiguousarray(table)).to(config.device) for table in (first, second)]
    test, rows = (torch.from_numpy(part).to(config.device) for part in parted(len(first), config))
    network.to(config.device)
    adam = torch.optim.Adam(network.parameters(), lr=config.rate)
    state = _Checkpoint(checkpoint, _identity(network, first, second, config), config.device)
    history, best = state.read(network, adam)
    while not history.finished(config):
        network.train()
        # the order of an epoch follows from its number alone, so that it can be had again
        order = np.random.default_rng([config.seed, 3, history.epochs]).permutation(len(rows))
        shuffled = rows[torch.from_numpy(order).to(config.device)]
        history.training.append(_epoch(network, adam, loss, data, shuffled, config))
        network.eval()
        with torch.no_grad():
            losses = [loss(*(table[part] for table in data)) for part in test.split(10_000)]
        value = float(torch.cat(losses).mean())
        if not math.isfinite(value):
            raise ResultsError(
                f"the validation loss of epoch {history.epochs + 1} is {value}; expected a number; lower the learning "
                "rate, or look for features with a few enormous values"
            )
        history.validation.append(value)
        history.since += 1
        if value < history.best:
            history.best, history.since = value, 0
            best = {name: tensor.clone() for name, tensor in network.state_dict().items()}
        state.write(network, adam, best, history)
    if best:
        network.load_state_dict(best)
    network.eval()
    network.zero_grad(set_to_none=True)
    return history


def parted(n: int, config: TrainingConfig) -> tuple[np.ndarray, np.ndarray]:
    """Rows that only tell when to stop, and rows to train on."""
    permuted = np.random.default_rng([config.seed, 2]).permutation(n)
    kept = max(1, int(config.validation * n))
    return permuted[:kept], permuted[kept:]


@one_thread()
def losses_of(loss: Loss, first: np.ndarray, second: np.ndarray, config: TrainingConfig) -> np.ndarray:
    """Loss of each row, shape (n,), of a network that is trained."""
    import torch

    tables = [torch.from_numpy(np.ascontiguousarray(table)).to(config.device) for table in (first, second)]
    with torch.no_grad():
        parts = [loss(*part) for part in zip(*(table.split(10_000) for table in tables), strict=True)]
    return np.asarray(torch.cat(parts).cpu().numpy(), float)


def _epoch(
    network: torch.nn.Module, adam: torch.optim.Adam, loss: Loss, data: list[Any], rows: torch.Tensor, config: TrainingConfig
) -> float:
    """One pass over the rows; their mean loss."""
    import torch

    total = 0.0
    for part in rows.split(config.batch):
        adam.zero_grad(set_to_none=True)
        mean = loss(*(table[part] for table in data)).mean()
        mean.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), config.clip)
        adam.step()
        total += float(mean.detach()) * len(part)
    return total / len(rows)


def _identity(network: torch.nn.Module, first: np.ndarray, second: np.ndarray, config: TrainingConfig) -> str:
    """What a checkpoint must agree with: config, data and shapes. More epochs go on from the old ones."""
    settings = {**asdict(config), "epochs": 0, "stop_after": 0, "device": ""}
    shapes = {name: list(tensor.shape) for name, tensor in network.state_dict().items()}
    content = hashlib.blake2b(json.dumps([settings, shapes], sort_keys=True).encode(), digest_size=16)
    for table in (first, second):
        content.update(np.ascontiguousarray(table).tobytes())
    return content.hexdigest()


class _Checkpoint:
    """One file with weights, the best weights, the optimiser's moments and the history; replaced as a whole."""

    def __init__(self, path: Path | None, identity: str, device: str) -> None:
        self.path, self.identity, self.device = path, identity, device

    def read(self, network: torch.nn.Module, adam: torch.optim.Adam) -> tuple[History, dict[str, Any]]:
        """Put network and optimiser where they were; an empty history when there is no checkpoint of this training."""
        from safetensors import SafetensorError, safe_open

        if self.path is None or not self.path.exists():
            return History(), {}
        try:
            with safe_open(str(self.path), framework="pt", device=self.device) as file:
                about = file.metadata() or {}
                if about.get("identity") != self.identity:
                    return History(), {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no mapping
        except (SafetensorError, OSError) as error:
            raise ResultsError(f"{self.path}: the checkpoint cannot be read ({error}); remove it to start anew") from error
        network.load_state_dict(_part(tensors, "network/"))
        moments: dict[int, dict[str, Any]] = {}
        for name, tensor in _part(tensors, "adam/").items():
            number, what = name.split("/")
            moments.setdefault(int(number), {})[what] = tensor
        adam.load_state_dict({**adam.state_dict(), "state": moments})
        return History(**json.loads(about["history"])), _part(tensors, "best/")

    def write(self, network: torch.nn.Module, adam: torch.optim.Adam, best: dict[str, Any], history: History) -> None:
        """Replace the checkpoint."""
        from safetensors.torch import save_file

        if self.path is None:
            return
        tensors = {f"network/{name}": tensor for name, tensor in network.state_dict().items()}
        tensors |= {f"best/{name}": tensor for name, tensor in best.items()}
        for number, moments in adam.state_dict()["state"].items():
            tensors |= {f"adam/{number}/{what}": tensor for what, tensor in moments.items()}
        about = {"identity": self.identity, "history": json.dumps(asdict(history))}
        # safetensors refuses tensors that share memory, as buffers of sbi do
        with replacing(self.path) as temporary:
            save_file({name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}, temporary, about)


def _part(tensors: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
