"""A model that goes back to the points of another study, which is found from the declaration and run first."""

from __future__ import annotations

import numpy as np
import pytest

import hpcsim
from hpcsim.collector.format.table import Table
from hpcsim.errors import StudyError
from hpcsim.scheduler.executor import Listener
from hpcsim.scheduler.sweep import sweep
from hpcsim.scheduler.target import Target

PARENT = """
[study]
name = "base"
model = "toys:single"
[space]
x = [1, 2, 3]
[fixed]
guilty = 3
[scales.small.space]
x = [1]
"""
CHILD = """
[study]
name = "heir"
model = "toys:child"
[space]
x = [1, 2]
shift = [0, 10]
[fixed]
parent = "study:base"
[scales.small.space]
x = [1]
shift = [0, 10]
"""


@pytest.fixture
def files(tmp_path):
    (tmp_path / "base.toml").write_text(PARENT)
    (tmp_path / "heir.toml").write_text(CHILD)
    return tmp_path


def inherited(directory):
    with Table(directory.results) as table:
        return {
            (x, shift): (value, status, error)
            for x, shift, value, status, error in zip(
                *(table.array(name).tolist() for name in ("x", "shift", "inherited", "status", "error")), strict=True
            )
        }


@pytest.mark.parametrize("executor", ["inline", "local"])
def test_the_parent_runs_first_and_points_find_theirs(files, executor):
    study = hpcsim.Study.load("heir.toml")
    assert study.inputs == ("base",)
    said = []
    sweep(study, study.directory(), Target(executor), listener=Listener(notify=said.append))
    assert said[0] == "first base, which heir needs"
    found = inherited(study.directory())
    assert {key: value[0] for key, value in found.items()} == {(1, 0): 1, (1, 10): 11, (2, 0): 4, (2, 10): 14}


def test_parents_run_at_the_same_scale_where_they_have_it(files):
    study = hpcsim.Study.load("heir.toml", "small")
    sweep(study, study.directory(), Target("inline"))
    with Table(study.directory().beside("base").results) as table:
        assert table.array("x").tolist() == [1.0]
    # a task loads the study from its directory: the same parent
    assert len(hpcsim.Study.load(study.directory().path).input_study("base").design) == 1


def test_a_point_that_the_parent_does_not_have_fails_with_what_it_has(files):
    (files / "heir.toml").write_text(CHILD.replace("x = [1, 2]", "x = [1, 7]"))
    study = hpcsim.Study.load("heir.toml")
    sweep(study, study.directory(), Target("inline"))
    found = inherited(study.directory())
    assert found[1, 0][1] == 0 and np.isnan(found[7, 0][0])
    assert found[7, 0][2] == "no point of the study base was made with these parameters: x is 7.0 here and 1.0, 2.0 there"


def test_a_failed_point_of_the_parent_is_no_parent(files):
    (files / "heir.toml").write_text(CHILD.replace("x = [1, 2]", "x = [3]"))
    study = hpcsim.Study.load("heir.toml")
    sweep(study, study.directory(), Target("inline"))
    assert {row[1] for row in inherited(study.directory()).values()} == {1}


def test_a_parent_may_be_written_with_fewer_digits(files):
    (files / "base.toml").write_text(PARENT.replace("x = [1, 2, 3]", "x = [0.1, 2]") + '[outputs]\nprecision = "float32"\n')
    (files / "heir.toml").write_text(CHILD.replace("x = [1, 2]", "x = [0.1]"))
    study = hpcsim.Study.load("heir.toml")
    sweep(study, study.directory(), Target("inline"))
    found = inherited(study.directory())
    np.testing.assert_allclose(found[0.1, 10][0], 10.01)


def test_a_study_in_python_finds_one_that_was_run_here(tmp_path):
    base = hpcsim.Study("base", "toys:single", space={"x": [1, 2]})
    base.run(on="inline")
    heir = hpcsim.Study("heir", "toys:child", space={"x": [2]}, fixed={"parent": "study:base"})
    assert heir.run(on="inline").outputs["inherited"].values.tolist() == [4.0]


def test_a_parent_has_one_value_in_a_study(files):
    with pytest.raises(StudyError, match=r"space.parent: names another study.*move it to \[fixed\]"):
        hpcsim.Study("s", "toys:child", space={"parent": ["study:a", "study:b"]})


def test_another_parent_is_another_study(files):
    before = hpcsim.Study.load("heir.toml").fingerprint
    (files / "base.toml").write_text(PARENT.replace("guilty = 3", "guilty = 2"))
    assert hpcsim.Study.load("heir.toml").fingerprint != before
