"""The process that simulates: one slice of one study, then it ends.

Simulators keep state for as long as a process lives, and some of them abort it; so each task has a
process of its own, and :mod:`hpcsim.scheduler.task` watches over it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from hpcsim.directory import StudyDirectory
from hpcsim.errors import HpcsimError, Interrupted
from hpcsim.scheduler.board import Board, Reading

#: Exit code of a worker that was asked to stop, as a shell gives it for SIGTERM.
TERMINATED = 143


@dataclass(frozen=True)
class Order:
    """What a worker is told to do; after `until` (seconds since 1970) it begins no further batch."""

    directory: str
    start: int
    stop: int
    cap: int | None = None
    attempt: int = 1
    retry_failed: bool = False
    until: float | None = None

    def command(self, board: Board) -> list[str]:
        """The command that starts the worker."""
        return [sys.executable, "-m", "hpcsim.scheduler.worker", json.dumps(asdict(self)), str(board.descriptor)]


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
    order, board = Order(**json.loads(arguments[0])), Board(int(arguments[1]))
    die_with_parent()
    from hpcsim.scheduler.runner import Runner
    from hpcsim.study import Study

    directory = StudyDirectory(Path(order.directory))
    shown = Reading()

    def on_batch(first: int, last: int, points: int) -> None:
        nonlocal shown
        shown = replace(shown, start=first, stop=last, batch=points, since=time.monotonic())
        board.show(shown)

    def on_done(points: int, failed: int) -> None:
        nonlocal shown
        shown = replace(shown, done=shown.done + points, failed=shown.failed + failed)
        board.show(shown)

    def on_flush() -> None:
        nonlocal shown
        shown = replace(shown, written=shown.done, written_failed=shown.failed)
        board.show(shown)

    try:
        study = Study.load(directory.path)
        study.verify(directory)
        runner = Runner(
            study,
            directory,
            order.start,
            order.stop,
            cap=order.cap,
            attempt=order.attempt,
            retry_failed=order.retry_failed,
            until=order.until,
            on_batch=on_batch,
            on_done=on_done,
            on_flush=on_flush,
        )
        signal.signal(signal.SIGTERM, lambda number, frame: runner.interrupt())
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        runner.run()
    except Interrupted:
        print("stopped; what was finished is written", flush=True)
        return TERMINATED
    except HpcsimError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return error.exit_code
    return 0


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
