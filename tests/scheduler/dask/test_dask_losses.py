"""The executor ``dask`` when its processes are killed, as by the out-of-memory killer: the sweep goes on or says why not."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from types import SimpleNamespace

import dask
import psutil
import pytest
from distributed import LocalCluster
from squares import make, right, rows
from test_dask import scheduler, tasks, wait, worker

from hpcsim.errors import DaskError
from hpcsim.scheduler.dask import executor as dask_cluster
from hpcsim.scheduler.executor import Listener
from hpcsim.scheduler.prepare import prepare
from hpcsim.scheduler.sweep import sweep
from hpcsim.scheduler.target import Target


def workers():
    """Processes of Dask workers that this one started."""
    names = ("spawn_main", "dask worker")
    return [item for item in psutil.Process().children() if any(name in " ".join(cmdline(item)) for name in names)]


def cmdline(process):
    try:
        return process.cmdline()
    except psutil.Error:
        return []


class Sweep(threading.Thread):
    """A sweep beside the test."""

    def __init__(self, study, directory, **more):
        super().__init__(daemon=True)
        self.error, self.said = None, []
        self._run = lambda: sweep(study, directory, Target("dask", **more), listener=Listener(notify=self.said.append))

    def run(self):
        try:
            self._run()
        except Exception as error:
            self.error = error

    def end(self, seconds=240.0):
        self.join(seconds)
        assert not self.is_alive(), "the sweep hangs"
        return self.error


def test_a_worker_that_is_killed_is_replaced(tmp_path):
    study, directory = make(tmp_path, 16, seconds=0.5, task_size=4)
    # Dask gives the worker up before it has come back, as it does where that takes long
    with dask.config.set({"distributed.deploy.lost-worker-timeout": "50ms"}):
        sweeping = Sweep(study, directory)
        sweeping.start()
        wait(lambda: tasks(directory))
        lost = {item.pid for item in tasks(directory)}
        for item in workers():
            item.kill()
        # without their worker nobody watches them, and others do their points
        wait(lambda: not lost & {item.pid for item in tasks(directory)})
        assert sweeping.end() is None
    assert rows(directory) == right(16)
    assert any("the Dask worker of this machine died" in text for text in sweeping.said)
    assert not tasks(directory)


def test_a_worker_that_is_killed_while_it_starts_is_replaced(tmp_path):
    study, directory = make(tmp_path, 4, task_size=2)
    sweeping = Sweep(study, directory)
    sweeping.start()
    wait(workers)
    workers()[0].kill()
    assert sweeping.end() is None
    assert rows(directory) == right(4)


def test_a_worker_that_came_and_died_between_two_looks_is_told():
    said = []
    with LocalCluster(n_workers=1, processes=False, dashboard_address=None) as cluster:
        one = dask_cluster.OneWorker(cluster, SimpleNamespace(notify=said.append))
        one.look()
        assert not said
        cluster.scale(0)
        wait(lambda: not cluster.scheduler.workers)
        cluster.scale(1)
        wait(lambda: cluster.scheduler.workers)
        one.look()
        one.look()
    assert len(said) == 1 and "the Dask worker of this machine died" in said[0]


def test_without_a_worker_it_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(dask_cluster, "_COMES_BACK", 2.0)
    study, directory = make(tmp_path, 4, task_size=2)
    monkeypatch.setattr(dask_cluster.OneWorker, "_start", lambda self: None)
    with pytest.raises(DaskError, match="no Dask worker has come up on this machine for 2 s"):
        sweep(study, directory, Target("dask"))


def test_a_scheduler_that_is_killed_ends_the_sweep(tmp_path):
    study, directory = make(tmp_path, 40, seconds=0.5, task_size=20)
    with scheduler(tmp_path) as (file, address), worker(file, "--death-timeout=20"):
        [process] = [item for item in psutil.Process().children() if "dask scheduler" in " ".join(cmdline(item))]
        sweeping = Sweep(study, directory, scheduler=address)
        sweeping.start()
        wait(lambda: len(tasks(directory)) >= 2)
        process.kill()
        error = sweeping.end()
        assert isinstance(error, DaskError) and "scheduler is gone" in str(error)
        wait(lambda: not tasks(directory))


def test_a_task_whose_executor_is_gone_before_it_starts_does_nothing(tmp_path):
    study, directory = make(tmp_path, 4)
    prepare(study, directory)
    reader, writer = os.pipe()
    os.close(reader)
    line = [sys.executable, "-m", "hpcsim", "task", str(directory.path), "0", "--size", "4", "--events"]
    done = subprocess.run(line, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert done.returncode == 130 and "executor that started this task is gone" in done.stderr
