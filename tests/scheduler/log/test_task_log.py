"""Logs have a bound: their first and last parts are kept, and a line says what was left out between."""

from __future__ import annotations

import re
import time

import pytest

import hpcsim
from hpcsim.scheduler.log.task_log import HEAD, TAIL, TaskLog, heading, parse_heading
from hpcsim.scheduler.state.logbook import entries
from hpcsim.scheduler.task.supervisor import Task

NOTICE = re.compile(rb"^=== (\d+) bytes are left out here ===\n", re.MULTILINE)


def lines(first: int, last: int) -> bytes:
    return b"".join(b"line %07d\n" % number for number in range(first, last))


def test_the_middle_of_a_long_log_is_left_out(tmp_path):
    path = tmp_path / "log"
    with TaskLog(path, 1000, 5000) as log:
        for first in range(0, 10_000, 100):
            log.file.write(lines(first, first + 100))
            log.trim()
            assert log.size < 13_000
    content = path.read_bytes()
    assert content.startswith(lines(0, 76)) and content.endswith(lines(9700, 10_000))
    [left_out] = NOTICE.findall(content)
    kept = len(NOTICE.sub(b"", content))
    assert kept + int(left_out) == 13 * 10_000 and len(content) < 6200


@pytest.mark.parametrize("size", [0, 1, 5999, 6000])
def test_a_short_log_stays_as_it_is(tmp_path, size):
    with TaskLog(tmp_path / "log", 1000, 5000) as log:
        log.file.write(b"x" * size)
        log.trim()
    assert (tmp_path / "log").read_bytes() == b"x" * size


def test_a_log_without_lines_is_cut_too(tmp_path):
    with TaskLog(tmp_path / "log", 1000, 5000) as log:
        log.file.write(b"x" * 100_000)
    content = (tmp_path / "log").read_bytes()
    assert content == b"x" * 1000 + b"\n=== 94000 bytes are left out here ===\n" + b"x" * 5000


def test_what_a_worker_appends_goes_on_at_the_end(tmp_path):
    with TaskLog(tmp_path / "log", 1000, 5000) as log, (tmp_path / "log").open("ab", buffering=0) as worker:
        worker.write(lines(0, 10_000))
        log.trim()
        worker.write(b"last words\n")
    assert (tmp_path / "log").read_bytes().endswith(b"line 0009999\nlast words\n")


def test_a_place_is_found_again_after_a_cut(tmp_path):
    with TaskLog(tmp_path / "log", 1000, 5000) as log:
        log.file.write(lines(0, 10_000))
        early, late = 2000, log.size - 13
        moment = time.monotonic()
        log.trim()
        assert log.end(100, log.place(late, moment)) == "line 0009999\n"
        # it was left out: what follows the notice
        assert (tmp_path / "log").read_bytes()[: log.place(early, moment)].endswith(b"are left out here ===\n")
        # said after the cut
        assert log.place(early, time.monotonic()) == early


def test_headings_are_read_back():
    line = heading("0a" * 16, "crashed", 12, 0, "the process died of SIGSEGV: x, y")
    assert parse_heading(line.rstrip("\n")) == ("0a" * 16, 12, 0, "the process died of SIGSEGV: x, y")
    assert parse_heading("=== point of no return") is None


@pytest.mark.parametrize("how", ["loud", "loud_death"])
def test_a_loud_model_has_a_bounded_log_and_keeps_its_last_words(tmp_path, how):
    study = hpcsim.Study("loud", "endings:ends", space={"how": ["fine", how]})
    directory = study.directory(tmp_path / "run")
    directory.open(study.to_toml(), study.recipe, study.name)
    assert Task(directory, 0, 2).run() == 0
    [path] = directory.logs.iterdir()
    content = path.read_bytes()
    assert len(content) <= HEAD + TAIL + 2000
    assert content.startswith(b"chatter 0\n") and NOTICE.search(content) and b"the very last words\n" in content
    if how == "loud_death":
        [(_, reason, text)] = entries(path)
        assert reason.endswith("the very last words") and text.endswith("the very last words\n") and len(text) > TAIL // 2
