"""Collecting: every row once, whatever happens."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree
from subprocess import PIPE
from tempfile import TemporaryDirectory
from unittest.mock import patch

import h5py
import pytest
from faulty_disk import disk_operations, full_disk
from filelock import FileLock
from hypothesis import example, given, settings
from hypothesis import strategies as st
from toy_rows import check_rows, numbers_of, toy_schema, write_shard

from hpcsim.collector.collect import collect
from hpcsim.collector.format.table import Table
from hpcsim.collector.shard import shard_files
from hpcsim.errors import StorageError

PYTHON = {**os.environ, "OMP_NUM_THREADS": "1"}


def run(code: str, *arguments: object, **variables: str) -> subprocess.Popen[str]:
    """Start Python with this code, and these variables of the environment besides."""
    env = {**PYTHON, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **variables}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, env=env, text=True, stdin=PIPE, stdout=PIPE, stderr=PIPE)


def held(directory: Path) -> list[int]:
    """Numbers of the rows of the results, after a look at all columns."""
    with Table(directory / "results.h5") as table:
        check_rows(table)
        assert table.attrs["format"] == "hpcsim-results/2"
        return sorted(numbers_of(table).tolist())


def test_shards_become_results(tmp_path: Path) -> None:
    for start in range(0, 5000, 1250):
        write_shard(tmp_path / "shards", range(start, start + 1250))
    report = collect(tmp_path)
    assert (report.rows_added, report.rows_total, report.shards) == (5000, 5000, 4)
    assert report.bytes == (tmp_path / "results.h5").stat().st_size
    assert held(tmp_path) == list(range(5000))
    assert shard_files(tmp_path / "shards") == []
    assert sorted(path.name for path in tmp_path.iterdir()) in (
        [".collect.lock", "results.h5", "shards"],
        ["results.h5", "shards"],
    )


def test_nothing_to_collect(tmp_path: Path) -> None:
    assert collect(tmp_path, final=True).rows_total == 0
    assert not (tmp_path / "results.h5").exists()


@pytest.fixture(scope="module", autouse=True)
def small_blocks() -> Iterator[None]:
    """Blocks of 16 rows, so that few rows make many of them."""
    with patch("hpcsim.collector.format.schema._BLOCK_BYTES", 16 * 1000):
        assert toy_schema().block == 16
        yield


sizes_of_shards = st.lists(st.integers(0, 50), min_size=1, max_size=4)
plans = st.lists(st.tuples(sizes_of_shards, st.integers(0, 9)), min_size=1, max_size=3)


@settings(max_examples=6, deadline=None, derandomize=True)
@example([([16, 0, 31], 0), ([1, 50, 15], 9), ([0], 0), ([33, 48], 3)])
@given(plans)
def test_any_sizes_and_any_collections_give_exactly_the_rows(plan: list[tuple[list[int], int]]) -> None:
    total = 0
    with TemporaryDirectory() as name:
        directory = Path(name)
        for sizes, again in plan:
            for size in sizes:
                rows = range(max(0, total - again), total + size)  # the last few come again
                if len(rows):
                    write_shard(directory / "shards", rows)
                total += size
            assert collect(directory, final=True).rows_total == total
            if total:
                assert held(directory) == list(range(total))


def test_full_blocks_are_moved_as_they_are(tmp_path: Path) -> None:
    path = write_shard(tmp_path / "shards", range(40))
    with h5py.File(path) as file:
        chunk = file["eeg"].id.read_direct_chunk((16, 0, 0))
    collect(tmp_path)
    with h5py.File(tmp_path / "results.h5") as file:
        assert file["eeg"].id.read_direct_chunk((16, 0, 0)) == chunk


def test_equal_points_stand_once(tmp_path: Path) -> None:
    write_shard(tmp_path / "shards", range(0, 900))
    write_shard(tmp_path / "shards", range(300, 1200))
    first = collect(tmp_path)
    assert (first.rows_added, first.duplicates) == (1200, 600)
    write_shard(tmp_path / "shards", range(1100, 1300))
    second = collect(tmp_path, final=True)
    assert (second.rows_added, second.duplicates, second.rows_total) == (100, 100, 1300)
    assert held(tmp_path) == list(range(1300))


def test_a_point_that_succeeds_replaces_its_failure(tmp_path: Path) -> None:
    shards = tmp_path / "shards"
    write_shard(shards, range(1000), status=[1] * 5 + [0] * 995)
    write_shard(shards, [0, 1], status=[0, 2])
    first = collect(tmp_path, provenance={"study": "x = 1"}, complete="d1")
    assert (first.rows_total, first.duplicates) == (1000, 2)
    write_shard(shards, [2, 3, 5], status=[0, 3, 1])
    second = collect(tmp_path, final=True)
    assert (second.rows_total, second.rows_added, second.replaced, second.duplicates) == (1000, 0, 1, 2)
    assert held(tmp_path) == list(range(1000))
    with Table(tmp_path / "results.h5") as table:
        failed = numbers_of(table)[table.array("status") != 0]
        assert sorted(failed) == [1, 3, 4]
        assert table.attrs["complete"] == "d1"
        assert table.file["provenance/study"].asstr()[()] == "x = 1"


def test_damaged_and_foreign_shards_are_set_aside(tmp_path: Path) -> None:
    shards = tmp_path / "shards"
    write_shard(shards, range(100))
    collect(tmp_path)
    write_shard(shards, range(100, 200))
    bad = write_shard(shards, range(200, 300))
    data = bytearray(bad.read_bytes())
    data[len(data) // 2] ^= 4
    bad.write_bytes(data)
    other = write_shard(shards, range(300, 310), fingerprint="cd34")
    wide = write_shard(shards, range(310, 320), schema=toy_schema(time=6))
    report = collect(tmp_path, final=True)
    assert [item.path for item in report.damaged] == [shards / "damaged" / bad.name]
    assert "checksum" in report.damaged[0].reason
    assert {item.path for item in report.refused} == {shards / "refused" / other.name, shards / "refused" / wide.name}
    assert any("cd34" in item.reason for item in report.refused)
    assert held(tmp_path) == list(range(200))
    assert shard_files(shards) == []


def test_few_new_rows_wait_until_they_are_worth_a_copy(tmp_path: Path) -> None:
    write_shard(tmp_path / "shards", range(4000))
    collect(tmp_path)
    write_shard(tmp_path / "shards", range(4000, 4010))
    report = collect(tmp_path)
    assert (report.rows_added, report.rows_total) == (0, 4000)
    assert report.waiting > 0
    assert collect(tmp_path, threshold=0).rows_total == 4010


def test_complete_and_provenance_are_written(tmp_path: Path) -> None:
    write_shard(tmp_path / "shards", range(10))
    collect(tmp_path, provenance={"study": "a = 'é'", "versions": "{}"})
    assert collect(tmp_path, complete="abc").rows_total == 10
    with Table(tmp_path / "results.h5") as table:
        assert table.attrs["complete"] == "abc"
        assert table.file["provenance/study"].asstr()[()] == "a = 'é'"
    written = (tmp_path / "results.h5").stat().st_ino
    collect(tmp_path, complete="abc", provenance={"study": "changed"})
    assert (tmp_path / "results.h5").stat().st_ino == written


def test_one_collector_at_a_time(tmp_path: Path) -> None:
    with FileLock(tmp_path / ".collect.lock"), pytest.raises(StorageError, match="another collector"):
        collect(tmp_path, wait=0.1)


def test_stale_files_are_removed_and_young_ones_stay(tmp_path: Path) -> None:
    (tmp_path / "shards").mkdir()
    stale = [tmp_path / ".study.toml.a.tmp", tmp_path / "shards" / ".task-0.a.tmp"]
    young = [tmp_path / ".study.toml.b.tmp", tmp_path / "shards" / ".task-0.b.tmp"]
    # there is one collector at a time, so that of another one is left by a dead one
    results = tmp_path / ".results.c.tmp"
    for path in (*stale, *young, results):
        path.touch()
    for path in stale:
        os.utime(path, (time.time() - 7200,) * 2)
    collect(tmp_path)
    assert [path for path in (*stale, results) if path.exists()] == []
    assert all(path.exists() for path in young)


def test_results_that_are_open_elsewhere_do_not_hinder(tmp_path: Path) -> None:
    write_shard(tmp_path / "shards", range(10))
    collect(tmp_path)
    code = "import h5py, sys; f = h5py.File(sys.argv[1], sys.argv[2]); print('open', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code, tmp_path / "results.h5"]
    for number, mode in enumerate(("r", "r+")):
        with subprocess.Popen([*command, mode], stdin=PIPE, stdout=PIPE, text=True) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == "open\n"
            write_shard(tmp_path / "shards", [10 + number])
            collect(tmp_path, final=True)
            assert held(tmp_path) == list(range(11 + number))
            other.communicate()


def test_results_that_cannot_be_read_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "results.h5").write_bytes(b"no HDF5")
    path = write_shard(tmp_path / "shards", range(10))
    with pytest.raises(StorageError, match=r"results\.h5"):
        collect(tmp_path, final=True)
    assert (tmp_path / "results.h5").read_bytes() == b"no HDF5"
    assert path.exists()


COLLECT = "import sys; from hpcsim.collector.collect import collect; collect(sys.argv[1], final=True)"
KILLED = """
import ctypes, os, sys
import dask.base, dask.delayed, dask.threaded, distributed, filelock
from hpcsim.collector.collect import collect
for line in sys.stdin:
    folder, instant = line.split()
    child = os.fork()
    if not child:
        os.environ["KILL_AT"] = instant
        collect(sys.argv[1] + "/" + folder, final=True)
        print(ctypes.CDLL(os.environ["LD_PRELOAD"]).operations(), flush=True)
        os._exit(0)
    print(os.waitpid(child, 0)[1], flush=True)
"""


def test_kills_at_any_instant_lose_nothing(tmp_path: Path) -> None:
    before = tmp_path / "before"
    write_shard(before / "shards", range(100))
    collect(before)
    for start in (100, 150):
        write_shard(before / "shards", range(start, start + 50))
    work = tmp_path / "work"
    work.mkdir()
    rows = set()
    with TemporaryDirectory() as library, run(KILLED, work, **disk_operations(Path(library), work)) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        copytree(before, work / "whole")
        print("whole 0", file=process.stdin, flush=True)
        operations = int(process.stdout.readline())
        assert process.stdout.readline().strip() == "0"
        assert operations > 16
        # before the first, before the last, and at instants between: nothing depends on what takes how long
        for instant in sorted({1, operations, *range(1, operations, max(1, operations // 16))}):
            directory = copytree(before, work / str(instant))
            print(instant, instant, file=process.stdin, flush=True)
            assert process.stdout.readline().strip() == "9"
            rows.add(len(held(directory)))
            report = collect(directory, final=True)
            assert report.damaged == ()
            assert held(directory) == list(range(200))
        process.stdin.close()
    assert rows == {100, 200}


def test_a_kill_between_rename_and_removal_adds_no_row_twice(tmp_path: Path) -> None:
    path = write_shard(tmp_path / "shards", range(1500))
    data = path.read_bytes()
    collect(tmp_path)
    path.write_bytes(data)
    report = collect(tmp_path, final=True)
    assert (report.rows_added, report.duplicates, report.rows_total) == (0, 1500, 1500)
    assert held(tmp_path) == list(range(1500))
    assert not path.exists()


FULL = """
import resource, sys
from pathlib import Path
from hpcsim.collector.collect import collect
from hpcsim.errors import StorageError
limit = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
try:
    collect(sys.argv[1], final=True)
except StorageError as error:
    print("told:", error)
"""


@pytest.mark.parametrize("part", [0.01, 0.9, 1.0, 1.2])
def test_a_full_disk_leaves_everything_as_it_was(tmp_path: Path, part: float) -> None:
    write_shard(tmp_path / "shards", range(2000))
    collect(tmp_path)
    shard = write_shard(tmp_path / "shards", range(2000, 4000))
    with run(FULL, tmp_path, int(part * (tmp_path / "results.h5").stat().st_size)) as process:
        out, err = process.communicate()
    assert out.startswith("told:"), err
    assert process.returncode == 0
    assert held(tmp_path) == list(range(2000))
    assert shard.exists()
    assert not list(tmp_path.glob(".results*"))
    collect(tmp_path, final=True)
    assert held(tmp_path) == list(range(4000))


def test_a_full_file_system_leaves_everything_as_it_was(tmp_path: Path) -> None:
    write_shard(tmp_path / "shards", range(2000))
    collect(tmp_path)
    write_shard(tmp_path / "shards", range(2000, 4000))
    room = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) + 200_000
    with TemporaryDirectory() as work:
        full = full_disk(Path(work), tmp_path, room)
        out, err = run(FULL, tmp_path, resource.RLIM_INFINITY, **full).communicate()
    assert "the disk is full" in out, err
    assert held(tmp_path) == list(range(2000))
    collect(tmp_path, final=True)
    assert held(tmp_path) == list(range(4000))


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    peaks = []
    schema = toy_schema(time=200)
    with patch("hpcsim.collector.format.schema._BLOCK_BYTES", 2**20):
        for name, shards in (("few", 1), ("many", 8)):
            for i in range(shards):
                write_shard(tmp_path / name / "shards", range(i * 1000, (i + 1) * 1000), schema=schema)
            code = COLLECT + "; import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
            with run(code, tmp_path / name) as process:
                peaks.append(int(process.communicate()[0]))
    assert peaks[1] - peaks[0] < 12_000  # KiB; seven more shards are 35 MB
