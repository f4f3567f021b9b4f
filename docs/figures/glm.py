"""Runs the Python of docs/tutorials/glm.md in a folder and draws its pictures there: ``python docs/figures/glm.py FOLDER``.

With ``--allen`` it runs on the cell of the Allen Cell Types Database that NeMoS' tutorial has; it is fetched.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "tutorials" / "glm.md"


def blocks() -> list[str]:
    """The page's Python, block by block."""
    return re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def on_file(file: Path) -> dict[str, str]:
    """What to replace so that the page runs on a file, and simulates nothing."""
    return {'results = study.run("inline", "glm_cell")': "", '[file] = export(results, "nwb")': f"file = {str(file)!r}"}


def run(folder: Path, replaced: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Execute the page in a folder; returns its names.

    Parameters
    ----------
    folder : Path
    replaced : mapping of str to str, optional
        Texts of the page, and what stands for them, such as a shorter stimulus.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    names: dict[str, Any] = {}
    before = Path.cwd()
    os.chdir(folder)
    try:
        for k, block in enumerate(blocks()):
            for old, new in (replaced or {}).items():
                block = block.replace(old, new)
            exec(compile(block, f"{PAGE.name}, block {k + 1}", "exec"), names)
    finally:
        os.chdir(before)
    return names


if __name__ == "__main__":
    given = [argument for argument in sys.argv[1:] if argument != "--allen"]
    replaced = None
    if "--allen" in sys.argv:
        from hpcsim.data.public import fetch

        replaced = on_file(fetch("allen/478498617.nwb").absolute())
    run(Path(given[0] if given else "."), replaced)
