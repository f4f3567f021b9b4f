"""Writing, checking and merging shards."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
from toy_rows import HEADER, append, check_rows, numbers_of, toy_id, toy_schema, write_shard

from hpcsim.collector.format.schema import Schema
from hpcsim.collector.format.table import Table
from hpcsim.collector.shard import ShardWriter, merge, shard_files, verify
from hpcsim.errors import ResultsError, ShardError, StorageError
from hpcsim.outputs import Layout, Output
from hpcsim.space.parameter import Parameter

NUMBERS = ("replicate", "seed", "status", "attempts", "wall_time", "cpu_time", "peak_memory")


def test_rows_come_back(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path, toy_schema(), HEADER, "task-7")
    append(writer, range(3), [0, 1, 3])
    append(writer, range(3, 10))
    assert writer.rows == 10
    assert writer.bytes > 10 * 500
    path = writer.flush()
    assert path is not None
    assert path.name.startswith("task-7.")
    assert (writer.rows, writer.bytes, writer.flush()) == (0, 0, None)
    assert verify(path).rows == 10
    with Table(path) as table:
        check_rows(table)
        assert numbers_of(table).tolist() == list(range(10))
        assert table.attrs["fingerprint"] == "ab12"
        assert verify(path).schema_digest == toy_schema().digest == table.attrs["schema"]


def test_level_zero_stores_the_same_rows(tmp_path: Path) -> None:
    with Table(write_shard(tmp_path, range(9), schema=toy_schema(level=0))) as table:
        check_rows(table)
        assert table.file["eeg"].compression is None


def test_long_errors_are_cut_between_letters(tmp_path: Path) -> None:
    schema = Schema((), Layout.of([Output("y")]))
    writer = ShardWriter(tmp_path, schema, HEADER, "t")
    records = {**{name: [1] for name in NUMBERS}, "id": [toy_id(1)], "error": ["x" + "é" * 300], "host": ["h" * 99]}
    writer.append(records, {}, {"y": np.zeros(1)})
    path = writer.flush()
    assert path is not None
    with Table(path) as table:
        assert table.array("error")[0] == "x" + "é" * 199
        assert table.array("host")[0] == "h" * 64


def test_a_word_is_never_cut(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path, Schema((Parameter("word", "a", choices=("a", "bc")),), Layout()), HEADER, "t")
    records = {name: [0] for name in writer._needs["record"]}
    writer.append({**records, "id": ["0" * 32]}, {"word": ["abc"]}, {})
    with pytest.raises(ResultsError, match="parameter word: 'abc' has 3 bytes, at most 2 fit"):
        writer.flush()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"eeg": None}, "output eeg: missing"),
        ({"eeg": np.zeros((1, 3, 6))}, r"output eeg: a point has shape \(3, 6\), declared is \(3, 5\)"),
        ({"y": np.zeros(2)}, "output y: 2 rows, but there are 1 ids"),
    ],
)
def test_rows_that_do_not_fit_are_refused(tmp_path: Path, change: dict[str, np.ndarray | None], said: str) -> None:
    writer = ShardWriter(tmp_path, toy_schema(), HEADER, "t")
    append(writer, [1])
    outputs = {name: held[0] for name, held in writer._held.items() if name in writer.schema.layout} | change
    records = {name: writer._held[name][0] for name in writer._needs["record"]}
    parameters = {name: writer._held[name][0] for name in writer._needs["parameter"]}
    with pytest.raises(ResultsError, match=said):
        writer.append(records, parameters, {name: values for name, values in outputs.items() if values is not None})
    assert writer.rows == 1


def test_ragged_outputs_of_one_dimension_are_equally_long(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path, toy_schema(), HEADER, "t")
    append(writer, [1, 2])
    writer._held["spike_ids"][0][1] = np.zeros(9, "i4")
    with pytest.raises(ResultsError, match='output spike_ids: not as long as the others along "spike"'):
        writer.flush()


def test_any_flipped_byte_is_noticed(tmp_path: Path) -> None:
    path = write_shard(tmp_path, range(20))
    whole = path.read_bytes()
    rng = np.random.default_rng(1)
    for place in rng.integers(0, len(whole), 20):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(ShardError, match="checksum"):
            verify(path)
    path.write_bytes(whole[:-100])
    with pytest.raises(ShardError, match="checksum"):
        verify(path)
    path.write_bytes(whole)
    assert verify(path).rows == 20


def test_merge_keeps_all_rows_and_removes_the_parts(tmp_path: Path) -> None:
    parts = [write_shard(tmp_path, range(start, stop)) for start, stop in ((0, 700), (700, 701), (701, 2100))]
    merged = merge(parts, tmp_path, "task-0")
    assert shard_files(tmp_path) == [merged]
    assert verify(merged).rows == 2100
    with Table(merged) as table:
        check_rows(table)
        assert sorted(numbers_of(table)) == list(range(2100))


def test_merge_refuses_what_does_not_fit(tmp_path: Path) -> None:
    parts = [write_shard(tmp_path, [1]), write_shard(tmp_path, [2], fingerprint="cd34")]
    with pytest.raises(ShardError, match="differ"):
        merge(parts, tmp_path, "task-0")
    with pytest.raises(ShardError, match="none given"):
        merge([], tmp_path, "task-0")
    assert sorted(parts) == shard_files(tmp_path)


def test_a_full_disk_is_told_and_rows_are_kept(tmp_path: Path) -> None:
    code = """
import resource, sys
from pathlib import Path
from hpcsim.collector.shard import ShardWriter
from hpcsim.errors import StorageError
from toy_rows import HEADER, append, toy_schema
writer = ShardWriter(Path(sys.argv[1]), toy_schema(), HEADER, "t")
append(writer, range(2000))
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, resource.RLIM_INFINITY))
try:
    writer.flush()
except StorageError as error:
    print(error)
assert not list(Path(sys.argv[1]).iterdir())
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(writer.flush())
"""
    here = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True, env=here)
    assert "ulimit" in done.stdout
    assert verify(Path(done.stdout.split()[-1])).rows == 2000


@pytest.fixture
def nobody() -> Iterator[None]:
    """Root may write anywhere, so for a moment it is somebody else."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    yield
    if root:
        os.seteuid(0)


def test_a_directory_without_permission_is_told(tmp_path: Path, nobody: None) -> None:
    if os.getuid() != 0:
        tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match="may not write"):
        write_shard(tmp_path, [1])


def test_a_row_is_cheap(tmp_path: Path) -> None:
    schema = Schema((Parameter("a", 1.0), Parameter("b", 1.0)), Layout.of([Output("y")]))
    writer = ShardWriter(tmp_path, schema, HEADER, "t")
    n = 10_000
    ids, numbers = [toy_id(i) for i in range(n)], np.arange(n)
    columns = dict.fromkeys(NUMBERS, numbers)
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    for i in range(0, n, 50):
        part = slice(i, i + 50)
        records = {name: values[part] for name, values in columns.items()}
        records |= {"id": ids[part], "error": [""] * 50, "host": ["node"] * 50}
        writer.append(records, {"a": numbers[part], "b": numbers[part]}, {"y": numbers[part]})
    writer.flush()
    sys.setprofile(None)
    # function calls, which are the same on any processor; found 14
    assert calls / n < 20


def test_the_memory_of_a_writer_does_not_grow(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path, toy_schema(), HEADER, "t")
    peaks = []
    for start in range(0, 20_000, 1000):
        append(writer, range(start, start + 1000))
        writer.flush()
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    assert peaks[-1] - peaks[4] < 10_000  # KiB


def test_a_shard_needs_only_light_modules() -> None:
    code = "import sys, hpcsim.collector.shard; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "h5py" in loaded
    assert not {"dask", "xarray", "pandas", "torch", "scipy", "pint", "pydantic"} & set(loaded)


def test_every_dataset_says_its_role(tmp_path: Path) -> None:
    with h5py.File(write_shard(tmp_path, [1])) as file:
        roles = {name: item.attrs["hpcsim_role"] for name, item in file.items()}
    assert {name for name, role in roles.items() if role == "coordinate"} == {"channel", "time", "feature"}
    assert {name for name, role in roles.items() if role == "parameter"} == {"a", "n", "word", "pair", "switch"}
