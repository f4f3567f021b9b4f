"""The process that simulates: one slice of one study, then it ends.

Simulators keep state for as long as a process lives, and some of them abort it; so each task has a
process of its own, and :mod:`hpcsim.scheduler.task` watches over it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hpcsim.directory import StudyDirectory
from hpcsim.errors import HpcsimError, Interrupted
from hpcsim.scheduler.board import Board, Reading

if TYPE_CHECKING:
    from hpcsim.scheduler.mpi import World

#: Seconds between two looks whether a stop is asked.
_LISTEN = 0.2
#: Exit code of a worker that was asked to stop, as a shell gives it for SIGTERM.
TERMINATED = 143


@dataclass(frozen=True)
class Order:
    """What a worker is told to do; after `until` (seconds since 1970) it begins no further batch; `ranks` are of MPI."""

    directory: str
    start: int
    stop: int
    cap: int | None = None
    attempt: int = 1
    retry_failed: bool = False
    until: float | None = None
    ranks: int = 1

    def words(self, board: Board) -> list[str]:
        """The module that is the worker, and its arguments."""
        return ["hpcsim.scheduler.worker", json.dumps(asdict(self)), board.address]


def environment() -> dict[str, str]:
    """Environment of a worker: one thread for every library that would take all cores, and large memory pages.

    Synapses are visited in random order; with huge pages NEST spends 5 to 15 % less CPU.
    """
    settings = dict(os.environ)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        settings.setdefault(name, "1")
    # waiting OpenMP threads spin otherwise and steal the cores of other points
    settings.setdefault("OMP_WAIT_POLICY", "passive")
    settings.setdefault("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")
    settings.setdefault("PYNEST_QUIET", "1")
    settings.setdefault("MPLBACKEND", "Agg")
    settings.setdefault("NEURON_MODULE_OPTIONS", "-nogui")
    return settings


def main(arguments: list[str]) -> int:
    """Run one order; returns the exit code."""
    order = Order(**json.loads(arguments[0]))
    die_with_parent()
    from hpcsim.scheduler.mpi import Alone, Ranks

    try:
        if order.ranks == 1:
            _work(order, Alone(), Board.open(arguments[1]))
        else:
            world = Ranks(order.ranks)
            _work(order, world, Board.open(arguments[1]) if world.first else None)
            world.leave()
    except Interrupted:
        print("stopped; what was finished is written", flush=True)
        return TERMINATED
    except HpcsimError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return error.exit_code
    return 0


def _work(order: Order, world: World, board: Board | None) -> None:
    """Simulate what was ordered; only the first process of a world listens and shows how far it is."""
    from hpcsim.scheduler.runner import Runner
    from hpcsim.study import Study

    directory = StudyDirectory(Path(order.directory))
    study = Study.load(directory.path)
    study.verify(directory)
    world.check(study.model)
    shown = _Shown(board)
    runner = Runner(
        study,
        directory,
        order.start,
        order.stop,
        world=world,
        cap=order.cap,
        attempt=order.attempt,
        retry_failed=order.retry_failed,
        until=order.until,
        on_batch=shown.begin,
        on_done=shown.add,
        on_flush=shown.secure,
    )
    # the first rank decides when to stop; the others end with it
    stop = (lambda number, frame: runner.interrupt()) if world.first else signal.SIG_IGN
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if board is not None and world.ranks > 1:
        threading.Thread(target=_listen, args=(board,), daemon=True).start()
    runner.run()


class _Shown:
    """What a worker shows on its board; nothing without one."""

    def __init__(self, board: Board | None) -> None:
        self._board, self._reading = board, Reading()

    def begin(self, first: int, last: int, points: int) -> None:
        """A batch begins."""
        self._show(replace(self._reading, start=first, stop=last, batch=points, since=time.monotonic()))

    def add(self, points: int, failed: int) -> None:
        """Points are over."""
        self._show(replace(self._reading, done=self._reading.done + points, failed=self._reading.failed + failed))

    def secure(self) -> None:
        """All that is over is in a shard."""
        self._show(replace(self._reading, written=self._reading.done, written_failed=self._reading.failed))

    def _show(self, reading: Reading) -> None:
        self._reading = reading
        if self._board is not None:
            self._board.show(reading)


def _listen(board: Board) -> None:
    """Pass on what the supervisor asks: launchers of MPI ranks do not all pass signals on."""
    while not board.stop_asked:
        time.sleep(_LISTEN)
    os.kill(os.getpid(), signal.SIGTERM)


def die_with_parent() -> None:
    """On Linux: get SIGTERM when the thread that started this process is gone, so that nothing runs on unwatched."""
    if sys.platform.startswith("linux"):
        import ctypes

        PR_SET_PDEATHSIG = 1
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


if __name__ == "__main__":
    # no interpreter shutdown: simulators crash in it, after everything is safe
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
