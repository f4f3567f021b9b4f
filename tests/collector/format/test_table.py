"""Reading without anything heavy."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from toy_rows import check_rows, toy_id, toy_schema, write_shard

from hpcsim.collector.format.table import Table, finished
from hpcsim.errors import ResultsError


def ids(numbers: range) -> np.ndarray:
    return np.array([toy_id(i) for i in numbers], "S32")


def test_columns_units_coordinates_and_layout(tmp_path: Path) -> None:
    with Table(write_shard(tmp_path, range(10))) as table:
        check_rows(table)
        layout = toy_schema().layout
        assert table.layout.outputs == layout.outputs
        assert list(table.layout.outputs) == list(layout.outputs)
        assert all(table.layout.coordinates[dim].same(its) for dim, its in layout.coordinates.items())
        assert table.unit("a") == "nA"
        assert table.unit("n") == ""
        assert table.coordinate("channel").values.tolist() == ["Fz", "Cz", "Öz"]
        assert table.names("parameter") == ["a", "n", "word", "pair", "switch"]
        assert table.array("y", slice(2, 4)).tolist() == [2, 3]
        assert table.array("switch").dtype == bool
        assert len(table) == 10


def test_ragged_by_point_and_by_batch(tmp_path: Path) -> None:
    with Table(write_shard(tmp_path, range(3000))) as table:
        assert table.block < 3000
        for i in (0, 1, 3, 1023, 1024, 2999):
            assert table.ragged("spike_times", i).tolist() == [i] * (i % 4)
        assert table.ragged("spike_ids", -1).tolist() == [2999] * 3
        assert [len(spikes) for spikes in table.batch("spike_times", 1022, 1027)] == [2, 3, 0, 1, 2]
        assert list(table.batch("spike_times", 5, 5)) == []
        with pytest.raises(IndexError, match="no point 3000"):
            table.ragged("spike_times", 3000)
        with pytest.raises(ResultsError, match='"y" is not ragged'):
            table.ragged("y", 0)


def test_a_wrong_name_gets_the_nearest(tmp_path: Path) -> None:
    with Table(write_shard(tmp_path, [1])) as table, pytest.raises(ResultsError, match='did you mean "eeg"'):
        table.array("egg")


def test_another_file_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file.attrs["format"] = "something/2"
    with pytest.raises(ResultsError, match='the format is "something/2"'):
        Table(tmp_path / "other.h5")


def test_scanning_gives_all_ids_in_pieces(tmp_path: Path) -> None:
    with Table(write_shard(tmp_path, range(2500))) as table:
        pieces = list(table.scan_ids(1000))
    assert [start for start, _ in pieces] == [0, 1000, 2000]
    assert (np.concatenate([piece for _, piece in pieces]) == ids(range(2500))).all()


def test_finished_points_are_found_in_readable_files_of_the_same_code(tmp_path: Path) -> None:
    paths = [
        write_shard(tmp_path, range(5), status=[0, 1, 0, 2, 0]),
        write_shard(tmp_path, range(10, 12)),
        write_shard(tmp_path, range(12, 14), fingerprint="cd34"),
        tmp_path / "gone.h5",
        tmp_path / "damaged.h5",
    ]
    paths[-1].write_bytes(b"no HDF5")
    wanted = np.concatenate([ids(range(14)), ids(range(2))])
    assert np.flatnonzero(finished(paths, wanted, "ab12")).tolist() == [0, 1, 2, 3, 4, 10, 11, 14, 15]
    assert np.flatnonzero(finished(paths, wanted, "ab12", ok=True)).tolist() == [0, 2, 4, 10, 11, 14]
    assert finished(paths, wanted[:0], "ab12").shape == (0,)
