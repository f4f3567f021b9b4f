from __future__ import annotations

import base64
import os
import re
import tomllib
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from drawn_toys import SAMPLER, search
from matplotlib.figure import Figure

import hpcsim
from hpcsim.errors import ResultsError
from hpcsim.inference import Finding
from hpcsim.inference.note import Note
from hpcsim.plotting import canvas, save
from hpcsim.report.contents import Picture, Words
from hpcsim.report.figures import Gallery, linked, numbers
from hpcsim.report.findings import finding_sections
from hpcsim.report.glance import search_section
from hpcsim.report.outcome import completion_section
from hpcsim.report.page import render
from hpcsim.report.standing import Failures, Standing
from hpcsim.report.study import again_section, study_section
from hpcsim.workflow.reporting import report

EVIL = '<script>alert("x")</script>'
SPACE = {"a": [1.0, 2.0, 3.0, 4.0], "b": [0.5, 1.0, 2.0]}


class Page(HTMLParser):
    """Tags, addresses and texts of a page."""

    def __init__(self, page: Path | str) -> None:
        super().__init__()
        self.whole = page if isinstance(page, str) else page.read_text(encoding="utf-8")
        self.tags: list[str] = []
        self.images: list[str] = []
        self.links: list[str] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(self.whole)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.images += [value or "" for name, value in attrs if name == "src"]
        self.links += [value or "" for name, value in attrs if name == "href"]
        assert not [name for name, _ in attrs if name.startswith("on")]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data.strip())

    def says(self, text: str) -> bool:
        return text in " ".join(" ".join(self.texts).split())


def toy(**more: object) -> hpcsim.Study:
    return hpcsim.Study("squares", "drawn_toys:toy", **{"space": SPACE, "fixed": {"edge": 3.5}, "seed": 7, **more})


def found(*findings: Finding) -> Page:
    return Page(render("t", finding_sections(findings)))


@pytest.fixture
def figure(tmp_path: Path) -> Path:
    return save(canvas(1)[0], tmp_path / "own.png")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 points of the toy, of which those of the largest a fail, and the report."""
    place = tmp_path_factory.mktemp("toy") / "run"
    study = toy(description="Sines of <some> size.")
    study.run("inline", place).close()
    (place / "report" / "figures").mkdir(parents=True)
    (place / "report" / "figures" / "of_an_earlier_page.png").touch()
    (place / "report" / "figures" / ".figures").write_text("of_an_earlier_page.png")
    assert study.report(place) == place / "report.html"
    return place


def test_the_report_of_a_study_without_inference_holds_all_and_asks_for_nothing(folder: Path) -> None:
    page = Page(folder / "report.html")
    assert page.open == [] and not {"script", "link", "iframe"} & {*page.tags} and "some" not in page.tags
    assert page.says("Sines of <some> size.")
    # parameters, the fixed ones and those that the model sets, with units and descriptions; outputs
    for text in ("[1, 2, 3, 4]", "edge", "3.5", "the study", "it fails where a is above", "potential", "2 site, 100 time"):
        assert page.says(text), text
    # completion, failures with reasons, cost
    for text in ("points of the design 12", "missing 0", "rows that are failed 3", "ValueError: too far out", "a = 4, b = 0.5"):
        assert page.says(text), text
    assert re.search(f"`hpcsim point {folder} [0-9a-f]{{12}}` shows one of them", " ".join(page.texts))
    for text in ("time of a point no limit", "memory of a point no limit", "cores of a point 1"):
        assert page.says(text), text
    # the study, with which it can be made again
    toml = next(text for text in page.texts if "[study]" in text)
    assert tomllib.loads(toml) == tomllib.loads((folder / "study.toml").read_text())
    assert page.says("hpcsim run study.toml") and page.says("numpy") and "details" in page.tags
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in page.whole
    assert not re.search(r"https?://|@import|url\(", page.whole) and 'name="viewport"' in page.whole


def test_each_figure_is_a_picture_on_the_page_and_three_files_beside_it(folder: Path) -> None:
    page = Page(folder / "report.html")
    files = {path.name for path in (folder / "report" / "figures").iterdir()}
    names = ("wall_times", "coverage", "map_rate", "trace_v", "spectrum_v", "spikes_spikes")
    assert files - {".figures"} == {f"{name}.{form}" for name in names for form in ("png", "pdf", "csv")}
    linked = [link for link in page.links if not link.startswith("#")]
    figures = [f"report/figures/{name}.{form}" for name in names for form in ("png", "pdf", "csv")]
    assert linked == [*figures, "explore.html"] and (folder / "explore.html").exists()
    assert len(page.images) == len(names)
    for name, image in zip(names, page.images, strict=True):
        assert (
            base64.b64decode(image.removeprefix("data:image/png;base64,")) == (folder / f"report/figures/{name}.png").read_bytes()
        )
    table = pd.read_csv(folder / "report" / "figures" / "map_rate.csv")
    shown = table[table["value"].notna()]
    # cells that succeeded: the rate is 2 a + b, and cells are drawn up to half way to their neighbours
    assert sorted(shown["value"]) == sorted(2 * a + b for a in (1, 2, 3) for b in (0.5, 1, 2))
    assert table["series"].eq("missing").sum() == 3
    assert (folder / "report" / "figures" / "trace_v.pdf").read_bytes().startswith(b"%PDF")
    captions = re.findall(r"<figcaption>([^<]*)", page.whole)
    assert len(captions) == len(names) and all(caption.strip().endswith(".") for caption in captions)


def test_a_study_that_was_not_run_or_is_damaged_says_so_and_shows_the_rest(folder: Path, tmp_path: Path) -> None:
    study, place = toy(), tmp_path / "new"
    with pytest.raises(ResultsError, match="holds no study yet"):
        study.report(place)
    assert not place.exists()
    page = Page(study.report(place, tmp_path / "plan.html"))
    assert page.says("There are no results yet.") and page.says("12 points (100 %) are missing") and page.says("it fails where")
    (place / "shards").mkdir(parents=True)
    (place / "study.toml").write_text(study.to_toml())
    (place / "results.h5").write_bytes((folder / "results.h5").read_bytes()[:3000])
    page = Page(study.report(place))
    assert page.says("The results cannot be read") and page.says("hpcsim check --repair") and page.says("it fails where")
    assert not page.images and not page.says("No point failed")


def test_inference_that_is_not_there_is_named(tmp_path: Path) -> None:
    study = toy(inference=[{"use": "inference.regression", "of": ["rate"], "targets": ["a"]}])
    directory = study.directory(tmp_path)
    (tmp_path / "study.toml").write_text(study.to_toml())
    assert Page(report(study, directory)).says("inference.regression was not made yet: `hpcsim infer")
    place = directory.finding(0, "inference.regression")
    Finding("inference.regression", "Ridge of a", {"R2": 0.5}, figures={"gone": place / "gone.png"}).save(place)
    page = Page(report(study, directory))
    assert page.says("Ridge of a") and page.says("0.5") and page.says("Figures of inference.regression are gone")
    (directory.finding(0, "inference.regression") / "summary.json").write_text("{")
    assert Page(report(study, directory)).says("What inference.regression found cannot be read")


def test_no_name_becomes_markup(figure: Path) -> None:
    table = pd.DataFrame({EVIL: [EVIL]}, index=pd.Index([EVIL], name=EVIL))
    finding = Finding(EVIL, EVIL, {EVIL: 1.0, "nested": {EVIL: 2.0}}, {EVIL: table}, {EVIL: figure}, [EVIL])
    study = toy(description=EVIL)
    standing = Standing(12, 0, [Failures(1, EVIL, EVIL, EVIL)], [EVIL], EVIL, EVIL)
    sections = [
        study_section(study, None),
        completion_section(standing, None),
        *finding_sections([finding]),
        again_section(study, None, standing),
    ]
    page = Page(render(EVIL, sections))
    assert "script" not in page.tags and "<script" not in page.whole
    assert page.texts.count(EVIL) > 13


def test_the_search_of_a_study_with_a_sampler(tmp_path: Path) -> None:
    with search(tmp_path / "study", sampler={**SAMPLER, "evaluations": 6}, outputs={"keep": ["rate"]}) as results:
        blocks = search_section(results, Gallery(tmp_path / "report.html")).blocks
    names = ["objectives", "convergence", "exploration", "parallel coordinates"]
    assert [block.name for block in blocks if isinstance(block, Picture)] == names
    # the traces were not kept: it says so, and which outputs were
    [words] = [block.text for block in blocks if isinstance(block, Words)]
    assert "No figure of the traces" in words and "kept were: rate" in words


def test_numbers_of_all_that_is_drawn_and_the_reason_where_nothing_is(tmp_path: Path) -> None:
    figure, axes = canvas(4)
    axes[0].plot([1, 2], [3, 4], label="line")
    axes[0].axvline(7)
    axes[1].scatter([1, 2], [5, 6], c=[8, 9])
    axes[2].pcolormesh([0, 2, 4], [0, 1], [[1.0, np.nan]])
    axes[3].barh([1, 2], [3, 4], label="bars")
    drawn = [[part.tolist() for part in columns] for _, _, *columns in numbers(figure)]
    nan = [pytest.approx(np.nan, nan_ok=True)] * 2
    assert drawn == [
        [[1, 2], [3, 4], nan],
        [[1, 2], [5, 6], [8, 9]],
        [[1], [0.5], [1]],
        [[3, 4], [1, 2], nan],
    ]

    def fails():
        raise ResultsError("no such output")

    gallery = Gallery(tmp_path / "page.html")
    assert gallery.draw("some_trace", "c.", fails) == Words("No figure of the some trace: no such output", "soft")
    assert isinstance(gallery.draw("odd", "c.", lambda: 1 / 0), Words)
    assert not os.listdir(tmp_path)


def test_a_figure_without_a_finite_number_and_the_files_of_an_earlier_page(tmp_path: Path) -> None:
    def nothing() -> Figure:
        figure, [ax] = canvas(1)
        ax.pcolormesh([0, 2, 4], [0, 1], [[np.nan, np.nan]])
        return figure

    gallery = Gallery(tmp_path / "page.html")
    assert isinstance(gallery.draw("nothing", "c.", nothing), Picture) and isinstance(
        gallery.draw("more", "c.", nothing), Picture
    )
    gallery.tidy()
    folder = tmp_path / "page" / "figures"
    (folder / "mine.pdf").write_text("of the user")
    again = Gallery(tmp_path / "page.html")
    again.draw("nothing", "c.", nothing)
    again.tidy()
    assert {path.name for path in folder.iterdir()} == {".figures", "mine.pdf", "nothing.png", "nothing.pdf", "nothing.csv"}


def test_a_finding_with_tables_figures_and_notes(figure: Path) -> None:
    metrics = {"points used": 19, "theta_0": {"MSE mean": 0.0123456, "R2": float("nan")}}
    table = pd.DataFrame({"feature": ["a", "b"], "points": [1, 2]})
    notes = ["plain", Note("60 % lies outside.", "leakage", "warning", 60.0, "Widen it.")]
    many = {f"cell{k}": float(k) for k in range(900)}
    page = found(Finding("inference.regression", "Ridge", {**metrics, "many": many}, {"excluded": table}, {"own": figure}, notes))
    for text in ("0.01235", "n/a", "excluded", "19", "Own."):
        assert text in page.texts, text
    assert base64.b64decode(page.images[0].split(",")[1]) == figure.read_bytes()
    assert "<li>plain</li>" in page.whole and '<li class="bad">Warning: 60 % lies outside. Widen it.</li>' in page.whole
    # a table of so many numbers is none
    assert "cell899" not in page.whole


def test_long_tables_are_folded_and_cut() -> None:
    page = found(Finding("m", "t", tables={"long": pd.DataFrame({"value": range(300)})}))
    assert page.tags.count("details") == 1
    assert "and 100 more rows" in page.texts


def test_a_lost_figure_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match=r"gone.png: the figure cannot be read"):
        found(Finding("m", "t", figures={"f": tmp_path / "gone.png"}))


def test_short_tables_that_findings_share_are_laid_side_by_side() -> None:
    def finding(title: str, mean: float, rows: int = 2) -> Finding:
        table = pd.DataFrame({"distance mean": [mean] * rows}, [f"row {k}" for k in range(rows)])
        return Finding("inference.npe", title, tables={"performance": table, "long": pd.concat([table] * 4)})

    findings = [finding("NPE: of a, b", 6.25), finding("NPE-N, schedule 2: of a, b", 4.375), finding("NPE: of c", 5.125)]
    page = found(*findings).whole
    section = page[page.index("<h2>Compared") : page.index("</section>", page.index("<h2>Compared"))]
    texts = re.findall(r"<t[hd][^>]*>([^<]+)</t[hd]>", section)
    assert texts[texts.index("NPE: row 0") + 1] == "6.25"
    assert texts[texts.index("NPE-N, schedule 2: row 1") + 1] == "4.375"
    assert texts[texts.index("NPE (3): row 1") + 1] == "5.125"
    assert "long" not in section
    assert "<h2>Compared" not in found(findings[0]).whole


@pytest.mark.parametrize("broken", ["pipe", "bytes"])
def test_a_list_of_figures_that_cannot_be_read_is_made_again(tmp_path, broken):
    page = tmp_path / "report.html"
    listed = tmp_path / "report" / "figures" / ".figures"
    listed.parent.mkdir(parents=True)
    if broken == "pipe":
        os.mkfifo(listed)
    else:
        listed.write_bytes(b"\xff.png")
    assert linked(page) == {}
    gallery = Gallery(page)
    gallery.draw("one", "One.", lambda: canvas(1)[0])
    gallery.tidy()
    assert set(linked(page)) == {f"report/figures/one.{kind}" for kind in ("png", "pdf", "csv")}
