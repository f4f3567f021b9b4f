"""Executor ``inline``: this process, one point after the other."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from hpcsim.errors import Interrupted
from hpcsim.scheduler.executor import Job
from hpcsim.scheduler.runner import Runner


def run_inline(job: Job) -> None:
    """Simulate in this process; for debugging, notebooks, and models that only this process knows.

    A simulator that dies takes this process with it, and there is no time limit.
    """
    done = failed = 0

    def on_done(points: int, bad: int) -> None:
        nonlocal done, failed
        done += points
        failed += bad
        job.on_progress(done, failed)

    for start, stop in job.plan.pending:
        runner = Runner(job.study, job.directory, start, stop, retry_failed=job.retry_failed, on_done=on_done)
        with _interruptible(runner):
            try:
                runner.run()
            except KeyboardInterrupt:
                raise Interrupted("stopped; what was finished is written") from None


@contextmanager
def _interruptible(runner: Runner) -> Iterator[None]:
    """SIGTERM stops the runner after it has written what it has."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, lambda number, frame: runner.interrupt())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
