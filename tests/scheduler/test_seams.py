"""What a user does between a run and the next one: code, damage, extensions and odd files meet one another."""

from __future__ import annotations

import os

import pytest

import hpcsim
from hpcsim.collector.format.table import Table
from hpcsim.errors import DirectoryError
from hpcsim.scheduler.state.check import repair

MODEL = """from hpcsim import Output, Parameter, model


@model("own.times", parameters=[Parameter("k", 1.0)], outputs=[Output("y")])
def times(point, context):
    if point["k"] > 90:
        raise ValueError("no such k")
    return {"y": point["k"] * 2.0}
"""
STUDY = """[study]
name = "own"
model = "times:times"
[space]
k = { linspace = [1, 6, %d] }
[[inference]]
use = "inference.regression"
of = ["y"]
targets = ["k"]
splits = 3
"""


@pytest.fixture
def finished(tmp_path, command):
    (tmp_path / "times.py").write_text(MODEL)
    (tmp_path / "own.toml").write_text(STUDY % 12)
    assert command("run", "own.toml", "--on", "inline").returncode == 0
    return tmp_path / "runs" / "own"


def _edit(finished):
    path = finished.parents[1] / "times.py"
    path.write_text(path.read_text().replace("2.0", "3.0"))


def test_points_of_other_code_are_not_damaged(finished, command):
    _edit(finished)
    with pytest.raises(DirectoryError, match="nothing was repaired"):
        repair(hpcsim.Study.load("own.toml", changed=True), hpcsim.Study.load("own.toml").directory())
    assert command("check", "own.toml", "--repair").returncode == 2
    assert "--repair" not in command("check", "own.toml").stdout
    with Table(finished / "results.h5") as table:
        assert len(table) == 12


def test_nothing_is_inferred_from_points_of_other_code(finished, command):
    _edit(finished)
    written = (finished / "report.html").stat().st_mtime_ns
    done = command("infer", "own.toml")
    assert done.returncode == 2
    assert "times.py changed" in done.stderr
    assert (finished / "report.html").stat().st_mtime_ns == written
    assert "made in another way" in command("collect", "own.toml").stdout
    assert command("infer", "own.toml", "--accept-changes").returncode == 0
    assert command("check", "own.toml").returncode == 0


def test_an_extension_without_inference_is_inferred_from_by_the_next_run(finished, command):
    path = finished.parents[1] / "own.toml"
    path.write_text(STUDY % 14)
    assert command("run", "own.toml", "--on", "inline", "--no-infer").returncode == 0
    assert "12 of 12 points" in (finished / "inference" / "0_regression" / "summary.json").read_text()
    assert command("run", "own.toml", "--on", "inline").returncode == 0
    assert "the design has 14" in (finished / "inference" / "0_regression" / "summary.json").read_text()
    written = (finished / "report.html").stat().st_mtime_ns
    assert command("run", "own.toml", "--on", "inline").returncode == 0
    assert (finished / "report.html").stat().st_mtime_ns == written


def test_damage_and_changed_code_together_have_a_way_on(finished, command):
    _edit(finished)
    os.truncate(finished / "results.h5", 5000)
    done = command("run", "own.toml", "--on", "inline", "--accept-changes", "--no-infer")
    assert done.returncode == 0, done.stderr
    with Table(finished / "results.h5") as table:
        assert len(table) == 12


@pytest.mark.parametrize(
    ("name", "code"), [("shards/000000000-000000012-ddb6ec2e.2af44ec0.0.3128d739.h5", 0), ("recipes.json", 3), (".run.lock", 3)]
)
def test_pipes_in_a_directory_are_not_waited_for(finished, command, name, code):
    os.mkfifo(finished / name)
    (finished.parents[1] / "own.toml").write_text(STUDY % 13)
    assert command("run", "own.toml", "--on", "inline", "--no-infer", timeout=300).returncode == code


def test_nothing_to_collect_is_told(tmp_path, command):
    (tmp_path / "times.py").write_text(MODEL)
    (tmp_path / "own.toml").write_text(STUDY % 12)
    done = command("collect", "own.toml")
    assert done.returncode == 4
    assert "Traceback" not in done.stderr
