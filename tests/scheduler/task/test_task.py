"""Crashes, time limits and signals: nothing that was finished is lost, and only the failing point fails."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
from faulty_disk import full_disk

import hpcsim
from hpcsim.collector.format.table import Table
from hpcsim.collector.shard import shard_files
from hpcsim.scheduler.gather import gather
from hpcsim.scheduler.plan import plan
from hpcsim.scheduler.sweep import sweep
from hpcsim.scheduler.target import Target
from hpcsim.scheduler.task.supervisor import Task


def prepare(tmp_path, model="toys:single", n=12, time="", **fixed):
    study = hpcsim.Study(
        "taskful", model, space={"x": {"linspace": [0, n - 1, n]}}, fixed=fixed, resources={"time": time} if time else None
    )
    directory = study.directory(tmp_path / "run")
    directory.open(study.to_toml(), study.recipe, study.name)
    return study, directory


def run(study, directory, n=12):
    code = Task(directory, 0, n, time_limit=study.time_limit).run()
    gather(study, directory)
    return code


@pytest.mark.parametrize("model", ["toys:single", "toys:batch"])
@pytest.mark.parametrize(("how", "word"), [("crash", "SIGSEGV"), ("exit", "exit code 7")])
def test_a_crash_is_isolated_to_the_guilty_point(tmp_path, model, how, word):
    study, directory = prepare(tmp_path, model, guilty=5, how=how)
    assert run(study, directory) == 0
    with Table(directory.results) as table:
        order = np.argsort(table.array("x"))
        assert list(table.array("status")[order]) == [0] * 5 + [2] + [0] * 6
        guilty = order[5]
        assert word in table.array("error")[guilty]
        assert table.array("attempts")[guilty] == 2
        assert np.isnan(table.array("square")[guilty])
        assert len(table.ragged("spikes", int(guilty))) == 0


def test_a_point_that_dies_once_is_tried_again_and_succeeds(tmp_path):
    study, directory = prepare(tmp_path, guilty=5, how="once", marker=str(tmp_path / "marker"))
    assert run(study, directory) == 0
    with Table(directory.results) as table:
        assert not table.array("status").any()
        assert table.array("attempts")[table.array("x") == 5] == 2


@pytest.mark.parametrize("model", ["toys:single", "toys:batch"])
def test_a_point_has_a_time_limit(tmp_path, model):
    study, directory = prepare(tmp_path, model, time="0.3 s", guilty=5, how="sleep")
    assert run(study, directory) == 0
    with Table(directory.results) as table:
        assert list(table.array("x")[table.array("status") == 3]) == [5.0]
        assert "longer than the limit of 0.3 s" in table.array("error")[table.array("status") == 3][0]
        assert (table.array("status") == 0).sum() == 11


def test_a_wrong_shape_fails_the_point_with_both_shapes(tmp_path):
    study, directory = prepare(tmp_path, guilty=5, how="shape")
    run(study, directory)
    with Table(directory.results) as table:
        [error] = table.array("error")[table.array("status") == 1]
        assert '"noise" has shape (6,) a point; declared: (time 5)' in error


def test_sigterm_writes_what_is_finished(tmp_path):
    study, directory = prepare(tmp_path, n=200, seconds=0.1)
    task = start_task(directory, 200)
    wait_for_progress(task, 4)
    task.send_signal(signal.SIGTERM)
    assert task.wait(20) == 130
    finished = plan(study, directory).done
    assert 4 <= finished < 200
    gather(study, directory)
    with Table(directory.results) as table:
        assert len(table) == finished


def test_a_killed_supervisor_takes_its_worker_with_it(tmp_path):
    _, directory = prepare(tmp_path, n=6000, seconds=0.1)
    task = start_task(directory, 6000)
    wait_for_progress(task, 2)
    [worker] = children(task.pid)
    task.kill()
    task.wait()
    deadline = time.monotonic() + 300
    while alive(worker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(worker)
    # the worker was told to stop, not killed: what it had finished is there
    assert shard_files(directory.shards)


def test_kills_at_random_moments_lose_nothing_that_was_written(tmp_path):
    study, directory = prepare(tmp_path, n=60, seconds=0.02)
    moments = random.Random(3)
    for _ in range(4):
        task = start_task(directory, 60)
        time.sleep(moments.uniform(0.6, 1.6))
        for pid in [*children(task.pid), task.pid]:
            if alive(pid):
                os.kill(pid, signal.SIGKILL)
        task.wait()
        gather(study, directory)
    sweep(study, directory, Target("inline"))
    with Table(directory.results) as table:
        assert sorted(table.array("x")) == list(range(60))
        np.testing.assert_array_equal(table.array("square"), table.array("x") ** 2)


def test_two_copies_of_a_task_do_no_harm(tmp_path):
    study, directory = prepare(tmp_path, n=30, seconds=0.02)
    copies = [start_task(directory, 30), start_task(directory, 30)]
    assert [copy.wait(60) for copy in copies] == [0, 0]
    gather(study, directory)
    with Table(directory.results) as table:
        assert sorted(table.array("x")) == list(range(30))


def test_files_are_few(tmp_path):
    _, directory = prepare(tmp_path, n=500)
    Task(directory, 0, 500).run()
    files = [path for folder in (directory.shards, directory.logs) for path in folder.iterdir()]
    assert len(files) <= 3


def test_a_corrupted_shard_is_set_aside_and_its_points_run_again(tmp_path):
    study, directory = prepare(tmp_path)
    Task(directory, 0, 6).run()
    Task(directory, 6, 12).run()
    victim = shard_files(directory.shards)[0]
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 0xFF
    victim.write_bytes(content)
    gather(study, directory)
    assert plan(study, directory).left == 6
    sweep(study, directory, Target("inline"))
    with Table(directory.results) as table:
        assert sorted(table.array("x")) == list(range(12))
    assert list((directory.shards / "damaged").iterdir())


def test_a_full_disk_stops_the_task_and_keeps_finished_shards(tmp_path, monkeypatch):
    for name, value in full_disk(tmp_path, tmp_path / "small", 300_000).items():
        monkeypatch.setenv(name, value)
    study = hpcsim.Study("full", "toys:single", space={"x": {"linspace": [0, 19_999, 20_000]}})
    directory = study.directory(tmp_path / "small" / "run")
    directory.open(study.to_toml(), study.recipe, study.name)
    assert Task(directory, 0, 100).run() == 0
    before = shard_files(directory.shards)
    assert Task(directory, 100, 20_000).run() == 3
    assert shard_files(directory.shards) == before


def test_a_worker_process_imports_neither_dask_nor_xarray_nor_torch(tmp_path):
    _, directory = prepare(tmp_path, n=4)
    code = (
        "import sys, json, tempfile, os\n"
        "from hpcsim.scheduler.task.progress_block import ProgressBlock\n"
        "from hpcsim.scheduler.task import worker\n"
        f"request = worker.WorkerRequest({str(directory.path)!r}, 0, 4)\n"
        "block = ProgressBlock.create()\n"
        "assert worker.main(request.argv(block)[1:]) == 0\n"
        "heavy = {'dask', 'distributed', 'xarray', 'torch', 'pandas', 'sklearn', 'matplotlib', 'pint', 'scipy'}\n"
        "print(sorted(heavy & set(sys.modules)), block.read().done)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[] 4", done.stderr


def start_task(directory, n):
    line = [sys.executable, "-m", "hpcsim", "task", str(directory.path), "0", "--size", str(n), "--events"]
    return subprocess.Popen(line, stdout=subprocess.PIPE, text=True)


def wait_for_progress(task, points):
    import json

    for line in task.stdout:
        if json.loads(line)["done"] >= points:
            return
    raise AssertionError("the task ended too early")


def children(pid):
    return [child.pid for child in psutil.Process(pid).children()]


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
