"""The process that simulates: one slice of one study, then it ends.

Simulators keep state for as long as a process lives, and some of them abort it; so each task has a
process of its own, and :mod:`hpcsim.scheduler.task.supervisor` watches over it.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
import traceback
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

from hpcsim.errors import DirectoryError, HpcsimError, Interrupted
from hpcsim.scheduler.log.task_log import printed
from hpcsim.scheduler.signals import stop_signals
from hpcsim.scheduler.task.fork import Fork
from hpcsim.scheduler.task.progress_block import FINISHED, REFUSED, ProgressBlock, WorkerProgress
from hpcsim.study.directory import StudyDirectory

if TYPE_CHECKING:
    from hpcsim.scheduler.site.launcher import Launch
    from hpcsim.scheduler.task.ranks import World
    from hpcsim.study.study import Study

#: Seconds between two looks whether a stop is asked.
_LISTEN = 0.2
#: Exit code of a worker that was asked to stop, as a shell gives it for SIGTERM.
TERMINATED = 143
#: Python's variable that keeps the current folder off its path, and the value that says that hpcsim set it.
_SAFE_PATH, _OURS = "PYTHONSAFEPATH", "hpcsim"
#: Whether this process is a copy of a fork server: what a worker needs is loaded, and it is a copy in its turn.
preloaded = False


@dataclass(frozen=True)
class WorkerRequest:
    """What a worker is told to do; after `until` (seconds since 1970) it begins no further batch; `ranks` are of MPI.

    `design` is the digest of the design in which the points have these numbers; empty where nobody said it.
    """

    directory: str
    start: int
    stop: int
    cap: int | None = None
    attempt: int = 1
    retry_failed: bool = False
    until: float | None = None
    ranks: int = 1
    design: str = ""

    def argv(self, block: ProgressBlock) -> list[str]:
        """The module that is the worker, and its arguments."""
        return ["hpcsim.scheduler.task.worker", json.dumps(asdict(self)), block.address]


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
    # files of the current folder may have names of Python's own modules
    settings.setdefault(_SAFE_PATH, _OURS)
    return settings


def main(arguments: list[str]) -> int:
    """Run one request; returns the exit code."""
    request = WorkerRequest(**json.loads(arguments[0]))
    die_with_parent()
    if os.environ.get(_SAFE_PATH) == _OURS:
        # what a model starts has its own
        del os.environ[_SAFE_PATH]
    from hpcsim.scheduler.task.ranks import MPIWorld, SerialWorld

    shown = _Shown()
    try:
        world: World = SerialWorld() if request.ranks == 1 else MPIWorld(request.ranks)
        if world.first:
            shown = _Shown(ProgressBlock.open(arguments[1]))
        _work(request, world, shown)
        shown.end(FINISHED)
        if isinstance(world, MPIWorld):
            world.leave()
    except Interrupted:
        print("stopped; what was finished is written", flush=True)
        return TERMINATED
    except HpcsimError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        shown.end(REFUSED)
        return error.exit_code
    except BaseException as error:
        # a module of the user's may end in any way when it is imported, and an interpreter must not shut down
        traceback.print_exception(error)
        print(f"error: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


def load_study(request: WorkerRequest) -> Study:
    """The study that a request is about.

    Raises
    ------
    DirectoryError
        If its points have other numbers than those in the request.
    """
    from hpcsim.study.study import Study

    study = Study.load(Path(request.directory))
    if request.design and study.design.digest != request.design:
        raise DirectoryError(
            f"{request.directory}: the study has changed since points {request.start} to {request.stop} were planned: its "
            f"design is {study.design.digest} now, and was {request.design}; nothing was simulated, "
            "and the command that runs or submits it plans anew"
        )
    return study


def _work(request: WorkerRequest, world: World, shown: _Shown) -> None:
    """Simulate what was ordered; only the first process of a world listens and shows how far it is."""
    from hpcsim.scheduler.task.runner import Runner

    directory = StudyDirectory(Path(request.directory))
    study = load_study(request)
    study.verify(directory)
    world.check(study.model)
    runner = Runner(
        study,
        directory,
        request.start,
        request.stop,
        world=world,
        cap=request.cap,
        attempt=request.attempt,
        retry_failed=request.retry_failed,
        # only a plan gives a task the design that it means
        planned=bool(request.design),
        until=request.until,
        on_batch=shown.begin,
        on_done=shown.add,
        on_flush=shown.secure,
        stop_asked=lambda: shown.stop_asked,
    )
    # the first rank decides when to stop; the others end with it
    stop = (lambda number, frame: runner.interrupt()) if world.first else signal.SIG_IGN
    for number in stop_signals():
        signal.signal(number, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if world.first and world.ranks > 1:
        threading.Thread(target=_listen, args=(shown,), daemon=True).start()
    runner.run()


class _Shown:
    """What a worker shows on its block; nothing without one."""

    def __init__(self, block: ProgressBlock | None = None) -> None:
        self._block, self._progress = block, WorkerProgress()

    @property
    def stop_asked(self) -> bool:
        """Whether the supervisor asks for a stop: a model may have made the process deaf to its signal."""
        return self._block is not None and self._block.stop_asked

    def begin(self, first: int, last: int, points: int) -> None:
        """A batch begins."""
        now, size = time.monotonic(), printed()
        began = self._progress.first or now
        self._show(replace(self._progress, start=first, stop=last, batch=points, since=now, printed=size, first=began))

    def add(self, points: int, failed: int) -> None:
        """Points are over."""
        self._show(replace(self._progress, done=self._progress.done + points, failed=self._progress.failed + failed))

    def secure(self) -> None:
        """All that is over is in a shard."""
        self._show(replace(self._progress, written=self._progress.done, written_failed=self._progress.failed))

    def end(self, state: int) -> None:
        """The worker ends in this way."""
        self._show(replace(self._progress, state=state))

    def _show(self, progress: WorkerProgress) -> None:
        self._progress = progress
        if self._block is not None:
            self._block.show(progress)


def _listen(shown: _Shown) -> None:
    """Pass on what the supervisor asks: launchers of MPI ranks do not all pass signals on."""
    while not shown.stop_asked:
        time.sleep(_LISTEN)
    os.kill(os.getpid(), signal.SIGTERM)


def die_with_parent() -> None:
    """On Linux: get SIGTERM when the thread that started this process is gone, so that nothing runs on unwatched."""
    if sys.platform.startswith("linux"):
        import ctypes

        PR_SET_PDEATHSIG = 1
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def reader_gone(descriptor: int = 1) -> bool:
    """Whether a pipe that this process writes to has nobody who reads: a parent that was killed before it could be watched.

    Parameters
    ----------
    descriptor : int
        Its standard output by default.
    """
    if not hasattr(select, "poll"):
        return False
    poll = select.poll()
    # errors are told whatever is asked for
    poll.register(descriptor, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def start(request: WorkerRequest, block: ProgressBlock, output: IO[bytes], launch: Launch) -> subprocess.Popen[bytes] | Fork:
    """Start a worker, whose output goes to a file."""
    if preloaded and request.ranks == 1 and not launch.inside:

        def work() -> int:
            for number in (1, 2):
                os.dup2(output.fileno(), number)
            _line_buffered()
            # one state for all copies would be drawn from by each
            sys.modules["numpy"].random.seed()
            return main(request.argv(block)[1:])

        return Fork(work, " ".join([sys.executable, "-m", *request.argv(block)]))
    return subprocess.Popen(
        launch.command(request.argv(block)),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=environment(),
        pass_fds=[block.descriptor],
        start_new_session=True,
        preexec_fn=die_with_parent if request.ranks > 1 else None,
    )


def _line_buffered() -> None:
    """What a model printed before it crashed is not lost in a buffer."""
    sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]


if __name__ == "__main__":
    # no interpreter shutdown: simulators crash in it, after everything is safe
    _line_buffered()
    code = main(sys.argv[1:])
    printed()
    os._exit(code)
