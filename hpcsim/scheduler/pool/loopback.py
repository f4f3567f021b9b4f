"""Pages on this machine's loopback interface answer those who ask for this machine.

A page of another host can have its name resolve to 127.0.0.1 (DNS rebinding): a browser takes what it gets there for that host's.
"""

from __future__ import annotations

from urllib.parse import urlsplit

LOOPBACK = "127.0.0.1"
_NAMES = {LOOPBACK, "localhost", "[::1]"}


def asks_here(host: str) -> bool:
    """Whether a ``Host`` header names this machine, at any port: that of a tunnel may be another.

    Examples
    --------
    >>> asks_here("localhost:8787"), asks_here("[::1]"), asks_here("evil.example:8787"), asks_here("")
    (True, True, False, False)
    """
    host = host.lower()
    return host in _NAMES or host.rpartition(":")[0] in _NAMES


def comes_from_here(origin: str | None) -> bool:
    """Whether an ``Origin`` header, where there is one, is that of a page of this machine.

    Examples
    --------
    >>> comes_from_here("http://127.0.0.1:8787"), comes_from_here("https://evil.example"), comes_from_here("null")
    (True, False, False)
    """
    return origin is None or asks_here(urlsplit(origin).netloc)
