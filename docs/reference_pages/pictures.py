"""Pictures of pages whose code takes seconds: drawn anew by the code of the page whenever the site is built."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from reference_pages.blocks import files, program, studies

DOCS = Path(__file__).parents[1]
#: Pages, and those that a reader has done before.
PAGES = {"start/read_results.md": ("start/own_study.md",), "how-to/neuron_script.md": ()}
_HEAD = """import subprocess, sys
from pathlib import Path
from matplotlib.figure import Figure

made, new = [], Figure.__init__

def remembered(self, *values, **more):
    new(self, *values, **more)
    made.append(self)

Figure.__init__ = remembered

def command(words):
    subprocess.run([sys.executable, "-m", "hpcsim", *words], check=True)

def picture(name):
    from hpcsim.plotting import save
    if {wanted}:
        # the last figure that the code above has made
        save(made.pop(), Path({folder!r}) / name, 80)

"""


def draw(name: str, folder: Path) -> list[Path]:
    """Run the code of a page, and of those before it, in an empty folder, and keep its pictures.

    Parameters
    ----------
    name : str
        One of `PAGES`.
    folder : Path
        Gets the pictures; those that are there and of the same code are not drawn again.

    Raises
    ------
    RuntimeError
        If the page cannot be run, or draws nothing.
    """
    names = (*PAGES[name], name)
    texts = [(DOCS / each).read_text(encoding="utf-8") for each in names]
    place = folder / _key(texts)
    if not place.exists():
        with tempfile.TemporaryDirectory() as temporary:
            work, drawn = Path(temporary) / "work", Path(temporary) / "drawn"
            work.mkdir()
            drawn.mkdir()
            for each, text in zip(names, texts, strict=True):
                for file, source in {**files(text), **studies(text)}.items():
                    (work / file).write_text(source, encoding="utf-8")
                script = Path(temporary) / "page.py"
                script.write_text(_HEAD.format(wanted=each == name, folder=str(drawn)) + program(text), encoding="utf-8")
                _run(script, work, each)
            if not any(drawn.iterdir()):
                raise RuntimeError(f"{name} draws no picture")
            shutil.copytree(drawn, place)
    return sorted(place.iterdir())


def _run(script: Path, work: Path, name: str) -> None:
    search = os.pathsep.join([str(work), str(DOCS.parent), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": search, "MPLBACKEND": "Agg"}
    done = subprocess.run([sys.executable, str(script)], cwd=work, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the code of {name} cannot be run: {done.stderr[-2000:]}")


def _key(texts: list[str]) -> str:
    """What pictures depend on: the pages, and the code of hpcsim as it is now."""
    newest = max(path.stat().st_mtime_ns for path in (DOCS.parent / "hpcsim").rglob("*.py"))
    return hashlib.sha256("\n".join([*texts, str(newest)]).encode()).hexdigest()[:16]
