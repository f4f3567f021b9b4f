"""What a task looks at before its first point."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import hpcsim
from hpcsim import Output, Parameter, model
from hpcsim.collector.format import table as table_module
from hpcsim.collector.format.table import Table
from hpcsim.collector.shard import shard_files
from hpcsim.scheduler.plan import plan
from hpcsim.scheduler.sweep import gather, prepare, sweep
from hpcsim.scheduler.target import Target
from hpcsim.scheduler.task.runner import Runner

simulated: list[float] = []


@model("toys.counted", parameters=[Parameter("x", 1.0)], outputs=[Output("y")])
def counted(point, context):
    simulated.append(point["x"])
    return {"y": 2 * point["x"]}


def grid(*values: float) -> hpcsim.Study:
    return hpcsim.Study("counted", counted, space={"x": list(values)})


@pytest.fixture(autouse=True)
def fresh():
    simulated.clear()


@pytest.fixture
def opened(monkeypatch):
    """Names of files that are looked at for finished points."""
    names = []

    class Noted(Table):
        def __init__(self, path):
            names.append(Path(path).name)
            super().__init__(path)

    monkeypatch.setattr(table_module, "Table", Noted)
    return names


def prepared(study, folder):
    directory = study.directory(folder)
    prepare(study, directory)
    return directory


def test_shards_of_other_tasks_stay_closed(tmp_path, opened):
    study = grid(*range(40))
    directory = prepared(study, tmp_path / "run")
    for start in range(0, 30, 2):
        Runner(study, directory, start, start + 2).run()
    assert len(shard_files(directory.shards)) == 15
    opened.clear()
    Runner(study, directory, 30, 32).run()
    assert opened == []
    assert simulated == [float(x) for x in range(32)]


def test_what_an_earlier_attempt_or_a_wider_task_left_is_not_simulated_again(tmp_path, opened):
    study = grid(*range(20))
    directory = prepared(study, tmp_path / "run")
    Runner(study, directory, 4, 8).run()
    Runner(study, directory, 12, 14).run()
    opened.clear()
    simulated.clear()
    for start, stop, left in ((4, 8, []), (5, 6, []), (2, 5, [2, 3]), (7, 10, [8, 9])):
        Runner(study, directory, start, stop).run()
        assert simulated == left
        simulated.clear()
    assert not [name for name in opened if name.startswith("000000012-")]
    gather(study, directory)
    with Table(directory.results) as table:
        assert table.array("x").tolist() == [2, 3, 4, 5, 6, 7, 8, 9, 12, 13]


@pytest.mark.parametrize("planned", [False, True])
def test_after_an_extension_finished_points_are_found_under_other_numbers(tmp_path, planned):
    early = grid(*range(10, 16))
    directory = prepared(early, tmp_path / "run")
    for start in range(0, 6, 2):
        Runner(early, directory, start, start + 2).run()
    simulated.clear()
    # smaller values come first: each number means another point now
    study = grid(*range(6, 16))
    prepare(study, directory)
    slices = plan(study, directory).pending if planned else ((0, 10),)
    assert slices == (((0, 4),) if planned else ((0, 10),))
    for start, stop in slices:
        Runner(study, directory, start, stop, planned=planned).run()
    assert simulated == [6, 7, 8, 9]
    gather(study, directory)
    with Table(directory.results) as table:
        np.testing.assert_array_equal(table.array("y"), 2 * np.arange(6, 16))


def test_a_task_of_a_plan_opens_no_shards_of_other_designs(tmp_path, opened):
    early = grid(*range(10, 16))
    directory = prepared(early, tmp_path / "run")
    for start in range(6):
        Runner(early, directory, start, start + 1).run()
    study = grid(*range(6, 16))
    prepare(study, directory)
    opened.clear()
    Runner(study, directory, 0, 4, planned=True).run()
    assert opened == []
    sweep(study, directory, Target("inline"))
    with Table(directory.results) as table:
        assert len(table) == 10
    assert sorted(simulated) == list(range(6, 16))


def test_a_plan_of_many_points_opens_each_shard_once(tmp_path, opened, monkeypatch):
    study = grid(*range(40))
    directory = prepared(study, tmp_path / "run")
    for start in range(0, 30, 2):
        Runner(study, directory, start, start + 2).run()
    opened.clear()
    monkeypatch.setattr("hpcsim.scheduler.plan.BLOCK", 4)
    assert plan(study, directory).pending == ((30, 40),)
    assert sorted(opened) == [path.name for path in shard_files(directory.shards)]
