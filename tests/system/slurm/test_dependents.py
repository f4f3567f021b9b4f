"""Studies that need other studies, on a real Slurm: one submission, and the jobs wait for each other."""

from __future__ import annotations

import pytest

import hpcsim
from hpcsim.collector.format.table import Table
from hpcsim.scheduler.plan import complete
from hpcsim.scheduler.slurm.submission import submissions

pytestmark = pytest.mark.slurm

BASE = '[study]\nname = "base"\nmodel = "toys:single"\n[space]\nx = { linspace = [0, 5, 6] }\n[fixed]\nseconds = %g\n'
HEIR = '[study]\nname = "%s"\nmodel = "toys:child"\n[space]\nx = { linspace = [0, 5, 6] }\n[fixed]\nparent = "study:base"\n%s'


def test_one_submission_runs_a_study_and_what_it_needs(slurm, tmp_path, command):
    (tmp_path / "base.toml").write_text(BASE % 0.5)
    (tmp_path / "heir.toml").write_text(HEIR % ("heir", "shift = 1\n"))
    done = command("submit", "heir.toml", "--with", "partition=debug", "--with", "task_size=2")
    assert done.returncode == 0, done.stderr
    assert "submits the tasks when base is finished" in done.stdout
    study = hpcsim.Study.load("heir.toml")
    directory = study.directory()
    [waiting] = submissions(directory)
    collector = submissions(directory.beside("base"))[0].collector
    # Slurm itself knows the dependency
    assert f"afterany:{collector}" in slurm.ask("scontrol", "show", "job", str(waiting.collector))
    status = command("status", "heir.toml").stdout
    assert "when base is finished (PENDING Dependency)" in status
    slurm.wait(lambda: complete(study, directory) and not slurm.queue())
    with Table(directory.results) as table:
        assert sorted(table.array("inherited")) == [x**2 + 1 for x in range(6)]
    first, second = submissions(directory)
    assert first.over == "base came to an end" and not first.sent
    # what the user said holds for both studies
    assert len(second.tasks) == 3 and len(submissions(directory.beside("base"))[0].tasks) == 3


def test_a_run_submits_all_at_once_and_goes_on_itself(slurm, tmp_path, command):
    (tmp_path / "base.toml").write_text(BASE % 0.5)
    (tmp_path / "heir.toml").write_text(HEIR % ("heir", "shift = 1\n"))
    done = command("run", "heir.toml", "--on", "slurm", "--with", "partition=debug", "--with", "task_size=2")
    assert done.returncode == 0, done.stderr
    assert "submits the tasks when base is finished, should this command end before" in done.stdout
    directory = hpcsim.Study.load("heir.toml").directory()
    with Table(directory.results) as table:
        assert sorted(table.array("inherited")) == [x**2 + 1 for x in range(6)]
    waiting, tasks = submissions(directory)
    assert waiting.over == "base came to an end" and len(tasks.tasks) == 3
    assert len(submissions(directory.beside("base"))) == 1
    # no job is left that would do it once more
    slurm.wait(lambda: not slurm.queue())


def test_a_study_that_is_needed_and_does_not_end_is_said(slurm, tmp_path, command):
    (tmp_path / "base.toml").write_text(BASE % 60)
    (tmp_path / "heir.toml").write_text(HEIR % ("heir", ""))
    assert command("submit", "heir.toml", "--with", "partition=debug", "--with", "task_size=2").returncode == 0
    directory = hpcsim.Study.load("heir.toml").directory()
    [waiting] = submissions(directory)
    assert command("cancel", "base.toml").returncode == 0
    slurm.wait(lambda: not slurm.queue())
    words = (directory.logs / f"dependency-{waiting.collector}.log").read_text()
    assert "heir needs base, which is not finished and has no jobs any more" in words
    assert not directory.results.exists()


def test_what_waits_is_cancelled_with_its_study(slurm, tmp_path, command):
    (tmp_path / "base.toml").write_text(BASE % 60)
    (tmp_path / "heir.toml").write_text(HEIR % ("heir", ""))
    assert command("submit", "heir.toml", "--with", "partition=debug").returncode == 0
    directory = hpcsim.Study.load("heir.toml").directory()
    [waiting] = submissions(directory)
    assert command("cancel", "heir.toml").returncode == 0
    assert str(waiting.collector) not in {row[0] for row in slurm.queue()}
    assert submissions(directory)[0].over == "cancelled"
