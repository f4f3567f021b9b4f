"""The built site: its pages, its list for programs, and how it looks in a real browser at two widths."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from absent import absent
from PIL import Image

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))

from reference_pages.pictures import PAGES, draw  # noqa: E402

ARGUMENTS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
#: Pictures that are not there or have no size.
MISSING = "[...document.images].filter(one => !one.complete || one.naturalWidth === 0).map(one => one.src)"


@pytest.fixture(scope="module")
def site() -> Path:
    """The site as `make docs` builds it; what is built and has not changed is not built again."""
    done = subprocess.run([str(ROOT / "scripts" / "build-docs.sh")], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and not done.stderr.strip(), done.stderr
    return ROOT / "docs" / "_build" / "html"


def pages(site: Path) -> list[str]:
    """All pages by their addresses in the site."""
    found = sorted(str(path.relative_to(site)) for path in site.rglob("*.html") if "_static" not in path.parts)
    return [page for page in found if page not in ("genindex.html", "search.html")]


@pytest.mark.docs
def test_every_page_is_in_the_list_for_programs(site: Path):
    text = (site / "llms.txt").read_text()
    assert text.startswith("# hpcsim\n\n> ")
    named = re.findall(r"\]\(([^)]+\.html)\)", text)
    assert sorted(named) == pages(site) and len(named) > 30
    assert "- [Models](reference/generated/models.html): " in text and "\n## How to\n" in text


@pytest.mark.docs
def test_every_link_inside_the_site_leads_somewhere(site: Path):
    for page in pages(site):
        text = (site / page).read_text(encoding="utf-8")
        body = text[text.index("<article") : text.index("</article>")]
        for address in re.findall(r'(?:href|src)="([^"]+)"', body):
            place, _, anchor = address.partition("#")
            if re.match(r"\w+:", address):
                continue
            target = (site / page).parent / place if place else site / page
            assert target.exists(), f"{page}: {address}"
            if anchor and target.suffix == ".html":
                assert f'id="{anchor}"' in target.read_text(encoding="utf-8"), f"{page}: {address}"


@pytest.mark.docs
def test_pictures_are_those_that_the_code_of_the_pages_draws_now(site: Path):
    """Where a stored picture is another one by now, it has to be stored again: readers without the site see it."""
    for page in PAGES:
        drawn = draw(page, ROOT / "docs" / "_build" / "pictures")
        assert drawn
        for picture in drawn:
            assert (site / "_images" / picture.name).read_bytes() == picture.read_bytes()
            with Image.open(picture) as new, Image.open(ROOT / "docs" / "images" / picture.name) as stored:
                assert new.size == stored.size, picture.name
                difference = np.abs(np.asarray(new.convert("L"), float) - np.asarray(stored.convert("L"), float))
                assert difference.mean() < 4, f"docs/images/{picture.name} is not what {page} draws"


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """The site on a port of this machine."""
    handler = partial(_Silent, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""


@pytest.mark.docs
@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 400])
def test_it_is_readable_in_a_browser(site: Path, address: str, width: int):
    path = shutil.which("chromium")
    if path is None:
        absent("no chromium; scripts/browser-install.sh")
    from playwright.sync_api import sync_playwright

    asked, said, wide, without = [], [], [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.set_default_timeout(120_000)
        page.on("request", lambda request: asked.append(request.url))
        # the theme logs which colours it takes
        page.on("console", lambda message: message.type in ("error", "warning") and said.append(f"{page.url}: {message.text}"))
        page.on("pageerror", lambda error: said.append(f"{page.url}: {error}"))
        for name in pages(site):
            page.goto(address + name)
            if (scroll := page.evaluate("document.documentElement.scrollWidth")) > width:
                wide.append(f"{name}: {scroll}")
            # pictures below the first screen load when they are reached
            page.evaluate("document.querySelectorAll('img').forEach(one => one.loading = 'eager')")
            page.wait_for_function("[...document.images].every(one => one.complete)")
            without += page.evaluate(MISSING)
            assert page.locator("h1").count() == 1, name
        browser.close()
    assert not wide, f"wider than {width}: {wide}"
    assert not without
    assert not said
    assert all(url.startswith((address, "data:")) for url in asked), [url for url in asked if not url.startswith(address)]
