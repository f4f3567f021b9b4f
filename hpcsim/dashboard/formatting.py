"""Figures as people read them."""

from __future__ import annotations

import time
from pathlib import Path


def duration(seconds: float) -> str:
    """Seconds in the two largest units that fit.

    Examples
    --------
    >>> duration(42.0), duration(600), duration(3 * 3600 + 120), duration(200_000)
    ('42 s', '10 min', '3 h 2 min', '2 d 8 h')
    """
    minutes, hours, days = seconds / 60, seconds / 3600, seconds / 86400
    if round(seconds) < 60:
        return f"{seconds:.0f} s"
    if round(minutes) < 60:
        return f"{minutes:.0f} min"
    if round(minutes) < 24 * 60:
        return f"{round(minutes) // 60} h {round(minutes) % 60} min"
    return f"{round(hours) // 24} d {round(hours) % 24} h" if days < 100 else f"{days:,.0f} d"


def moment(at: float, now: float) -> str:
    """A time of this machine, with the day where it is not today.

    Parameters
    ----------
    at, now : float, s
        Since the epoch.
    """
    then, today = time.localtime(at), time.localtime(now)
    if then[:3] == today[:3]:
        return time.strftime("%H:%M", then)
    if abs(at - now) < 6 * 86400:
        return time.strftime("%a %H:%M", then)
    return time.strftime("%d %b %H:%M" if then.tm_year == today.tm_year else "%d %b %Y", then)


def folder(path: Path) -> str:
    """A folder, with ``~`` for the home of the user."""
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path != home and path.is_relative_to(home) else str(path)


def percent(done: int, total: int) -> str:
    """How much is done; 100 only when all is.

    Examples
    --------
    >>> percent(999, 1000), percent(1, 3), percent(0, 0)
    ('99.9 %', '33 %', '100 %')
    """
    if total < 1000:
        return f"{100 * done // total if total else 100} %"
    return "100 %" if done == total else f"{1000 * done // total / 10:.1f} %"
