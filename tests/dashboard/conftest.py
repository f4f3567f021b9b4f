"""A study that is half finished, and its page."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest
from half_study import Half

from hpcsim.dashboard.monitor import Monitor
from hpcsim.dashboard.server import Server


@pytest.fixture
def half(tmp_path):
    """Ten of twenty points are finished, one of them failed."""
    made = Half(tmp_path)
    made.simulate(0, 10)
    return made


@pytest.fixture
def serve(monkeypatch):
    """Start servers that look at once, and wait for what they see; they end with the test."""
    started = []
    monkeypatch.setattr("hpcsim.dashboard.monitor.COUNT", (0.05, 0.1, 0.2))
    monkeypatch.setattr("hpcsim.dashboard.monitor._FIRST", 30.0)

    def start(study, directory, **options) -> Server:
        server = Server(Monitor(study, directory, **options))
        server.start()
        started.append(server)
        return server

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def get():
    """What a server answers: status, headers, text."""

    def ask(server: Server, path: str = "", method: str = "GET", **headers: str):
        request = urllib.request.Request(server.url + path, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.headers, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read().decode()

    return ask


@pytest.fixture
def progress(get):
    """The numbers of a server."""

    def ask(server: Server) -> dict:
        status, _, text = get(server, "progress.json")
        assert status == 200
        return json.loads(text)

    return ask
