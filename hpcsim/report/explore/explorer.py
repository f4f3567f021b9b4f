"""The page with the points of a study, beside its report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from hpcsim.files import write_text
from hpcsim.plotting import GREY, VERMILLION
from hpcsim.plugin import not_installed
from hpcsim.report.contents import Block, Link, Section, Words
from hpcsim.report.explore.counts import counted
from hpcsim.report.explore.recorded import KEPT, READ, Recorded, read_at_most, recorded
from hpcsim.report.explore.table import LARGEST, Column, PointTable, point_table

if TYPE_CHECKING:
    from hpcsim.collector.results import Results
    from hpcsim.report.standing import Standing
    from hpcsim.study.study import Study

#: In the first letters of a page that hpcsim wrote.
MARK, _HEAD = '<meta name="generator" content="hpcsim">', 1000
_TITLE = "Points to explore"
#: Axes of the parallel coordinates at the beginning, at most.
_AXES = 10


def explorer_section(study: Study, results: Results | None, standing: Standing, report: Path) -> Section:
    """Write the page beside a report; a section with its address, or the sentence that says why there is none.

    Parameters
    ----------
    study : Study
    results : Results, optional
    standing : Standing
    report : Path
        ``explore.html`` for ``report.html``, ``mine-explore.html`` for ``mine.html``.
    """
    page = explorer_path(report)
    if find_spec("bokeh") is None:
        return _without(page, f"{not_installed('The page with the points', 'bokeh')}.")
    if page.exists() and not _own(page):
        return Section(_TITLE, [Words(f"{page.name} is no page of hpcsim, so none was written in its place.", "bad")])
    table = point_table(study, results, standing.unfinished)
    if not len(table):
        return _without(page, "There is no point to explore yet.")
    sentences = counted(study, results, standing, table)
    write_text(page, _page(study, standing, table, sentences, quote(report.name)))
    blocks: list[Block] = [
        Words(
            "Parallel coordinates with brushes, maps of any two columns, a table, and what single points recorded, with the "
            "command that simulates a point again."
        ),
        Link(page.name, quote(page.name)),
    ]
    return Section(_TITLE, blocks)


def explorer_path(report: Path) -> Path:
    """Where the page is beside a report."""
    return report.with_name("explore.html" if report.stem == "report" else f"{report.stem}-explore.html")


def _without(page: Path, why: str) -> Section:
    """A section without a page; one of an earlier report, with other points, goes."""
    if page.is_file() and _own(page):
        page.unlink()
        why += f" {page.name} of an earlier report was removed."
    return Section(_TITLE, [Words(why, "soft")])


def _own(page: Path) -> bool:
    """Whether hpcsim wrote it."""
    if not page.is_file():
        return False
    with page.open(encoding="utf-8", errors="replace") as file:
        return MARK in file.read(_HEAD)


def _page(study: Study, standing: Standing, table: PointTable, sentences: Sequence[tuple[str, bool]], report: str) -> str:
    from hpcsim.report.explore.page import Explorer, render
    from hpcsim.report.explore.plots import plain, plots

    rows, records, unread = recorded(table)
    columns = [
        {"field": f"c{k}", "label": plain(column.label), "words": column.words, "log": column.logarithmic}
        for k, column in enumerate(table.columns)
    ]
    settings = {
        "columns": columns,
        "errors": {str(row): table.errors[row] for row in np.flatnonzero(table.errors != "").tolist()},
        # before and after the id of a point
        "command": [f"{standing.point} ", " --again"],
        "start": _start(table.columns),
        "recorded": {"rows": rows.tolist(), "figures": [_figure(one) for one in records]},
        "front": VERMILLION,
        "others": GREY,
    }
    left_out = [*table.left_out, *unread]
    words = f"Not in this page: {', '.join(left_out)}; `{standing.point} ID` prints them for one point." if left_out else ""
    return render(Explorer(study.name, report, sentences, plots(table, records), settings, _kept(table, rows, records), words))


def _figure(one: Recorded) -> dict[str, Any]:
    """What the script is told of one output."""
    starts = np.cumsum([0, *(len(part) for part in one.parts)]).tolist()
    return {"title": one.title, "x": None if one.kind == "spikes" else one.x.tolist(), "starts": starts}


def _start(columns: Sequence[Column]) -> dict[str, Any]:
    """What is shown at the beginning: parameters against each other, coloured by how good they are, or by the first output."""
    fields = {column.name: f"c{k}" for k, column in enumerate(columns)}
    known = [column for column in columns if column.words or (column.values.dtype != object and np.isfinite(column.values).any())]
    of = {
        kind: [fields[column.name] for column in known if column.kind == kind]
        for kind in ("parameter", "objective", "feature", "record")
    }
    given = [fields[column.name] for column in known if column.name == LARGEST]
    found = [*given, *of["objective"], *of["feature"]]
    places = [*of["parameter"], *found, *of["record"]]
    second = places[1] if len(places) > 1 else places[0]
    # outputs have their place beside many parameters
    few = list(dict.fromkeys([*of["parameter"][: _AXES - 3], *found]))[:_AXES] or places[:_AXES]
    color = found[0] if found else fields["status"]
    return {"x": places[0], "y": second, "color": color, "axes": [int(field[1:]) for field in few]}


def _kept(table: PointTable, rows: np.ndarray, records: Sequence[Recorded]) -> str:
    """What is said of the outputs in the page."""
    if not len(rows):
        return "No output over time, no spikes and no spectrum of these points were kept." if table.results else ""
    good = int(np.count_nonzero(table.status == "ok"))
    which = "all points that succeeded" if len(rows) == good else f"{len(rows):,} of the {good:,} points shown that succeeded"
    shown = Counter(one.output for one in records)
    places = {one.output: one.places for one in records}
    names = ", ".join(
        name if count == places[name] else f"{name} ({count} of its {places[name]:,} places)" for name, count in shown.items()
    )
    few = f"; of more, outputs are over {READ / 2**30:g} GiB to read" if read_at_most(table, records) < min(KEPT, good) else ""
    return (
        f"In this page are {names} of {which}{few}. Of a long trace it has the smallest and the largest value of each of 200 "
        "stretches, of many spikes every k-th."
    )
