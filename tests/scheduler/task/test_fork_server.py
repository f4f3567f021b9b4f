"""The fork server: its tasks behave as processes of their own, and nothing is left of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import closing

import psutil
import pytest
from squares import make, right, rows

from hpcsim.collector import collect
from hpcsim.scheduler.prepare import prepare
from hpcsim.scheduler.sweep import sweep
from hpcsim.scheduler.target import Target
from hpcsim.scheduler.task import fork_server
from hpcsim.scheduler.task.fork_server import ForkRequest, ForkServer, can_fork

# in CI a missing part is a failure
pytestmark = pytest.mark.skipif(not can_fork() and "CI" not in os.environ, reason="no pidfd here")


@pytest.fixture
def server():
    with closing(ForkServer()) as server:
        yield server


def arguments(directory, n):
    return ["task", str(directory.path), "0", "--size", str(n), "--events"]


def results(directory):
    collect(directory.path)
    return rows(directory)


def wait(condition, seconds=120.0):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it takes too long"
        time.sleep(0.05)


def test_a_task_does_its_points_and_says_so(tmp_path, server):
    study, directory = make(tmp_path, 6)
    prepare(study, directory)
    task = server.start(arguments(directory, 6), str(tmp_path))
    said = task.stdout.read()
    assert (task.stderr.read(), task.wait(60), task.poll()) == ("", 0, 0)
    assert '"done": 6' in said and '"finished": true' in said
    assert results(directory) == right(6)
    task.close()


def test_what_is_wrong_is_said_with_the_exit_code_of_the_command(tmp_path, server):
    task = server.start(["task", str(tmp_path), "0"], str(tmp_path))
    line = [sys.executable, "-P", "-m", "hpcsim", "task", str(tmp_path), "0"]
    alone = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (task.stdout.read(), task.stderr.read(), task.wait()) == (alone.stdout, alone.stderr, alone.returncode)
    assert "study.toml" in alone.stderr
    task.close()


def test_a_task_that_is_asked_to_stop_writes_what_it_has(tmp_path, server):
    study, directory = make(tmp_path, 40, seconds=0.2)
    prepare(study, directory)
    task = server.start(arguments(directory, 40), str(tmp_path))
    assert '"done"' in task.stdout.readline()
    task.terminate()
    assert task.wait(60) == 130
    assert 0 < len(results(directory)) < 40
    task.close()


def test_a_stop_while_the_server_still_loads_is_heard(tmp_path, server):
    study, directory = make(tmp_path, 400, seconds=0.5)
    prepare(study, directory)
    task = server.start(arguments(directory, 400), str(tmp_path))
    task.terminate()
    assert task.wait(100) in (130, -signal.SIGTERM)
    task.close()


def test_without_a_server_tasks_load_all_themselves(tmp_path, monkeypatch):
    monkeypatch.setattr(fork_server, "_PROGRAM", "hpcsim.is_not_there")
    study, directory = make(tmp_path, 4, task_size=2)
    sweep(study, directory, Target("local", workers=2))
    assert rows(directory) == right(4)
    assert not [path for path in directory.logs.glob("0*.log") if "died" in path.read_text()]


def test_ps_shows_what_each_process_does(tmp_path, server):
    study, directory = make(tmp_path, 40, seconds=0.2)
    prepare(study, directory)
    task = server.start(arguments(directory, 40), str(tmp_path))
    task.stdout.readline()
    [loaded] = [item for item in psutil.Process().children() if "fork_server" in " ".join(item.cmdline())]
    lines = [" ".join(item.cmdline()) for item in loaded.children(recursive=True)]
    assert len(lines) == 2 and f"hpcsim task {directory.path} 0" in lines[0] and "hpcsim.scheduler.task.worker" in lines[1]
    task.kill()
    assert task.wait(60) == -signal.SIGKILL
    # its worker writes what it has, and ends
    wait(lambda: not loaded.children(recursive=True) and all(item.ppid() != 1 for item in workers(directory)))
    task.close()


def workers(directory):
    place = str(directory.path)
    return [item for item in psutil.process_iter(["cmdline"]) if place in " ".join(item.info["cmdline"] or ())]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_tasks_end_with_their_server(tmp_path, server, number):
    study, directory = make(tmp_path, 400, seconds=0.2)
    prepare(study, directory)
    task = server.start(arguments(directory, 400), str(tmp_path))
    task.stdout.readline()
    os.kill(server._process.pid, number)
    task.stdout.read()
    assert task.wait(60) == -signal.SIGKILL
    wait(lambda: not workers(directory))
    assert len(results(directory)) > 0
    task.close()


def test_it_has_no_simulator_no_thread_and_no_study():
    code = """
import sys, threading
from importlib import import_module
from hpcsim.cli import fork_server
for name in fork_server._LOADED: import_module(name)
print(sorted({"nest", "neuron", "brian2", "torch", "sklearn", "dask", "models"} & set(sys.modules)), threading.active_count())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[] 1\n", done.stdout


def test_a_request_comes_back_from_its_message():
    request = ForkRequest(3, ("task", "a b", "0"), "/tmp", 15)
    assert ForkRequest.parse(request.message()) == request
