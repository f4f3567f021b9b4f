"""The page with the points of a study in a real browser: what is brushed and chosen changes all of it; names stay text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from explored_toys import EVIL, held, odd, page_of, squares
from headless import Watched

pytestmark = pytest.mark.browser

#: Where a place of a plot is on the screen.
PLACE = """([name, x, y]) => {
    const model = Bokeh.documents[0].get_model_by_name(name);
    const view = Object.values(Bokeh.index.roots ?? Bokeh.index).find((view) => view.model === model);
    const box = document.getElementById(`part-${name}`).getBoundingClientRect();
    return [box.left + view.frame.x_scale.compute(x), box.top + view.frame.y_scale.compute(y)];
}"""
#: All pictures of the page, those of shadow trees as well.
IMAGES = """() => {
    const under = (root) => [...root.querySelectorAll("*")].flatMap((one) => [one, ...inner(one)]);
    const inner = (one) => (one.shadowRoot ? under(one.shadowRoot) : []);
    return under(document).filter((one) => one.tagName === "IMG").map((one) => one.outerHTML);
}"""


def opened(chromium: Any, path: Path, width: int = 1280) -> Watched:
    watched = Watched(chromium.new_page(viewport={"width": width, "height": 900}))
    watched.page.goto(path.as_uri())
    watched.page.locator("body[data-ready=yes]").wait_for(timeout=30_000)
    return watched


def quiet(watched: Watched) -> bool:
    """Whether the page asked for nothing but itself, and its console said no more than Bokeh's greeting."""
    said = [text for text in watched.said if "setting log level" not in text]
    asked = [url for url in watched.asked if not url.startswith(("data:", "blob:"))]
    return said == [] and len(asked) == 1


def drag(page: Any, *places: list[float]) -> None:
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=4)
    page.mouse.up()


def test_brushes_dots_and_rows_change_what_is_shown(chromium: Any, tmp_path: Path) -> None:
    study = squares()
    study.run("inline", tmp_path / "run").close()
    path = page_of(study, tmp_path / "run")
    ids = {(point["a"], point["b"]): point.id[:12] for point in map(study.design.point, range(12))}
    watched = opened(chromium, path)
    page = watched.page

    def at(name: str, x: float, y: float) -> list[float]:
        page.locator(f"#part-{name}").scroll_into_view_if_needed()
        return page.evaluate(PLACE, [name, x, y])

    def drawn(column: str) -> list[Any]:
        return page.evaluate(
            "(c) => Array.from(Bokeh.documents[0].get_model_by_name('drawn0').data[c], (one) => Array.from(one))", column
        )

    watched.has("#count", "12 of 12 points are kept.")
    # the upper half of the axis of a, where a is 3 and 4
    drag(page, at("parallel", -0.05, 0.5), at("parallel", 0.05, 1.05))
    watched.has("#count", "6 of 12 points are kept.")
    # and of the rate, which the points with a of 4 do not have
    drag(page, at("parallel", 1.95, -0.02), at("parallel", 2.05, 1.05))
    watched.has("#count", "3 of 12 points are kept.")
    # the table has these alone, and a row is still its own point
    rows = page.locator("#part-table .slick-row")
    assert [ids[3.0, b] in row for b, row in zip((0.5, 1.0, 2.0), rows.all_text_contents(), strict=True)] == [True] * 3
    rows.nth(2).locator(".slick-cell").first.click()
    watched.has("#command", ids[3.0, 2.0])
    page.evaluate("Bokeh.documents[0].get_model_by_name('points').selected.indices = []")
    page.get_by_role("button", name="Free all axes").click()
    watched.has("#count", "12 of 12 points are kept.")
    # the best third by rate, of the nine points that have one
    page.get_by_label("best by").select_option(label="rate (Hz)")
    page.evaluate("Bokeh.documents[0].get_model_by_name('share').value = 33")
    watched.has("#count", "3 of 12 points are kept.")
    page.get_by_label("best by").select_option(label="none")
    # a dot: its values, the command, the trace
    assert page.locator("#again").is_hidden() and page.locator("#recordings").is_hidden()
    page.mouse.click(*at("scatter", 3.0, 2.0))
    watched.has("#command", f"hpcsim point {tmp_path / 'run'} {ids[3.0, 2.0]} --again")
    watched.has("#which", f"Point {ids[3.0, 2.0]}: ok")
    [trace] = drawn("ys")
    assert max(trace) == pytest.approx(-67, abs=0.01) and page.locator("#recordings").is_visible()
    watched.has("#title-recorded0", f"potential: soma ({ids[3.0, 2.0]})")
    # a row of the table: another point, another command, another trace
    page.locator("#part-table").get_by_text(ids[1.0, 0.5]).click()
    watched.has("#command", ids[1.0, 0.5])
    [trace] = drawn("ys")
    assert max(trace) == pytest.approx(-69, abs=0.01)
    # a box in the map: several points, the first of them in front; and a point that failed says why
    drag(page, at("scatter", 0.9, 0.4), at("scatter", 2.1, 1.1))
    watched.has("#which", "the first of 4 chosen points")
    assert len(drawn("ys")) == 4
    page.mouse.click(*at("scatter", 4.0, 1.0))
    watched.has("#which", f"Point {ids[4.0, 1.0]}: failed: ValueError: too far out")
    assert page.locator("#recordings").is_hidden()
    # other columns
    page.get_by_label("vertical axis").select_option(label="rate (Hz)")
    # the labels of the axis may have another width
    page.wait_for_timeout(500)
    page.mouse.click(*at("scatter", 2.0, 6.0))
    watched.has("#command", ids[2.0, 2.0])
    page.get_by_role("button", name="Copy").click()
    watched.has("#copied", "copied")
    assert quiet(watched), (watched.said, watched.asked)
    page.close()


def test_names_stay_text_and_a_narrow_screen_does_not_scroll_sideways(chromium: Any, tmp_path: Path) -> None:
    path = odd(tmp_path / "run")
    watched = opened(chromium, path, 400)
    page = watched.page
    assert EVIL in str(held(path, "settings")["columns"])
    for slot in ("horizontal axis", "vertical axis", "colour"):
        for label in ("kind", "g (nS)", f"shape.{EVIL}", "status"):
            page.get_by_label(slot).select_option(label=label)
    page.get_by_label("horizontal axis").select_option(label="kind")
    scatter = "Bokeh.documents[0].get_model_by_name('scatter')"
    # an empty word is a word, and one between dollars no formula
    assert page.evaluate(f"[...{scatter}.below[0].major_label_overrides.values()]") == [
        "(empty)",
        "$\u200b$b$\u200b$",
        f"{EVIL[:25]}…",
    ]
    page.evaluate("Bokeh.documents[0].get_model_by_name('axes').active = [0, 4, 5, 6, 7]")
    page.locator("summary").click()
    # what is shown under the mouse, and of a chosen point
    page.evaluate("Bokeh.documents[0].get_model_by_name('points').selected.indices = [1]")
    watched.has("#values", EVIL)
    page.locator("#part-scatter").hover()
    page.wait_for_timeout(500)
    assert page.evaluate(IMAGES) == []
    assert page.evaluate("document.documentElement.scrollWidth") == 400
    assert page.locator("#recordings canvas").first.bounding_box()["width"] > 300
    assert quiet(watched), (watched.said, watched.asked)
    page.close()
