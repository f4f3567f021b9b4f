from __future__ import annotations

import base64
import gzip
import hashlib
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_toys import SAMPLER, search
from explored_toys import EVIL, SPACE, held, odd, page_of, squares

import hpcsim
from hpcsim.collector.results import Results
from hpcsim.collector.selection import Selection
from hpcsim.report.explore import explorer, explorer_section, recorded, table
from hpcsim.report.explore.counts import counted
from hpcsim.report.explore.page import _bokeh
from hpcsim.report.explore.plots import _formatter
from hpcsim.report.explore.recorded import thinned, thinned_places
from hpcsim.report.page import render
from hpcsim.report.standing import Standing
from hpcsim.workflow import unfinished as unfinished_module
from hpcsim.workflow.reporting import report, standing


class Page:
    """The columns of the points that a page holds, its sentences, and what its script is told."""

    def __init__(self, path: Path) -> None:
        self.text = path.read_text(encoding="utf-8")
        self.settings = held(path, "settings")
        self.plots = held(path, "plots")
        words = re.search(r'<div id="points">(.*?)</div>', self.text, re.S)[1]
        self.says = " ".join(re.sub(r"<[^>]*>", " ", words).split())

    @property
    def own(self) -> str:
        """The page without BokehJS."""
        text = self.text
        for script in _bokeh():
            text = text.replace(script, "")
        return text

    def models(self, name: str) -> list[dict[str, Any]]:
        """All models of one type."""
        found: list[dict[str, Any]] = []

        def look(value: Any) -> None:
            if isinstance(value, dict):
                if value.get("type") == "object" and value.get("name") == name:
                    found.append(value)
                for inner in value.values():
                    look(inner)
            elif isinstance(value, list):
                for inner in value:
                    look(inner)

        look(self.plots)
        return found

    def source(self, name: str) -> dict[str, np.ndarray]:
        """Columns of a source."""
        [model] = [model for model in self.models("ColumnDataSource") if model["attributes"].get("name") == name]
        return {key: array(value) for key, value in model["attributes"]["data"]["entries"]}

    def column(self, label: str) -> np.ndarray:
        """A column of the points by its name and unit."""
        [field] = [column["field"] for column in self.settings["columns"] if column["label"] == label]
        return self.source("points")[field]

    @property
    def labels(self) -> list[str]:
        return [column["label"] for column in self.settings["columns"]]


def array(value: Any) -> np.ndarray:
    if isinstance(value, dict) and value["type"] == "ndarray":
        content = base64.b64decode(value["array"]["data"])
        content = gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
        return np.frombuffer(content, value["dtype"]).reshape(value["shape"])
    return np.array(value, object)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("toy") / "run"
    squares().run("inline", place).close()
    return place


@pytest.fixture(scope="module")
def whole(folder: Path) -> Page:
    """Of all twelve points."""
    return explored(squares(), folder)


@pytest.fixture
def grown(folder: Path, tmp_path: Path) -> tuple[hpcsim.Study, Path]:
    """The study with three more points, which are missing."""
    place = shutil.copytree(folder, tmp_path / "run")
    study = squares(space={**SPACE, "a": [1.0, 2.0, 2.5, 3.0, 4.0]})
    (place / "study.toml").write_text(study.to_toml())
    return study, place


def explored(study: hpcsim.Study, place: Path) -> Page:
    return Page(page_of(study, place))


def test_every_point_of_the_design_is_there_with_what_became_of_it(grown: tuple[hpcsim.Study, Path]) -> None:
    study, place = grown
    page = explored(study, place)
    assert page.says == "The study has 15 points: 9 succeeded, 3 failed, 3 missing. All 15 are shown."
    ids = page.source("points")["id"].tolist()
    assert sorted(ids) == sorted(id.decode()[:12] for id in study.design.ids(0, 15))
    status, a, rate = page.column("status"), page.column("a (nA)").astype(float), page.column("rate (Hz)").astype(float)
    assert {word: sorted(a[status == word]) for word in set(status)} == {
        "ok": [1, 1, 1, 2, 2, 2, 3, 3, 3],
        "failed": [4, 4, 4],
        "missing": [2.5, 2.5, 2.5],
    }
    b = page.column("b (mV)").astype(float)
    assert np.allclose(rate[status == "ok"], (2 * a + b)[status == "ok"]) and np.isnan(rate[status != "ok"]).all()
    # three groups are drawn, each with its own look, and no point is in none of them
    groups = [array(model["attributes"]["indices"]) for model in page.models("IndexFilter") if "name" not in model["attributes"]]
    assert sorted(int(row) for group in groups for row in group) == list(range(15)) and len(groups) == 3
    assert [page.settings["errors"][str(row)] for row in np.flatnonzero(status == "failed")] == ["ValueError: too far out"] * 3
    assert page.settings["command"] == [f"hpcsim point {place} ", " --again"]
    assert '<a href="report.html">' in page.text


def test_what_a_point_recorded_is_in_the_page(folder: Path, whole: Page) -> None:
    page, figures = whole, whole.settings["recorded"]["figures"]
    assert [one["title"] for one in figures] == ["potential: soma", "potential: tuft", "spikes"]
    rows = page.settings["recorded"]["rows"]
    assert sorted(rows) == np.flatnonzero(page.column("status") == "ok").tolist()
    with hpcsim.open(folder) as results:
        for slot, row in enumerate(rows):
            point = results.point(page.source("points")["id"][row])
            for number, site in enumerate(("soma", "tuft")):
                part = page.source(f"held{number}")["y"][slice(*figures[number]["starts"][slot : slot + 2])]
                assert np.allclose(part, point["v"].sel(site=site)) and len(figures[number]["x"]) == len(part)
            spikes = page.source("held2")
            part = slice(*figures[2]["starts"][slot : slot + 2])
            assert np.allclose(spikes["y"][part], point["spikes"]) and spikes["cell"][part].tolist() == [0, 5, 2]


def test_nothing_runs_but_what_the_page_holds_and_nothing_goes_out(whole: Page) -> None:
    page = whole
    [policy] = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page.text)
    rules = dict(rule.split(" ", 1) for rule in policy.replace("&#39;", "'").split("; "))
    scripts = re.findall(r"<script>(.*?)</script>", page.text, re.S)
    digests = [f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts]
    assert rules["script-src"].split() == digests and len(digests) == len(_bokeh()) + 1
    assert (rules["default-src"], rules["connect-src"]) == ("'none'", "'none'")
    assert not re.search(r'https?://|<link|src="(?!data:)', page.own)
    assert len(page.text) < 3e6


def test_columns_of_every_type_and_no_name_becomes_markup(tmp_path: Path) -> None:
    path = odd(tmp_path / "run")
    page = Page(path)
    names = ["kind", "on", "taus.0 (ms)", "taus.1 (ms)", "g (nS)", "rate (Hz)", f"shape.{EVIL}", "shape.b"]
    assert page.labels == [*names, "wall time (s)", "row of the results", "replicate", "status"]
    by_label = {column["label"]: column for column in page.settings["columns"]}
    # what Bokeh would take for a formula has a space of no width in it
    assert by_label["kind"]["words"] == ["", "$$b$$", EVIL] and by_label["on"]["words"] == ["False", "True"]
    assert [label for label, column in by_label.items() if column["log"]] == ["g (nS)"]
    assert sorted(page.column("replicate").astype(float)) == [0] * 36 + [1] * 36
    # neither off nor infinite is a number
    assert np.isnan(page.column("rate (Hz)").astype(float)).sum() == 36 and np.isnan(page.column("shape.b").astype(float)).all()
    assert "though the point succeeded: rate (Hz) at 36 points, shape.b at 72 points." in page.says
    assert "Not in this page: matrix, profile, 2 of the 5 places of density;" in page.says
    assert "<img" not in page.own and "&lt;img" in str(page.models("TableColumn"))
    figures = page.settings["recorded"]["figures"]
    assert [one["title"] for one in figures] == [EVIL, "density: 0.0", "density: 1.0", "density: 2.0", "spikes"]
    # the peak of a trace of 1000 values is among the 400 that are kept, and spikes are every third one
    assert len(figures[0]["x"]) == 400 and page.source("held0")["y"].max() == 40
    assert {*np.diff(figures[4]["starts"])} == {0, 1667}


def test_only_failures_no_parameters_no_outputs_and_nothing_yet(tmp_path: Path) -> None:
    failed = squares(fixed={"edge": 0.0})
    with pytest.raises(hpcsim.errors.AllFailedError):
        failed.run("inline", tmp_path / "failed")
    page = explored(failed, tmp_path / "failed")
    assert page.says.startswith("The study has 12 points: 0 succeeded, 12 failed, 0 missing.")
    assert page.settings["start"]["color"] == f"c{page.labels.index('status')}" and not page.settings["recorded"]["rows"]
    one = squares(space={}, outputs={"keep": ["spikes"]})
    one.run("inline", tmp_path / "one").close()
    page = explored(one, tmp_path / "one")
    assert page.says == "The study has 1 point: 1 succeeded, 0 failed, 0 missing. It is shown."
    assert page.labels == ["wall time (s)", "row of the results", "status"]
    assert explored_path(squares(), tmp_path / "none", tmp_path / "mine.html") == "mine-explore.html"
    page = Page(tmp_path / "mine-explore.html")
    assert page.says == "The study has 12 points: 0 succeeded, 0 failed, 12 missing. All 12 are shown. There are no results yet."


def explored_path(study: hpcsim.Study, place: Path, path: Path) -> str:
    text = report(study, study.directory(place), path=path).read_text()
    return re.findall(r'<a href="([^"]*explore.html)">', text)[0]


def test_of_many_points_a_sample_is_shown_and_the_page_says_so(
    grown: tuple[hpcsim.Study, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "POINTS", 4)
    monkeypatch.setattr(table, "_FAILED", 2)
    monkeypatch.setattr(unfinished_module, "_MOST", 2)
    monkeypatch.setattr(recorded, "KEPT", 2)
    study, place = grown
    page = explored(study, place)
    status = page.column("status").tolist()
    assert 2 <= status.count("failed") <= 5 and status.count("missing") == 2
    shown = f"({status.count('ok')} of 9 succeeded, {status.count('failed')} of 3 failed, 2 of 3 missing)"
    assert f"Shown are {len(status)} points {shown}, a sample that is always the same." in page.says
    rows = page.column("row of the results")[: len(status) - 2].astype(int)
    with Results(place) as results:
        ids = results.table.ids()[rows].astype(str)
    assert [id[:12] for id in ids] == page.source("points")["id"][:-2].tolist()
    assert 0 < len(page.settings["recorded"]["rows"]) <= 2
    assert f"of the {status.count('ok')} points shown" in page.text or len(page.settings["recorded"]["rows"]) == status.count(
        "ok"
    )


def test_rows_that_the_design_no_longer_has_and_points_that_wait_are_counted(folder: Path, tmp_path: Path) -> None:
    place = shutil.copytree(folder, tmp_path / "run")
    study = squares(space={**SPACE, "a": [1.0, 2.0, 5.0]})
    (place / "study.toml").write_text(study.to_toml())
    page = explored(study, place)
    assert page.says.startswith("The study has 9 points: 6 succeeded, 0 failed, 3 missing. The results hold 6 more")
    assert page.says.endswith("All 15 are shown.")


def test_points_that_wait_to_be_collected_are_counted(folder: Path) -> None:
    with Results(folder) as results:
        held = Selection(results, np.arange(7))
        standing = Standing(12, 12, missing=["2 files wait."])
        said = counted(squares(), held, standing, table.point_table(squares(), held, None))
    assert [text for text, _ in said][1:] == [
        "All 7 are shown.",
        "5 more are finished and have no row here: they wait to be collected, or have the values of another point.",
        "2 files wait.",
    ]


def test_a_file_of_somebody_else_stays(folder: Path, tmp_path: Path) -> None:
    mine = tmp_path / "my #1-explore.html"
    mine.write_text("<p>mine</p>")
    study = squares()
    with Results(folder) as results:
        standing = Standing(12, 12)
        [words] = explorer_section(study, results, standing, tmp_path / "my #1.html").blocks
        assert words.text.startswith("my #1-explore.html is no page of hpcsim") and mine.read_text() == "<p>mine</p>"
        mine.unlink()
        for _ in range(2):
            link = explorer_section(study, results, standing, tmp_path / "my #1.html").blocks[-1]
    assert link.address == "my%20%231-explore.html" and 'href="my%20%231.html"' in mine.read_text()


def test_the_best_of_a_search_are_shown_and_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "POINTS", 6)
    monkeypatch.setattr(table, "BEST", 3)
    with search(tmp_path / "run", sampler={**SAMPLER, "evaluations": 24}) as results:
        study = hpcsim.Study.load(tmp_path / "run")
        page = explored(study, tmp_path / "run")
        distance = np.abs(results.features(["rate"])["rate"].to_numpy() - 6) / 0.5
        best = [id[:12] for id in results.features(["rate"]).index[np.argsort(distance)[:3]]]
    objectives = ["largest objective", "objective rate", "objective raw", "accepted"]
    assert page.labels[:6] == ["a (nA)", "b (mV)", *objectives]
    ids, largest = page.source("points")["id"].tolist(), page.column("largest objective").astype(float)
    assert {*best} <= {*ids} and [ids[row] for row in page.settings["recorded"]["rows"][:3]] == best
    assert np.allclose(sorted(largest)[:3], sorted(distance)[:3]) and page.settings["start"]["color"] == "c2"
    assert [*page.column("accepted")] == ["yes" if one <= 3 else "no" for one in largest]


def test_missing_points_are_told_evenly_whether_they_were_looked_for_or_not(
    grown: tuple[hpcsim.Study, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    study, place = grown
    directory = study.directory(place)
    wanted = {point.id for point in map(study.design.point, range(15)) if point["a"] == 2.5}
    found = unfinished_module.unfinished_points(study, directory, None)
    assert found is not None and sorted(found.ids) == sorted(wanted)
    assert unfinished_module.unfinished_points(study, directory, ()) is None
    monkeypatch.setattr(unfinished_module, "_MOST", 4)
    some = unfinished_module.unfinished_points(study, directory, [(0, 3), (5, 15)])
    assert some is not None and [*some.ids] == [study.design.point(i).id for i in (0, 6, 10, 14)]


def test_a_long_trace_keeps_its_envelope() -> None:
    wave = np.sin(np.arange(12_345) / 3)
    wave[7001], wave[9000] = 50, np.nan
    thin, places = thinned(wave), thinned_places(np.arange(12_345.0))
    assert len(thin) == len(places) == 400 and np.nanmax(thin) == 50 and np.nanmin(thin) == wave[np.isfinite(wave)].min()
    assert (np.diff(places) > 0).all() and abs(places[np.nanargmax(thin)] - 7001) < 62


def test_a_stretch_with_no_number_keeps_the_others() -> None:
    wave = np.zeros(4000)
    wave[[100, 101, 102]] = -7, np.nan, 50
    wave[2000:2100] = np.inf
    thin = thinned(wave)
    assert sorted(thin[10:12]) == [-7, 50] and np.isinf(thin).sum() == 10


def test_what_is_read_of_outputs_is_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # of a point: two sites of 100 values, three spikes and their cells
    monkeypatch.setattr(recorded, "READ", 3 * (2 * 100 * 8 + 3 * 8 + 3 * 4))
    monkeypatch.setattr(explorer, "READ", 2**30)
    page = explored(squares(), folder)
    assert len(page.settings["recorded"]["rows"]) == 3
    assert "of 3 of the 9 points shown that succeeded; of more, outputs are over 1 GiB to read." in page.text
    monkeypatch.setattr(recorded, "READ", 1000)
    page = explored(squares(), folder)
    assert [one["title"] for one in page.settings["recorded"]["figures"]] == ["spikes"] and "Not in this page: v;" in page.says


def test_large_whole_numbers_stand_in_full_and_others_as_before() -> None:
    def format_of(*values: float) -> str:
        return str(getattr(_formatter(table.Column("x", "", "feature", np.array(values))), "format", "power of ten"))

    formats = [format_of(12_345_678, 1), format_of(1e17, 1), format_of(0.5, 1), format_of(1e-7, 1)]
    assert formats == ["0", "power of ten", "0.[0000]", "power of ten"]


def test_whole_numbers_that_no_float_holds_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    made = [table._column("n", "", "parameter", np.array([2**53 + more, 1]), 2) for more in (0, 1)]
    assert [column.rounded for column in made] == [False, True]
    monkeypatch.setattr(table, "_parameters", lambda study, frame: iter(made[1:]))
    assert table.point_table(squares(), None, None).notes == ["Whole numbers above 2^53 are rounded to 16 digits here: n."]


def test_an_earlier_page_goes_where_there_is_none_for_a_new_report(folder: Path, tmp_path: Path) -> None:
    mine = tmp_path / "explore.html"
    with Results(folder) as results:
        explorer_section(squares(), results, Standing(12, 12), tmp_path / "report.html")
    assert mine.exists()
    [words] = explorer_section(squares(), None, Standing(12, 0), tmp_path / "report.html").blocks
    assert words.text == "There is no point to explore yet. explore.html of an earlier report was removed." and not mine.exists()
    mine.mkdir()
    [words] = explorer_section(squares(), None, Standing(12, 0), tmp_path / "report.html").blocks
    assert words.text.startswith("explore.html is no page of hpcsim")


def test_without_bokeh_the_report_says_what_is_missing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explorer, "find_spec", lambda name: None)
    study, path = squares(), folder.parent / "report.html"
    with hpcsim.open(folder) as results:
        section = explorer_section(study, results, standing(study, study.directory(folder), []), path)
    page = render("t", [section])
    assert "The page with the points needs bokeh (not installed): pip install bokeh." in page and "explore.html" not in page
    assert not (folder.parent / "explore.html").exists()
