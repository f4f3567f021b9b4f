"""Kills for want of memory, as the kernel counts them; and what a task does about them."""

from __future__ import annotations

import pytest

import hpcsim
from hpcsim.collector.format.table import Table
from hpcsim.scheduler.gather import gather
from hpcsim.scheduler.plan import plan
from hpcsim.scheduler.prepare import prepare
from hpcsim.scheduler.task import supervisor as task_module
from hpcsim.scheduler.task.memory import allowance, oom_kills
from hpcsim.scheduler.task.supervisor import OUT_OF_MEMORY, Task


@pytest.mark.parametrize(
    ("groups", "file", "text"),
    [
        ("4:memory:/slurm/job_7/task_0\n0::/\n", "slurm/job_7/task_0/memory.oom_control", "oom_kill_disable 0\noom_kill 3\n"),
        ("0::/system.slice/job_7\n", "system.slice/job_7/memory.events", "low 0\nmax 9\noom 4\noom_kill 3\n"),
    ],
)
def test_both_versions_of_control_groups(tmp_path, groups, file, text):
    (tmp_path / "own").write_text(groups)
    path = tmp_path / "mount" / file
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert oom_kills((tmp_path / "mount",), tmp_path / "own") == 3
    assert oom_kills((tmp_path / "elsewhere",), tmp_path / "own") == 0
    assert oom_kills((), tmp_path / "gone") == 0


def test_the_allowance_is_slurms(monkeypatch):
    monkeypatch.delenv("SLURM_MEM_PER_NODE", raising=False)
    assert allowance() == ""
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "1148")
    assert allowance() == " with 1148 MB"


@pytest.mark.parametrize("defer_oom", [True, False])
def test_a_starved_point_is_left_for_more_memory_or_recorded(tmp_path, monkeypatch, defer_oom):
    # every death counts as one for want of memory
    counts = iter(range(1000))
    monkeypatch.setattr(task_module, "oom_kills", lambda: next(counts))
    study = hpcsim.Study("m", "toys:single", space={"x": [1, 2, 3]}, fixed={"guilty": 2, "how": "crash"})
    directory = study.directory(tmp_path / "run")
    prepare(study, directory)
    assert Task(directory, 0, 3, defer_oom=defer_oom).run() == (OUT_OF_MEMORY if defer_oom else 0)
    assert plan(study, directory).pending == (((1, 2),) if defer_oom else ())
    gather(study, directory)
    with Table(directory.results) as table:
        errors = dict(zip(table.array("x"), table.array("error"), strict=True))
    assert errors == ({1: "", 3: ""} if defer_oom else {1: "", 2: "ran out of memory", 3: ""})


def test_a_budget_ends_a_task_between_points_and_not_before_the_first(tmp_path):
    study = hpcsim.Study("b", "toys:single", space={"x": {"linspace": [0, 9, 10]}})
    directory = study.directory(tmp_path / "run")
    prepare(study, directory)
    for expected in (1, 2):
        assert Task(directory, 0, 10, budget=0.0).run() == 0
        assert plan(study, directory).done == expected
