"""Studies against each other: what differs in their settings, and what that makes of points, outputs and posteriors."""

from __future__ import annotations

import io
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpcsim.errors import ResultsError, StudyError
from hpcsim.study.directory import StudyDirectory
from hpcsim.study.file import read
from hpcsim.study.study import Study
from hpcsim.workflow.comparison.outputs import CommonPoints, compare_outputs
from hpcsim.workflow.comparison.posteriors import PosteriorDifference, compare_posteriors
from hpcsim.workflow.comparison.settings import Difference, differing

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Comparison:
    """What differs in two or more studies; its text is a few tables.

    Parameters
    ----------
    names : tuple of str
        Of the studies, as they were given.
    differences : tuple of Difference
        Settings that are not the same in all.
    points : tuple of CommonPoints
        The first one that has results against each other one that has.
    posteriors : tuple of PosteriorDifference
    without_results : tuple of str
        Studies whose settings alone were compared.
    """

    names: tuple[str, ...]
    differences: tuple[Difference, ...]
    points: tuple[CommonPoints, ...]
    posteriors: tuple[PosteriorDifference, ...]
    without_results: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values."""
        return asdict(self)

    def text(self, width: int = 100) -> str:
        """All of it as tables of so many characters."""
        from rich.console import Console

        console = Console(file=io.StringIO(), width=width, highlight=False)
        for part in self._parts():
            if isinstance(part, str):
                console.print(part, markup=False, soft_wrap=True)
            else:
                console.print(part)
        text: str = console.file.getvalue()  # type: ignore[attr-defined]
        return text.rstrip("\n")

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"<Comparison of {', '.join(self.names)}: {len(self.differences)} settings differ>"

    def _parts(self) -> Iterator[str | Table]:
        if self.differences:
            yield f"settings that differ: {len(self.differences)}"
            yield _table(("", "setting", *self.names), ((d.section, d.name, *d.texts) for d in self.differences))
        else:
            yield "no setting differs"
        for found in self.points:
            by = "the same id" if found.by == "id" else f"the same {found.by} (no id is in both)"
            counts = f"{found.n_first:,} and {found.n_other:,} points, {found.common:,} in common by {by}"
            yield f"\n{found.first} and {found.other}: {counts}; {found.compared:,} ok in both"
            if found.outputs:
                heads = ("output", "unit", "equal to the bit", "largest difference", "relative", "correlation", "")
                yield _table(heads, (_row(output) for output in found.outputs))
        if self.posteriors:
            yield "\nposteriors (medians over observations; shift: the largest, in sd of the first):"
            columns = ("", "parameter", "observations", "mean", "other", "sd", "other", "shift")
            yield _table(columns, (_posterior_row(found) for found in self.posteriors))
        if self.without_results:
            yield f"\nwithout results: {', '.join(self.without_results)}"


def compare(*studies: str | Path | Study) -> Comparison:
    """What differs in two or more studies: settings, points in common, their outputs, and posteriors.

    Parameters
    ----------
    studies : str, Path or Study
        Directories of studies, results files, study files or shipped studies, the latter two with ``@SCALE`` behind them where
        a scale is meant. A study file has the results of ``runs/NAME``, where these were made by the same recipe.

    Returns
    -------
    Comparison
        Print it, or take its parts.

    Raises
    ------
    ResultsError
        If there are less than two.
    StudyError
        If one is not there.

    Examples
    --------
    >>> import hpcsim
    >>> print(hpcsim.compare("hagen2022_kernels", "hagen2022_kernels@ci"))  # doctest: +SKIP
    """
    from hpcsim.collector.results import Results

    if len(studies) < 2:
        raise ResultsError(f"found {len(studies)} study to compare; expected two or more")
    known = [_known(study) for study in studies]
    names = tuple(name for name, _, _ in known)
    points: list[CommonPoints] = []
    posteriors: list[PosteriorDifference] = []
    with ExitStack() as stack:
        opened = [(name, path, stack.enter_context(Results(path))) for name, _, path in known if path is not None]
        for name, path, results in opened[1:]:
            first, first_path, first_results = opened[0]
            points.append(compare_outputs(first, first_results, name, results))
            posteriors += compare_posteriors(first, first_path.parent, name, path.parent)
    without = tuple(name for name, _, path in known if path is None)
    return Comparison(names, differing([tables for _, tables, _ in known]), tuple(points), tuple(posteriors), without)


def _known(study: str | Path | Study) -> tuple[str, Mapping[str, Any], Path | None]:
    """Name, tables and results of a study."""
    from hpcsim.collector.results import Results

    if isinstance(study, Study):
        return study.name, tomllib.loads(study.to_toml()), _results_of(study)
    path = Path(study)
    if path.suffix == ".h5" and path.is_file():
        with Results(path) as results:
            return str(study), results.study, path
    directory = StudyDirectory(path)
    if path.is_dir() and directory.study.exists():
        return str(study), read(directory.study), directory.results if directory.results.exists() else None
    where, _, scale = str(study).partition("@")
    if path.exists() or not scale:
        where, scale = str(study), ""
    loaded = Study.load(where, scale)
    return str(study), tomllib.loads(loaded.to_toml()), _results_of(loaded)


def _results_of(study: Study) -> Path | None:
    """Results of ``runs/NAME``, if they are those of this study."""
    try:
        directory = study.directory()
        if directory.results.exists() and directory.recipe() == study.recipe:
            return directory.results
    except (OSError, StudyError):
        return None
    return None


def _row(output: Any) -> tuple[str, ...]:
    if not output.points:
        return (output.name, output.unit, "", "", "", "", output.note)
    return (
        output.name,
        output.unit,
        "all" if output.equal == output.points else f"{output.equal:,} of {output.points:,}",
        f"{output.largest:.3g}",
        f"{output.relative:.3g}",
        "" if output.correlation != output.correlation else f"{output.correlation:.6f}",
        output.note,
    )


def _posterior_row(found: PosteriorDifference) -> tuple[str, ...]:
    numbers = (found.mean, found.other_mean, found.sd, found.other_sd, found.shift)
    return (f"{found.other} {found.method}", found.parameter, f"{found.observations:,}", *(f"{n:.4g}" for n in numbers))


def _table(heads: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0))
    for head in heads:
        table.add_column(Text(head))
    for row in rows:
        table.add_row(*map(Text, row))
    return table
