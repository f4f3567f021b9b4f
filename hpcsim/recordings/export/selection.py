"""Which points are exported."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hpcsim.collector.results import Results
from hpcsim.collector.signals import find_row
from hpcsim.errors import ResultsError, SpaceError
from hpcsim.space.constraint import Constraint


def select(results: Results, where: str = "", ids: Sequence[str] = ()) -> np.ndarray:
    """Rows of the points that succeeded and meet all that is asked.

    Parameters
    ----------
    results : Results
    where : str
        A condition on parameters and outputs that are one number, such as ``"J_ext > 29 and glm_silent == 0"``.
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
        layout = results.table.layout
        numbers = [name for name, output in layout.outputs.items() if not output.dims and not output.ragged]
        columns = {name: results.table.array(name, slice(None)) for name in numbers}
        table = results.parameters.select_dtypes("number")
        columns |= {str(name): table[name].to_numpy() for name in table}
        try:
            constraint = Constraint(where)
            constraint.check(columns)
        except SpaceError as error:
            raise ResultsError(f"where: {str(error).removeprefix('constraint: ')}") from error
        rows = rows[constraint({name: column[rows] for name, column in columns.items()})]
    if not len(rows):
        raise ResultsError(f"{results.path}: no point that succeeded meets {where or 'what is asked'}; nothing is written")
    return rows
