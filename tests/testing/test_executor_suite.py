"""The suite for executors, used as another package does: it passes those that keep the contract, and refuses the others."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

import pytest
import toy_executors

THEIRS = """
from hpcsim.testing import ExecutorSuite


class TestBackwards(ExecutorSuite):
    executor = "toy_executors:backwards"


class TestPlain(ExecutorSuite):
    executor = "toy_executors:plain"


class TestDrops(ExecutorSuite):
    executor = "toy_executors:drops_a_point"


class TestLeaves(ExecutorSuite):
    executor = "toy_executors:leaves_a_point_for_later"


class TestChanges(ExecutorSuite):
    executor = "toy_executors:changes_a_value"
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What pytest prints of half the tests of one executor, and of the first test of the others."""
    folder = tmp_path_factory.mktemp("theirs")
    shutil.copy(toy_executors.__file__, folder)
    (folder / "test_theirs.py").write_text(THEIRS)
    chosen = "(Backwards and not single) or (values_are_equal and single)"
    line = [
        sys.executable,
        "-m",
        "pytest",
        "-v",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(folder),
        "-k",
        chosen,
        "test_theirs.py",
    ]
    return subprocess.run(line, capture_output=True, text=True, cwd=folder).stdout


def outcomes(said: str, name: str) -> list[str]:
    return re.findall(rf"::{name}::test_\S+ (PASSED|FAILED|ERROR)", said)


def test_executors_that_keep_the_contract_pass(said):
    assert outcomes(said, "TestBackwards") == ["PASSED"] * 8, said
    assert outcomes(said, "TestPlain") == ["PASSED"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("TestDrops", "IncompleteError: .*: 1 of 42 points"),
        ("TestLeaves", "AssertionError: the executor left points out"),
        ("TestChanges", "noise of point 6"),
    ],
)
def test_a_broken_executor_is_refused(said, name, words):
    assert outcomes(said, name) == ["FAILED"], said
    assert re.search(rf"^E +.*{words}", said, re.MULTILINE), said
