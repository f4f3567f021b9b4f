"""A study of the toy model, the squares of 0, 1, 2 and so on, and what its results must hold."""

from __future__ import annotations

from pathlib import Path

from hpcsim import Study
from hpcsim.collector.format.table import Table
from hpcsim.study.directory import StudyDirectory

STUDY = '[study]\nname = "s"\nmodel = "toys:single"\n[space]\nx = { linspace = [0, %d, %d] }\n[fixed]\nseconds = %g\n'


def make(
    folder: Path, n: int, seconds: float = 0.0, task_size: int | None = None, *, marked: bool = False
) -> tuple[Study, StudyDirectory]:
    """The study of n points of so many seconds in ``s.toml`` of a folder, and its directory under the current folder.

    Those of a marked one tell `begun` that they have begun.
    """
    marker = f'marker = "{folder / "begun"}"\n' if marked else ""
    resources = f"[resources]\ntask_size = {task_size}\n" if task_size else ""
    (folder / "s.toml").write_text(STUDY % (n - 1, n, seconds) + marker + resources)
    study = Study.load(folder / "s.toml")
    return study, study.directory()


def begun(folder: Path) -> int:
    """How many points of the marked study of a folder have begun; a process begins one when it has finished the one before."""
    marker = folder / "begun"
    return len(marker.read_text().splitlines()) if marker.exists() else 0


def rows(directory: StudyDirectory) -> dict[float, float]:
    """The square of each x in the results."""
    with Table(directory.results) as table:
        return dict(zip(table.array("x"), table.array("square"), strict=True))


def right(n: int) -> dict[float, float]:
    """What `rows` must give for n points."""
    return {float(x): float(x**2) for x in range(n)}


def finished(directory: StudyDirectory) -> list[float]:
    """Each x that was simulated without a failure, in order."""
    with Table(directory.results) as table:
        return sorted(table.array("x")[table.array("status") == 0])
