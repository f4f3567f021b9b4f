"""The points of the second page, by columns: those that succeeded, failed, and are missing, all of them or a sample."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcsim.collector.columns import frame_of
from hpcsim.collector.format.schema import OK, STATUSES
from hpcsim.collector.selection import Selection, sample_rows
from hpcsim.errors import ResultsError
from hpcsim.inference.inputs import unit_of
from hpcsim.plot.coverage import logarithmic
from hpcsim.plot.searched import Searched
from hpcsim.plotting import with_unit
from hpcsim.report.glance import feature_columns
from hpcsim.samplers.objectives import scores

if TYPE_CHECKING:
    from pandas import DataFrame

    from hpcsim.collector.results import Results
    from hpcsim.space.points import Points
    from hpcsim.study.study import Study

#: Rows that are shown, about; those that failed and the best ones of a search are shown beside a sample of so many.
POINTS, _FAILED, BEST = 4000, 500, 500
#: Columns that are shown, at most.
_COLUMNS = 40
#: Times the smallest value from which on positive numbers are spread over a logarithmic axis, and letters of an error.
_ORDERS, _LETTERS = 1e3, 300
#: Columns that a sentence names, at most.
_NAMED = 5
MISSING = "missing"
#: Column of a search by which its points are better or worse.
LARGEST = "largest objective"


@dataclass(frozen=True, eq=False)
class Column:
    """One number or word of each point.

    Parameters
    ----------
    name, unit : str
    kind : str
        ``parameter``, ``objective``, ``feature`` or ``record``.
    values : ndarray, shape (n,)
        Floats, NaN where there is none; or texts, None where there is none.
    logarithmic : bool
        Whether the values are spread over orders of magnitude.
    rounded : bool
        Whether some are whole numbers that no float holds.
    """

    name: str
    unit: str
    kind: str
    values: np.ndarray
    logarithmic: bool = False
    rounded: bool = False

    @property
    def label(self) -> str:
        """Name and unit."""
        return with_unit(self.name, self.unit)

    @property
    def words(self) -> list[str]:
        """The different texts, if it holds texts."""
        return sorted({*self.values.tolist()} - {None}) if self.values.dtype == object else []


@dataclass(frozen=True, eq=False)
class PointTable:
    """Points that are shown.

    Parameters
    ----------
    results : Results, optional
        The rows of those that were simulated.
    ids, status, errors : ndarray of str, shape (n,)
        Those that were simulated first; the status of the others is ``missing``.
    columns : sequence of Column
    left_out : sequence of str
        Outputs and columns that are not shown.
    notes : sequence of str
        Sentences about what could not be told.
    """

    results: Results | None
    ids: np.ndarray
    status: np.ndarray
    errors: np.ndarray
    columns: list[Column] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.ids)

    def best_first(self) -> np.ndarray:
        """Points that succeeded: of a search the best first, otherwise in the order of the results."""
        good = np.flatnonzero(self.status == STATUSES[OK])
        for column in self.columns:
            if column.name == LARGEST:
                return good[np.argsort(column.values[good], kind="stable")]
        return good


def point_table(study: Study, results: Results | None, unfinished: Points | None) -> PointTable:
    """The table of a study's points.

    Parameters
    ----------
    study : Study
    results : Results, optional
    unfinished : Points, optional
        Points of the design that were not simulated yet, or some of them.
    """
    import pandas

    missing = 0 if unfinished is None else len(unfinished)
    notes: list[str] = []
    search = _search(study, results, notes)
    few = results if results is None else _chosen(results, search)
    n = 0 if few is None else len(few)
    status, errors, ids = (np.full(n + missing, text, object) for text in (MISSING, "", ""))
    frames: list[DataFrame] = []
    if few is not None:
        names = few.table.names("parameter")
        frames.append(frame_of(few.table, names, np.arange(n)))
        status[:n] = np.array(STATUSES)[few.table.array("status")]
        errors[:n] = [text[:_LETTERS] for text in few.table.array("error").tolist()]
        ids[:n] = few.table.ids().astype(str)
    if unfinished is not None:
        frames.append(_frame(unfinished))
        ids[n:] = unfinished.ids
    parameters = pandas.concat(frames, ignore_index=True) if frames else pandas.DataFrame()
    columns = list(_parameters(study, parameters))
    replicates = np.zeros(n + missing)
    left_out: list[str] = []
    if few is not None and n:
        good = status[:n] == STATUSES[OK]
        columns += _objectives(few, search, good, n + missing)
        outputs, left_out = _features(few, good, n + missing)
        columns += outputs
        notes += _without_number(columns, good)
        replicates[:n] = few.table.array("replicate")
        columns.append(_record("wall time", "s", few.table.array("wall_time"), n + missing))
        columns.append(_record("row of the results", "", getattr(few, "whole_rows", np.arange(n)), n + missing))
    if unfinished is not None:
        replicates[n:] = unfinished.replicates
    if study.file.study.replicates > 1:
        columns.append(Column("replicate", "", "record", replicates))
    if rounded := [column.label for column in columns if column.rounded]:
        notes.append(f"Whole numbers above 2^53 are rounded to 16 digits here: {', '.join(rounded)}.")
    left_out += [column.name for column in columns[_COLUMNS:]]
    columns = [*columns[:_COLUMNS], Column("status", "", "record", status)]
    return PointTable(few, ids, status, errors, columns, left_out, notes)


def evenly(values: np.ndarray, most: int) -> np.ndarray:
    """Every k-th of many values, so that there are not more than `most`; all of few.

    Examples
    --------
    >>> evenly(np.arange(5), 3).tolist(), evenly(np.arange(0), 3).tolist()
    ([0, 2, 4], [])
    """
    return values[:: max(1, -(-len(values) // most))]


def _search(study: Study, results: Results | None, notes: list[str]) -> Searched | None:
    if not study.search or results is None or not len(results):
        return None
    try:
        return Searched.of(results)
    except ResultsError as error:
        notes.append(f"There are no objectives: {error}")
        return None


def _chosen(results: Results, search: Searched | None) -> Results:
    """All rows, or a sample with some of those that failed and the best ones of a search."""
    if len(results) <= POINTS:
        return results
    failed = np.flatnonzero(results.table.array("status") != OK)
    rows = [sample_rows(results, POINTS), evenly(failed, _FAILED)]
    if search is not None:
        best = search.ids[np.argsort(search.largest, kind="stable")[:BEST]]
        rows.append(np.flatnonzero(np.isin(results.table.ids().astype(str), best)))
    return Selection(results, np.unique(np.concatenate(rows)))


def _frame(points: Points) -> DataFrame:
    """Parameters of points of a design, as those of results: an entry of a list has a column."""
    import pandas

    columns: dict[str, Any] = {}
    for name, values in points.columns.items():
        if len(values) and isinstance(values[0], tuple):
            columns |= {f"{name}.{i}": [value[i] for value in values] for i in range(len(values[0]))}
        else:
            columns[name] = values
    return pandas.DataFrame(columns)


def _parameters(study: Study, table: DataFrame) -> Iterator[Column]:
    """Those that the study varies, and others that differ between rows."""
    varied = {name for axis in study.space.axes for name in axis.lists} | {*study.space.sampled}
    units = {parameter.name: parameter.unit for parameter in study.model.parameters}
    for label in table:
        name = str(label)
        base = name if name in units else name.rpartition(".")[0]
        if base in varied or table[name].nunique() > 1:
            spread = logarithmic(study.file.space, base)
            yield _column(name, units.get(base, ""), "parameter", table[name].to_numpy(), len(table), spread)


def _objectives(few: Results, search: Searched | None, good: np.ndarray, size: int) -> Iterator[Column]:
    """Objectives of a search in each row, and the largest."""
    if search is None:
        return
    values = scores(search.wanted, few.table, np.arange(len(few)))
    found = replace(search, objectives=np.where(good[:, None], values, np.nan))
    if len(search.wanted) > 1 or search.limit is not None:
        largest = np.where(np.isfinite(found.largest), found.largest, np.nan)
        yield _column(LARGEST, "SD" if found.in_sd and found.limit != 1.0 else "", "objective", largest, size)
    for number, objective in enumerate(search.wanted):
        yield _column(f"objective {objective.name}", "", "objective", found.objectives[:, number], size)
    if search.problem.cutoffs:
        words = np.where(found.accepted, "yes", "no").astype(object)
        yield Column("accepted", "", "objective", np.concatenate([words, np.full(size - len(words), None, object)]))


def _without_number(columns: Sequence[Column], good: np.ndarray) -> list[str]:
    """A sentence about columns that are infinite or no number at points that succeeded."""
    found = {}
    for column in columns:
        if column.kind in ("feature", "objective") and column.values.dtype != object:
            found[column.label] = int(np.count_nonzero(~np.isfinite(column.values[: len(good)][good])))
    named = [f"{label} at {count:,} point{'s' * (count != 1)}" for label, count in found.items() if count]
    more = f" and {len(named) - _NAMED} more columns" if len(named) > _NAMED else ""
    words = "Infinite or no number, and so without a place here though the point succeeded"
    return [f"{words}: {', '.join(named[:_NAMED])}{more}."] if named else []


def _features(few: Results, good: np.ndarray, size: int) -> tuple[list[Column], list[str]]:
    layout = few.table.layout
    table, left_out = feature_columns(few, [name for name in layout.outputs if layout.drawn_as(name) == "feature"])
    # a column of no entries is none
    left_out += [name for name in layout.outputs if layout.drawn_as(name) == "feature" and not math.prod(layout.shape(name))]
    columns = []
    for label in table:
        name, values = str(label), table[label].to_numpy()
        if values.dtype.kind == "c":
            left_out.append(name)
            continue
        full = np.full(len(good), None if values.dtype.kind in "OUS" else np.nan, object if values.dtype.kind in "OUS" else float)
        full[good] = values
        columns.append(_column(name, unit_of(few, name), "feature", full, size))
    return columns, left_out


def _column(name: str, unit: str, kind: str, values: np.ndarray, size: int, spread: bool | None = None) -> Column:
    """Numbers as floats and the rest as texts, with nothing for the points after them."""
    if values.dtype.kind not in "iuf":
        texts = np.full(size, None, object)
        texts[: len(values)] = [None if value is None else str(value) for value in values.tolist()]
        return Column(name, unit, kind, texts)
    full = np.concatenate([values.astype(float), np.full(size - len(values), np.nan)])
    finite = full[np.isfinite(full)]
    # what is not finite has no place on an axis
    full = np.where(np.isfinite(full), full, np.nan)
    positive = len(finite) > 0 and finite.min() > 0
    wide = positive and finite.max() > _ORDERS * finite.min()
    rounded = values.dtype.kind in "iu" and any(int(float(value)) != value for value in values.tolist())
    return Column(name, unit, kind, full, bool(positive and (wide if spread is None else spread)), rounded)


def _record(name: str, unit: str, values: np.ndarray, size: int) -> Column:
    return replace(_column(name, unit, "record", np.asarray(values), size), logarithmic=False)
