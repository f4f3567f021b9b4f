"""A search on a real Slurm: submitted, and then only jobs."""

from __future__ import annotations

import pytest
from scheduler.test_search_feed import arrived, make, same, suggested

from hpcsim.scheduler.queue.commands import Slurm
from hpcsim.scheduler.site.site import Overrides
from hpcsim.scheduler.slurm.executor import start
from hpcsim.scheduler.slurm.submission import submissions
from hpcsim.scheduler.target import Target

pytestmark = pytest.mark.slurm
TARGET = Target("slurm", workers=4, overrides=Overrides(task_size=2))


def test_jobs_suggest_and_submit_and_what_is_cancelled_holds_them(slurm, tmp_path, command):
    options = {"evaluations": 12, "order": "suggestion", "ahead": 8}
    study = make(**options)
    directory = study.directory(tmp_path / "run")
    start(study, directory, Slurm(), TARGET)
    first = submissions(directory)[0]
    slurm.ask("scancel", str(first.sent[0].job))
    slurm.wait(lambda: not slurm.queue())
    status = command("status", directory.path).stdout
    assert "the search waits for these: 8 points" in status and "2 points were cancelled" in submissions(directory)[0].over
    assert len(arrived(directory.path)) == 6
    assert len(suggested(directory.path)) == 8, "four tasks at a time"
    resumed = command("resume", directory.path, "--with", "task_size=2", "--workers", "4")
    assert resumed.returncode == 0, resumed.stderr
    slurm.wait(lambda: not slurm.queue())
    make(**options).run("inline", tmp_path / "whole")
    same(directory.path, tmp_path / "whole")
    assert sorted(row[0] for row in arrived(directory.path)) == list(range(12))
    assert all(item.over for item in submissions(directory))
