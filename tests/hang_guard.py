"""A guard against waiting for ever, in the main thread of a test."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def hang_guard(seconds: int) -> Iterator[None]:
    """End a block that hangs with a TimeoutError; far longer than the block takes on a slow machine."""

    def end(*_: object) -> None:
        raise TimeoutError(f"nothing came back in {seconds} s")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
