"""The block between a worker and its supervisor: whole readings, by descriptor or by file."""

from __future__ import annotations

import multiprocessing
import time

import pytest

from hpcsim.scheduler.task.progress_block import ProgressBlock, WorkerProgress


def _write(address: str, seconds: float) -> None:
    block = ProgressBlock.open(address)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        block.show(WorkerProgress(7, 9, 2, 1, 0, 1, 0, 123.0))


def test_a_reading_is_never_blank(tmp_path):
    """A blank one looks like a batch that has been running since 1970, and its point would be ended as too late."""
    block = ProgressBlock.create(tmp_path)
    block.show(WorkerProgress(7, 9, 2, 1, 0, 1, 0, 123.0))
    writer = multiprocessing.get_context("spawn").Process(target=_write, args=(block.address, 2.0))
    writer.start()
    reads = 0
    while writer.is_alive():
        assert block.read() == WorkerProgress(7, 9, 2, 1, 0, 1, 0, 123.0)
        reads += 1
    writer.join()
    assert reads > 1000
    block.close()


@pytest.mark.parametrize("by_file", [False, True])
def test_both_sides_see_the_same(tmp_path, by_file):
    ours = ProgressBlock.create(tmp_path if by_file else None)
    theirs = ProgressBlock.open(ours.address)
    assert theirs.read() == WorkerProgress()
    theirs.show(WorkerProgress(0, 4, 4, 3, 1, 2, 0, 1.5))
    assert ours.read() == WorkerProgress(0, 4, 4, 3, 1, 2, 0, 1.5)
    assert not theirs.stop_asked
    ours.ask_stop()
    assert theirs.stop_asked and theirs.read().done == 3
    assert len(list(tmp_path.iterdir())) == by_file
    ours.close()
    assert not list(tmp_path.iterdir())
