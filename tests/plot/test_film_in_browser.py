"""The HTML animation in a real browser: it plays, and asks for nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from headless import Watched
from plot.test_neuron import film

from hpcsim import plot

pytestmark = pytest.mark.browser


def test_it_plays_and_complains_of_nothing(tmp_path: Path, chromium):
    path = plot.animate(film(), tmp_path / "a.html", fps=5, dpi=40, workers=1)
    watched = Watched(chromium.new_page())
    page = watched.page
    page.goto(path.as_uri())
    shown = page.locator(".frames img:visible")
    assert shown.count() == 1 and page.locator("#time").text_content() == "0 ms"
    # the picture is there, and not only its place
    assert shown.evaluate("image => [image.complete, image.naturalWidth]") == [True, 240]
    page.get_by_label("frame").fill("2")
    assert shown.get_attribute("alt") == page.locator("#time").text_content() == "2 ms"
    page.get_by_role("button", name="Play").click()
    page.locator("#time", has_text="3 ms").wait_for(timeout=15_000)
    # and from the last one to the first
    page.locator("#time", has_text="0 ms").wait_for(timeout=15_000)
    page.get_by_role("button", name="Pause").click()
    assert page.get_by_role("button", name="Play").is_visible() and shown.count() == 1
    assert watched.asked[0] == path.as_uri() and all(url.startswith("data:") for url in watched.asked[1:])
    assert not watched.said
    page.close()
