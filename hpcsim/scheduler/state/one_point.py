"""One point of a study, by the first digits of its id: its values, how it ended, and what it gave."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcsim.collector.format.schema import OK, STATUSES
from hpcsim.collector.format.table import SCAN_ROWS, Table
from hpcsim.collector.lookup import closest, matching, not_one
from hpcsim.errors import HpcsimError, ResultsError
from hpcsim.space.parameter import Value
from hpcsim.space.points import Points, column

#: So many digits of an id belong to one point of any design that can be simulated, but for a chance of one in a thousand.
_SURE = 10

if TYPE_CHECKING:
    from hpcsim.study.directory import StudyDirectory
    from hpcsim.study.study import Study

#: How a point ended that has no row yet.
MISSING = "missing"


@dataclass(frozen=True, eq=False)
class FoundPoint:
    """A point of a study.

    Parameters
    ----------
    id : str
    index : int, optional
        Where it stands in the design; None where the design no longer has it.
    values : mapping of str to value
        Of all parameters.
    replicate, seed : int
    status : str
        ok, failed, crashed, timeout, or missing where it was not simulated yet.
    record : mapping of str to value
        Error, attempts, times, memory and host; empty where it is missing.
    outputs : mapping of str to ndarray
        What was kept; empty where it did not succeed.
    path : Path, optional
        The file that holds it.
    """

    id: str
    index: int | None
    values: Mapping[str, Value]
    replicate: int
    seed: int
    status: str = MISSING
    record: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, np.ndarray] = field(default_factory=dict)
    path: Path | None = None

    @property
    def points(self) -> Points:
        """As a batch of one."""
        columns = {name: column((value,)) for name, value in self.values.items()}
        return Points(columns, [self.id], np.array([self.replicate], np.int64), np.array([self.seed], np.uint64))


def find_point(study: Study, directory: StudyDirectory, prefix: str) -> FoundPoint:
    """The point whose id begins with some digits: of the results, of shards, or of the design.

    Parameters
    ----------
    study : Study
    directory : StudyDirectory
        It need not be there.
    prefix : str

    Raises
    ------
    ResultsError
        If no point has such an id, or several have; the message names the nearest.
    """
    if not prefix:
        raise ResultsError(f"{directory.path}: the beginning of an id is empty; `hpcsim log` lists points that failed")
    held = _held(directory, prefix)
    planned = _in_design(study, *next(iter(held.items()))) if len(held) == 1 else {}
    # few digits may also be those of a point that is not simulated yet
    if len(held) != 1 or len(prefix) < _SURE:
        planned = {**_search_design(study, prefix), **planned}
    ids = list(dict.fromkeys([*held, *planned]))
    if len(ids) != 1:
        words = not_one(prefix, ids, "" if ids else _nearest(study, directory, prefix))
        raise ResultsError(f"{directory.path}: {words}{_numbered(study, prefix)}")
    [id] = ids
    index = planned.get(id)
    if id in held:
        with Table(held[id].path) as table:
            return _read(study, table, held[id].row, index)
    assert index is not None
    point = study.design.point(index)
    return FoundPoint(id, index, point.values, point.replicate, point.seed)


@dataclass(frozen=True)
class _Place:
    """Where a point's row is."""

    path: Path
    row: int
    succeeded: bool


def _held(directory: StudyDirectory, prefix: str) -> dict[str, _Place]:
    """The rows whose ids begin so; of several of one point the last, or the last that succeeded."""
    found: dict[str, _Place] = {}
    for table in _tables(directory):
        for start, ids in table.scan_ids():
            for match in matching(ids, prefix):
                id, row = ids[match].decode(), start + int(match)
                place = _Place(table.path, row, bool(table.array("status", slice(row, row + 1))[0] == OK))
                if id not in found or place.succeeded or not found[id].succeeded:
                    found[id] = place
    return found


def _tables(directory: StudyDirectory) -> Iterator[Table]:
    """Results and shards that can be read; `hpcsim check` says which cannot."""
    for path in directory.result_files():
        with suppress(OSError, KeyError, RuntimeError, HpcsimError), Table(path) as table:
            yield table


def _in_design(study: Study, id: str, place: _Place) -> dict[str, int]:
    """Where a point with this id stands in the design: most often where its row stands in the results."""
    row = place.row
    if row < len(study.design) and study.design.ids(row, row + 1)[0].decode() == id:
        return {id: row}
    return _search_design(study, id)


def _search_design(study: Study, prefix: str) -> dict[str, int]:
    """Ids of the design that begin so, and the number of the first point that has each."""
    found: dict[str, int] = {}
    for start, ids in _planned(study):
        for match in matching(ids, prefix):
            found.setdefault(ids[match].decode(), start + int(match))
    return found


def _planned(study: Study) -> Iterator[tuple[int, np.ndarray]]:
    for start in range(0, len(study.design), SCAN_ROWS):
        yield start, study.design.ids(start, min(len(study.design), start + SCAN_ROWS))


def _numbered(study: Study, prefix: str) -> str:
    """Where the beginning of an id may be meant as the number of a point, its id."""
    if len(prefix) >= _SURE or not (prefix.isascii() and prefix.isdecimal()) or int(prefix) >= len(study.design):
        return ""
    [id] = study.design.ids(int(prefix), int(prefix) + 1)
    return f"; point {int(prefix)} of the study is {id.decode()[:12]}"


def _nearest(study: Study, directory: StudyDirectory, prefix: str) -> str:
    planned = [closest(ids, prefix) for _, ids in _planned(study)]
    held = [closest(ids, prefix) for table in _tables(directory) for _, ids in table.scan_ids()]
    return max([*planned, *held], key=lambda pair: pair[0], default=(0, ""))[1]


def _read(study: Study, table: Table, row: int, index: int | None) -> FoundPoint:
    one = slice(row, row + 1)
    record = {name: _plain(table.array(name, one)[0]) for name in table.names("record")}
    status = STATUSES[record.pop("status")]
    if index is None:
        values = {name: _plain(table.array(name, one)[0]) for name in table.names("parameter")}
    else:
        # results may hold parameters as float32
        values = dict(study.design.point(index).values)
    outputs = {name: np.asarray(table.batch(name, row, row + 1)[0]) for name in table.names("output")} if status == "ok" else {}
    id, replicate, seed = record.pop("id"), record.pop("replicate"), record.pop("seed")
    return FoundPoint(id, index, values, replicate, seed, status, record, outputs, table.path)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.ndim:
        return tuple(value.tolist())
    return value.item() if hasattr(value, "item") else value
