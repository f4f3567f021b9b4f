"""A file of points as xarray opens it: everything labelled, values read when they are used."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hpcsim.collector.format.guard import damaged

if TYPE_CHECKING:
    import xarray as xr


def open_labelled(path: Path) -> xr.Dataset:
    """Open a file of points with xarray.

    Raises
    ------
    DamagedError
        If it is built in another way than hpcsim builds it.
    FileNotFoundError
        If it is gone.
    """
    import xarray as xr

    try:
        try:
            opened = xr.open_dataset(path, engine="h5netcdf")
        except FileNotFoundError:
            raise
        except OSError:  # as in Table: where files cannot be locked
            opened = xr.open_dataset(path, engine="h5netcdf", driver_kwds={"locking": False})
    except FileNotFoundError:
        raise
    except Exception as error:
        # h5netcdf and xarray raise nearly anything at parts that do not fit together
        raise damaged(path, f"{type(error).__name__}: {error}") from error
    for variable in opened.variables.values():
        if "_Encoding" in variable.encoding:
            # by it, xarray would write the text as bytes, and what is not ASCII not at all
            variable.encoding = {}
    return opened
