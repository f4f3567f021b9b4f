"""The body of a task: what is checked and measured for each point."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

import hpcsim
from hpcsim import Coordinate, Output, Parameter, model
from hpcsim.collector import shard
from hpcsim.collector.collect import collect
from hpcsim.collector.format.table import Table
from hpcsim.collector.shard import shard_files
from hpcsim.outputs import Layout
from hpcsim.scheduler.sweep import prepare, sweep
from hpcsim.scheduler.target import Target
from hpcsim.scheduler.task.cost import Cost
from hpcsim.scheduler.task.rows import Rows
from hpcsim.scheduler.task.runner import Runner, Stopwatch


def test_the_time_of_a_program_that_a_model_runs_counts():
    watch = Stopwatch()
    code = "import time\nwhile time.process_time() < 0.4: pass"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert watch.read().cpu > 0.39


@pytest.mark.parametrize("batch", [None, 8])
def test_a_point_that_makes_no_sense_fails_alone(tmp_path, batch):
    def simulate(points, context):
        return {"y": np.asarray(points.columns["x"]) if batch else points["x"]}

    def check(values):
        return "x must not be 3" if values["x"] == 3 else ""

    picky = model("toys.picky", parameters=[Parameter("x", 1.0)], outputs=[Output("y")], batch=batch, check=check)(simulate)
    # priors are not checked as a whole before they run
    study = hpcsim.Study("s", picky, space={"x": {"choice": [1, 2, 3, 4]}}, design={"method": "random", "n": 40})
    directory = study.directory(tmp_path / "run")
    sweep(study, directory, Target("inline"))
    with Table(directory.results) as table:
        wrong = table.array("x") == 3
        assert wrong.any() and not wrong.all()
        np.testing.assert_array_equal(table.array("status"), np.where(wrong, 1, 0))
        assert set(table.array("error")[wrong]) == {"x must not be 3"}


def test_a_worker_holds_a_few_points_with_long_outputs(tmp_path):
    length = 200_000

    @model("toys.long", parameters=[Parameter("x", 1.0)], outputs=[Output("spikes", ("spike",), "ms", ragged=True)])
    def long(point, context):
        return {"spikes": point["x"] + np.arange(length, dtype=float)}

    study = hpcsim.Study("s", long, space={"x": list(range(60))})
    directory = study.directory(tmp_path / "run")
    prepare(study, directory)
    tracemalloc.start()
    try:
        Runner(study, directory, 0, 60).run()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # those of a shard, what the shard is made of, and a piece: half of all
    assert peak < 45 * length * 8
    (shard,) = shard_files(directory.shards)
    with Table(shard) as table:
        assert [table.ragged("spikes", row)[0] for row in range(60)] == list(range(60))
        assert table.file["spikes"].shape == (60 * length,)


def test_blank_outputs_of_failed_points_count_as_held():
    layout = Layout.of([Output("lfp", ("time",))], {"time": Coordinate(np.arange(1000.0))})
    rows = Rows(layout)
    blank = model("toys.blank", parameters=[Parameter("x", 1.0)], outputs=[Output("y")])(dict)
    study = hpcsim.Study("s", blank, space={"x": [1, 2]})
    rows.add_failed(study.design.block(0, 2), 1, "a reason", Cost(0.0, 0.0, 0.0), 1, "node")
    assert rows.bytes == 2 * 8000


@pytest.mark.parametrize("taken", [slice(0, None), slice(1, 2)])
def test_shards_that_a_collector_takes_while_the_task_makes_one_of_them(tmp_path, monkeypatch, taken):
    @model("toys.plain", parameters=[Parameter("x", 1.0)], outputs=[Output("y")])
    def plain(point, context):
        return {"y": 2 * point["x"]}

    study = hpcsim.Study("s", plain, space={"x": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]})
    directory = study.directory(tmp_path / "run")
    prepare(study, directory)
    runner = Runner(study, directory, 0, 6)
    runner.batch = 2
    monkeypatch.setattr(runner, "_flush_when_due", runner._flush)
    away = []

    def take(path, size):
        """A collector, in the middle of it: it takes all, or one that it has seen first."""
        if not away:
            away.extend(shard_files(directory.shards)[taken])
            kept = [path.rename(path.with_suffix(".kept")) for path in shard_files(directory.shards) if path not in away]
            collect(directory.path)
            for path in kept:
                path.rename(path.with_suffix(".h5"))

    monkeypatch.setattr(shard, "reserve", take)
    runner.run()
    assert len(away) == len(range(3)[taken]) and not [path for path in away if path.exists()]
    assert len(shard_files(directory.shards)) == (0 if len(away) == 3 else 1)
    collect(directory.path, final=True)
    with Table(directory.results) as table:
        assert sorted(table.array("y")) == [2.0, 4.0, 6.0, 8.0, 10.0, 12.0]
    assert not list(directory.shards.iterdir())
