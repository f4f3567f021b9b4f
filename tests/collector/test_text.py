"""Text in files: strings that other programs read, and files of the version that had characters (the folder ``characters``)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from shutil import copytree
from unittest.mock import patch

import h5py
import numpy as np
import pytest
import xarray as xr
from toy_rows import check_rows, numbers_of, toy_id, toy_schema, write_shard

from hpcsim.collector.collect import collect
from hpcsim.collector.format.inspection import inspect
from hpcsim.collector.format.schema import ERROR_BYTES
from hpcsim.collector.format.soundness import CHECKSUM, provenance_checksum
from hpcsim.collector.format.table import Table, finished
from hpcsim.collector.format.text import kind_of, shape_of
from hpcsim.collector.results import Results
from hpcsim.collector.shard import merge, shard_files, verify

#: Rows 0 to 39 in the results and 30 to 74 in a shard, both with characters; 3, 33 and 60 failed, but 33 not in the shard.
OLD = Path(__file__).parent / "characters"


@pytest.fixture(scope="module", autouse=True)
def small_blocks() -> Iterator[None]:
    """Blocks of 16 rows, as the old files have."""
    with patch("hpcsim.collector.format.schema._BLOCK_BYTES", 16 * 1000):
        yield


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A study that the version with characters has left, with a shard that is not collected."""
    copytree(OLD, tmp_path / "old")
    return tmp_path / "old"


def held(path: Path) -> list[int]:
    """Numbers of the rows of a file in the present format, after a look at all columns."""
    with Table(path) as table:
        check_rows(inspect(table))
        assert table.attrs["format"] in {"hpcsim-results/2", "hpcsim-shard/2"}
        assert table.attrs["schema"] == toy_schema().digest
        assert not [name for name in table.roles if table.member(name).dtype == "S1" or name.startswith("string")]
        return numbers_of(table).tolist()


def test_hdf5_says_that_text_is_text(tmp_path: Path) -> None:
    with h5py.File(write_shard(tmp_path, [1, 2], status=[0, 1])) as file:
        assert file["id"].asstr()[:].tolist() == [toy_id(1), toy_id(2)]
        assert (file["error"].asstr()[1], file["word"].asstr()[0], file["host"].asstr()[1]) == ("é2", "zwölf", "node2")
        assert file["id"].shape == file["error"].shape == (2,)
        kinds = {name: file[name].id.get_type() for name in ("id", "error", "word", "host")}
    assert {name: kind.is_variable_str() for name, kind in kinds.items()} == dict.fromkeys(kinds, False)
    assert kinds.pop("id").get_strpad() == h5py.h5t.STR_NULLPAD
    # programs in C and MATLAB take all up to a zero
    assert {(kind.get_strpad(), kind.get_cset()) for kind in kinds.values()} == {(h5py.h5t.STR_NULLTERM, h5py.h5t.CSET_UTF8)}


def test_the_longest_text_is_kept_whole_and_a_longer_one_cut(tmp_path: Path) -> None:
    from hpcsim.collector.format.schema import RECORDS

    error = next(column for column in RECORDS if column.name == "error")
    texts = error.encode(["x" * ERROR_BYTES, "ö" * ERROR_BYTES, "y"])
    assert [text.decode() for text in texts.tolist()] == ["x" * ERROR_BYTES, "ö" * (ERROR_BYTES // 2), "y"]


def test_xarray_alone_gives_text_and_writes_it(tmp_path: Path) -> None:
    write_shard(tmp_path / "shards", range(20))
    path = collect(tmp_path, final=True).path
    with xr.open_dataset(path, engine="h5netcdf") as data:
        assert not [dim for dim in data.sizes if dim.startswith("string")]
        rows = [int(id[24:], 16) for id in data.id.values]
        assert data.word.values.tolist() == [("nine", "zwölf")[i % 2] for i in rows]
        assert {"id", "word", "pair"} <= set(data.coords)
        data.drop_encoding().to_netcdf(tmp_path / "alone.nc", engine="h5netcdf")
    with Results(path) as results:
        results.dataset.to_netcdf(tmp_path / "again.nc", engine="h5netcdf")
    for name in ("alone", "again"):
        with xr.open_dataset(tmp_path / f"{name}.nc", engine="h5netcdf") as again:
            assert again.word.values.tolist()[:2] == [("nine", "zwölf")[i % 2] for i in rows[:2]]
            assert [int(id[24:], 16) for id in again.id.values] == rows


def test_files_with_characters_are_read(old: Path) -> None:
    with Results(old) as results:
        check_rows(results.table)
        assert results.table.attrs["schema"] == toy_schema().digest
        assert sorted(numbers_of(results.table)) == list(range(40))
        assert results.failures["error"].tolist() == [f"é{int(id[24:], 16)}" for id in results.failures.index]
        row = int(np.flatnonzero(numbers_of(results.table) == 7)[0])
        assert results.point(toy_id(7)).word.item() == results.to_pandas().iloc[row]["word"] == "zwölf"
        for column in toy_schema().columns:
            dataset, dims = results.table.member(column.name), results.table.dims(column.name)
            assert (kind_of(dataset), shape_of(dataset)[1:], dims) == (column.dtype, column.shape, (column.leading, *column.dims))
    ids = np.array([toy_id(i) for i in (0, 74, 75)], "S32")
    files = [old / "results.h5", *shard_files(old / "shards")]
    assert finished(files, ids, "ab12").tolist() == [True, True, False]


@pytest.mark.parametrize("new", [(), (10, 20), (70, 130)], ids=["no new shard", "nothing new", "new rows"])
def test_what_is_collected_into_characters_becomes_strings(old: Path, new: tuple[int, int]) -> None:
    if new:
        write_shard(old / "shards", range(*new), stem="task-2")
    report = collect(old, final=True)
    assert (report.damaged, report.refused, shard_files(old / "shards")) == ((), (), [])
    rows = held(report.path)
    assert sorted(rows) == list(range(max(75, *new, 0)))
    with Table(report.path) as table, Table(OLD / "results.h5") as before:
        # row 33 succeeded in the shard
        failed = numbers_of(table)[~table.good]
        assert sorted(failed) == [3, 60]
        names = ("record", "parameter", "output", "coordinate")
        assert [table.names(role) for role in names] == [before.names(role) for role in names]
        assert table.file["provenance/study"].asstr()[()] == before.file["provenance/study"].asstr()[()]
        assert table.file.attrs[CHECKSUM] == provenance_checksum(table.file)
        assert table.dims("word") == ("point",)
        assert table.dims("eeg") == ("point", "channel", "time")


def test_a_zero_in_characters_becomes_another_character(old: Path) -> None:
    with h5py.File(old / "results.h5", "r+") as file:
        id = file["id"][0].tobytes()
        word = file["word"][0]
        word[:3] = np.array([b"a", b"", b"b"], "S1")
        word[3:] = b""
        file["word"][0] = word
        file["error"][0, :3] = word[:3]
    with Table(collect(old, final=True).path) as table:
        row = table.ids().tolist().index(id)
        assert table.array("word")[row] in ("a\ufffdb", "a?b") and table.array("error")[row] == "a\ufffdb"


@pytest.mark.parametrize("new", [range(50, 50), range(50, 90)], ids=["order alone", "new rows"])
def test_rows_are_added_to_characters_where_none_is_replaced(old: Path, new: range) -> None:
    for shard in shard_files(old / "shards"):
        shard.unlink()
    if new:
        write_shard(old / "shards", new)
    else:
        with h5py.File(old / "results.h5", "r+") as file:
            file.attrs["order"] = "that of another design"
    assert held(collect(old, final=True).path) == sorted([*range(40), *new], key=toy_id)


def test_results_of_new_shards_are_as_large_as_those_of_old_ones(old: Path, tmp_path: Path) -> None:
    (old / "results.h5").unlink()
    kept = collect(old, final=True)
    write_shard(tmp_path / "shards", range(30, 75), status=[2 if i == 60 else 0 for i in range(30, 75)])
    made = collect(tmp_path, final=True)
    assert held(kept.path) == held(made.path)
    with Table(kept.path) as one, Table(made.path) as other:
        assert [*one.file] == [*other.file]
        assert {name: dict(one.file[name].attrs).keys() for name in one.roles} == {
            name: dict(other.file[name].attrs).keys() for name in other.roles
        }
        sizes = [{name: table.file[name].id.get_storage_size() for name in table.roles} for table in (one, other)]
        assert sizes[0] == sizes[1]


@pytest.mark.parametrize("order", [1, -1])
def test_shards_of_both_versions_are_merged(old: Path, order: int) -> None:
    parts = [*shard_files(old / "shards"), write_shard(old / "shards", range(200, 230), stem="task-2")]
    merged = merge(parts[::order], old / "shards", "task-3")
    assert sorted(held(merged)) == [*range(30, 75), *range(200, 230)]
    assert verify(merged).rows == 75


def test_a_killed_conversion_leaves_the_old_file(old: Path) -> None:
    before = (old / "results.h5").read_bytes()
    with patch("hpcsim.collector.format.upgrade.put", side_effect=OSError(28, "No space left")), pytest.raises(OSError):
        collect(old, final=True)
    assert (old / "results.h5").read_bytes() == before
    assert sorted(path.name for path in old.glob("*.h5")) == ["results.h5"]
    assert not [*old.glob(".results*")]
