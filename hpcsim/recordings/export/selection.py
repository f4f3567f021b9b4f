"""Which points are exported."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hpcsim.collector.results import Results
from hpcsim.collector.signals import find_row
from hpcsim.errors import ResultsError, SpaceError
from hpcsim.outputs import Layout
from hpcsim.space.constraint import Constraint


def select(results: Results, where: str = "", ids: Sequence[str] = ()) -> np.ndarray:
    """Rows of the points that succeeded and meet all that is asked.

    Parameters
    ----------
    results : Results
    where : str
        A condition on parameters, outputs that are one number, and single columns of outputs, such as
        ``"J_ext > 29 and rate.E < 10"``.
    ids : sequence of str
        Ids, or their first digits; all without.

    Raises
    ------
    ResultsError
        If the condition is none or names something else, an id is not there, or no point is left.
    """
    rows = np.flatnonzero(np.asarray(results.records["status"]) == "ok")
    if ids:
        rows = np.array([find_row(results, name) for name in ids])
    if where:
        table = results.parameters.select_dtypes("number")
        columns = {str(name): table[name].to_numpy() for name in table}
        layout = results.table.layout
        numbers = [name for name in layout.tabular if not layout[name].dims]
        try:
            constraint = Constraint(where, dotted=True)
            columns |= {name: _column(results, name) for name in constraint.names if name not in columns and _means(layout, name)}
            constraint.check([*columns, *numbers])
        except SpaceError as error:
            raise ResultsError(f"where: {str(error).removeprefix('constraint: ')}") from error
        rows = rows[constraint({name: column[rows] for name, column in columns.items()})]
    if not len(rows):
        raise ResultsError(f"{results.path}: no point that succeeded meets {where or 'what is asked'}; nothing is written")
    return rows


def _means(layout: Layout, name: str) -> bool:
    """Whether a name that is no parameter is one of features."""
    try:
        layout.columns(name)
    except ResultsError as error:
        if name.partition(".")[0] in layout:
            raise ResultsError(f"where: {error}") from None
        return False
    return True


def _column(results: Results, name: str) -> np.ndarray:
    """The one column that a name means, of all points."""
    found = results.table.layout.columns(name)
    if len(found.places) != 1:
        raise ResultsError(f'where: "{name}" has {len(found.places)} columns; name one, such as "{next(iter(found.places))}"')
    values = results.table.array(found.output, slice(None))
    return np.asarray(values.reshape(len(values), -1)[:, next(iter(found.places.values()))])
