"""Long ragged outputs pass through merging and collecting a few points at a time."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from toy_rows import HEADER, check_rows, numbers_of, toy_id, toy_schema, write_shard

from hpcsim.collector.collect import collect
from hpcsim.collector.format.schema import Schema
from hpcsim.collector.format.table import Table
from hpcsim.collector.shard import ShardWriter, merge, shard_files
from hpcsim.outputs import Layout, Output

SPIKES = 200_000
POINT_BYTES = SPIKES * 8


def spikes_of(number: int) -> np.ndarray:
    return np.arange(number, number + SPIKES - number, dtype=float)


def long_shard(folder: Path, numbers: range) -> Path:
    """A shard of points with long outputs, in blocks of thousands of rows."""
    layout = Layout.of([Output("spike_times", ("spike",), "ms", ragged=True)])
    writer = ShardWriter(folder, Schema((), layout, 1), HEADER, "long")
    n = len(numbers)
    records = dict.fromkeys(("status", "replicate", "seed", "attempts"), np.zeros(n, int))
    records |= dict.fromkeys(("wall_time", "cpu_time", "peak_memory"), np.zeros(n))
    words = {"id": [toy_id(i) for i in numbers], "error": [""] * n, "host": ["node"] * n}
    writer.append({**records, **words}, {}, {"spike_times": [spikes_of(i) for i in numbers]})
    path = writer.flush()
    assert path is not None
    return path


def check_long(path: Path, numbers: range) -> None:
    with Table(path) as table:
        found = numbers_of(table)
        assert sorted(found.tolist()) == list(numbers)
        for row, number in enumerate(found.tolist()):
            np.testing.assert_array_equal(table.ragged("spike_times", row), spikes_of(number))


@contextmanager
def at_most(points: int) -> Iterator[None]:
    """No more than the values of so many points are in memory at any time."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < points * POINT_BYTES, f"the values of {peak / POINT_BYTES:.0f} points"


def in_one_file(folder: Path) -> None:
    long_shard(folder / "shards", range(60))


def in_several_files(folder: Path) -> None:
    for start in range(0, 60, 12):
        long_shard(folder / "shards", range(start, start + 12))


def in_the_wrong_order(folder: Path) -> None:
    for start in range(48, -1, -12):
        long_shard(folder / "shards", range(start, start + 12))


@pytest.mark.parametrize("left", [in_one_file, in_several_files, in_the_wrong_order])
def test_collecting_holds_a_few_points(tmp_path: Path, left: Callable[[Path], None]) -> None:
    left(tmp_path)
    with at_most(30):
        collect(tmp_path, final=True)
    check_long(tmp_path / "results.h5", range(60))


def test_adding_to_long_results_holds_a_few_points(tmp_path: Path) -> None:
    in_one_file(tmp_path)
    collect(tmp_path, final=True)
    # some come again
    long_shard(tmp_path / "shards", range(58, 63))
    with at_most(30):
        assert collect(tmp_path, final=True).duplicates == 2
    check_long(tmp_path / "results.h5", range(63))


def test_merging_holds_a_few_points(tmp_path: Path) -> None:
    in_several_files(tmp_path)
    with at_most(30):
        merged = merge(shard_files(tmp_path / "shards"), tmp_path / "shards", "all")
    check_long(merged, range(60))


@pytest.mark.parametrize("held", [0, 100, 700])
@pytest.mark.parametrize("sizes", [(5, 16, 40, 3), (40, 40, 1), (7, 7, 7, 90), (16, 32)])
def test_values_that_are_written_before_their_rows_stay_with_them(tmp_path: Path, held: int, sizes: tuple[int, ...]) -> None:
    with patch("hpcsim.collector.format.schema._BLOCK_BYTES", 16 * 1000), patch("hpcsim.collector.appender._HELD_BYTES", held):
        assert toy_schema().block == 16
        total = 0
        for size in sizes:
            # the first of them failed, and the last ones before them come again
            rows = range(max(0, total - 3), total + size)
            write_shard(tmp_path / "shards", rows, status=[int(row == total) for row in rows])
            total += size
        # two shards at once, then each alone
        for last in (sizes[-1] // 2, sizes[-1]):
            collect(tmp_path, final=True)
            write_shard(tmp_path / "shards", [0, *range(total, total + last)])
            total += last
        collect(tmp_path, final=True)
    with Table(tmp_path / "results.h5") as table:
        check_rows(table)
        assert sorted(numbers_of(table).tolist()) == list(range(total))
