"""Epochs of a stimulus: which bins train, which test, and which epochs repeat each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from hpcsim.errors import ResultsError


@dataclass(frozen=True)
class Epoch:
    """An uninterrupted stretch of the stimulus.

    Parameters
    ----------
    number : int
        As labelled; positive.
    first, stop : int
        Its bins.
    """

    number: int
    first: int
    stop: int

    def usable(self, memory: int) -> slice:
        """Its bins whose filters reach no further back than its beginning."""
        return slice(min(self.first + memory, self.stop), self.stop)


def find_epochs(where: str, labels: np.ndarray) -> tuple[Epoch, ...]:
    """The epochs that labels of bins tell; 0 belongs to none.

    Raises
    ------
    ResultsError
        If there is no epoch, or a number comes twice.
    """
    edges = [0, *(np.flatnonzero(np.diff(labels)) + 1).tolist(), len(labels)]
    epochs = tuple(Epoch(int(labels[a]), a, b) for a, b in pairwise(edges) if b > a and labels[a] > 0)
    numbers = [epoch.number for epoch in epochs]
    if not epochs:
        raise ResultsError(f"{where}: no bin belongs to an epoch; expected labels of 1 and above")
    if len(set(numbers)) < len(numbers):
        raise ResultsError(f"{where}: the labels {numbers} of the epochs come twice; expected a number of its own for each epoch")
    return epochs


def halves(n: int, share: float) -> np.ndarray:
    """Labels of a record without epochs: 1 for its first part, 2 for the rest."""
    return np.where(np.arange(n) < round(n * share), 1, 2)


def alike(epochs: Sequence[Epoch], current: np.ndarray, epoch: Epoch) -> tuple[Epoch, ...]:
    """The epochs with the stimulus of one of them, itself included: repeats of a frozen noise."""
    stimulus = current[epoch.first : epoch.stop]
    return tuple(other for other in epochs if np.array_equal(current[other.first : other.stop], stimulus))


@dataclass(frozen=True)
class Piece:
    """Usable bins of a training epoch, counted over training bins, and where its stimulus is among the different ones.

    Parameters
    ----------
    first, stop : int
    at : int
        Equal for repeats of one stimulus.
    """

    first: int
    stop: int
    at: int


@dataclass(frozen=True)
class Split:
    """Epochs that are fitted, and those that are held out.

    Parameters
    ----------
    train, test : tuple of Epoch
    memory : int
        Bins of the longest filter: as many are left out at the begin of each epoch, so that a filter never sees another epoch.
    """

    train: tuple[Epoch, ...]
    test: tuple[Epoch, ...]
    memory: int

    def slices(self, part: str) -> list[slice]:
        """Usable bins of ``train`` or ``test``, epoch by epoch."""
        return [epoch.usable(self.memory) for epoch in (self.train if part == "train" else self.test)]

    def pieces(self, current: np.ndarray) -> list[Piece]:
        """The training epochs; repeats are at one place."""
        places: dict[bytes, int] = {}
        found: list[Piece] = []
        end = 0
        for epoch, bins in zip(self.train, self.slices("train"), strict=True):
            n, first = bins.stop - bins.start, found[-1].stop if found else 0
            key = current[epoch.first : epoch.stop].tobytes()
            if key not in places:
                places[key] = end
                end += n
            found.append(Piece(first, first + n, places[key]))
        return found

    def select(self, part: str, values: np.ndarray) -> np.ndarray:
        """Values of these bins, of those of all bins."""
        return np.concatenate([values[piece] for piece in self.slices(part)])


def split(where: str, epochs: Sequence[Epoch], current: np.ndarray, test: Sequence[float], memory: int) -> Split:
    """Hold out epochs as a whole.

    Parameters
    ----------
    where : str
        Who asks, for messages.
    epochs : sequence of Epoch
    current : ndarray, shape (n_bins,)
    test : sequence of float
        Numbers of the epochs to hold out; empty: those with the stimulus of the last epoch.
    memory : int
        Bins of the longest filter.

    Raises
    ------
    ResultsError
        If an epoch does not exist, or one of the two parts is empty.
    """
    numbers = {epoch.number for epoch in epochs}
    if missing := sorted(set(test) - numbers):
        raise ResultsError(f"{where}: test names the epochs {missing}; the stimulus has {sorted(numbers)}")
    held = tuple(epoch for epoch in epochs if epoch.number in test) if test else alike(epochs, current, epochs[-1])
    found = Split(tuple(epoch for epoch in epochs if epoch not in held), held, memory)
    for part in ("train", "test"):
        if sum(piece.stop - piece.start for piece in found.slices(part)) < 2:
            raise ResultsError(
                f"{where}: no bins are left to {part}; the epochs have {[epoch.stop - epoch.first for epoch in epochs]} bins, "
                f"the first {memory} of each are history, and test holds out {[epoch.number for epoch in held]}: give more or "
                "longer epochs, or shorter filters"
            )
    return found
