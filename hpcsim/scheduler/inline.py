"""Executor ``inline``: this process, one point after the other."""

from __future__ import annotations

from collections.abc import Iterator

from hpcsim.errors import Interrupted
from hpcsim.scheduler.executor import Job, executor
from hpcsim.scheduler.log.failure_log import FailureLog
from hpcsim.scheduler.log.task_log import TaskLog
from hpcsim.scheduler.signals import handled, interrupts
from hpcsim.scheduler.task.runner import Runner


@executor("inline", feeds=True)
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

    with TaskLog(job.directory.logs.resolve() / "inline.log") as log:
        failures = FailureLog(log)
        for start, stop in _tasks(job):
            options = {"retry_failed": job.retry_failed, "planned": True, "on_done": on_done, "failures": failures}
            runner = Runner(job.study, job.directory, start, stop, **options)  # type: ignore[arg-type]
            # Ctrl-C is heard here, so that any other KeyboardInterrupt is the model's own
            with handled(interrupts(), lambda number, runner=runner: runner.interrupt()):  # type: ignore[misc]
                runner.run()
            if runner.stopping:
                # the signal came when nothing of this task was left, but other tasks may be
                raise Interrupted("stopped")
    if log.path.stat().st_size == 0:
        log.path.unlink()


def _tasks(job: Job) -> Iterator[tuple[int, int]]:
    if job.feed is None:
        yield from job.plan.pending
        return
    while task := job.feed.take():
        yield task
        job.feed.finished(*task)
