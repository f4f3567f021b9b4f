"""How tasks stand, on Slurm and in a sweep of this process."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from hpcsim.dashboard import monitor as monitor_module
from hpcsim.dashboard.live import Word
from hpcsim.dashboard.tasks import Queue, TaskState, of_sweep
from hpcsim.errors import SlurmUnavailable
from hpcsim.scheduler.queue.paths import ArraySpec
from hpcsim.scheduler.site.site import Settings, Site
from hpcsim.scheduler.slurm.submission import Sent, Submission, write_tasks


@pytest.fixture
def submitted(half, tmp_path, monkeypatch):
    """A submission of ten tasks, and commands that stand in for Slurm's: they note their calls."""
    folder = half.directory.path / "jobs" / "0001"
    write_tasks(folder / "tasks", [(k, k + 1) for k in range(10, 20)])
    item = Submission(folder, 1, Settings(Site(name="s")), tmp_path, (Sent(7, ArraySpec(0, 10)),), collector=8)
    item.write()
    commands = tmp_path / "bin"
    commands.mkdir()
    rows = [("7_[4-8]", "PENDING", "Priority"), ("7_9", "PENDING", "Resources"), ("7_0", "RUNNING", "None")]
    rows += [("7_1", "COMPLETED", "None"), ("7_2", "COMPLETED", "None"), ("7_3", "NODE_FAIL", "None")]
    rows += [("8", "PENDING", "Dependency")]
    lines = "".join(f"{job:1000}{state:20}{'0':12}{'N/A':24}{reason:100}\n" for job, state, reason in rows)
    (tmp_path / "squeue.txt").write_text(lines)
    for name, body in (("squeue", f"cat {tmp_path}/squeue.txt"), ("scontrol", "echo MaxArraySize = 1001"), ("sbatch", "false")):
        script = commands / name
        script.write_text(f"#!/bin/bash\necho {name} >> {tmp_path}/calls\n{body}\n")
        script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}:/bin:/usr/bin")
    return half, item, tmp_path


def calls(folder) -> int:
    """How often the queue was asked."""
    path = folder / "calls"
    return path.read_text().split().count("squeue") if path.exists() else 0


def test_states_are_those_of_slurm(submitted):
    half, item, _ = submitted
    tasks = Queue(half.directory).look()
    assert tasks.states == (
        TaskState(1, "running"),
        TaskState(5, "waiting", "Priority"),
        TaskState(1, "waiting", "Resources"),
        TaskState(2, "over", "COMPLETED"),
        TaskState(1, "over", "NODE_FAIL"),
    )
    assert tasks.notes == ("Submission 1: 10 tasks, collector PENDING Dependency.",)
    item.closed("tasks 10 COMPLETED; nothing is left")
    tasks = Queue(half.directory).look()
    assert tasks.slurm and not tasks.states
    assert tasks.notes == ("Submission 1 is over: tasks 10 COMPLETED; nothing is left.",)


def test_a_submission_that_waits_for_another_study_says_so(submitted):
    half, item, _ = submitted
    replace(item, sent=(), after=("kernel",)).write()
    tasks = Queue(half.directory).look()
    assert tasks.states == ()
    assert tasks.notes == ("Submission 1: job 8 submits the tasks when kernel is finished (PENDING Dependency).",)


def test_slurm_is_asked_at_the_servers_pace_and_not_at_the_browsers(submitted, serve, progress, get):
    half, _, folder = submitted
    server = serve(half.study, half.directory)
    time.sleep(0.5)
    assert calls(folder) == 0, "nobody looks"
    found = progress(server)
    assert found["executor"] == "slurm"
    assert [item["count"] for item in found["tasks"]] == [1, 5, 1, 2, 1]
    for _ in range(30):
        progress(server)
        get(server)
    assert calls(folder) == 1


def test_slurm_is_asked_again_after_a_while(submitted, serve, progress, monkeypatch):
    monkeypatch.setattr(monitor_module, "CALL", (0.2, 0.4))
    half, _, folder = submitted
    server = serve(half.study, half.directory)
    progress(server)
    text = folder / "squeue.txt"
    text.write_text(text.read_text().replace(f"{'RUNNING':20}", f"{'COMPLETED':20}"))
    deadline = time.monotonic() + 300
    while progress(server)["tasks"][-2]["count"] != 3:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert calls(folder) >= 2


def test_a_controller_that_is_away_is_said_and_the_points_are_counted(submitted, serve, progress):
    half, _, folder = submitted
    for name in ("scontrol", "squeue"):
        (folder / "bin" / name).write_text("#!/bin/bash\necho Unable to contact slurm controller >&2\nexit 1\n")
    with pytest.raises(SlurmUnavailable):
        Queue(half.directory).look()
    found = progress(serve(half.study, half.directory))
    assert found["done"] == 10
    assert "Slurm has not answered" in found["errors"][0]
    assert found["errors"][0] in found["sections"]["points"]


def test_a_study_without_submissions_asks_nobody(half, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert Queue(half.directory).look().states == ()


def test_a_sweep_tells_its_own_tasks():
    assert of_sweep(Word()).states == ()
    assert of_sweep(Word(running=2, over=5)).states == (TaskState(2, "running"), TaskState(5, "over"))
