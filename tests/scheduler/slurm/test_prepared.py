"""A submission before it is made: shown, counted, and refused where there is no Slurm."""

from __future__ import annotations

import pytest

import hpcsim
from hpcsim.scheduler.prepare import prepare
from hpcsim.scheduler.queue.commands import Slurm
from hpcsim.scheduler.site.site import Settings, Site
from hpcsim.scheduler.slurm.prepared import prepare_submission
from hpcsim.scheduler.task.supervisor import Task

STUDY = '[study]\nname = "d"\nmodel = "toys:noop"\n[space]\na = { linspace = [0, 1, 100] }\n[resources]\ntask_size = 30\n'


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """A study on a machine without Slurm."""
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    (tmp_path / "d.toml").write_text(STUDY)
    return tmp_path


def test_a_dry_run_shows_scripts_and_what_they_would_take_and_does_nothing(nowhere, command):
    shown = command("run", "d.toml", "--on", "slurm", "--dry-run", "--with", "partition=debug", "--workers", 2)
    assert shown.returncode == 0, shown.stderr
    assert "runs/d/jobs/0001/array-0.job" in shown.stdout and "runs/d/jobs/0001/collect.job" in shown.stdout
    assert "#SBATCH --array=0-3%2" in shown.stdout and "#SBATCH --partition=debug" in shown.stdout
    lines = [line.split(maxsplit=1) for line in shown.stdout.splitlines()]
    table = {line[0]: line[1].strip() for line in lines if len(line) == 2}
    assert table["points"] == "100" and table["tasks"] == "4"
    assert table["results"].startswith("800 B") and table["core-hours"].startswith("not known")
    assert table["Slurm"] == "is not on this machine: not checked"
    assert not (nowhere / "runs").exists()


def test_without_slurm_nothing_is_begun(nowhere, command):
    for words in (("submit", "d.toml"), ("submit", "d.toml", "--site", "workstation")):
        done = command(*words)
        assert done.returncode == 1
        assert "there is no sbatch on this machine" in done.stderr and "--on local" in done.stderr
    assert not (nowhere / "runs").exists()
    assert "did you mean" in command("submit", "d.toml", "--site", "workstaton").stderr


def test_only_what_is_missing_is_drafted_at_the_measured_cost(nowhere):
    study = hpcsim.Study.load("d.toml")
    directory = study.directory()
    prepare(study, directory)
    Task(directory, 0, 40).run()
    made = prepare_submission(study, directory, Settings(Site(name="s"), task_size=30), Slurm())
    assert made.array_batch.tasks == ((40, 70), (70, 100)) and made.array_batch.points == 60
    assert made.measured.points == 40 and 0 < made.array_batch.hours < 1
    Task(directory, 40, 100).run()
    assert prepare_submission(study, directory, Settings(Site(name="s")), Slurm()) is None
