"""The program of the fork server: loads what tasks need, then makes a copy of itself for each task that is asked for.

It talks through one socket, whose descriptor is its argument: a request comes with three descriptors, for the standard
output and the standard error of the task, and for what is told about it (that it began, then its exit code).
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import sys
from contextlib import suppress
from importlib import import_module
from typing import NoReturn

import numpy as np

from hpcsim.cli.entry import command, main
from hpcsim.scheduler.task import worker
from hpcsim.scheduler.task.fork import Fork
from hpcsim.scheduler.task.fork_server import ForkRequest

#: What each task and its worker load themselves otherwise; no simulator, and no library that starts threads.
_LOADED = (
    "h5py",
    "hpcsim.study.study",
    "hpcsim.space.units",
    "hpcsim.scheduler.task.supervisor",
    "hpcsim.scheduler.task.failure",
    "hpcsim.scheduler.task.ranks",
    "hpcsim.scheduler.task.runner",
    "hpcsim.inference.finding",
)
#: Bytes of a request at most.
_LONGEST = 2**17


def serve(control: socket.socket) -> None:
    """Answer requests until nobody is there who could send one."""
    for name in _LOADED:
        import_module(name)
    command("task")
    worker.preloaded = True
    # what is here stays shared with all copies
    gc.collect()
    gc.freeze()
    running: dict[Fork, tuple[int, int]] = {}
    while True:
        watched: list[socket.socket | Fork] = [control, *running]
        ready, _, _ = select.select(watched, [], [])
        for task in [item for item in ready if isinstance(item, Fork)]:
            _, status = running.pop(task)
            _tell(status, str(task.wait()))
            os.close(status)
        if control in ready:
            message, descriptors, _, _ = socket.recv_fds(control, _LONGEST, 3)
            if not message:
                return
            request = ForkRequest.parse(message)
            if descriptors:
                own = [control.fileno(), *(status for _, status in running.values())]
                # without a word about it the task is started in another way
                with suppress(OSError):
                    task, status = _start(request, descriptors, own)
                    running[task] = request.number, status
            for task, (number, _) in running.items():
                if request.signal and number == request.number:
                    # not waited for yet, so that its id is its own
                    with suppress(ProcessLookupError):
                        os.kill(task.pid, request.signal)


def _start(request: ForkRequest, descriptors: list[int], own: list[int]) -> tuple[Fork, int]:
    """Start a task; returns it, and where its end is told. `own` are descriptors that are none of its business."""
    output, errors, status = descriptors

    def run() -> int:
        for number, descriptor in ((1, output), (2, errors)):
            os.dup2(descriptor, number)
        for descriptor in (*descriptors, *own):
            os.close(descriptor)
        # one state for all copies would be drawn from by each
        np.random.seed()
        os.chdir(request.folder)
        sys.argv = ["hpcsim", *request.arguments]
        main()

    try:
        task = Fork(run, " ".join([sys.executable, "-P", "-m", "hpcsim", *request.arguments]))
    except OSError:
        os.close(status)
        raise
    finally:
        os.close(output)
        os.close(errors)
    _tell(status, "begun\n")
    return task, status


def _tell(status: int, text: str) -> None:
    """Tell about a task, unless nobody listens any more."""
    with suppress(BrokenPipeError):
        os.write(status, text.encode())


def _main() -> NoReturn:
    # tasks are stopped by whoever asked for them, and end with this process
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    with socket.socket(fileno=int(sys.argv[1])) as control:
        serve(control)
    os._exit(0)


if __name__ == "__main__":
    _main()
