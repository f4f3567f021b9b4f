"""Whether the results hold what the design asks for: what no command takes for granted before it says success."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from hpcsim.collector.format.table import Table
from hpcsim.collector.intake import check_recipe
from hpcsim.errors import AllFailedError, IncompleteError
from hpcsim.scheduler.plan import Plan, complete, plan
from hpcsim.study.directory import StudyDirectory
from hpcsim.study.history import known_fingerprints

if TYPE_CHECKING:
    from hpcsim.study.study import Study

#: Points that a message names.
_NAMED = 3


def uncollected(study: Study, directory: StudyDirectory) -> Plan:
    """Points of the design without a row in the results, whatever shards hold.

    Raises
    ------
    DirectoryError
        If the results are of another recipe.
    """
    if directory.results.exists():
        check_recipe(directory.results, known_fingerprints(study, directory))
    return plan(study, directory, collected=True)


def check_whole(study: Study, directory: StudyDirectory, advice: str = "") -> None:
    """Check that the results hold a row for every point of the design.

    Parameters
    ----------
    study : Study
    directory : StudyDirectory
    advice : str
        What to do; to run the study, by default.

    Raises
    ------
    IncompleteError
        If not; it says how many points are missing, and which.
    DirectoryError
        If the results are of another recipe.
    """
    if complete(study, directory):
        return
    found = uncollected(study, directory)
    if found.left:
        raise IncompleteError(
            f"{directory.path}: {found.left:,} of {found.total:,} points have no row in {directory.results.name}: "
            f"{_named(study, found)}; {advice or f'`hpcsim run {directory.path}` simulates them'}",
            found.left,
            found.total,
        )


def check_success(study: Study, directory: StudyDirectory) -> None:
    """Check that not all points of the design failed; those whose results are whole are looked at.

    Raises
    ------
    AllFailedError
        If none succeeded; it says the most frequent reason.
    """
    if not directory.results.exists():
        return
    with Table(directory.results) as table:
        good = table.good
        if good.any() and (len(good) <= len(study.design) or good.all()):
            return
        if good.any() and plan(study, directory, collected=True, retry_failed=True).left < len(study.design):
            # some of the rows that succeeded are of this design
            return
        errors = Counter(table.array("error", slice(0, table.piece("error")))[~good[: table.piece("error")]].tolist())
    reason, count = errors.most_common(1)[0] if errors else ("", 0)
    most = f"; most often ({count:,} times): {reason}" if reason else ""
    raise AllFailedError(
        f"{directory.path}: all {len(study.design):,} points failed{most}; `hpcsim status {directory.path}` says more, "
        f"`hpcsim run {directory.path} --retry-failed` tries them again"
    )


def _named(study: Study, found: Plan) -> str:
    """The first points that are missing: number, id and what varies."""
    numbers = [number for start, stop in found.pending[:_NAMED] for number in range(start, min(stop, start + _NAMED))][:_NAMED]
    varying = sorted({*study.space.sampled, *(name for axis in study.space.axes for name in axis.names)})
    texts = []
    for number in numbers:
        point = study.design.point(number)
        values = [f"{name} = {_shown(point.values[name])}" for name in varying]
        if study.design.replicates > 1:
            values.append(f"replicate {point.replicate}")
        texts.append(f"point {number} ({', '.join([*values, f'id {point.id[:8]}'])})")
    return ", ".join(texts) + (", ..." if found.left > len(texts) else "")


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, (float, np.floating)) else str(value)
