"""What the page's server answers, and whom."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from html.parser import HTMLParser

import pytest
from half_study import EVIL

from hpcsim.dashboard.monitor import Monitor
from hpcsim.dashboard.server import Server
from hpcsim.errors import HpcsimError
from hpcsim.plotting import canvas
from hpcsim.report.figures import Gallery


class Page(HTMLParser):
    """Tags, attributes and texts; every tag is closed."""

    VOID = ("meta", "link", "line", "rect", "path", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert not self._open

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self._open.pop() == tag

    def handle_data(self, data):
        self.texts.append(" ".join(data.split()))

    def tags(self, name):
        """Attributes of all tags of a name."""
        return [attrs for tag, attrs in self.found if tag == name]


def test_the_numbers_as_json(half, serve, progress):
    server = serve(half.study, half.directory)
    found = progress(server)
    assert {key: found[key] for key in ("study", "model", "executor", "state", "total", "done", "failed", "left")} == {
        "study": "half",
        "model": "tests.evil",
        "executor": "",
        "state": "measuring",
        "total": 20,
        "done": 10,
        "failed": 1,
        "left": 10,
    }
    assert found["failures"] == [{"count": 1, "status": "failed", "reason": f"ValueError: {EVIL}"}]
    assert found["rate"] is found["seconds_left"] is found["ends"] is found["dask"] is None
    assert found["title"] == "50 % half"
    assert found["spoken"] == "50 percent finished, 1 points failed"
    assert found["directory"] == str(half.directory.path.resolve())
    assert (found["report"], found["tasks"], found["errors"]) == (False, [], [])


def test_rate_and_end_follow_from_what_lands(half, serve, progress, monkeypatch):
    monkeypatch.setattr("hpcsim.dashboard.monitor.FLUSH_SECONDS", 0.1)
    server = serve(half.study, half.directory)
    assert progress(server)["done"] == 10
    for start in (10, 13, 16):
        time.sleep(0.4)
        half.simulate(start, start + 3)
    deadline = time.monotonic() + 300
    while (found := progress(server))["done"] < 19 or found["rate"] is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert found["state"] == "running"
    assert 0.5 < found["rate"] < 15
    assert found["seconds_left"] == pytest.approx(1 / found["rate"])
    assert found["ends"] == pytest.approx(found["at"] + found["seconds_left"])
    assert found["history"][0][1] == 10 and found["history"][-1][1] == 19
    half.simulate(19, 20)
    while (found := progress(server))["state"] != "finished":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert found["title"] == "100 % half"


def test_the_page_is_whole_without_javascript(half, serve, get):
    status, headers, text = get(serve(half.study, half.directory))
    assert status == 200 and headers["Content-Type"] == "text/html; charset=utf-8"
    page = Page(text)
    assert "50 % half" in page.texts
    assert "10 of 20 points are finished" in page.texts
    assert f"ValueError: {EVIL}" in page.texts
    assert len(page.tags("h1")) == 1
    assert {"Points", "Points over time", "Tasks", "Files", "Failures"} <= set(page.texts)
    assert all(attrs.get("scope") == "col" for attrs in page.tags("th"))
    [bar] = [attrs for attrs in page.tags("div") if attrs.get("role") == "progressbar"]
    assert (bar["aria-valuenow"], bar["aria-valuemax"]) == ("10", "20")
    assert [attrs for attrs in page.tags("p") if attrs.get("aria-live") == "polite"]
    assert page.tags("html")[0]["lang"] == "en"


def test_nothing_is_asked_of_anybody_else(half, serve, get):
    _, headers, text = get(serve(half.study, half.directory))
    page = Page(text)
    addresses = [attrs[key] for _, attrs in page.found for key in ("src", "href") if key in attrs]
    assert all(address.startswith("data:") for address in addresses), addresses
    assert not [key for _, attrs in page.found for key in attrs if key.startswith("on") or key == "style"]
    assert not re.findall(r"@import|url\(", text)
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy
    assert headers["Cache-Control"] == "no-store" and headers["X-Content-Type-Options"] == "nosniff"


def test_what_a_user_typed_is_escaped_everywhere(half, serve, get, progress):
    server = serve(half.study, half.directory)
    _, _, text = get(server)
    assert EVIL not in text
    assert "&lt;script&gt;document.title = &#39;evil&#39;&lt;/script&gt;" in text
    assert len(Page(text).tags("script")) == 1
    for html in progress(server)["sections"].values():
        assert not Page(html).tags("script")


def test_the_report_is_there_when_it_is(half, serve, get, progress):
    server = serve(half.study, half.directory)
    assert get(server, "report")[0] == 404
    assert 'href="report"' not in get(server)[2]
    half.directory.report.write_text("<!DOCTYPE html><title>own</title>")
    status, headers, text = get(server, "report")
    assert (status, text) == (200, "<!DOCTYPE html><title>own</title>")
    assert "script-src" not in headers["Content-Security-Policy"]
    assert progress(server)["report"] is True
    # links of the report lead to the page with the points, and back
    assert get(server, "explore.html")[0] == 404 and get(server, "report.html")[2] == text
    half.directory.explorer.write_text("<script>0</script>")
    status, headers, text = get(server, "explore.html")
    assert (status, text) == (200, "<script>0</script>")
    rules = headers["Content-Security-Policy"].split("; ")
    assert {"sandbox allow-scripts", "default-src 'none'"} < {*rules} and not any("connect-src" in rule for rule in rules)
    assert 'href="report"' in get(server)[2]


@pytest.fixture
def drawn(half):
    """A report with one figure, and files beside it that are nobody's business."""
    gallery = Gallery(half.directory.report)
    half.directory.report.write_text("<!DOCTYPE html><title>own</title>")
    picture = gallery.draw("wall_times", "Times.", lambda: canvas(1)[0])
    gallery.tidy()
    (gallery.folder / "own.png").write_bytes(b"mine")
    return picture, gallery.folder


def test_the_links_of_the_report_lead_to_its_figures(half, serve, drawn):
    server = serve(half.study, half.directory)
    picture, folder = drawn
    kinds = {"PNG": "image/png", "PDF": "application/pdf", "CSV": "text/csv; charset=utf-8"}
    assert {name for name, _ in picture.links} == {*kinds}
    for name, address in picture.links:
        # relative to /report and to /report.html alike
        with urllib.request.urlopen(urllib.parse.urljoin(f"{server.url}report", address), timeout=30) as answer:
            assert answer.read() == (folder / f"wall_times.{name.lower()}").read_bytes()
            assert answer.headers["Content-Type"] == kinds[name]
            assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
            assert "script-src" not in answer.headers["Content-Security-Policy"]
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            # a picture is shown; what a browser has no safe viewer for is kept
            kept = None if name == "PNG" else f'attachment; filename="wall_times.{name.lower()}"'
            assert answer.headers["Content-Disposition"] == kept


@pytest.mark.parametrize(
    "name", ["own.png", ".figures", "gone.png", "", ".", "..", "../../study.toml", "%2e%2e/%2e%2e/study.toml", "wall_times.png/"]
)
def test_only_figures_of_the_report_are_served(half, serve, drawn, get, name):
    folder = drawn[1]
    # a list that somebody has written into leads nowhere else
    with (folder / ".figures").open("a") as listed:
        listed.write("\ngone.png\n../../study.toml\n/etc/passwd\n../own.png\n..\n")
    server = serve(half.study, half.directory)
    assert get(server, f"report/figures/{name}")[0] == 404
    assert get(server, "report/figures/wall_times.png", Host="evil.example")[0] == 403


def test_links_out_of_the_directory_are_not_followed(half, serve, drawn, get, tmp_path):
    server = serve(half.study, half.directory)
    (tmp_path / "secret").write_text("secret")
    for file, address in (
        (drawn[1] / "wall_times.csv", "report/figures/wall_times.csv"),
        (half.directory.report, "report"),
        (half.directory.explorer, "explore.html"),
    ):
        file.unlink(missing_ok=True)
        file.symlink_to(tmp_path / "secret")
        assert get(server, address)[0] == 404
    half.directory.explorer.unlink()
    os.mkfifo(half.directory.explorer)
    assert get(server, "explore.html")[0] == 404
    drawn[1].rename(tmp_path / "elsewhere")
    drawn[1].symlink_to(tmp_path / "elsewhere")
    assert get(server, "report/figures/wall_times.pdf")[0] == 404


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8080", "localhost", "localhost:1", "[::1]:80"])
def test_a_tunnel_may_have_any_port(half, serve, get, host):
    assert get(serve(half.study, half.directory), "progress.json", Host=host)[0] == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil:80", "", ":80", "::1"]
)
def test_a_page_of_another_host_is_turned_away(half, serve, get, host):
    server = serve(half.study, half.directory)
    for path in ("", "progress.json", "report", "explore.html"):
        status, _, text = get(server, path, Host=host)
        assert status == 403
        assert "half" not in text


def test_a_request_without_a_host_is_turned_away(half, serve):
    server = serve(half.study, half.directory)
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.0 403")


@pytest.mark.parametrize(
    "path", ["results.h5", "study.toml", "../half/study.toml", "%2e%2e/etc/passwd", "report/", "progress.json/x"]
)
def test_no_path_reaches_the_file_system(half, serve, path):
    server = serve(half.study, half.directory)
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.request("GET", f"/{path}")
    assert connection.getresponse().status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_only_get(half, serve, get, method):
    assert get(serve(half.study, half.directory), "progress.json", method)[0] == 501


def test_it_listens_on_this_machine_alone(half, serve):
    server = serve(half.study, half.directory)
    # another address of the loopback network stands for those of the machine's network
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", server.port), timeout=5)


def test_requests_cost_no_count(half, progress, get, monkeypatch):
    monkeypatch.setattr("hpcsim.dashboard.monitor.COUNT", (60.0, 60.0, 60.0))
    server = Server(Monitor(half.study, half.directory))
    server.start()
    progress(server)
    monkeypatch.setattr("hpcsim.scheduler.state.row_count.RowCounter.count", lambda self: pytest.fail("a request counted"))
    for _ in range(20):
        assert progress(server)["done"] == 10
        get(server)
    server.stop()


def test_a_port_that_is_taken_is_said(half, serve):
    server = serve(half.study, half.directory)
    with pytest.raises(HpcsimError, match=rf"port {server.port} of 127.0.0.1 cannot be used: .*--port"):
        Server(Monitor(half.study, half.directory), server.port)


def test_the_command_serves_until_ctrl_c(tmp_path):
    (tmp_path / "s.toml").write_text('[study]\nname = "s"\nmodel = "toys:noop"\n[space]\na = [1, 2, 3]\n')
    process = subprocess.Popen(
        [sys.executable, "-m", "hpcsim", "dashboard", "s.toml"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        address = process.stdout.readline().split()[-1]
        port = int(re.fullmatch(r"http://127\.0\.0\.1:(\d+)/", address)[1])
        assert f"ssh -L {port}:127.0.0.1:{port} {socket.gethostname()}" in process.stdout.readline()
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("GET", "/progress.json")
        found = json.loads(connection.getresponse().read())
        assert (found["total"], found["done"]) == (3, 0)
        assert not (tmp_path / "runs").exists(), "it only looks"
    finally:
        process.send_signal(2)
        _, errors = process.communicate(timeout=300)
    assert process.returncode == 0
    assert errors == ""


def test_a_page_that_nobody_looks_at_does_next_to_nothing(half, monkeypatch):
    """Most of what it does in four seconds is its first look; a percent of a core would be some hundred thousand calls."""
    # without its pause between counts: what counting costs is limited all the same
    monkeypatch.setattr("hpcsim.dashboard.monitor.COUNT", (1.0, 10.0, 0.0))
    calls = []

    def count(frame, event, argument):
        calls.append(event)

    threading.setprofile(count)
    server = Server(Monitor(half.study, half.directory))
    server.start()
    threading.setprofile(None)
    time.sleep(1)
    first = len(calls)
    time.sleep(4)
    later = len(calls) - first
    counts = len(server.monitor.history.curve())
    server.stop()
    assert counts, "nothing was counted"
    assert later < 5 * first


def handled(server, path, read):
    """Ask for a page, read so many bytes of the answer, break the connection, and wait until the server has noticed."""
    before = set(threading.enumerate())
    with socket.create_connection(("127.0.0.1", server.port)) as browser:
        browser.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        if read:
            browser.recv(read)
        # no farewell: a reset
        browser.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    deadline = time.monotonic() + 30
    while (set(threading.enumerate()) - before) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not set(threading.enumerate()) - before


def test_browsers_that_go_away_print_nothing(half, serve, capfd):
    server = serve(half.study, half.directory)
    # more than the sockets hold
    half.directory.report.write_bytes(b"x" * 50_000_000)
    for read in (0, 1):
        handled(server, "/report", read)
    half.directory.report.unlink()
    assert capfd.readouterr().err == ""


def test_errors_of_the_server_are_printed(half, serve, capfd, monkeypatch):
    server = serve(half.study, half.directory)
    monkeypatch.setattr(server.monitor, "progress", lambda: 1 / 0)
    handled(server, "/", 1)
    assert "ZeroDivisionError" in capfd.readouterr().err
