"""Two at once in a study's directory: the second is told, and nothing is simulated twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest
from squares import make, right, rows

import hpcsim
from hpcsim.errors import BusyError
from hpcsim.lock import Holder, holder

N = 4
#: A model that marks each point that begins and goes on when a file is gone.
WAITS = """
import time
from pathlib import Path
from hpcsim import Output, Parameter, model

HERE = Path(__file__).parent

@model("waits.square", parameters=[Parameter("x", 0.0)], outputs=[Output("square")])
def square(point, context):
    with open(HERE / "marker", "a") as file:
        file.write(f"{point.id}\\n")
    while (HERE / "wait").exists():
        time.sleep(0.02)
        context.progress(0.5)
    return {"square": point["x"] ** 2}
"""


@pytest.fixture
def running(tmp_path, executor):
    """A sweep that goes on in another process; the file that it marks holds the id of each point that began."""
    marker, wait = tmp_path / "marker", tmp_path / "wait"
    wait.touch()
    (tmp_path / "waits.py").write_text(WAITS)
    _, directory = make(tmp_path, N)
    file = tmp_path / "s.toml"
    file.write_text(file.read_text().replace("toys:single", "waits:square").replace("[fixed]\nseconds = 0\n", ""))
    line = [sys.executable, "-m", "hpcsim", "run", "s.toml", "--on", executor, "--workers", "1"]
    with subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 300
        while not marker.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert marker.exists()
        yield process, directory, wait
        process.kill()


@pytest.mark.parametrize("executor", ["inline", "local"])
def test_the_second_run_stops_with_a_code_of_its_own(running, command, tmp_path):
    first, directory, wait = running
    for line in (("run", "s.toml"), ("run", "s.toml", "--on", "inline"), ("plan", "s.toml", "--prepare")):
        second = command(*line)
        assert second.returncode == BusyError.exit_code
        for part in (str(first.pid), os.uname().nodename, "since", "hpcsim status runs/s", "hpcsim dashboard runs/s"):
            assert part in second.stderr
    with pytest.raises(BusyError, match=str(first.pid)):
        hpcsim.Study.load("s.toml").run("inline")
    for line in (("status", "s.toml"), ("plan", "s.toml"), ("collect", "s.toml")):
        assert str(first.pid) not in command(*line).stderr
    wait.unlink()
    assert first.wait(200) == 0
    assert not directory.lock.exists()
    assert rows(directory) == right(N)
    assert len(Path("marker").read_text().split()) == N


@pytest.mark.parametrize("executor", ["inline"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_takes_the_lock_away(running, number, command):
    first, directory, _ = running
    first.send_signal(number)
    assert first.wait(100) == 130
    assert not directory.lock.exists()


@pytest.mark.parametrize("executor", ["inline"])
def test_a_kill_leaves_a_lock_that_is_no_obstacle(running):
    first, directory, wait = running
    first.kill()
    first.wait()
    wait.unlink()
    assert directory.lock.exists()
    assert holder(directory.lock) is None
    hpcsim.Study.load("s.toml").run("inline").close()
    assert rows(directory) == right(N)
    assert not directory.lock.exists()


def test_submit_waits_for_a_sweep_of_another_process(tmp_path, command):
    _, directory = make(tmp_path, 2)
    (tmp_path / "site.toml").write_text('partition = "debug"\n')
    directory.path.mkdir(parents=True)
    left = Holder.here("a sweep on local")
    directory.lock.write_text(json.dumps(asdict(left)))
    second = command("submit", "s.toml", "--site", "site.toml")
    assert second.returncode == BusyError.exit_code
    assert str(os.getpid()) in second.stderr


def test_a_finished_study_in_an_archive_can_be_run_again(tmp_path, monkeypatch):
    study, directory = make(tmp_path, 2)
    study.run("inline").close()
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != directory.path)
    directory.lock.mkdir()  # nothing can be written in its place
    study.run("inline").close()
