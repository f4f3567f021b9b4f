"""Dask loads this into the schedulers and workers that hpcsim starts: their pages turn away what does not ask for this machine.

Dask itself answers any ``Host`` and takes WebSockets of any ``Origin``.
"""

from __future__ import annotations

from typing import Any

from tornado.httputil import HTTPServerRequest
from tornado.routing import Matcher, Rule
from tornado.web import HTTPError, RequestHandler

from hpcsim.scheduler.pool.loopback import asks_here, comes_from_here


class _Foreign(Matcher):
    """Requests for another host, or of another host's page."""

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        here = asks_here(request.headers.get("Host", "")) and comes_from_here(request.headers.get("Origin"))
        return None if here else {}


class _Refusal(RequestHandler):
    def prepare(self) -> None:
        raise HTTPError(403, reason="ask for 127.0.0.1 or localhost")


def dask_setup(server: Any) -> None:
    """Called by Dask when a scheduler or a worker starts.

    Parameters
    ----------
    server : distributed.Scheduler or distributed.Worker
    """
    router = server.http_application.default_router
    # before all others
    router.rules.insert(0, router.process_rule(Rule(_Foreign(), _Refusal)))
