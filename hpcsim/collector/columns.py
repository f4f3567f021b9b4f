"""Some rows of a table: as arrays, and as data frames with the ids of points as their index."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from hpcsim.collector.format.guard import damaged
from hpcsim.collector.format.schema import STATUSES

if TYPE_CHECKING:
    import pandas as pd

    from hpcsim.collector.format.table import Table


def rows_of(table: Table, name: str, rows: np.ndarray) -> np.ndarray:
    """Some rows of a column, in the order of `rows`; see :meth:`hpcsim.collector.results.Results.rows`."""
    parts: list[np.ndarray] = []
    ascending = np.sort(rows)
    step = table.piece(name)
    for start in range(0, len(table), step):
        wanted = ascending[slice(*np.searchsorted(ascending, (start, start + step)))]
        if len(wanted):
            parts.append(table.array(name, slice(start, start + step))[wanted - start])
    values = np.concatenate(parts) if parts else table.array(name, slice(0, 0))
    return values[np.searchsorted(ascending, rows)]


def frame_of(table: Table, names: Iterable[str], rows: np.ndarray) -> pd.DataFrame:
    """Some rows of records, parameters and outputs; what has several numbers a point gets a column for each."""
    import pandas as pd

    columns: dict[str, np.ndarray] = {}
    for name in names:
        values = rows_of(table, name, rows)
        if values.ndim == 1:
            columns[name] = values
        else:
            columns.update({f"{name}.{i}": values[:, i] for i in range(values.shape[1])})
    return pd.DataFrame(columns, index=index_of(table, rows))


def records_of(table: Table, rows: np.ndarray) -> pd.DataFrame:
    """How some points ended: all records but the ids, with words for the status."""
    import pandas as pd

    frame = frame_of(table, [name for name in table.names("record") if name != "id"], rows)
    if (frame["status"] >= len(STATUSES)).any():
        raise damaged(table.path, "rows have a status that does not exist")
    frame["status"] = pd.Categorical.from_codes(frame["status"], categories=list(STATUSES))
    return frame


def index_of(table: Table, rows: np.ndarray) -> pd.Index:
    """The ids of some rows."""
    import pandas as pd

    return pd.Index(table.ids()[rows].astype(str), name="id")
