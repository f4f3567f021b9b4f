"""The job script for Slurm: run as Slurm runs it, with the variables that it sets."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from hpcsim.assets import folder
from hpcsim.collector.table import Table

STUDY = '[study]\nname = "s"\nmodel = "toys:noop"\n[space]\na = { linspace = [0, 1, 20] }\n'


def test_an_array_element_runs_its_slice(tmp_path, command):
    (tmp_path / "s.toml").write_text(STUDY)
    assert command("plan", "s.toml", "--prepare").returncode == 0
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    environment |= {"SLURM_ARRAY_TASK_ID": "1", "HPCSIM_STUDY": "runs/s", "HPCSIM_TASK_SIZE": "5", "HPCSIM_OFFSET": "10"}
    done = subprocess.run(["bash", str(folder("jobs") / "array.job")], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert command("collect", "runs/s").returncode == 0
    with Table("runs/s/results.h5") as table:
        assert sorted(round(19 * value) for value in table.array("a")) == [15, 16, 17, 18, 19]
    assert "5 finished, 15 to run" in command("plan", "runs/s").stdout


def test_the_script_says_what_it_needs():
    line = ["bash", str(folder("jobs") / "array.job")]
    done = subprocess.run(line, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True)
    assert done.returncode != 0
    assert "names the directory of the study" in done.stderr
