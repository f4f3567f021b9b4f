"""What sbatch says is hidden from hpcsim: a real Slurm's queue and accounting still tell which job it was."""

from __future__ import annotations

import os
import shutil

import pytest
from squares import finished, make

from hpcsim.scheduler.queue.commands import Slurm, new_token
from hpcsim.scheduler.slurm.executor import start
from hpcsim.scheduler.slurm.submission import submissions

pytestmark = pytest.mark.slurm


@pytest.fixture
def silent(slurm, tmp_path, monkeypatch):
    """An sbatch that queues and says nothing of it, and ends as `code` in its folder says."""
    folder = tmp_path / "silent"
    folder.mkdir()
    (folder / "sbatch").write_text(f'#!/bin/sh\n{shutil.which("sbatch")} "$@" >/dev/null && exit $(cat {folder}/code)\n')
    (folder / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


@pytest.mark.parametrize("code", [0, 1])
def test_jobs_are_found_by_their_token(slurm, silent, tmp_path, monkeypatch, code):
    study, directory = make(tmp_path, 4, task_size=2)
    # the check before is none that queues
    monkeypatch.setattr(Slurm, "check", lambda self, script: None)
    (silent / "code").write_text(str(code))
    item = start(study, directory, Slurm())
    assert len(item.jobs) == 2 and start(study, directory, Slurm()) is None
    slurm.wait(lambda: not slurm.queue())
    assert finished(directory) == [0, 1, 2, 3]
    assert len(submissions(directory)) == 1


def test_a_job_that_is_over_is_found(slurm, tmp_path):
    script, token = tmp_path / "a.job", new_token()
    script.write_text("#!/bin/sh\n#SBATCH --partition=debug\ntrue\n")
    job = Slurm().submit(script, "a", token=token)
    slurm.wait(lambda: not slurm.queue())
    assert Slurm().find("a", token) == job
    assert Slurm().find("a", new_token()) is None
