"""Which points of a study the second page shows, in sentences: none is left out without a word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from hpcsim.collector.format.schema import STATUSES
from hpcsim.report.explore.table import BEST, MISSING, POINTS, PointTable

if TYPE_CHECKING:
    from hpcsim.collector.results import Results
    from hpcsim.report.standing import Standing
    from hpcsim.study.study import Study

#: Points up to which ids of the design are compared with those of the results.
_COMPARED = 1_000_000
_ENDED = {"ok": "succeeded", "failed": "failed", "crashed": "crashed", "timeout": "ran out of time", MISSING: "missing"}


def counted(study: Study, results: Results | None, standing: Standing, table: PointTable) -> list[tuple[str, bool]]:
    """Sentences about all points of the study, each with a word whether it warns.

    Parameters
    ----------
    study : Study
    results : Results, optional
    standing : Standing
    table : PointTable
    """
    there = dict.fromkeys(STATUSES, 0) if results is None else dict(results.counts)
    left = None if standing.done is None else standing.total - standing.done
    outside = _outside(study, results, left, standing)
    of_design = {word: count - outside[word] for word, count in there.items()}
    parts = [f"{_count(count)} {_ENDED[word]}" for word, count in _said({**of_design, MISSING: left})]
    sentences = [(f"The study has {standing.total:,} point{'s' * (standing.total != 1)}: {', '.join(parts)}.", False)]
    if old := sum(outside.values()):
        sentences.append((f"The results hold {old:,} more, of an earlier design; they count below.", True))
    shown = {word: int(np.count_nonzero(table.status == word)) for word in (*STATUSES, MISSING)}
    numbers = {**there, MISSING: left}
    if all(shown[word] == count for word, count in numbers.items()):
        sentences.append((f"All {len(table):,} are shown." if len(table) != 1 else "It is shown.", False))
    else:
        of = ", ".join(f"{shown[word]:,} of {_count(count)} {_ENDED[word]}" for word, count in _said(numbers) if count != 0)
        rest = f", with the {BEST} best of the search" if study.search and len(table) > POINTS else ""
        words = f"Shown are {len(table):,} points ({of}), a sample that is always the same{rest}."
        sentences.append((f"{words} Percentages are of the points that are shown.", True))
    if left is not None and (waiting := standing.total - left - sum(of_design.values())) > 0:
        words = "are finished and have no row here: they wait to be collected, or have the values of another point"
        sentences.append((f"{waiting:,} more {words}.", True))
    return sentences + [(note, True) for note in [*standing.missing, *table.notes]]


def _said(numbers: Mapping[str, int | None]) -> list[tuple[str, int | None]]:
    """Those that are worth a word."""
    return [(word, count) for word, count in numbers.items() if count != 0 or word in ("ok", "failed", MISSING)]


def _count(number: int | None) -> str:
    return "an unknown number" if number is None else f"{number:,}"


def _outside(study: Study, results: Results | None, left: int | None, standing: Standing) -> Counter[str]:
    """How many rows are no points of the design, by their status; ids are compared only where numbers do not fit."""
    if results is None or left is None or standing.total > _COMPARED:
        return Counter()
    if len(results) + left == standing.total and not standing.missing:
        return Counter()
    known = np.isin(results.table.ids(), study.design.ids(0, len(study.design)))
    return Counter(STATUSES[code] for code in results.table.array("status")[~known].tolist())
