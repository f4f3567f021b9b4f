from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from drawn_toys import SAMPLER, search
from fake_results import FakeResults, gaussian

from hpcsim.errors import ResultsError
from hpcsim.inference import Finding
from hpcsim.plotting import canvas, save
from hpcsim.report import write_report

EVIL = '<script>alert("x")</script>'


class Page(HTMLParser):
    """Tags, addresses and texts of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        assert not [name for name, _ in attrs if name.startswith("on")]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data.strip())


def evil() -> FakeResults:
    results = gaussian(20, 1)
    results.status = ["failed", *["ok"] * 19]
    results.parameters = results.parameters.rename(columns={"solver": EVIL})
    results.study = {**results.study, "study": {"name": EVIL, "model": EVIL}, "space": {EVIL: {"values": [EVIL]}}}
    results.versions = {"NEST": "3.10.0", EVIL: EVIL}
    return results


@pytest.fixture
def figure(tmp_path: Path) -> Path:
    return save(canvas(1)[0], tmp_path / "own.png")


def test_the_report_holds_all_and_asks_for_nothing(tmp_path: Path, figure: Path) -> None:
    metrics = {"points used": 19, "theta_0": {"MSE mean": 0.0123456, "R2": float("nan")}}
    table = pd.DataFrame({"feature": ["a", "b"], "points": [1, 2]})
    finding = Finding("inference.regression", "Ridge", metrics, {"excluded": table}, {"own": figure}, ["1 points left out"])
    results = gaussian(20, 1)
    results.status = ["failed", *["ok"] * 19]
    results.outputs["dipole"] = pd.DataFrame(0.0, results.parameters.index, range(1000))
    results.study["outputs"]["keep"].insert(0, "dipole")
    page = Page(write_report(results, [finding], tmp_path / "run" / "report.html"))
    assert page.open == []
    # sweep, wall times, and the finding's own figure
    assert page.tags.count("img") == len(page.addresses) == 3
    assert all(address.startswith("data:image/png;base64,") for address in page.addresses)
    assert base64.b64decode(page.addresses[-1].split(",")[1]) == figure.read_bytes()
    for text in ("toy", "toy.gauss", "0.01235", "n/a", "1 points left out", "excluded", "1.0.2", "Failed points"):
        assert text in page.texts, text
    assert "20: 19 ok, 1 failed, 0 crashed, 0 timeout" in page.texts
    assert any("Not in the figure of the sweep: dipole, spike_times" in text for text in page.texts)
    assert any('model = "toy.gauss"' in text for text in page.texts)
    assert (tmp_path / "run" / "figures" / "sweep.png").is_file()
    whole = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"https?://|@import|url\(", whole)
    assert 'name="viewport"' in whole
    assert "@media print" in whole


def test_no_name_becomes_markup(tmp_path: Path, figure: Path) -> None:
    table = pd.DataFrame({EVIL: [EVIL]}, index=pd.Index([EVIL], name=EVIL))
    finding = Finding(EVIL, EVIL, {EVIL: 1.0, "nested": {EVIL: 2.0}}, {EVIL: table}, {EVIL: figure}, [EVIL])
    path = write_report(evil(), [finding], tmp_path / "report.html")
    page = Page(path)
    assert "script" not in page.tags
    assert "b" not in page.tags  # of the error of the failed point
    assert "<script" not in path.read_text(encoding="utf-8")
    assert page.texts.count(EVIL) > 10
    assert "the membrane <b>diverged</b>" in page.texts


def test_long_tables_are_folded_and_cut(tmp_path: Path) -> None:
    long = pd.DataFrame({"value": range(300)})
    path = write_report(gaussian(20, 1), [Finding("m", "t", tables={"long": long})], tmp_path / "report.html")
    page = Page(path)
    assert page.tags.count("details") == 1
    assert "and 100 more rows" in page.texts
    assert "Failed points" not in page.texts


def test_a_report_without_findings_says_why_there_is_no_sweep(tmp_path: Path) -> None:
    page = Page(write_report(gaussian(20, 3), [], tmp_path / "report.html"))
    assert any(text.startswith("No figure of the sweep: an overview needs one or two") for text in page.texts)
    assert page.tags.count("img") == 1


def test_the_report_of_a_search_shows_the_search(tmp_path: Path) -> None:
    with search(tmp_path / "study", sampler={**SAMPLER, "evaluations": 6}, outputs={"keep": ["rate"]}) as results:
        path = write_report(results, [], tmp_path / "report.html")
    page = Page(path)
    names = ["objectives", "convergence", "exploration", "parallel coordinates", "wall times"]
    assert re.findall(r"<figcaption>(.*?)</figcaption>", path.read_text(encoding="utf-8")) == names
    # the traces were not kept: it says so, and which outputs were
    assert any("No figure of the traces" in text and "kept were: rate" in text for text in page.texts)


def test_a_lost_figure_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match=r"gone.png: the figure cannot be read"):
        write_report(gaussian(20, 1), [Finding("m", "t", figures={"f": tmp_path / "gone.png"})], tmp_path / "r.html")
    assert not (tmp_path / "r.html").exists()


def test_short_tables_that_findings_share_are_laid_side_by_side(tmp_path: Path) -> None:
    def finding(title: str, mean: float, rows: int = 2) -> Finding:
        table = pd.DataFrame({"distance mean": [mean] * rows}, [f"row {k}" for k in range(rows)])
        return Finding("inference.npe", title, tables={"performance": table, "long": pd.concat([table] * 4)})

    findings = [finding("NPE: of a, b", 6.25), finding("NPE-N, schedule 2: of a, b", 4.375), finding("NPE: of c", 5.125)]
    path = write_report(gaussian(20, 1), findings, tmp_path / "report.html")
    page = path.read_text()
    section = page[page.index("<h2>Compared") : page.index("</section>", page.index("<h2>Compared"))]
    texts = re.findall(r"<t[hd][^>]*>([^<]+)</t[hd]>", section)
    assert texts[texts.index("NPE: row 0") + 1] == "6.25"
    assert texts[texts.index("NPE-N, schedule 2: row 1") + 1] == "4.375"
    assert texts[texts.index("NPE (3): row 1") + 1] == "5.125"
    assert "long" not in section
    assert "<h2>Compared" not in write_report(gaussian(20, 1), findings[:1], tmp_path / "one.html").read_text()


def test_a_warning_stands_out(tmp_path: Path) -> None:
    from hpcsim.inference.note import Note

    notes = ["plain", Note("60 % lies outside.", "leakage", "warning", 60.0, "Widen it.")]
    page = write_report(gaussian(12), [Finding("m", "t", notes=notes)], tmp_path / "report.html").read_text()
    assert "<li>plain</li>" in page and '<li class="bad">Warning: 60 % lies outside. Widen it.</li>' in page


def test_many_numbers_of_one_metric_are_no_table(tmp_path: Path) -> None:
    metrics = {"few": {"a": 1.0}, "many": {f"cell{k}": float(k) for k in range(900)}}
    page = write_report(gaussian(12), [Finding("m", "t", metrics)], tmp_path / "report.html").read_text()
    assert "few" in page and "cell899" not in page
