"""Parameters and features as one table."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hpcsim.collector.results import Results
from hpcsim.errors import PluginError
from hpcsim.files import replacing, write_text
from hpcsim.plugin import not_installed

if TYPE_CHECKING:
    from pandas import DataFrame


#: Outputs of more numbers have no columns: traces are no features.
LONGEST = 1000


def table(results: Results, rows: np.ndarray) -> DataFrame:
    """Parameters, and outputs of at most `LONGEST` numbers and one dimension; a row a point, by id."""
    layout = results.table.layout
    short = [
        name
        for name, output in layout.outputs.items()
        if not output.ragged and len(output.dims) < 2 and np.prod(layout.shape(name), dtype=int) <= LONGEST
    ]
    features = results.features(short)
    chosen = results.parameters.iloc[rows]
    overlap = [name for name in features.columns if name in chosen.columns]
    return chosen.join(features.drop(columns=overlap))


def write_csv(results: Results, rows: np.ndarray, path: Path) -> list[Path]:
    """Write the table as CSV; numbers keep all of their digits."""
    return [write_text(path, table(results, rows).to_csv())]


def write_parquet(results: Results, rows: np.ndarray, path: Path) -> list[Path]:
    """Write the table as Parquet.

    Raises
    ------
    PluginError
        If pyarrow is not installed.
    """
    if find_spec("pyarrow") is None:
        raise PluginError(not_installed("a Parquet file", "pyarrow", "export"))
    with replacing(path) as temporary:
        table(results, rows).to_parquet(temporary)
    return [path]
