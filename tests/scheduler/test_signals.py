"""Ctrl-C once or again and again, SIGTERM, and a terminal that is closed: what was finished is in the results."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import termios
import time

import pytest
from squares import finished

from hpcsim import Study
from hpcsim.collector.shard import shard_files
from hpcsim.scheduler.plan import plan


def start(*more: str, **options) -> subprocess.Popen:
    line = [sys.executable, "-m", "hpcsim", "run", "s.toml", "--workers", "2", *more]
    return subprocess.Popen(line, **{"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, **options})


def make(folder, n):
    """A study whose points leave a line each when they begin."""
    (folder / "s.toml").write_text(
        f'[study]\nname = "s"\nmodel = "toys:single"\n[space]\nx = {{ linspace = [0, {n - 1}, {n}] }}\n'
        f'[fixed]\nseconds = 0.1\nmarker = "{folder / "began"}"\n'
    )
    study = Study.load(folder / "s.toml")
    return study, study.directory()


def wait_for_points(folder, process) -> None:
    """Until some points are simulated."""
    deadline = time.monotonic() + 120
    while not (folder / "began").exists() or len((folder / "began").read_text().splitlines()) < 6:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)


def check(study, directory) -> None:
    """Everything that was simulated is in the results, and something was."""
    assert shard_files(directory.shards) == []
    assert 0 < len(finished(directory)) == plan(study, directory).done < len(study.design)


@pytest.mark.parametrize("on", ["local", "inline"])
def test_ctrl_c_again_and_again_breaks_no_collection(tmp_path, on):
    study, directory = make(tmp_path, 400)
    sweep = start("--on", on)
    wait_for_points(tmp_path, sweep)
    while sweep.poll() is None:
        sweep.send_signal(signal.SIGINT)
        time.sleep(0.05)
    said = sweep.stderr.read().decode()
    assert sweep.returncode == 130, said
    assert "hpcsim: stopped" in said and "a further Ctrl-C changes nothing" in said and "Traceback" not in said
    check(study, directory)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("on", ["local", "inline"])
def test_signals_to_stop_are_as_ctrl_c(tmp_path, on, number):
    study, directory = make(tmp_path, 400)
    sweep = start("--on", on)
    wait_for_points(tmp_path, sweep)
    sweep.send_signal(number)
    assert sweep.wait(120) == 130
    check(study, directory)


def test_a_closed_terminal_stops_a_sweep_in_good_order(tmp_path):
    study, directory = make(tmp_path, 400)
    ours, theirs = os.openpty()
    sweep = start(
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        close_fds=True,
    )
    os.close(theirs)
    wait_for_points(tmp_path, sweep)
    os.close(ours)
    assert sweep.wait(120) == 130
    check(study, directory)


def test_nohup_stays_nohup(tmp_path):
    _, directory = make(tmp_path, 20)
    sweep = start(preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    wait_for_points(tmp_path, sweep)
    sweep.send_signal(signal.SIGHUP)
    assert sweep.wait(120) == 0
    assert len(finished(directory)) == 20


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_task_writes_what_it_has(tmp_path, number):
    study, directory = make(tmp_path, 400)
    directory.open(study.to_toml(), study.recipe, study.name)
    line = [sys.executable, "-m", "hpcsim", "task", str(directory.path), "0", "--size", "400", "--events"]
    task = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    task.stdout.readline()
    task.send_signal(number)
    assert task.wait(60) == 130
    assert 0 < plan(study, directory).done < 400
