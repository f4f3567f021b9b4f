"""Takes the picture of docs/how-to/explore.md from a run of hh_fit: ``python docs/figures/explore.py [DIRECTORY]``.

It needs Playwright and a Chromium (scripts/browser-install.sh). Without a page in the directory (runs/hh_fit_explored), the
study is run there first.
"""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

import hpcsim

IMAGE = Path(__file__).parents[1] / "images" / "explore.png"
WIDTH, COLOURS = 860, 64
#: What is done on the page: the best tenth, and the best point of it is chosen.
STEPS = """() => {
    const model = (name) => Bokeh.documents[0].get_model_by_name(name);
    const largest = model("color").value;
    model("best").value = largest;
    model("share").value = 10;
    const values = model("points").data[largest];
    const finite = [...values.keys()].filter((row) => !Number.isNaN(values[row]));
    finite.sort((a, b) => values[a] - values[b]);
    model("points").selected.indices = [finite[0]];
}"""


def main(directory: Path) -> None:
    """Run the study, write its page, and take the picture."""
    if not (directory / "explore.html").exists():
        text = (Path(__file__).parents[2] / "params" / "hh_fit.toml").read_text()
        file = directory.parent / "hh_fit_explored.toml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.replace('keep = ["ephys"]', 'keep = ["ephys", "v"]').replace('"hh_fit"', '"hh_fit_explored"'))
        study = hpcsim.Study.load(file)
        study.run("local", directory).close()
        study.report(directory)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": 900})
        page.goto((directory / "explore.html").resolve().as_uri())
        page.locator("body[data-ready=yes]").wait_for()
        page.evaluate(STEPS)
        page.wait_for_timeout(1000)
        end = page.locator("#part-scatter").bounding_box()
        start = page.locator("h2").first.bounding_box()
        clip = {"x": 0, "y": start["y"] - 10, "width": WIDTH, "height": end["y"] + end["height"] - start["y"] + 20}
        taken = page.screenshot(full_page=True, clip=clip)
        browser.close()
    Image.open(io.BytesIO(taken)).convert("RGB").quantize(COLOURS).save(IMAGE, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/hh_fit_explored"))
