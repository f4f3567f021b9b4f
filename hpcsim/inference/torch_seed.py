"""Torch with one thread and its random numbers from a seed; both are as before afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread: for layers of some tens of units, more only wait for each other, and sums lose their order."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def torch_seed(seed: int) -> Iterator[None]:
    """One thread, and torch's global random numbers from a seed.

    Parameters
    ----------
    seed : int
        Its lowest 63 bits are used.
    """
    import torch

    with one_thread(), torch.random.fork_rng():
        torch.manual_seed(seed % 2**63)
        yield
