"""What is said of all points takes memory that does not grow with their number."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from shutil import copyfile
from unittest.mock import patch

import h5py
import numpy as np
from toy_rows import toy_schema, write_shard

from hpcsim.collector.appender import Appender
from hpcsim.collector.format.table import Table
from hpcsim.collector.results import Results


def many(path: Path, shard: Path, times: int) -> Path:
    """A file with the rows of a shard again and again."""
    copyfile(shard, path)
    with h5py.File(path, "r+") as file, Table(shard) as table:
        appender = Appender(file)
        for _ in range(times - 1):
            appender.add(table)
        appender.finish()
    return path


def peak(path: Path, ask: Callable[[Results], object]) -> tuple[int, object]:
    """Most bytes that Python holds while something is asked of results, and the answer."""
    with Results(path) as results:
        ask(results)
        results.__dict__.pop("counts", None)
        tracemalloc.start()
        answer = ask(results)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return most, answer


def test_four_times_the_points_take_the_memory_of_one(tmp_path: Path) -> None:
    rows = 2 * toy_schema().block
    shard = write_shard(tmp_path, range(rows), status=[int(i % 100 == 0) for i in range(rows)])
    files = [many(tmp_path / f"{n}.results", shard, n) for n in (8, 32)]
    bad = -(-rows // 100)
    # pieces of one size: what grows is a number a piece
    with patch("hpcsim.collector.format.table.SCAN_ROWS", rows):
        for ask, expected in (
            (lambda results: results.counts["failed"], bad),
            (lambda results: results.table.failed(50)[2], bad),
            (lambda results: sum(float(part.sum()) for _, part in results.table.scan("a")), 0.5 * rows * (rows - 1) / 2),
        ):
            (small, few), (large, all_) = (peak(file, ask) for file in files)
            assert (few, all_) == (8 * expected, 32 * expected)
            # any column as a whole would be a byte a point at least
            assert large - small < 24 * rows / 2


def test_the_last_failed_rows_are_told_in_order(tmp_path: Path) -> None:
    status = [0, 1, 0, 2, 3, 0]
    with Table(many(tmp_path / "x.results", write_shard(tmp_path, range(6), status=status), 2)) as table:
        rows, ended, count = table.failed(4)
    assert (rows.tolist(), ended.tolist(), count) == ([4, 7, 9, 10], [3, 1, 2, 3], 6)


def test_many_blocks_are_read_in_pieces_and_are_the_same(tmp_path: Path) -> None:
    with patch("hpcsim.collector.format.schema._BLOCK_BYTES", 16 * 1000):
        shard = write_shard(tmp_path, range(100))
    with Table(shard) as table, patch("hpcsim.collector.format.opening._BLOCKS", 2):
        for rows in (slice(None), slice(5, 99), slice(-40, None), slice(3, 90, 7), slice(90, 300), slice(4, 4)):
            for name in ("n", "pair", "id", "host"):
                np.testing.assert_array_equal(table.read(name, rows), table.member(name)[rows], err_msg=f"{name} {rows}")
