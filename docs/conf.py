"""The documentation site: ``make docs`` builds it, with each warning an error and without a network."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from pygments.lexers.special import TextLexer  # noqa: E402
from reference_pages import write_reference  # noqa: E402
from reference_pages.llms import llms  # noqa: E402
from reference_pages.pictures import PAGES, draw  # noqa: E402
from sphinx.application import Sphinx  # noqa: E402

import hpcsim  # noqa: E402

project = "hpcsim"
author = "the authors of hpcsim"
copyright = "the authors of hpcsim; GPL-3.0-or-later"
version = release = hpcsim.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "numpydoc", "sphinx_copybutton"]
# pages that the code itself writes
exclude_patterns = ["_build", "figures", "reference_pages"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

html_theme = "pydata_sphinx_theme"
html_title = "hpcsim"
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = "_static/favicon.svg"
html_theme_options = {
    "show_prev_next": True,
    "show_nav_level": 1,
    "navigation_depth": 3,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_context = {"default_mode": "auto"}
html_sidebars: dict[str, list[str]] = {"index": []}

write_reference(HERE / "reference" / "generated")


def _write_llms(app: Sphinx, error: Exception | None) -> None:
    """Write `llms.txt` beside the pages."""
    if error is None:
        names = _in_order(app, str(app.config.root_doc))
        pages = {name: Path(app.env.doc2path(name)).read_text(encoding="utf-8") for name in names}
        about = (
            "Parameter sweeps of neural simulations (NEST, NEURON, Brian2, Python), from one text file to inferred parameters."
        )
        (Path(app.outdir) / "llms.txt").write_text(llms(pages, about), encoding="utf-8")


def _draw(app: Sphinx, error: Exception | None) -> None:
    """Put pictures that the pages' own code draws now in the place of those that are stored for readers without the site."""
    if error is None and app.builder.format == "html":
        for name in PAGES:
            for picture in draw(name, HERE / "_build" / "pictures"):
                place = Path(app.outdir) / "_images" / picture.name
                if not place.exists():
                    raise FileNotFoundError(f"{name} draws {picture.name}, which no page shows")
                shutil.copyfile(picture, place)


def _in_order(app: Sphinx, name: str) -> list[str]:
    """A page and all below it, as the tables of contents have them."""
    below = app.env.toctree_includes.get(name, [])
    return [name, *(page for child in below for page in _in_order(app, child))]


def setup(app: Sphinx) -> None:
    """Tell Sphinx what it does not know: a table of text is shown as it is; and draw pictures and write `llms.txt` at the end."""
    app.add_lexer("csv", TextLexer)
    app.connect("build-finished", _write_llms)
    app.connect("build-finished", _draw)
