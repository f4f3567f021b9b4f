"""The MPI world of a point that runs on several ranks, as each of its processes sees it."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from hpcsim.errors import Interrupted, LaunchError, SimulationError
from hpcsim.plugin import not_installed
from hpcsim.scheduler.log.reason import describe

if TYPE_CHECKING:
    from hpcsim.models.model import Model

T = TypeVar("T")
#: Seconds that a rank with an error waits for the others: they may never come out of a call that needs all ranks.
PATIENCE = float(os.environ.get("HPCSIM_MPI_PATIENCE", "20"))


class World(Protocol):
    """The processes that simulate a point together; only the first decides and writes."""

    communicator: Any
    rank: int
    ranks: int

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes."""

    def check(self, model: Model) -> None:
        """Whether the model's simulator sees the same world; raises LaunchError."""

    def broadcast(self, decide: Callable[[], T]) -> T:
        """What the first rank decides, on all ranks."""

    def together(self, simulate: Callable[[], T]) -> T:
        """Do something on all ranks; where it fails on one, it fails on all."""

    def summed(self, values: Sequence[float]) -> list[float]:
        """Sums over all ranks."""


class SerialWorld:
    """A world of one process, without MPI."""

    communicator = None
    rank, ranks, first = 0, 1, True

    def check(self, model: Model) -> None:
        """Nothing to check."""

    def broadcast(self, decide: Callable[[], T]) -> T:
        """What this process decides."""
        return decide()

    def together(self, simulate: Callable[[], T]) -> T:
        """Do it."""
        return simulate()

    def summed(self, values: Sequence[float]) -> list[float]:
        """The values."""
        return list(values)


class MPIWorld:
    """A world of several MPI ranks.

    Parameters
    ----------
    expected : int
        How many were asked for.

    Raises
    ------
    LaunchError
        If there is no MPI, or it sees another number of ranks: a launcher of another MPI than that of mpi4py starts
        as many worlds of one rank each, which would all simulate the same.
    """

    def __init__(self, expected: int) -> None:
        try:
            from mpi4py import MPI
        except ImportError as error:
            raise LaunchError(f"{not_installed(f'a point on {expected} ranks', 'mpi4py and an MPI', 'mpi')} ({error})") from error
        # our own messages must not meet those of the simulator
        self._own = MPI.COMM_WORLD.Dup()
        self.communicator = MPI.COMM_WORLD
        self.rank, self.ranks = self._own.rank, self._own.size
        if self.ranks != expected:
            library = MPI.Get_library_version().split("\n")[0].strip()
            raise LaunchError(
                f"{expected} MPI ranks were asked for and mpi4py sees {self.ranks}: the launcher is not of its MPI library "
                f"({library}); name one that fits with [launcher] in the site's file (the full path of mpiexec in the same "
                "environment, or srun with the right mpi: pmi2 for MPICH, pmix for Open MPI)"
            )

    @property
    def first(self) -> bool:
        """Whether this is rank 0."""
        return self.rank == 0

    def check(self, model: Model) -> None:
        """Compare with the number of ranks that the model's simulator sees.

        Raises
        ------
        LaunchError
            If it sees another number, or the model knows no ranks.
        """
        if model.parallel is None:
            raise LaunchError(f"{model.name} runs in one process; leave resources.ranks out")
        seen = model.parallel.world()
        if seen != self.ranks:
            raise LaunchError(
                f"{model.engine or model.name} sees {seen} MPI rank(s) of {self.ranks}: it was built without MPI, or it has "
                "loaded another MPI library than mpi4py (for NEST: scripts/build-nest-mpi.sh --install; `hpcsim doctor` helps)"
            )

    def broadcast(self, decide: Callable[[], T]) -> T:
        """What rank 0 decides, on all ranks."""
        return self._own.bcast(decide() if self.first else None)  # type: ignore[no-any-return]

    def together(self, simulate: Callable[[], T]) -> T:
        """Do something on all ranks; where it fails on one, all raise.

        Raises
        ------
        SimulationError
            With the words of the lowest rank that failed, unless this one has an error of its own.
        """
        result: T | None = None
        error: BaseException | None = None
        try:
            result = simulate()
        except Interrupted:
            raise
        except BaseException as failure:
            # sys.exit in a model, too: the others wait for this rank
            error = failure
        self._meet(error)
        words = [text for text in self._own.allgather(_words(self.rank, error)) if text]
        if error is not None:
            raise error
        if words:
            raise SimulationError(words[0])
        return result  # type: ignore[return-value]

    def summed(self, values: Sequence[float]) -> list[float]:
        """Sums over all ranks."""
        total = np.empty(len(values))
        self._own.Allreduce(np.array(values, float), total)
        return [float(value) for value in total]

    def _meet(self, error: BaseException | None) -> None:
        """Wait for the other ranks; with an error not for ever, since they may wait for this one elsewhere."""
        arrived, deadline = self._own.Ibarrier(), time.monotonic() + PATIENCE
        if error is None:
            arrived.Wait()
            return
        while not arrived.Test():
            if time.monotonic() > deadline:
                traceback.print_exception(error)
                print(f"error: {_words(self.rank, error)}", flush=True)
                self._own.Abort(1)
            time.sleep(0.01)

    def leave(self) -> None:
        """End MPI in good order."""
        from mpi4py import MPI

        MPI.Finalize()


def _words(rank: int, error: BaseException | None) -> str:
    if error is None:
        return ""
    return f"rank {rank}: {describe(error)}"
