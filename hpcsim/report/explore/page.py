"""The second page as HTML: scripts and data inside, and a policy that lets nothing else run and nothing out."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpcsim.report.page import STYLE

if TYPE_CHECKING:
    from bokeh.models import Model
    from jinja2 import Template

_ASSETS = Path(__file__).parent / "assets"
#: Parts of BokehJS: plots, selects and sliders, tables.
_COMPONENTS = ["bokeh", "bokeh-widgets", "bokeh-tables"]


@dataclass(frozen=True)
class Explorer:
    """What the page shows.

    Parameters
    ----------
    title : str
    report : str
        Address of the report.
    sentences : sequence of (str, bool)
        Which points there are, each with a word whether it warns.
    parts : mapping of str to Model
        By the names of their places.
    settings : mapping
        What the script is told.
    recorded : str
        A sentence about the outputs that are in the page.
    left_out : str
        A sentence about what is not in the page; may be empty.
    """

    title: str
    report: str
    sentences: Sequence[tuple[str, bool]]
    parts: Mapping[str, Model]
    settings: Mapping[str, Any]
    recorded: str = ""
    left_out: str = ""


def render(page: Explorer) -> str:
    """The page; every text in it is escaped."""
    from bokeh.document import Document

    document = Document(title=page.title)
    for model in page.parts.values():
        document.add_root(model)
    plots = document.to_json(deferred=False)
    roots = {model.id: f"part-{name}" for name, model in page.parts.items()}
    scripts = [*_bokeh(), _asset("explore.js")]
    digests = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts)
    policy = (
        f"default-src 'none'; script-src {digests}; style-src 'unsafe-inline'; img-src data: blob:; connect-src 'none'; "
        "base-uri 'none'; form-action 'none'"
    )
    written = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    data = {"plots": _json(plots), "settings": _json({**page.settings, "roots": roots})}
    places = [name for name in page.parts if name.startswith("recorded")]
    style = STYLE + _asset("explore.css")
    return _template().render(
        page=page, policy=policy, written=written, data=data, scripts=scripts, style=style, places=places
    )  # fmt: skip


@cache
def _bokeh() -> tuple[str, ...]:
    """BokehJS as texts of scripts, with line ends as a browser reads them."""
    from bokeh.resources import Resources

    raw = Resources(mode="inline", minified=True, components=_COMPONENTS, log_level="warn").js_raw
    return tuple(script.replace("\r\n", "\n").replace("\r", "\n") for script in raw)


def _json(value: Any) -> str:
    """JSON that cannot end the element that it stands in."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")


@cache
def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")


@cache
def _template() -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(loader=FileSystemLoader(_ASSETS), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.get_template("explore.html")
