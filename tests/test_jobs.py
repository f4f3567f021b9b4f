"""The job script of an array: run as Slurm runs it, with the variables that it sets."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import hpcsim
from hpcsim.collector.format.table import Table
from hpcsim.scheduler.gather import gather
from hpcsim.scheduler.plan import plan
from hpcsim.scheduler.prepare import prepare
from hpcsim.scheduler.queue.paths import ArraySpec, SubmissionPaths
from hpcsim.scheduler.queue.script import array_script
from hpcsim.scheduler.site.site import Settings, Site
from hpcsim.scheduler.slurm.submission import write_tasks

STUDY = '[study]\nname = "s"\nmodel = "toys:noop"\n[space]\na = { linspace = [0, 1, 20] }\n'


def run_element(place: SubmissionPaths, part: ArraySpec, element: int) -> subprocess.CompletedProcess[str]:
    """One element of an array, without Slurm."""
    text = array_script(place, part, Settings(Site(name="s")))
    environment = {**os.environ, "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": str(element)}
    return subprocess.run(["bash"], input=text, env=environment, capture_output=True, text=True)


def test_an_array_element_runs_its_slice(tmp_path):
    (tmp_path / "s.toml").write_text(STUDY)
    study = hpcsim.Study.load("s.toml")
    directory = study.directory()
    prepare(study, directory)
    place = SubmissionPaths("s", directory.path.resolve(), 1, Path.cwd())
    write_tasks(place.tasks, [(0, 5), (5, 10), (10, 13), (13, 20)])
    done = run_element(place, ArraySpec(2, 2), 1)
    assert done.returncode == 0, done.stderr
    gather(study, directory)
    with Table(directory.results) as table:
        assert sorted(round(19 * value) for value in table.array("a")) == list(range(13, 20))
    assert plan(study, directory).pending == ((0, 13),)
    assert (directory.logs / "7_1.log").exists()


def test_an_element_without_a_task_says_so(tmp_path):
    (tmp_path / "s.toml").write_text(STUDY)
    study = hpcsim.Study.load("s.toml")
    directory = study.directory()
    prepare(study, directory)
    place = SubmissionPaths("s", directory.path.resolve(), 1, Path.cwd())
    gone = run_element(place, ArraySpec(0, 9), 8)
    assert gone.returncode == 3 and "hpcsim resume" in gone.stderr
    write_tasks(place.tasks, [(0, 5)])
    more = run_element(place, ArraySpec(0, 9), 8)
    assert more.returncode == 2 and "has 1 tasks, and none with the number 8" in more.stderr
