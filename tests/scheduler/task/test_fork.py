"""Copies of a process: how they end, and what they do not share."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest

from hpcsim.scheduler.task.fork import Fork
from hpcsim.scheduler.task.fork_server import can_fork

# in CI a missing part is a failure
pytestmark = pytest.mark.skipif(not can_fork() and "CI" not in os.environ, reason="no pidfd here")


def raising():
    raise ValueError("a word")


@pytest.mark.parametrize(
    "work, code",
    [
        (lambda: 0, 0),
        (lambda: 7, 7),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), -signal.SIGKILL),
        (raising, 1),
        (lambda: exit(3), 3),
        (lambda: exit(None), 0),
        (lambda: 0 if os.getsid(0) == os.getpid() else 1, 0),
        (lambda: 0 if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL else 1, 0),
        (lambda: len(signal.pthread_sigmask(signal.SIG_BLOCK, ())), 0),
    ],
)
def test_its_exit_code_is_that_of_its_work(work, code):
    before = signal.signal(signal.SIGTERM, lambda number, frame: None)
    try:
        fork = Fork(work, "a copy")
        assert fork.wait(60) == fork.poll() == fork.returncode == code
    finally:
        signal.signal(signal.SIGTERM, before)
    # it has ended: a process with this id would be somebody else's
    fork.send_signal(signal.SIGKILL)


def test_it_is_waited_for_no_longer_than_said():
    fork = Fork(lambda: time.sleep(60), "a copy")
    assert fork.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        fork.wait(0.01)
    fork.kill()
    assert fork.wait() == -signal.SIGKILL
