"""What only a Slurm with accounting has: sacct, limits of users and of their QOS, and preemption by a better partition."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pytest
from absent import absent
from squares import finished

import hpcsim
from hpcsim.scheduler.executor import Listener
from hpcsim.scheduler.queue.commands import Slurm
from hpcsim.scheduler.slurm import arrays as rounds
from hpcsim.scheduler.slurm.submission import submissions
from hpcsim.scheduler.sweep import sweep
from hpcsim.scheduler.target import Target

sys.path.insert(0, str(Path(__file__).parent))
from accounted import Accounted, missing

pytestmark = pytest.mark.slurm

LINES = [
    "PreemptType=preempt/partition_prio",
    "PreemptMode=CANCEL",
    "PartitionName=urgent Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF",
    # the controller forgets jobs at once: only sacct knows what became of them
    "MinJobAge=2",
]


@pytest.fixture(scope="module")
def cluster():
    if without := missing():
        absent(f"Slurm's accounting: no {', '.join(without)}; scripts/slurm-install.sh")
    root = Path(tempfile.mkdtemp(prefix="hpcsim-accounted-"))
    root.chmod(0o755)
    with Accounted(root, LINES) as running:
        yield running


@pytest.fixture
def accounted(cluster, monkeypatch, tmp_path):
    monkeypatch.setenv("SLURM_CONF", str(cluster.config))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("USER", cluster.user)
    yield cluster
    cluster.ask("scancel", "-u", cluster.user)
    cluster.wait(lambda: not cluster.queue())
    cluster.ask("sacctmgr", "-i", "modify", "user", cluster.user, "set", "MaxSubmitJobs=-1")


def make(n, seconds=0.0, task_size=1):
    resources = {"task_size": task_size}
    study = hpcsim.Study(
        "s", "toys:single", space={"x": {"linspace": [0, n - 1, n]}}, fixed={"seconds": seconds}, resources=resources
    )
    return study, study.directory()


def test_sacct_knows_jobs_that_the_controller_has_forgotten(accounted):
    slurm = Slurm()
    assert slurm.limits.accounting
    study, directory = make(4)
    sweep(study, directory, Target("slurm"))
    assert finished(directory) == [0, 1, 2, 3]
    [item] = submissions(directory)
    accounted.wait(lambda: str(item.sent[0].job) not in accounted.ask("squeue", "-h", "-a", "-t", "all", "-o", "%A"))
    states = [state for state in slurm.states(item.jobs) if state.job == item.sent[0].job]
    assert {(state.first, state.state) for state in states} == {(k, "COMPLETED") for k in range(4)}


def test_a_users_limit_of_submitted_jobs_makes_more_rounds(accounted):
    accounted.ask("sacctmgr", "-i", "modify", "user", accounted.user, "set", "MaxSubmitJobs=6")
    assert Slurm().limits.max_submit == 6
    study, directory = make(12)
    sweep(study, directory, Target("slurm"))
    assert finished(directory) == list(range(12))
    # four tasks and their collector, beside the collector that submits them
    assert [len(item.tasks) for item in submissions(directory)] == [4, 4, 4]
    # each round came from the collector of the one before, and Slurm refused none
    assert not [path for path in directory.logs.glob("collect-*.log") if "refuses" in path.read_text()]


def test_a_limit_of_the_qos_counts_as_well(accounted):
    accounted.ask("sacctmgr", "-i", "modify", "qos", "normal", "set", "MaxSubmitJobsPerUser=7")
    try:
        assert Slurm().limits.max_submit == 7
    finally:
        accounted.ask("sacctmgr", "-i", "modify", "qos", "normal", "set", "MaxSubmitJobsPerUser=-1")
    assert Slurm().limits.max_submit != 7


def test_preempted_tasks_run_again(accounted, tmp_path, monkeypatch):
    monkeypatch.setattr(rounds, "TASK_SECONDS", 10.0)
    study, directory = make(6, seconds=12, task_size=1)
    said = []

    def preempt(done: int, failed: int) -> None:
        """A better job takes all nodes as soon as tasks run."""
        running = [row for row in accounted.queue() if row[1] == "RUNNING"]
        if running and not said:
            said.append("preempted")
            script = tmp_path / "better.job"
            script.write_text("#!/bin/bash\nsleep 4\n")
            accounted.ask("sbatch", "-p", "urgent", "-N3", "--exclusive", "-o", "/dev/null", str(script))

    sweep(study, directory, Target("slurm"), listener=Listener(progressed=preempt))
    assert said and finished(directory) == list(range(6))
    assert "PREEMPTED" in submissions(directory)[0].over
    assert any(sent.part.tries == 1 for item in submissions(directory) for sent in item.sent)
