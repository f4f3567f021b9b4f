"""A file from elsewhere is data: nothing of it makes hpcsim read other files, or more than there is."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from toy_rows import check_rows, toy_schema, write_shard

from hpcsim.collector.collect import collect
from hpcsim.collector.format.inspection import inspect
from hpcsim.collector.format.storage import checksum
from hpcsim.collector.format.table import Table, finished
from hpcsim.collector.results import Results
from hpcsim.errors import DamagedError, ResultsError

N = 20


def _replaced(file: h5py.File, name: str) -> dict:
    """Take a column out; returns its attributes."""
    kept = dict(file[name].attrs)
    del file[name]
    return kept


def _virtual(file: h5py.File, secret: Path) -> None:
    kept = _replaced(file, "y")
    layout = h5py.VirtualLayout((N,), "f8", maxshape=(None,))
    layout[:] = h5py.VirtualSource(str(secret), "secret", (N,))
    file.create_virtual_dataset("y", layout).attrs.update(kept)


def _external(file: h5py.File, secret: Path) -> None:
    kept = _replaced(file, "y")
    file.create_dataset("y", (N,), "f8", external=[(str(secret), 0, 8 * N)]).attrs.update(kept)


def _linked_out(file: h5py.File, secret: Path) -> None:
    del file["y"]
    file["y"] = h5py.ExternalLink(str(secret), "secret")


def _one_more_link_out(file: h5py.File, secret: Path) -> None:
    file["another"] = h5py.ExternalLink(str(secret), "secret")


def _soft(file: h5py.File, secret: Path) -> None:
    del file["y"]
    file["y"] = h5py.SoftLink("/a")


def _dangling(file: h5py.File, secret: Path) -> None:
    del file["y"]
    file["y"] = h5py.SoftLink("/nowhere")


def _provenance_out(file: h5py.File, secret: Path) -> None:
    file.require_group("provenance")["study"] = h5py.ExternalLink(str(secret), "secret")


def _provenance_external(file: h5py.File, secret: Path) -> None:
    file.require_group("provenance").create_dataset("study", (8,), "S1", external=[(str(secret), 0, 8)])


def _reference(file: h5py.File, secret: Path) -> None:
    kept = _replaced(file, "y")
    data = np.array([file["a"].ref] * N, dtype=h5py.ref_dtype)
    file.create_dataset("y", data=data, dtype=h5py.ref_dtype, chunks=(1024,), maxshape=(None,)).attrs.update(kept)


def _bomb(file: h5py.File, secret: Path) -> None:
    kept = _replaced(file, "y")
    file.create_dataset("y", (10**12,), "f8", chunks=(1024,), maxshape=(None,), compression=1).attrs.update(kept)


def _wide(file: h5py.File, secret: Path) -> None:
    kept = _replaced(file, "y")
    file.create_dataset("y", (N, 10**10), "f8", chunks=(1, 1024), maxshape=(None, None), compression=1).attrs.update(kept)


def _many_rows(file: h5py.File, secret: Path) -> None:
    for item in file.values():
        if isinstance(item, h5py.Dataset) and item.maxshape[0] is None and item.ndim:
            item.resize(10**10, axis=0)


def _objects(file: h5py.File, secret: Path) -> None:
    kept = _replaced(file, "y")
    words = file.create_dataset("y", (N,), h5py.string_dtype(), chunks=(1024,), maxshape=(None,))
    words[...] = "text"
    words.attrs.update(kept)


def _short(file: h5py.File, secret: Path) -> None:
    file["y"].resize(N - 1, axis=0)


def _no_status(file: h5py.File, secret: Path) -> None:
    del file["status"]


def _float_status(file: h5py.File, secret: Path) -> None:
    kept = _replaced(file, "status")
    file.create_dataset("status", data=np.zeros(N), chunks=(1024,), maxshape=(None,)).attrs.update(kept)


def _block(file: h5py.File, secret: Path) -> None:
    file.attrs["block"] = 7


def _block_of_text(file: h5py.File, secret: Path) -> None:
    file.attrs["block"] = "many"


def _no_dimensions(file: h5py.File, secret: Path) -> None:
    del file["y"].attrs["DIMENSION_LIST"]


TRICKS = [
    *(_virtual, _external, _linked_out, _one_more_link_out, _soft, _dangling, _provenance_out, _provenance_external, _reference),
    *(_bomb, _wide, _many_rows, _objects, _short, _no_status, _float_status, _block, _block_of_text, _no_dimensions),
]
Trick = Callable[[h5py.File, Path], None]


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file of this user that no results may show."""
    path = tmp_path / "elsewhere" / "secret.h5"
    path.parent.mkdir()
    with h5py.File(path, "w") as file:
        file["secret"] = np.arange(N, dtype="f8")
    return path


def crafted(shard: Path, trick: Trick, secret: Path) -> Path:
    """A shard that someone has changed, with the checksum of what it is now in its name."""
    with h5py.File(shard, "r+") as file:
        trick(file, secret)
    parts = shard.name.split(".")
    return shard.rename(shard.with_name(".".join([*parts[:-2], checksum(shard), "h5"])))


@pytest.mark.parametrize("trick", TRICKS)
def test_what_hpcsim_never_writes_is_refused(tmp_path: Path, trick: Trick, secret: Path) -> None:
    shard = crafted(write_shard(tmp_path / "shards", range(N)), trick, secret)
    with pytest.raises(ResultsError) as caught:
        Results(shard)
    assert isinstance(caught.value, DamagedError)
    assert str(shard) in str(caught.value)
    with pytest.raises(ResultsError), Table(shard) as table:
        inspect(table)


@pytest.mark.parametrize("trick", TRICKS)
def test_the_collector_sets_it_aside_and_takes_the_others(tmp_path: Path, trick: Trick, secret: Path) -> None:
    write_shard(tmp_path / "shards", range(N, 2 * N), stem="good")
    crafted(write_shard(tmp_path / "shards", range(N)), trick, secret)
    report = collect(tmp_path, final=True)
    assert report.rows_total == N
    assert len(report.damaged) + len(report.refused) == 1
    with Table(tmp_path / "results.h5") as table:
        check_rows(table)


def test_one_column_is_refused_where_only_it_is_read(tmp_path: Path, secret: Path) -> None:
    shard = crafted(write_shard(tmp_path, range(N)), _virtual, secret)
    with Table(shard) as table:
        for read in (lambda: table.array("y"), lambda: table.dataset("y"), lambda: table.layout):
            with pytest.raises(DamagedError, match="virtual"):
                read()


def test_a_shard_with_other_columns_than_it_says_is_refused(tmp_path: Path) -> None:
    write_shard(tmp_path / "shards", range(N, 2 * N), stem="good")
    collect(tmp_path, final=True)
    other = write_shard(tmp_path / "shards", range(N), schema=toy_schema(time=6))

    def claim(file: h5py.File, secret: Path) -> None:
        file.attrs["schema"] = toy_schema().digest

    crafted(other, claim, tmp_path)
    report = collect(tmp_path, final=True)
    assert (report.rows_total, len(report.refused)) == (N, 1)


def test_more_than_the_memory_is_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Table(write_shard(tmp_path, range(N))) as table:
        monkeypatch.setattr(os, "sysconf", lambda name: 10)
        with pytest.raises(ResultsError, match="GB of memory"):
            table.array("eeg")
        assert table.array("eeg", slice(0, 0)).shape == (0, 3, 5)


def test_crafted_files_hold_no_finished_points(tmp_path: Path, secret: Path) -> None:
    shard = write_shard(tmp_path, range(N))
    with Table(shard) as table:
        ids = table.ids()

    def hide(file: h5py.File, secret: Path) -> None:
        del file["id"]
        file["id"] = h5py.ExternalLink(str(secret), "secret")

    assert not finished([crafted(shard, hide, secret)], ids, "ab12").any()


def test_special_files_are_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "results.h5")
    with pytest.raises(ResultsError, match="expected a file"):
        Results(tmp_path)
    with pytest.raises(ResultsError, match="expected a file"):
        Table("/dev/zero")


def test_what_shows_only_when_it_is_read_is_the_same_error(tmp_path: Path) -> None:
    """A group in the place of a column stops xarray, and a status that does not exist stops pandas."""

    def group(file: h5py.File, secret: Path) -> None:
        del file["cpu_time"]
        file.create_group("cpu_time")

    def status(file: h5py.File, secret: Path) -> None:
        file["status"][3] = 250

    shard = crafted(write_shard(tmp_path / "a", range(N)), group, tmp_path)
    with pytest.raises(DamagedError), Results(shard) as results:
        results.point(0)
    shard = crafted(write_shard(tmp_path / "b", range(N)), status, tmp_path)
    with Results(shard) as results, pytest.raises(DamagedError, match="a status that does not exist"):
        results.records  # noqa: B018


@pytest.mark.parametrize(("name", "content"), [("study", 1.5), ("study", "= no ["), ("versions", "{"), ("versions", "3")])
def test_provenance_that_is_no_text_or_no_table(tmp_path: Path, name: str, content: object) -> None:
    write_shard(tmp_path / "shards", range(N))
    collect(tmp_path, final=True, provenance={"study": "", "versions": "{}"})
    with h5py.File(tmp_path / "results.h5", "r+") as file:
        del file[f"provenance/{name}"]
        file[f"provenance/{name}"] = content
    with Results(tmp_path) as results, pytest.raises(DamagedError, match="provenance"):
        getattr(results, name)
