"""The body of a task: what is checked and measured for each point."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import hpcsim
from hpcsim import Output, Parameter, model
from hpcsim.collector.table import Table
from hpcsim.scheduler.runner import Stopwatch
from hpcsim.scheduler.sweep import sweep


def test_the_time_of_a_program_that_a_model_runs_counts():
    watch = Stopwatch()
    code = "import time\nwhile time.process_time() < 0.4: pass"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert watch.read().cpu > 0.39


@pytest.mark.parametrize("batch", [None, 8])
def test_a_point_that_makes_no_sense_fails_alone(tmp_path, batch):
    def simulate(points, context):
        return {"y": np.asarray(points.columns["x"]) if batch else points["x"]}

    def check(values):
        return "x must not be 3" if values["x"] == 3 else ""

    picky = model("toys.picky", parameters=[Parameter("x", 1.0)], outputs=[Output("y")], batch=batch, check=check)(simulate)
    # priors are not checked as a whole before they run
    study = hpcsim.Study("s", picky, space={"x": {"choice": [1, 2, 3, 4]}}, design={"method": "random", "n": 40})
    directory = study.directory(tmp_path / "run")
    sweep(study, directory, on="inline")
    with Table(directory.results) as table:
        wrong = table.array("x") == 3
        assert wrong.any() and not wrong.all()
        np.testing.assert_array_equal(table.array("status"), np.where(wrong, 1, 0))
        assert set(table.array("error")[wrong]) == {"x must not be 3"}
