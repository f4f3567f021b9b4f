"""The sparse bottleneck network: parameters of cells from a few of their genes, through a non-linear latent space.

Layers genes-512-128-2-128-512-parameters with a group lasso on the weights of each gene (Bernaerts, Berens & Kobak 2023,
doi:10.1371/journal.pcbi.1010996 and Bernaerts et al. 2025). It first learns to tell clusters of parameter sets apart, then
the parameters, is pruned to the genes with the largest weights, and is refitted with these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from hpcsim.errors import PluginError, ResultsError
from hpcsim.inference.reduced_rank.latent import LatentRegression
from hpcsim.inference.torch_seed import torch_seed
from hpcsim.plugin import not_installed

_BATCH = 64
#: The last phase starts from a good fit, and goes on in smaller steps.
_CAREFUL = 1 / 3


class SparseBottleneck(LatentRegression):
    """Sparse bottleneck network.

    Parameters
    ----------
    hidden : tuple of int
        Widths of the layers before the bottleneck; those behind it mirror them.
    rank : int
        Width of the bottleneck.
    n_genes : int
        How many genes are left after pruning.
    lasso : float
        Strength of the group lasso: the root mean square over hidden units of a gene's weights, summed over genes.
    epochs : tuple of int
        Of the four phases: clusters; output layers alone; all layers; all layers after pruning.
    learning_rate : float
        Of Adam.
    clusters : int
        k-means clusters of the parameters, for the first phase.
    validation : float
        Share of the cells that choose the best epoch of each phase.
    seed : int
        Everything random follows from it.

    Attributes
    ----------
    importance_ : dict of str to float
        Root mean square of the weights of every gene before pruning, largest first.
    """

    kind = "bottleneck"

    def __init__(
        self,
        hidden: Sequence[int] = (512, 128),
        rank: int = 2,
        n_genes: int = 25,
        lasso: float = 0.5,
        epochs: Sequence[int] = (20, 10, 40, 20),
        learning_rate: float = 1e-3,
        clusters: int = 20,
        validation: float = 0.1,
        seed: int = 0,
    ) -> None:
        self.hidden, self.rank, self.n_genes, self.lasso = tuple(hidden), rank, n_genes, lasso
        self.epochs, self.learning_rate, self.clusters = tuple(epochs), learning_rate, clusters
        self.validation, self.seed = validation, seed

    def _fit(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        self._check(len(x))
        with torch_seed(self.seed):
            training = _Training(self, x, y)
            training.learn_clusters()
            training.learn_output()
            training.learn_all()
            norms = training.norms()
            # ties are broken by the order of the genes
            selected = np.sort(np.argsort(-norms, kind="stable")[: self.n_genes])
            training.prune(selected)
            training.refit()
        order = np.argsort(-norms, kind="stable")
        self.importance_ = {self.features_in_[k]: float(norms[k]) for k in order}
        self._layers = training.layers()
        return selected

    def _check(self, cells: int) -> None:
        problems = []
        if not self.hidden or min(self.hidden) < 1 or self.rank < 1 or self.n_genes < 1:
            problems.append(f"hidden {self.hidden}, rank {self.rank}, n_genes {self.n_genes}: expected at least 1 each")
        if len(self.epochs) != 4 or min(self.epochs) < 1:
            problems.append(f"epochs {self.epochs}: expected four numbers of at least 1, one a phase")
        if self.lasso < 0 or self.learning_rate <= 0 or not 0 < self.validation < 1:
            problems.append(
                f"lasso {self.lasso}, learning_rate {self.learning_rate}, validation {self.validation}: expected at least 0, "
                "above 0, and between 0 and 1"
            )
        if not 2 <= self.clusters <= cells / 2:
            problems.append(f"clusters {self.clusters}: expected 2 to {cells // 2}, half of the cells")
        if problems:
            raise ResultsError("SparseBottleneck: " + "; ".join(problems))

    def _latent(self, x: np.ndarray) -> np.ndarray:
        return _forward(x, self._layers[: len(self.hidden) + 1])

    def _decoded(self, latent: np.ndarray) -> np.ndarray:
        return _forward(latent, self._layers[len(self.hidden) + 1 :])

    def _arrays(self) -> dict[str, np.ndarray]:
        arrays = {"importance": np.array([self.importance_[name] for name in self.features_in_])}
        for k, (weight, bias) in enumerate(self._layers):
            arrays |= {f"weight{k}": weight, f"bias{k}": bias}
        return arrays

    def _restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        self._layers = [(arrays[f"weight{k}"], arrays[f"bias{k}"]) for k in range(2 * len(self.hidden) + 2)]
        order = np.argsort(-arrays["importance"], kind="stable")
        self.importance_ = {self.features_in_[k]: float(arrays["importance"][k]) for k in order}


def _forward(values: np.ndarray, layers: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Linear layers with ELU between them; a fit predicts without torch."""
    for k, (weight, bias) in enumerate(layers):
        values = values @ weight.T + bias
        if k < len(layers) - 1:
            values = np.where(values > 0, values, np.expm1(np.minimum(values, 0)))
    return values


class _Training:
    """The network, its data, and the phases of its training."""

    def __init__(self, options: SparseBottleneck, x: np.ndarray, y: np.ndarray) -> None:
        from sklearn.cluster import KMeans

        try:
            import torch
        except ModuleNotFoundError:
            raise PluginError(not_installed("the sparse bottleneck network", "torch", "sbi")) from None
        from torch import nn

        self.options = options
        self._generator = torch.Generator().manual_seed(options.seed)
        labels = KMeans(options.clusters, n_init=4, random_state=options.seed).fit_predict(y)
        order = np.random.default_rng(options.seed).permutation(len(x))
        held = max(1, round(options.validation * len(x)))
        self._parts = [
            [torch.as_tensor(x[rows], dtype=torch.float32), torch.as_tensor(y[rows], dtype=torch.float32),
             torch.as_tensor(labels[rows], dtype=torch.int64)]
            for rows in (order[held:], order[:held])
        ]  # fmt: skip
        self._encoder = _stack(nn, (x.shape[1], *options.hidden, options.rank))
        self._decoder = _stack(nn, (options.rank, *reversed(options.hidden)))
        self._decoder.append(nn.ELU())
        self._classes = nn.Linear(options.hidden[0], options.clusters)
        self._output = nn.Linear(options.hidden[0], y.shape[1])
        self._classified, self._squared = nn.functional.cross_entropy, nn.functional.mse_loss

    def learn_clusters(self) -> None:
        """Encoder and decoder learn to tell clusters apart."""
        modules = (self._encoder, self._decoder, self._classes)
        self._train(modules, 0, lambda x, y, label: self._classified(self._classes(self._hidden(x)), label) + self._lasso())

    def learn_output(self) -> None:
        """The parameters from a bottleneck that stays as it is."""
        self._train((self._decoder, self._output), 1, lambda x, y, label: self._squared(self._output(self._hidden(x)), y))

    def learn_all(self) -> None:
        """All layers, while the lasso sorts out genes."""
        modules = (self._encoder, self._decoder, self._output)
        self._train(modules, 2, lambda x, y, label: self._squared(self._output(self._hidden(x)), y) + self._lasso())

    def refit(self) -> None:
        """All layers with the genes that are left, without lasso."""
        modules = (self._encoder, self._decoder, self._output)
        self._train(modules, 3, lambda x, y, label: self._squared(self._output(self._hidden(x)), y), _CAREFUL)

    def norms(self) -> np.ndarray:
        """Root mean square of each gene's weights, shape (genes,)."""
        weight = self._encoder[0].weight.detach().numpy().astype(float)
        norms: np.ndarray = np.sqrt((weight**2).mean(axis=0))
        return norms

    def prune(self, selected: np.ndarray) -> None:
        """Keep the weights of these genes alone."""
        from torch import nn

        old = self._encoder[0]
        new = nn.Linear(len(selected), old.out_features)
        new.weight.data, new.bias.data = old.weight.data[:, selected], old.bias.data
        self._encoder[0] = new
        for part in self._parts:
            part[0] = part[0][:, selected]

    def layers(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Weights and biases from genes to parameters."""
        linear = [layer for layer in (*self._encoder, *self._decoder, self._output) if hasattr(layer, "weight")]
        return [tuple(values.detach().numpy().astype(float) for values in (layer.weight, layer.bias)) for layer in linear]

    def _hidden(self, x: Any) -> Any:
        return self._decoder(self._encoder(x))

    def _lasso(self) -> Any:
        weight = self._encoder[0].weight
        return self.options.lasso * weight.norm(dim=0).sum() / weight.shape[0] ** 0.5

    def _train(self, modules: Sequence[Any], phase: int, loss: Callable[..., Any], slower: float = 1.0) -> None:
        """Adam over small batches; the epoch with the lowest loss of the validation part is kept."""
        import torch

        weights = [weight for module in modules for weight in module.parameters()]
        optimiser = torch.optim.Adam(weights, lr=self.options.learning_rate * slower)
        train, held = self._parts
        lowest, kept = np.inf, [weight.detach().clone() for weight in weights]
        for _ in range(self.options.epochs[phase]):
            for rows in torch.randperm(len(train[0]), generator=self._generator).split(_BATCH):
                optimiser.zero_grad()
                loss(*(values[rows] for values in train)).backward()
                optimiser.step()
            with torch.no_grad():
                reached = float(loss(*held))
            if reached < lowest:
                lowest, kept = reached, [weight.detach().clone() for weight in weights]
        for weight, values in zip(weights, kept, strict=True):
            weight.data = values


def _stack(nn: Any, widths: Sequence[int]) -> Any:
    """Linear layers of these widths, with ELU between them."""
    layers: list[Any] = []
    for wide, next_wide in pairwise(widths):
        layers += [nn.Linear(wide, next_wide), nn.ELU()]
    return nn.Sequential(*layers[:-1])
