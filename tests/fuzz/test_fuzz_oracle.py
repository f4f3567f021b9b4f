"""The judge of the others: what must not happen is seen, whether the input is refused or not."""

from __future__ import annotations

import os

import pytest
from fuzz_oracle import TALLY, judged

from hpcsim.errors import HpcsimError

TARGET = "the oracle itself"


@pytest.fixture(autouse=True)
def _off_the_record():
    yield
    TALLY.pop(TARGET, None)


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("refuses", [False, True])
def test_a_file_outside_and_a_command_are_seen(tmp_path, refuses, apart):
    inside = tmp_path / "inside"
    inside.mkdir()

    def writes():
        (tmp_path / "outside.txt").write_text("x")
        if refuses:
            raise HpcsimError("no")

    def starts():
        os.system("true")
        if refuses:
            raise HpcsimError("no")

    for act, words in ((writes, "outside.txt"), (starts, "os.system")):
        with pytest.raises(AssertionError, match=words):
            judged(TARGET, act, inside=inside, apart=apart)


def test_other_errors_and_errors_without_a_word_are_seen(tmp_path):
    def fails():
        raise KeyError("x")

    def silent():
        raise HpcsimError(" ")

    with pytest.raises(KeyError):
        judged(TARGET, fails, inside=tmp_path)
    with pytest.raises(AssertionError, match="without a word"):
        judged(TARGET, silent, inside=tmp_path)
    assert judged(TARGET, (tmp_path / "x").write_text, "x", inside=tmp_path) == 1
