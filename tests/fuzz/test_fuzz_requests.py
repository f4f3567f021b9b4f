"""Requests to the dashboard that no browser makes: odd paths, methods, headers, bytes; it answers, or hangs up, and goes on."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fuzz_oracle import TALLY, fuzzed
from hypothesis import given
from hypothesis import strategies as st

import hpcsim
from hpcsim import Output, Parameter, model
from hpcsim.dashboard.monitor import Monitor
from hpcsim.dashboard.server import Server
from hpcsim.scheduler.prepare import prepare

PATHS = (
    "/", "/progress.json", "/report", "/../study.toml", "/report/../study.toml", "/%2e%2e/study.toml", "/..%2f..%2fetc/passwd",
    "/report%00.html", "/report;/../../secret", "/?a=" + "b" * 9000, "/" + "a" * 70_000,
    "http://127.0.0.1/secret", "*", "", "/\x01",
    "/secret", "secret", "/./secret", "/shards/secret", "file:///etc/passwd", "/report?file=../secret", "\\..\\secret", "/é",
    "//etc/passwd", "/%252e%252e/secret",
)  # fmt: skip
METHODS = [b"GET", b"GET", b"GET", b"HEAD", b"POST", b"PUT", b"TRACE", b"CONNECT", b"get", b"", b"G" * 70_000]
VERSIONS = [b"HTTP/1.1", b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b"HTTP/9.9.9", b"", b"HTTP/"]
HEADERS = [b"Host", b"Host", b"Content-Length", b"Transfer-Encoding", b"Expect", b"Range", b"Upgrade"]
ANSWERS = [b"200", b"400", b"403", b"404", b"414", b"417", b"431", b"501", b"505", b"100"]
SECRET = b"nobody may see this"


@model("fuzz.page", parameters=[Parameter("x", 0.0)], outputs=[Output("y")])
def page_model(point, context):
    """Is never run."""
    return {"y": 0.0}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The page of a study beside a secret."""
    folder = tmp_path_factory.mktemp("page")
    study = hpcsim.Study("page", page_model, space={"x": [1.0, 2.0]})
    directory = study.directory(folder / "runs" / "page")
    prepare(study, directory)
    for place in (folder, directory.path, directory.shards):
        place.mkdir(exist_ok=True)
        (place / "secret").write_bytes(SECRET)
    made = Server(Monitor(study, directory))
    made.start()
    yield made
    made.stop()


def _asked(server: Server, content: bytes) -> bytes:
    """All that it answers until it hangs up."""
    with socket.create_connection(("127.0.0.1", server.port), 20) as line:
        with contextlib.suppress(OSError):
            line.sendall(content)
            line.shutdown(socket.SHUT_WR)
        answer = b""
        with contextlib.suppress(OSError):
            while more := line.recv(65536):
                answer += more
    return answer


_WORDS = st.binary(max_size=40) | st.text(max_size=20).map(str.encode)
_LINES = (
    st.lists(st.tuples(st.sampled_from(HEADERS) | _WORDS, _WORDS), max_size=4)
    | st.just([(b"X" * 70_000, b"y")])
    | st.just([(b"A", b"b")] * 300)
)


@fuzzed(150)
@given(
    method=st.sampled_from(METHODS) | _WORDS,
    path=st.sampled_from([path.encode() for path in PATHS]) | _WORDS,
    version=st.sampled_from(VERSIONS) | _WORDS,
    here=st.booleans(),
    lines=_LINES,
    body=st.binary(max_size=300),
)
def test_a_request(capfd, server, method: bytes, path: bytes, version: bytes, here: bool, lines: list, body: bytes) -> None:
    began = time.monotonic()
    first = [(b"Host", f"127.0.0.1:{server.port}".encode())] if here else []
    head = b"\r\n".join([b" ".join([method, path, version]), *(b": ".join(line) for line in [*first, *lines])])
    answer = _asked(server, head + b"\r\n\r\n" + body)
    status = answer.partition(b"\r\n")[0].split(b" ")[1:2] if answer.startswith(b"HTTP/") else []
    assert SECRET not in answer and b"root:" not in answer
    assert not status or status[0] in ANSWERS, answer[:200]
    if status == [b"200"]:
        assert here or any(name.lower() == b"host" for name, _ in lines), "answers who does not ask for this machine"
    # neither a traceback nor an endless answer
    assert capfd.readouterr().err == "" and len(answer) < 2**20
    tally = TALLY.setdefault("requests", [0, 0, 0.0])
    tally[0], tally[1], tally[2] = tally[0] + 1, tally[1] + (status != [b"200"]), tally[2] + time.monotonic() - began


def test_it_answers_still_and_no_thread_is_left(server: Server) -> None:
    lines = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(30)]
    for line in lines:
        line.sendall(b"GET / HT")
    answer = _asked(server, f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.0 200") and b"page" in answer
    for line in lines:
        line.close()
    deadline = time.monotonic() + 30
    while any("process_request" in thread.name for thread in threading.enumerate()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any("process_request" in thread.name for thread in threading.enumerate())


def test_the_folder_is_as_it_was(server: Server) -> None:
    names = {path.name for path in Path(server.monitor.directory.path).iterdir()}
    assert {name for name in names if not name.startswith((".", "study", "source", "history"))} == {"logs", "secret", "shards"}
