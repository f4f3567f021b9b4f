"""Opening HDF5 files and reading rows of them, with as little memory as HDF5 can do with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from hpcsim.collector.format.guard import damaged
from hpcsim.errors import ResultsError, StorageError
from hpcsim.files import regular

#: Blocks of a column that are asked for together.
_BLOCKS = 128
#: Of each column the block that was read last, which has no more than a MiB, and not the 8 MiB that HDF5 would keep.
_CACHE: dict[str, Any] = {"rdcc_nbytes": 2**20, "rdcc_nslots": 521}


def open_file(path: Path) -> h5py.File:
    """A file of points, open for reading."""
    # HDF5 wants the same locking from all who open a file in one process, and others (xarray) take the default;
    # where that fails, since another process has it open for writing or there are no locks, do without
    try:
        regular(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ResultsError(f"{path} cannot be read: {error.strerror}") from error
    try:
        return h5py.File(path, "r", **_CACHE)
    except FileNotFoundError:
        raise
    except PermissionError as error:
        raise StorageError(f"{path}: you may not read it; ask its owner, or change its mode") from error
    except OSError:
        try:
            return h5py.File(path, "r", locking=False, **_CACHE)
        except OSError as error:
            if error.errno:
                # the system's: too many open files, a disk that does not answer
                raise StorageError(f"{path} cannot be read: {error}; try again, or check the file system") from error
            raise damaged(path, error) from error


def read_rows(dataset: h5py.Dataset, rows: slice) -> np.ndarray:
    """Some rows, not too many blocks at a time: HDF5 takes ten kB for each block of a request, and keeps them."""
    start, stop, step = rows.indices(len(dataset)) if dataset.shape else (0, 0, 1)
    many = _BLOCKS * dataset.chunks[0] if dataset.chunks else 0
    if step != 1 or not 0 < many < stop - start:
        whole: np.ndarray = dataset[rows]
        return whole
    values = np.empty((stop - start, *dataset.shape[1:]), dataset.dtype)
    for at in range(start, stop, many):
        values[at - start : at - start + many] = dataset[at : min(at + many, stop)]
    return values
