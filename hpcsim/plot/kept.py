"""What results hold that a figure can be drawn of, and what to say where they do not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from hpcsim.errors import ResultsError, nearest
from hpcsim.outputs import Output

if TYPE_CHECKING:
    from hpcsim.collector.results import Results


def with_points(results: Results) -> Results:
    """The results, if they have points.

    Raises
    ------
    ResultsError
        If there is none, or none succeeded.
    """
    if not len(results):
        raise ResultsError(f"{results.path} has no points yet: there is nothing to draw; run the study first")
    if not results.counts["ok"]:
        raise ResultsError(f"{results.path}: none of {len(results)} points succeeded; see results.failures")
    return results


def output(results: Results, name: str) -> Output:
    """What is declared of an output that was kept.

    Raises
    ------
    ResultsError
        If it was not kept, with those that were.
    """
    layout = results.table.layout
    if name not in layout:
        kept = ", ".join(layout.outputs) or "none"
        raise ResultsError(
            f'{results.path}: the output "{name}" was not kept; kept were: {kept}; '
            f"{nearest(name, layout.outputs)} To have it, name it in [outputs] keep, and run the study in another directory"
        )
    return layout[name]


def rows(results: Results, ids: Iterable[str] | None = None) -> np.ndarray:
    """Rows of points by their ids, or of all that succeeded; the first digits of an id do.

    Raises
    ------
    ResultsError
        If there is no such point, or it did not succeed.
    """
    known = results.table.ids().astype(str)
    good = results.table.good
    if ids is None:
        return np.flatnonzero(good)
    found = []
    for given in [ids] if isinstance(ids, str) else ids:
        there = np.flatnonzero(np.char.startswith(known, given))
        if len(there) != 1:
            what = "no point begins" if not len(there) else f"{len(there)} points begin"
            raise ResultsError(f'{results.path}: {what} with "{given}"; ids are the index of results.parameters')
        if not good[there[0]]:
            raise ResultsError(f"{results.path}: the point {known[there[0]]} did not succeed; see results.failures")
        found.append(int(there[0]))
    return np.array(found, int)
