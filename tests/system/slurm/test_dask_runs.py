"""Executor ``dask`` with workers that are jobs of a real Slurm."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import psutil
import pytest
import squares
from squares import right, rows

import hpcsim
from hpcsim.collector.format.table import Table
from hpcsim.errors import SlurmError
from hpcsim.scheduler.dask import executor as dask_cluster
from hpcsim.scheduler.executor import Listener
from hpcsim.scheduler.plan import plan
from hpcsim.scheduler.sweep import sweep
from hpcsim.scheduler.target import Target

pytestmark = pytest.mark.slurm

SITE = 'partition = "debug"\n[limits]\nthrottle = 2\n'


def make(tmp_path, n, site=SITE, **more):
    (tmp_path / "few.toml").write_text(site)
    return squares.make(tmp_path, n, **more)


class Run(threading.Thread):
    """A sweep beside the test."""

    def __init__(self, study, directory, **options):
        super().__init__(daemon=True)
        self.said, self.error, self.over = [], None, (0, 0)
        self._call = lambda: sweep(
            study, directory, Target("dask", **options), listener=Listener(notify=self.said.append, progressed=self._progressed)
        )
        self.start()

    def _progressed(self, *over):
        self.over = over

    def run(self):
        try:
            self._call()
        except Exception as error:
            self.error = error

    def finish(self, seconds=200):
        self.join(seconds)
        assert not self.is_alive()
        if self.error is not None:
            raise self.error


def running(slurm):
    return [row[0] for row in slurm.queue() if row[1] == "RUNNING"]


def empty(slurm):
    """No job is left, but for some that Slurm has just ended."""
    slurm.wait(lambda: not slurm.queue(), 20)


def sockets(process):
    """Addresses and ports that a process listens on."""
    return {tuple(item.laddr) for item in process.net_connections("tcp") if item.status == psutil.CONN_LISTEN}


def workers():
    """The worker processes of jobs that were submitted in this folder."""
    found = []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        if process.info["cwd"] == os.getcwd() and " ".join(process.info["cmdline"] or []).startswith("dask worker ["):
            found.append(process)
    return found


def test_a_killed_worker_is_replaced_and_all_results_are_right(slurm, tmp_path):
    study, directory = make(tmp_path, 40, seconds=0.4, task_size=5)
    run = Run(study, directory, site="few.toml")
    slurm.wait(lambda: run.over[0] > 2 and len(running(slurm)) == 2)
    victim = running(slurm)[0]
    slurm.ask("scancel", victim)
    slurm.wait(lambda: victim not in running(slurm) and len(running(slurm)) == 2)
    run.finish()
    assert rows(directory) == right(40)
    # the progress counts what a lost worker had written, and nothing beyond the end
    assert run.over[0] == 40
    empty(slurm)


def test_the_network_sees_tls_on_the_loopback_alone_and_keys_are_gone_at_the_end(slurm, tmp_path):
    study, directory = make(tmp_path, 4, seconds=6.0, task_size=2)
    before = sockets(psutil.Process())
    run = Run(study, directory, site="few.toml")
    slurm.wait(lambda: len(list(directory.logs.glob("0*.log"))) == 2)
    [folder] = (directory.path / "jobs").glob("dask-*")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {
        "ca_file": 0o600,
        "worker_cert": 0o600,
        "worker_key": 0o600,
    }
    assert len(workers()) == 2
    for worker in workers():
        assert "[tls://127.0.0.1:" in " ".join(worker.info["cmdline"])
        assert {host for host, _ in sockets(worker)} == {"127.0.0.1"}
    mine = sockets(psutil.Process()) - before
    assert {host for host, _ in mine} == {"127.0.0.1"}
    # without the certificate nobody is let in
    [port] = {item.raddr.port for item in workers()[0].net_connections("tcp") if item.raddr} & {port for _, port in mine}
    intruder = f"from distributed import Client; Client('tcp://127.0.0.1:{port}', timeout=5)"
    assert subprocess.run([sys.executable, "-c", intruder], capture_output=True, timeout=60, check=False).returncode
    run.finish()
    assert rows(directory) == right(4)
    assert not list((directory.path / "jobs").glob("dask-*"))
    [line] = [text for text in run.said if "dashboard" in text]
    port = line.split("127.0.0.1:")[1].split("/")[0]
    assert f"ssh -L {port}:127.0.0.1:{port} " in line


def test_workers_that_have_nothing_to_do_are_given_back(slurm, tmp_path):
    study, directory = make(tmp_path, 3, seconds=0.0, task_size=1)
    # one task lasts, the others are over at once
    (tmp_path / "s.toml").write_text((tmp_path / "s.toml").read_text().replace("seconds = 0", 'guilty = 0\nhow = "sleep"'))
    with (tmp_path / "s.toml").open("a") as file:
        file.write('time = "25 s"\n')
    study = hpcsim.Study.load("s.toml")
    run = Run(study, directory, site="few.toml")
    slurm.wait(lambda: len(running(slurm)) == 2)
    slurm.wait(lambda: len(slurm.queue()) == 1)
    assert run.is_alive()
    run.finish()
    empty(slurm)
    with Table(directory.results) as table:
        assert sorted(table.array("status")) == [0, 0, 3]


def test_a_refused_partition_is_said_at_once_in_slurms_words(slurm, tmp_path, command):
    study, directory = make(tmp_path, 3, site='partition = "nowhere"\n')
    refused = command("run", "s.toml", "--on", "dask", "--site", "few.toml")
    assert refused.returncode == 1
    assert "nvalid partition" in refused.stderr and "sinfo lists the partitions" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert plan(study, directory).left == 3
    empty(slurm)


def test_workers_that_never_come_are_not_waited_for_in_silence(slurm, tmp_path, monkeypatch):
    study, directory = make(tmp_path, 3, site='partition = "closed"\n')
    said = []
    monkeypatch.setattr(dask_cluster, "amount", lambda text, unit: 8.0)
    with pytest.raises(SlurmError, match=r"no Dask worker came within 8 s: 0 of 3 .*wait \(PartitionDown\).*--on slurm"):
        sweep(study, directory, Target("dask", site="few.toml"), listener=Listener(notify=said.append))
    assert any("wait (PartitionDown)" in text for text in said)
    empty(slurm)


def test_jobs_that_end_before_they_are_workers_are_said(slurm, tmp_path):
    study, directory = make(tmp_path, 2, site='setup = ["echo no such module >&2", "exit 4"]\n')
    with pytest.raises(SlurmError, match=r"ended before they reached .*: 2 FAILED; see worker-\*\.log .*dask\.interface"):
        sweep(study, directory, Target("dask", site="few.toml"))
    logs = list(directory.logs.glob("worker-*.log"))
    # it was tried again before
    assert len(logs) == 4 and "no such module" in logs[0].read_text()
    empty(slurm)


def test_what_slurm_refuses_later_is_said_as_well(slurm, tmp_path, monkeypatch):
    study, directory = make(tmp_path, 3)
    monkeypatch.setattr(dask_cluster.Slurm, "check", lambda self, script: None)
    (tmp_path / "few.toml").write_text('partition = "nowhere"\n')
    with pytest.raises(SlurmError, match="nvalid partition"):
        sweep(study, directory, Target("dask", site="few.toml"))


def test_a_worker_leaves_before_its_job_is_ended_and_its_tasks_go_on(slurm, tmp_path, monkeypatch):
    study, directory = make(tmp_path, 40, seconds=1.0, task_size=40)
    # it leaves after half of that time, and Slurm counts whole minutes
    monkeypatch.setattr(dask_cluster, "_seconds", lambda job, settings: 30.0)
    run = Run(study, directory, site="few.toml")
    run.finish()
    assert rows(directory) == right(40)
    logs = [path.read_text() for path in directory.logs.glob("worker-*.log")]
    assert len(logs) >= 2 and sum("lifetime" in text for text in logs) >= 1
    empty(slurm)


def test_ctrl_c_reaches_tasks_on_other_machines(slurm, tmp_path):
    study, directory = make(tmp_path, 60, seconds=0.5, task_size=30, marked=True)
    line = [sys.executable, "-m", "hpcsim", "run", "s.toml", "--on", "dask", "--site", "few.toml"]
    sweeping = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    slurm.wait(lambda: squares.begun(tmp_path) >= 8)
    sweeping.send_signal(2)
    words, _ = sweeping.communicate(timeout=90)
    assert sweeping.returncode == 130, words
    assert "the same command goes on from there" in words
    # what each of the two had done is collected
    done = plan(study, directory).done
    assert 4 <= done < 60
    empty(slurm)
    assert not workers()


def test_several_tasks_side_by_side_in_one_job_and_folders_with_shell_characters(slurm, tmp_path, monkeypatch):
    place = tmp_path / "a b'c\"d%e $(touch oops) `x`;&"
    place.mkdir()
    monkeypatch.chdir(place)
    study, directory = make(place, 8, seconds=0.5, task_size=2, site="[limits]\nthrottle = 2\n[dask]\nworkers = 2\n")
    sweep(study, directory, Target("dask", site="few.toml"))
    assert rows(directory) == right(8)
    assert len(list(directory.logs.glob("worker-*.log"))) == 1
    assert not list(tmp_path.rglob("oops"))
