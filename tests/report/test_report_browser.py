"""HTML in every field of a report and of what a notebook shows, in a real browser: it is text, and nothing of it runs."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from headless import Watched

import hpcsim
from hpcsim import Output, Parameter, model
from hpcsim.inference import Finding
from hpcsim.plotting import canvas, save
from hpcsim.report.contents import Picture, Words
from hpcsim.report.findings import finding_sections
from hpcsim.report.outcome import completion_section
from hpcsim.report.page import render
from hpcsim.report.standing import Failures, Standing
from hpcsim.report.study import again_section, study_section

pytestmark = pytest.mark.browser

#: Each sets a variable, or asks for an address, where it is taken for markup.
EVIL = (
    "<script>window.evil = 1</script>",
    "<img src=x onerror='window.evil = 1'>",
    "\"><svg onload=\"window.evil = 1\">",
    "' autofocus onfocus='window.evil = 1' x='",
    "</title></style></textarea></pre><script>window.evil = 1</script>",
    "<iframe srcdoc='<script>parent.evil = 1</script>'></iframe>",
    "<a href='javascript:window.evil = 1' id=bait>x</a>",
    "<style>@import 'http://192.0.2.1/evil.css'; body { background: url(http://192.0.2.1/evil.png) }</style>",
    "<meta http-equiv=refresh content='0;url=http://192.0.2.1/'><base href='http://192.0.2.1/'>",
    "<!-- <b>", "&lt;script&gt;", "{{ 7 * 7 }}{% raw %}", "]]><b>", "\u2028<b>", "<b>\0</b>", "%3Cb%3E",
)  # fmt: skip
ALL = " ".join(EVIL)


@model(
    "tests.markup",
    description=ALL,
    parameters=[Parameter("x", 0.0, description=ALL), Parameter("word", EVIL[0], choices=EVIL[:3])],
    outputs=[Output("y", description=ALL)],
)
def markup(point, context):
    """Fails with markup."""
    if point["x"] > 1:
        raise ValueError(ALL)
    return {"y": point["x"]}


def _visited(chromium, path: Path) -> None:
    context = chromium.new_context()
    watched = Watched(context.new_page())
    watched.page.on("dialog", lambda dialog: watched.said.append("a dialog"))
    watched.page.goto(path.as_uri())
    watched.page.wait_for_load_state()
    page = watched.page
    assert page.evaluate("window.evil") is None
    tags = "script, iframe, object, embed, base, form, svg, #bait, meta[http-equiv=refresh], b"
    assert page.evaluate(f"[...document.querySelectorAll({tags!r})].map(one => one.outerHTML.slice(0, 200))") == []
    handlers = "[...document.querySelectorAll('*')].flatMap(e => [...e.attributes]).filter(a => a.name.startsWith('on')).length"
    assert page.evaluate(handlers) == 0
    assert [url for url in watched.asked if not url.startswith(("file:", "data:"))] == [] and page.url == path.as_uri()
    assert watched.said == []
    # it is there, as text
    text = page.evaluate("document.body.textContent")
    for evil in (EVIL[0], EVIL[1], EVIL[6]):
        assert evil in text
    context.close()


def test_the_report_of_a_study_that_fails_with_markup(tmp_path: Path, chromium) -> None:
    study = hpcsim.Study("markup", markup, space={"x": [0.0, 1.0, 2.0], "word": list(EVIL[:3])}, description=ALL)
    place = study.directory(tmp_path / "run")
    study.run("inline", place.path).close()
    _visited(chromium, study.report(place.path))


def test_every_field_of_every_section(tmp_path: Path, chromium) -> None:
    figure = save(canvas(1)[0], tmp_path / "own.png")
    table = pd.DataFrame({evil: [evil] for evil in EVIL}, index=pd.Index([ALL], name=ALL))
    finding = Finding(ALL, ALL, {ALL: 1.0, "nested": {ALL: 2.0}}, {ALL: table}, {ALL: figure}, [ALL])
    study = hpcsim.Study("markup", markup, space={"x": [0.0], "word": list(EVIL[:3])}, description=ALL)
    standing = Standing(12, 0, [Failures(1, ALL, ALL, ALL)], [ALL], ALL, ALL)
    sections = [study_section(study, None), completion_section(standing, None), *finding_sections([finding])]
    sections += [again_section(study, None, standing)]
    for section in sections[:1]:
        section.blocks.extend([Words(ALL), Picture(ALL, ALL, "")])
    (tmp_path / "page.html").write_text(render(ALL, sections), encoding="utf-8")
    _visited(chromium, tmp_path / "page.html")


def test_what_a_notebook_shows(tmp_path: Path, chromium) -> None:
    study = hpcsim.Study("markup", markup, space={"x": [0.0, 2.0], "word": list(EVIL[:3])}, description=ALL)
    results = study.run("inline", tmp_path / "run")
    finding = Finding(ALL, ALL, {ALL: 1.0, "nested": {ALL: 2.0}}, {ALL: pd.DataFrame()}, {}, [ALL])
    shown = [part._repr_html_() for part in (study, results, finding)]
    results.close()
    (tmp_path / "page.html").write_text("<!DOCTYPE html><meta charset=utf-8><body>" + "".join(shown), encoding="utf-8")
    _visited(chromium, tmp_path / "page.html")
