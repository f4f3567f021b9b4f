"""Serves the page of one study on this machine's loopback interface."""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from hpcsim.dashboard import page
from hpcsim.dashboard.monitor import Monitor
from hpcsim.errors import HpcsimError
from hpcsim.files import regular
from hpcsim.report.figures import linked
from hpcsim.scheduler.pool.loopback import LOOPBACK, asks_here

#: Seconds between two requests of a page that is open, and some more.
_POLL = 2.5
_NOTHING = "default-src 'none'"
#: The report carries its own style and pictures, and has no script.
_REPORT_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
#: The page with the points has scripts, and says itself which ones run: it gets an origin of its own, and reads nothing here.
_EXPLORER_POLICY = f"sandbox allow-scripts; {_REPORT_POLICY}; script-src 'unsafe-inline'"
#: A browser lays out a picture that it shows by itself with a style of its own.
_PICTURE_POLICY = f"{_NOTHING}; style-src 'unsafe-inline'"
#: Of the single figures, by the end of their names; a browser shows pictures, and keeps what other programs open.
_KINDS = {".png": "image/png", ".pdf": "application/pdf", ".csv": "text/csv"}


class Server:
    """An HTTP server in a thread, which never keeps the process alive.

    Parameters
    ----------
    monitor : Monitor
        Started and stopped with the server.
    port : int
        Any that is free by default.

    Raises
    ------
    HpcsimError
        If the port is taken.
    """

    def __init__(self, monitor: Monitor, port: int = 0) -> None:
        self.monitor = monitor
        try:
            self._http = _Http((LOOPBACK, port), _Handler)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise HpcsimError(f"port {port} of {LOOPBACK} cannot be used: {reason}; give another with --port") from error
        self._http.monitor = monitor
        self._thread = threading.Thread(target=self._http.serve_forever, name="hpcsim-dashboard", daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._http.server_address[1])

    @property
    def url(self) -> str:
        """The address of the page."""
        return f"http://{LOOPBACK}:{self.port}/"

    @property
    def tunnel(self) -> str:
        """The command that brings the page to another machine."""
        return f"ssh -L {self.port}:{LOOPBACK}:{self.port} {socket.gethostname()}"

    def start(self) -> None:
        """Begin to watch and to serve."""
        self.monitor.start()
        self._thread.start()

    def wait(self) -> None:
        """Serve until Ctrl-C."""
        try:
            self._thread.join()
        except KeyboardInterrupt:
            self.stop()

    def stop(self, last_word: bool = False) -> None:
        """End; with `last_word`, an open page gets the state of this moment first."""
        now = time.monotonic()
        if last_word and now - self._http.polled < 2 * _POLL:
            self.monitor.hurry()
            deadline = now + 2 * _POLL
            while self._http.polled < now + _POLL and time.monotonic() < deadline:
                time.sleep(0.05)
        self._http.shutdown()
        self._http.server_close()
        self.monitor.stop()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    monitor: Monitor
    #: When a page asked last, on the monotonic clock.
    polled = float("-inf")

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a browser that went away, and tell everything else."""
        if not isinstance(sys.exception(), (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """A few fixed addresses, and those that the report leads to; no part of a request reaches the file system."""

    server: _Http
    server_version, sys_version = "hpcsim", ""
    timeout = 30

    def do_GET(self) -> None:
        """Answer a browser."""
        if not asks_here(self.headers.get("Host", "")):
            return self.send_error(HTTPStatus.FORBIDDEN, "Forbidden", "ask for 127.0.0.1 or localhost")
        path = self.path.partition("?")[0]
        if path == "/":
            return self._send("text/html", page.html(self.server.monitor.progress()).encode(), page.policy())
        if path == "/progress.json":
            self.server.polled = time.monotonic()
            return self._send("application/json", json.dumps(page.json(self.server.monitor.progress())).encode())
        directory = self.server.monitor.directory
        # as the dashboard calls it, and as the page with the points does
        if path in ("/report", "/report.html"):
            return self._send_file(directory.report, "text/html", _REPORT_POLICY)
        if path == "/explore.html":
            return self._send_file(directory.explorer, "text/html", _EXPLORER_POLICY)
        # found in what the report has written down, never put together from what was asked for
        if path.startswith("/report/") and (file := linked(directory.report).get(path[1:])):
            if file.suffix == ".png":
                return self._send_file(file, _KINDS[file.suffix], _PICTURE_POLICY)
            return self._send_file(file, _KINDS[file.suffix], keep=True)
        return self.send_error(HTTPStatus.NOT_FOUND)

    def _send_file(self, file: Path, kind: str, policy: str = _NOTHING, *, keep: bool = False) -> None:
        try:
            found = file.resolve(strict=True)
            # a folder that somebody sent may hold links to what he wants to see
            if not found.is_relative_to(self.server.monitor.directory.path.resolve()):
                raise FileNotFoundError
            content = regular(found).read_bytes()
        except OSError:
            return self.send_error(HTTPStatus.NOT_FOUND, "Not Found", f"there is no {file.name} yet")
        return self._send(kind, content, policy, file.name if keep else "")

    def _send(self, kind: str, content: bytes, policy: str = _NOTHING, keep_as: str = "") -> None:
        self.send_response(HTTPStatus.OK)
        text = kind.startswith("text/") or kind == "application/json"
        headers = {
            "Content-Type": f"{kind}; charset=utf-8" if text else kind,
            "Content-Length": str(len(content)),
            "Content-Security-Policy": policy,
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
        }
        if keep_as:
            headers["Content-Disposition"] = f'attachment; filename="{keep_as}"'
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the terminal shows the sweep."""
