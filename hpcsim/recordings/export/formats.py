"""Export by the name of a format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hpcsim.collector.results import Results
from hpcsim.errors import ResultsError, nearest
from hpcsim.recordings.export.nix_file import write_nix
from hpcsim.recordings.export.nwb_file import write_nwb
from hpcsim.recordings.export.selection import select
from hpcsim.recordings.export.sonata import write_sonata
from hpcsim.recordings.export.table import write_csv, write_parquet
from hpcsim.recordings.export.zarr_store import write_zarr


@dataclass(frozen=True)
class Format:
    """How results are written.

    Parameters
    ----------
    name : str
        Where they go in the study's folder ``export`` unless one says so.
    write : callable
        ``write(results, rows, path)``: returns the files.
    """

    name: str
    write: Callable[[Results, np.ndarray, Path], list[Path]]


FORMATS = {
    "csv": Format("points.csv", write_csv),
    "neo": Format("neo", write_nix),
    "nwb": Format("nwb", write_nwb),
    "parquet": Format("points.parquet", write_parquet),
    "sonata": Format("sonata", write_sonata),
    "zarr": Format("points.zarr", write_zarr),
}


def export(results: Results, to: str, path: Path | None = None, where: str = "", ids: Sequence[str] = ()) -> list[Path]:
    """Write results, or some of their points, as another tool reads them.

    Parameters
    ----------
    results : Results
    to : str
        One of `FORMATS`.
    path : Path, optional
        A file, or a folder where a point has files of its own; in ``export`` beside the results without it.
    where : str
        A condition on parameters and outputs that are one number.
    ids : sequence of str
        Points.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    ResultsError
        If there is no such format, or no such point.
    PluginError
        If the format's package is not installed.
    """
    if to not in FORMATS:
        raise ResultsError(f'there is no format "{to}"; {nearest(to, FORMATS)}')
    rows = select(results, where, ids)
    target = path or results.path.parent / "export" / FORMATS[to].name
    target.parent.mkdir(parents=True, exist_ok=True)
    return FORMATS[to].write(results, rows, target)
