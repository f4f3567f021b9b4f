"""The page as HTML and as JSON; both are made of the same progress, by the same templates."""

from __future__ import annotations

import base64
import hashlib
import time
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpcsim.dashboard import chart, formatting
from hpcsim.dashboard.monitor import Progress
from hpcsim.representation import rate

if TYPE_CHECKING:
    from jinja2 import Environment

_ASSETS = Path(__file__).parent / "assets"
#: Parts of the page that change, by the ids of their elements.
SECTIONS = ("points", "pace", "tasks", "files", "failures")


def html(progress: Progress) -> str:
    """The whole page, readable without JavaScript."""
    values = _values(progress)
    page = _environment().get_template("page.html")
    return page.render(**values, title=title(progress), style=_asset("page.css"), script=_asset("page.js"))


def json(progress: Progress) -> dict[str, Any]:
    """Numbers for programs, and the parts of the page as HTML for its script.

    Returns
    -------
    dict
        ``study``, ``model``, ``executor``, ``total``, ``done``, ``failed``, ``left`` (points), ``rate`` (points/s),
        ``seconds_left``, ``ends`` (s since the epoch), ``tasks``, ``failures``, ``history`` and so on; null where not known.
    """
    count, left = progress.count, progress.seconds_left
    known = {} if count is None else {"total": count.total, "done": count.done, "failed": count.failed, "left": count.left}
    parts = _environment().get_template("sections.html").module
    values = _values(progress)
    return {
        "study": progress.study,
        "model": progress.model,
        "executor": progress.executor,
        "state": state(progress),
        "at": progress.at,
        "since": progress.since,
        **dict.fromkeys(("total", "done", "failed", "left")),
        **known,
        "rate": progress.rate,
        "seconds_left": left,
        "ends": None if left is None else progress.at + left,
        "tasks": [asdict(item) for item in progress.tasks.states],
        "failures": [asdict(item) for item in count.failures] if count is not None else [],
        "history": progress.curve,
        "directory": str(progress.directory),
        "report": progress.report,
        "dask": progress.word.dask or None,
        "errors": progress.errors,
        "title": title(progress),
        "spoken": _spoken(progress),
        "sections": {name: str(getattr(parts, name)(**values)) for name in SECTIONS},
    }


def policy() -> str:
    """The Content-Security-Policy: the page's own style and script, and requests to its own server."""
    digests = {
        name: base64.b64encode(hashlib.sha256(_asset(f"page.{name}").encode()).digest()).decode() for name in ("css", "js")
    }
    return (
        f"default-src 'none'; style-src 'sha256-{digests['css']}'; script-src 'sha256-{digests['js']}'; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def title(progress: Progress) -> str:
    """Of the document: how much is done comes first, since a tab shows little."""
    if progress.count is None:
        return progress.study
    return f"{formatting.percent(progress.count.done, progress.count.total)} {progress.study}"


def state(progress: Progress) -> str:
    """One word: counting, finished, still, running or measuring."""
    if progress.count is None:
        return "counting"
    if not progress.count.left:
        return "finished"
    if progress.still is not None:
        return "still"
    return "measuring" if progress.rate is None else "running"


def _spoken(progress: Progress) -> str:
    """What a screen reader is told when it changes: only whole percents and failures."""
    if progress.count is None:
        return ""
    share = 100 * progress.count.done // max(1, progress.count.total)
    failed = f", {progress.count.failed:,} points failed" if progress.count.failed else ""
    return f"{share} percent finished{failed}"


def _values(progress: Progress) -> dict[str, Any]:
    """What the templates are given."""
    return {"p": progress, "chart": chart.draw(progress.curve, progress.at), "state": state(progress)}


@cache
def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    # everything is escaped but our own style and script, which must stay as their digests are
    environment = Environment(
        loader=FileSystemLoader(_ASSETS), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "asset": lambda text: Markup(text),
        "rate": rate,
        "duration": formatting.duration,
        "moment": formatting.moment,
        "percent": formatting.percent,
        "folder": formatting.folder,
        "number": lambda value: f"{value:,}",
    }
    environment.globals |= {"size": chart.SIZE, "zone": lambda at: time.strftime("%Z", time.localtime(at))}
    return environment
