"""Parameters and outputs as a Zarr store, for the cloud."""

from __future__ import annotations

import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from hpcsim.collector.results import Results
from hpcsim.errors import PluginError, ResultsError
from hpcsim.files import publish
from hpcsim.plugin import not_installed


def write_zarr(results: Results, rows: np.ndarray, path: Path) -> list[Path]:
    """Write everything but ragged outputs as xarray does.

    Raises
    ------
    PluginError
        If zarr is not installed.
    ResultsError
        If the store is there already.
    """
    if find_spec("zarr") is None:
        raise PluginError(not_installed("a Zarr store", "zarr", "export"))
    if path.exists():
        raise ResultsError(f"{path} is there already, and a folder is not replaced; remove it, or name another with --out")
    dataset = results.dataset
    per_point = dataset[[name for name in dataset.variables if "point" in dataset[name].dims]]
    chosen = per_point.isel(point=rows).load()
    for name in chosen.variables:
        # how HDF5 packed them means nothing to Zarr
        chosen[name].encoding.clear()
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        chosen.to_zarr(Path(folder, "store"), mode="w", zarr_format=2)
        publish(Path(folder, "store"), path)
    return [path]
