"""Rows of results and shards, counted without reading a file twice."""

from __future__ import annotations

import shutil

import pytest

import hpcsim
from hpcsim.collector.format.table import Table
from hpcsim.collector.shard import shard_files
from hpcsim.scheduler.executor import Job
from hpcsim.scheduler.gather import gather
from hpcsim.scheduler.inline import run_inline
from hpcsim.scheduler.plan import Plan
from hpcsim.scheduler.prepare import prepare
from hpcsim.scheduler.state.row_count import RowCounter


def simulate(study, place, start, stop):
    """Leave a shard of some points."""
    run_inline(Job(study, place, Plan(12, start, ((start, stop),))))


@pytest.fixture
def directory(tmp_path):
    """A study of twelve points, eight of them in two shards, one of these failed."""
    study = hpcsim.Study("t", "toys:single", space={"x": {"linspace": [0, 11, 12]}}, fixed={"guilty": 3})
    place = study.directory(tmp_path / "run")
    prepare(study, place)
    simulate(study, place, 0, 4)
    simulate(study, place, 4, 8)
    return study, place


@pytest.fixture
def reads(monkeypatch):
    """Names of the files that are opened to be counted."""
    opened = []

    class Counted(Table):
        def __init__(self, path):
            opened.append(path.name)
            super().__init__(path)

    monkeypatch.setattr("hpcsim.scheduler.state.row_count.Table", Counted)
    return opened


def test_rows_failures_and_reasons(directory):
    study, place = directory
    assert len(shard_files(place.shards)) == 2
    count = RowCounter(place).count()
    assert (count.rows, count.failed, count.complete) == (8, 1, "")
    assert count.reasons == {("failed", "ValueError: this point cannot be simulated"): 1}
    gather(study, place)
    assert RowCounter(place).count() == count


def test_a_file_that_did_not_change_is_not_read_again(directory, reads):
    study, place = directory
    rows = RowCounter(place)
    assert rows.count() == rows.count()
    assert len(reads) == 2
    simulate(study, place, 8, 12)
    assert rows.count().rows == 12
    assert len(reads) == 3
    gather(study, place)
    assert rows.count().rows == 12
    assert reads[3:] == ["results.h5"]
    assert rows.count().complete == study.completeness
    assert len(reads) == 4


def test_a_count_during_which_files_went_does_not_stand(directory, monkeypatch):
    """A task merges its shards: for a moment, rows stand in the old and in the new one."""
    _, place = directory
    old = shard_files(place.shards)[0]
    merged = old.with_name(f"merged.{old.name}")
    shutil.copy(old, merged)
    rows, read = RowCounter(place), []

    class Merging(Table):
        def __init__(self, path):
            read.append(path)
            super().__init__(path)
            # the last file of the first count
            if len(read) == 3:
                old.unlink()

    monkeypatch.setattr("hpcsim.scheduler.state.row_count.Table", Merging)
    assert rows.count().rows == 8


def test_a_damaged_file_does_not_count(directory):
    _, place = directory
    (place.shards / "damaged.h5").write_bytes(b"no HDF5")
    assert RowCounter(place).count().rows == 8


def test_only_the_last_failures_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr("hpcsim.scheduler.state.row_count._REASONS", 5)
    stages = [{"use": "toys:total", "fail_over": 1.0}]
    study = hpcsim.Study("t", "toys:single", space={"x": {"linspace": [0, 11, 12]}}, stages=stages)
    place = study.directory(tmp_path / "run")
    prepare(study, place)
    simulate(study, place, 0, 12)
    count = RowCounter(place).count()
    assert count.failed == 10
    assert count.reasons.total() == 5
