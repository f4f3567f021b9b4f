"""The page in a real browser: what it shows, what it asks for, and that nothing moves."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from half_study import EVIL
from headless import Watched

from hpcsim.dashboard.live import Live
from hpcsim.plotting import canvas
from hpcsim.report.contents import Section
from hpcsim.report.figures import Gallery
from hpcsim.report.page import render
from hpcsim.scheduler.executor import Listener
from hpcsim.scheduler.gather import gather
from hpcsim.scheduler.plan import plan

pytestmark = pytest.mark.browser

#: Whatever moves without somebody having done something.
SHIFTS = """
window.shifts = [];
new PerformanceObserver(list => { for (const entry of list.getEntries()) window.shifts.push(entry.value); })
  .observe({type: "layout-shift", buffered: true});
"""


@pytest.fixture
def visit(chromium):
    """Open a page of a server; in the end it has asked nobody else and complained of nothing."""

    @contextmanager
    def opened(server, **options):
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        watched = Watched(context.new_page())
        watched.page.add_init_script(SHIFTS)
        watched.page.goto(server.url)
        yield watched
        assert all(url.startswith((server.url, "data:")) for url in watched.asked), watched.asked
        assert not watched.said
        context.close()

    return opened


def test_it_shows_the_numbers_and_follows_them_without_a_reload(half, serve, visit):
    server = serve(half.study, half.directory)
    with visit(server) as watched:
        watched.has("h1", "half")
        watched.has(".words", "10 of 20 points are finished")
        assert watched.page.title() == "50 % half"
        assert watched.page.get_by_role("progressbar").get_attribute("aria-valuenow") == "10"
        watched.page.evaluate("window.same = true")
        half.simulate(10, 15)
        watched.has(".words", "15 of 20 points are finished")
        watched.has(".chart text", "12")
        assert watched.page.title() == "75 % half"
        watched.has("#spoken", "75 percent finished, 1 points failed")
        half.simulate(15, 20)
        gather(half.study, half.directory)
        half.directory.report.write_text("<!DOCTYPE html><html lang=en><title>own report</title></html>")
        watched.has(".words", "all 20 points are finished")
        watched.has("#files a", "report.html")
        assert watched.page.evaluate("window.same"), "it was loaded again"
        watched.page.get_by_role("link", name="report.html").click()
        watched.page.wait_for_url("**/report")
        assert watched.page.title() == "own report"


def test_words_of_a_model_stay_words(half, serve, visit):
    with visit(serve(half.study, half.directory)) as watched:
        for _ in range(2):
            assert watched.page.locator("td.reason").inner_text() == f"ValueError: {EVIL}"
            assert watched.page.title() == "50 % half"
            # and again by the script
            watched.page.wait_for_timeout(2500)
        assert watched.page.locator("td script").count() == 0


def test_nothing_moves_when_points_land(half, serve, visit):
    live = Live()
    listener = live.listener(Listener())
    listener.started(half.study, plan(half.study, half.directory))
    listener.dashboard("http://127.0.0.1:8787/status")
    listener.tasked(1, 0)
    server = serve(half.study, half.directory, executor="local", live=live)
    with visit(server) as watched:
        watched.has(".words", "10 of 20")
        for done in (2, 4, 6, 8, 9):
            listener.progressed(done, 1)
            listener.tasked(2, done)
            watched.has(".words", f"{10 + done} of 20")
        watched.has(".figures", "points/")
        assert watched.page.get_by_role("link", name="Dask’s own pages").get_attribute("href") == "http://127.0.0.1:8787/status"
        assert sum(watched.page.evaluate("window.shifts")) < 0.005


@pytest.mark.parametrize("width", [390, 1280, 2560])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_readable_at_any_width_by_day_and_night(half, serve, visit, width, scheme):
    half.simulate(10, 12)
    server = serve(half.study, half.directory)
    with visit(server, viewport={"width": width, "height": 844}, color_scheme=scheme) as watched:
        watched.has(".words", "12 of 20")
        assert watched.page.evaluate("document.documentElement.scrollWidth") <= width
        hidden = "element => { const box = element.getBoundingClientRect(); return box.left < 0 || box.right > innerWidth + 1; }"
        for selector in ("h1", "h2:not(.unseen)", ".figures dd", "td", "code", ".chart"):
            assert not any(element.evaluate(hidden) for element in watched.page.locator(selector).all()), selector
        for selector in ("h1", ".soft", ".state", "dt", "td.reason", "dd.bad"):
            assert watched.page.locator(selector).first.evaluate(CONTRAST) >= 4.5, selector


#: Contrast of a text with the page, after WCAG 2.2, 1.4.3.
CONTRAST = """element => {
  const light = text => {
    const [r, g, b] = text.match(/[0-9.]+/g).map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const text = light(getComputedStyle(element).color), page = light(getComputedStyle(document.body).backgroundColor);
  return (Math.max(text, page) + 0.05) / (Math.min(text, page) + 0.05);
}"""


def test_it_is_readable_without_javascript(half, serve, visit):
    with visit(serve(half.study, half.directory), java_script_enabled=False) as watched:
        watched.has(".words", "10 of 20 points are finished")
        watched.has("td.reason", "ValueError")
        assert watched.page.locator("noscript meta").get_attribute("http-equiv") == "refresh"


def test_a_keyboard_reaches_every_link_and_keeps_it(half, serve, visit):
    half.directory.report.write_text("<!DOCTYPE html>")
    server = serve(half.study, half.directory)
    with visit(server) as watched:
        watched.page.keyboard.press("Tab")
        focused = "document.activeElement.getAttribute('href')"
        assert watched.page.evaluate(focused) == "report"
        gather(half.study, half.directory)
        # the part that holds the link is another one now
        watched.page.locator("#files", has_text="not there yet").wait_for(state="detached", timeout=15_000)
        assert watched.page.evaluate(focused) == "report"


def test_a_screen_reader_finds_its_way(half, serve, visit):
    with visit(serve(half.study, half.directory)) as watched:
        page = watched.page
        assert page.get_by_role("heading", level=1).all_inner_texts() == ["half"]
        names = ["Points", "Points over time", "Tasks", "Files", "Failures"]
        for name in names:
            assert page.get_by_role("region", name=name, exact=True).count() == 1
            assert page.get_by_role("heading", level=2, name=name, exact=True).count() == 1
        assert page.get_by_role("columnheader", name="reason").count() == 1
        assert page.get_by_role("status").count() == 1
        assert page.get_by_role("main").count() == 1


def test_it_says_when_the_server_is_gone(half, serve, chromium):
    server = serve(half.study, half.directory)
    page = chromium.new_page()
    page.goto(server.url)
    page.get_by_text("10 of 20 points").wait_for()
    server._http.shutdown()
    server._http.socket.close()
    page.get_by_role("alert").get_by_text("the command that served this page has ended").wait_for(timeout=20_000)
    assert page.get_by_text("10 of 20 points").is_visible()
    page.close()


def test_the_figures_of_a_report_are_shown_and_kept(half, serve, chromium):
    gallery = Gallery(half.directory.report)
    picture = gallery.draw("wall_times", "Times.", lambda: canvas(1)[0])
    gallery.tidy()
    half.directory.report.write_text(render("half", [Section("Cost", [picture])]))
    watched = Watched(chromium.new_page())
    watched.page.goto(f"{serve(half.study, half.directory).url}report")
    for name in ("PDF", "CSV"):
        with watched.page.expect_download() as kept:
            watched.page.get_by_role("link", name=name).click()
        assert kept.value.suggested_filename == f"wall_times.{name.lower()}"
    watched.page.get_by_role("link", name="PNG").click()
    watched.page.wait_for_url("**/report/figures/wall_times.png")
    assert watched.page.evaluate("document.images[0].naturalWidth") > 100
    assert not watched.said
    watched.page.close()
