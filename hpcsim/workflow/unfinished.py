"""Points of a design that are missing: all of few, an even sample of many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from hpcsim.collector.format.runs import runs
from hpcsim.collector.format.table import finished
from hpcsim.study.history import fingerprints

if TYPE_CHECKING:
    from hpcsim.space.points import Points
    from hpcsim.study.directory import StudyDirectory
    from hpcsim.study.study import Study

#: Missing points that are told at most.
_MOST = 2000
#: Pieces of a design that are looked at where nobody has compared all of it, and points of each.
_PIECES, _PIECE = 50, 200
#: Points in a row that are taken of a design that is drawn, where they are as good as any.
_TOGETHER = 25


def unfinished_points(study: Study, directory: StudyDirectory, pending: Sequence[tuple[int, int]] | None) -> Points | None:
    """Some points that have no results yet, all of them where they are few; None where there are none.

    Parameters
    ----------
    study : Study
    directory : StudyDirectory
    pending : sequence of (start, stop), optional
        Runs of the design that are not finished; without them, pieces of the design are looked at.
    """
    found = _looked_for(study, directory) if pending is None else pending
    left = sum(stop - start for start, stop in found)
    if not left:
        return None
    if left <= _MOST:
        chosen = list(found)
    else:
        together = 1 if study.design.method == "grid" else _TOGETHER
        chosen = _evenly(found, left, together)
    blocks = [study.design.block(start, stop) for start, stop in chosen]
    whole = blocks[0]
    columns = {name: np.concatenate([block.columns[name] for block in blocks]) for name in whole.columns}
    ids = [id for block in blocks for id in block.ids]
    seeds, replicates = (np.concatenate([getattr(block, name) for block in blocks]) for name in ("seeds", "replicates"))
    return type(whole)(columns, ids, replicates, seeds)


def _evenly(found: Sequence[tuple[int, int]], left: int, together: int) -> list[tuple[int, int]]:
    """Short runs, evenly over all that is pending."""
    ends = np.cumsum([stop - start for start, stop in found])
    ranks = np.linspace(0, left - 1, _MOST // together).astype(int)
    runs_of = np.searchsorted(ends, ranks, side="right")
    chosen, last = [], 0
    for rank, run in zip(ranks.tolist(), runs_of.tolist(), strict=True):
        stop = found[run][1]
        first = max(last, stop - (int(ends[run]) - rank))
        last = max(last, min(stop, first + together))
        if first < last:
            chosen.append((first, last))
    return chosen


def _looked_for(study: Study, directory: StudyDirectory) -> list[tuple[int, int]]:
    """Runs that are not finished, in pieces that are spread over the design."""
    total, known = len(study.design), fingerprints(study, directory)
    found, stop = list[tuple[int, int]](), 0
    for place in np.linspace(0, max(0, total - _PIECE), _PIECES).astype(int).tolist():
        # pieces of a small design overlap
        start, stop = max(place, stop), max(stop, min(total, place + _PIECE))
        ids = study.design.ids(start, stop)
        found += [(start + first, start + last) for first, last in runs(~finished(directory.result_files(), ids, known))]
    return found
