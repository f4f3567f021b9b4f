"""Rows of the results stand in the order of the design, in every view of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_rows import check_rows, numbers_of, toy_id, toy_schema, write_shard

from hpcsim.collector.arrange import Wanted, rearrange
from hpcsim.collector.collect import collect
from hpcsim.collector.format.table import Table
from hpcsim.collector.results import Results


@pytest.fixture(autouse=True, params=[(16 * 1000, 2**22), (16 * 1000, 2**11), (1, 2**11)], ids=["whole", "pieces", "rows"])
def sizes(request: pytest.FixtureRequest) -> Iterator[None]:
    """Blocks of 16 rows or of one, moved in one piece or in many."""
    block, piece = request.param
    with patch("hpcsim.collector.format.schema._BLOCK_BYTES", block), patch("hpcsim.collector.arrange._PIECE", piece):
        yield


def wanted(numbers: Sequence[int]) -> Wanted:
    """A design of these points, in this order."""
    ids = np.array([toy_id(number) for number in numbers], "S32")
    name = f"{len(numbers)} from {numbers[0]}"
    return Wanted(f"recipe and {name}", name, len(numbers), lambda start, stop: ids[start:stop])


def found(directory: Path) -> list[int]:
    """The number of each row, after a look at all columns."""
    with Table(directory / "results.h5") as table:
        check_rows(table)
        return numbers_of(table).tolist()


def marks(directory: Path) -> tuple[str, str]:
    with Table(directory / "results.h5") as table:
        return table.attrs.get("order", ""), table.attrs.get("complete", "")


def test_rows_that_arrive_in_any_order_stand_in_that_of_the_design(tmp_path: Path) -> None:
    design = wanted(range(300))
    for first, last in ((200, 260), (0, 90), (260, 300), (90, 200)):
        write_shard(tmp_path / "shards", range(first, last))
        collect(tmp_path, wanted=design, threshold=0)
    assert found(tmp_path) != list(range(300)) and marks(tmp_path) == ("", "")
    collect(tmp_path, final=True, wanted=design)
    assert found(tmp_path) == list(range(300)) and marks(tmp_path) == (design.order, design.complete)
    inode = (tmp_path / "results.h5").stat().st_ino
    collect(tmp_path, final=True, wanted=design)
    assert (tmp_path / "results.h5").stat().st_ino == inode


def test_points_that_the_design_no_longer_has_stand_behind_it(tmp_path: Path) -> None:
    write_shard(tmp_path / "shards", np.random.default_rng(1).permutation(100))
    collect(tmp_path, final=True, wanted=wanted(range(100)))
    fewer = wanted(range(80, 20, -2))
    collect(tmp_path, final=True, wanted=fewer)
    inside = list(range(80, 20, -2))
    assert found(tmp_path) == inside + sorted(set(range(100)) - set(inside), key=toy_id)
    assert marks(tmp_path) == (fewer.order, fewer.complete)


def test_a_part_stands_in_order_and_is_not_called_complete(tmp_path: Path) -> None:
    write_shard(tmp_path / "shards", [7, 30, 2, 19])
    design = wanted(range(40))
    collect(tmp_path, final=True, wanted=design)
    assert found(tmp_path) == [2, 7, 19, 30] and marks(tmp_path) == (design.order, "")
    write_shard(tmp_path / "shards", [number for number in range(39, -1, -1) if number not in (2, 7, 19, 30)])
    collect(tmp_path, final=True, wanted=design)
    assert found(tmp_path) == list(range(40)) and marks(tmp_path) == (design.order, design.complete)


def test_a_failed_row_gives_way_in_its_place(tmp_path: Path) -> None:
    design = wanted(range(50))
    write_shard(tmp_path / "shards", range(50), status=[i % 7 == 0 for i in range(50)])
    collect(tmp_path, final=True, wanted=design)
    write_shard(tmp_path / "shards", [49, 0, 7])
    collect(tmp_path, final=True, wanted=design)
    assert found(tmp_path) == list(range(50))
    with Results(tmp_path) as results:
        assert results.failures["n"].tolist() == [14, 21, 28, 35, 42]


def test_a_design_that_draws_a_point_twice_is_complete_with_one_row_of_it(tmp_path: Path) -> None:
    write_shard(tmp_path / "shards", [3, 1, 2])
    design = wanted([2, 1, 2, 3, 1, 1])
    collect(tmp_path, final=True, wanted=design)
    assert found(tmp_path) == [2, 1, 3] and marks(tmp_path)[1] == design.complete


def test_without_a_design_rows_stand_in_the_order_of_their_ids(tmp_path: Path) -> None:
    for part in ([5, 1, 30], [4, 2]):
        write_shard(tmp_path / "shards", part)
        collect(tmp_path, final=True)
    assert found(tmp_path) == sorted([5, 1, 30, 4, 2], key=toy_id)


def test_every_view_has_the_same_rows_in_the_same_order(tmp_path: Path) -> None:
    import xarray

    for part in (range(60, 100), range(0, 30), range(30, 60)):
        write_shard(tmp_path / "shards", part, status=[i % 11 == 5 for i in part])
        collect(tmp_path, wanted=wanted(range(100)), threshold=0)
    collect(tmp_path, final=True, wanted=wanted(range(100)))
    good = [i for i in range(100) if i % 11 != 5]
    with Results(tmp_path / "results.h5") as results:
        assert results.parameters["n"].tolist() == results.records["replicate"].tolist() == list(range(100))
        assert results.theta(["n"])["n"].tolist() == results.features(["y"])["y"].tolist() == good
        assert results.features().index.tolist() == results.theta().index.tolist() == [toy_id(i) for i in good]
        assert results.failures["n"].tolist() == [i for i in range(100) if i % 11 == 5]
        assert [spikes.tolist() for spikes in results.ragged("spike_times")] == [[i] * (i % 4) for i in range(100)]
        assert [int(x[0, 0]) for _, x in results.torch(["n"], ["eeg"])] == good
        assert results.outputs["y"].values[good].tolist() == good
    with xarray.open_dataset(tmp_path / "results.h5", engine="h5netcdf") as data:
        assert data.n.values.tolist() == list(range(100))
        assert data.spike_times.values.tolist() == [i for i in range(100) for _ in range(i % 4)]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 90), st.integers(1, 40))
def test_any_order_moves_whole_rows(seed: int, rows: int, run: int) -> None:
    # runs of rows that stay together, as tasks leave them, are moved as blocks
    parts = np.array_split(np.arange(rows), -(-rows // run))
    order = np.concatenate([parts[i] for i in np.random.default_rng(seed).permutation(len(parts))])
    with TemporaryDirectory() as name:
        path = write_shard(Path(name), range(rows), schema=toy_schema())
        rearrange(path, order)
        with Table(path) as table:
            check_rows(table)
            assert numbers_of(table).tolist() == order.tolist()


def test_whole_blocks_are_moved_without_decompressing_them(tmp_path: Path) -> None:
    path = write_shard(tmp_path, range(96))
    with Table(path) as table:
        block = table.block
    with h5py.File(path) as file:
        chunk = file["eeg"].id.read_direct_chunk((96 - block, 0, 0))
    rearrange(path, np.roll(np.arange(96), 48))
    with h5py.File(path) as file:
        assert file["eeg"].id.read_direct_chunk((48 - block, 0, 0)) == chunk
