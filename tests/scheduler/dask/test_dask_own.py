"""Dask clusters that hpcsim starts: pages for this machine alone, and scratch that no other user reaches."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import dask
import pytest
from dask.distributed import Client, LocalCluster
from squares import make, right, rows
from test_dask import wait

from hpcsim.scheduler.dask.executor import _exports
from hpcsim.scheduler.executor import Listener
from hpcsim.scheduler.pool.own import own_dask
from hpcsim.scheduler.sweep import sweep
from hpcsim.scheduler.target import Target

UPGRADE = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
UPGRADE += "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"


def status(port, host="127.0.0.1", path="/status", more=""):
    """The status code of a request, as a browser sends it."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n".encode())
        return int(connection.recv(4096).split()[1])


@pytest.fixture(params=[False, True], ids=["thread", "process"])
def ports(request):
    """Ports of the pages of a scheduler and of its worker."""
    pages = dict.fromkeys(("dashboard_address", "worker_dashboard_address"), "127.0.0.1:0")
    options = {"n_workers": 1, "threads_per_worker": 1, "processes": request.param, "silence_logs": 50}
    with own_dask(), LocalCluster(**options, **pages) as cluster, Client(cluster, set_as_default=False) as client:
        [worker] = client.run(lambda dask_worker: dask_worker.http_server.port).values()
        yield [cluster.scheduler.services["dashboard"].port, worker]


def test_pages_answer_only_who_asks_for_this_machine(ports):
    for port in ports:
        for host in ("127.0.0.1", f"localhost:{port}", "[::1]:1", "LOCALHOST:80"):
            assert status(port, host) == 200
        for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", "", "10.0.0.1"):
            for path in ("/status", "/health", "/metrics", "/json/counts.json", "/", "/sitemap.json", "/status/ws"):
                assert status(port, host, path) in (400, 403)


def test_a_page_of_another_host_opens_no_connection(ports):
    for port in ports:
        assert status(port, more="Origin: http://evil.example\r\n") == 403
        assert status(port, path="/status/ws", more=f"{UPGRADE}Origin: http://evil.example\r\n") == 403
        assert status(port, path="/status/ws", more=f"{UPGRADE}Origin: null\r\n") == 403
        assert status(port, path="/status/ws", more=f"{UPGRADE}Origin: http://127.0.0.1:{port}\r\n") != 403


def test_the_pages_of_a_sweep_are_such(tmp_path):
    study, directory = make(tmp_path, 6, seconds=1.0, task_size=2)
    said, pages = [], []
    listener = Listener(notify=said.append, dashboard=pages.append)
    sweeping = threading.Thread(target=lambda: sweep(study, directory, Target("dask"), listener=listener))
    sweeping.start()
    wait(lambda: said)
    port = int(next(text for text in said if "Dask dashboard" in text).split(":")[2].partition("/")[0])
    answers = [status(port), status(port, "evil.example")]
    sweeping.join(240)
    assert answers == [200, 403] and pages == [f"http://127.0.0.1:{port}/status"]
    assert rows(directory) == right(6)


@pytest.mark.parametrize("executor", ["local", "dask"])
def test_scratch_is_a_folder_of_its_own_and_gone_at_the_end(tmp_path, monkeypatch, command, executor):
    make(tmp_path, 4, task_size=2)
    (tmp_path / "mine").write_text("precious")
    everybodys = tmp_path / "everybodys"
    (everybodys / "dask-scratch-space").mkdir(parents=True)
    (everybodys / "dask-scratch-space" / "global.lock").symlink_to(tmp_path / "mine")
    monkeypatch.setenv("TMPDIR", str(everybodys))
    done = command("run", "s.toml", "--on", executor)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "mine").read_text() == "precious"
    assert [item.name for item in everybodys.iterdir()] == ["dask-scratch-space"]
    assert len(list((everybodys / "dask-scratch-space").iterdir())) == 1


def test_scratch_is_for_its_user_alone(tmp_path):
    with dask.config.set({"temporary-directory": str(tmp_path)}), own_dask():
        scratch = Path(dask.config.get("temporary-directory"))
        assert scratch.parent == tmp_path and scratch.stat().st_mode & 0o777 == 0o700
    assert not scratch.exists()


def test_workers_on_nodes_have_their_scratch_in_the_studys_directory():
    [line] = [line for line in _exports(Path("/data/my runs/s/jobs/dask-x")) if "TEMPORARY" in line]
    assert line == "export DASK_TEMPORARY_DIRECTORY='/data/my runs/s/jobs/dask-x'"
