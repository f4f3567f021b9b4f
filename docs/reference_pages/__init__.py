"""Pages of the reference that are written from the code: what a plug-in, a section, a command or an error declares of itself.

They are made when the site is built (`docs/conf.py`), so that none of them can be older than the code.
"""

from __future__ import annotations

from pathlib import Path

from reference_pages import commands, errors, files, plugins, python, results

#: The name of each page, and what writes it.
PAGES = {
    "study_file": files.study_file,
    "site_file": files.site_file,
    "commands": commands.commands,
    "models": plugins.models,
    "stages": plugins.stages,
    "methods": plugins.methods,
    "samplers": plugins.samplers,
    "executors": plugins.executors,
    "studies": files.shipped,
    "results": results.results,
    "errors": errors.errors,
    "python": python.python,
}


def write_reference(folder: Path) -> None:
    """Write all pages; one that has not changed keeps its time, so that it is not built again.

    Parameters
    ----------
    folder : Path
        Where; it is made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        path, text = folder / f"{name}.md", page().rstrip() + "\n"
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
