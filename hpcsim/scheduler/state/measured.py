"""What a point costs, as the finished ones of a study show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hpcsim.collector.format.schema import OK
from hpcsim.collector.format.table import Table
from hpcsim.errors import HpcsimError
from hpcsim.study.directory import StudyDirectory
from hpcsim.study.history import fingerprints
from hpcsim.study.study import Study

#: Rows of a file that are looked at: the last ones.
_ROWS = 20_000
#: Files that are looked at.
_FILES = 200


@dataclass(frozen=True)
class Measured:
    """What finished points took.

    Parameters
    ----------
    points : int
        How many were looked at.
    seconds, longest : float
        Wall time of a point: mean and maximum.
    memory : float
        MB (10**6 bytes), the most that a process had.
    """

    points: int
    seconds: float
    longest: float
    memory: float


def measure(study: Study, directory: StudyDirectory) -> Measured | None:
    """What the finished points of a study took; None when there are none."""
    times, memory = [np.empty(0)], [np.empty(0)]
    recipes = fingerprints(study, directory)
    for path in directory.result_files()[-_FILES:]:
        try:
            with Table(path) as table:
                if table.attrs.get("fingerprint") not in recipes:
                    continue
                rows = slice(max(0, len(table) - _ROWS), len(table))
                good = table.array("status", rows) == OK
                times.append(table.array("wall_time", rows)[good])
                memory.append(table.array("peak_memory", rows)[good])
        except (OSError, KeyError, RuntimeError, HpcsimError):
            # tasks merge their shards meanwhile
            continue
    wall = np.concatenate(times)
    if not len(wall):
        return None
    return Measured(len(wall), float(wall.mean()), float(wall.max()), float(np.concatenate(memory).max()))
