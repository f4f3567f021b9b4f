"""What a file of points may be made of: a file from elsewhere is data, which reads nothing but itself.

HDF5 can keep a dataset in other files (external storage, virtual datasets, external links), or claim shapes that no
memory holds. hpcsim never writes such files, and refuses to read them.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from hpcsim.errors import DamagedError, HpcsimError, ResultsError

#: Filters of HDF5 itself that hpcsim uses; any other is a plug-in, that is code.
_FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}
#: Deflate makes a byte of at most 1032; a little room for chunks that are not full.
_MOST_SHRUNK, _ROOM = 1100, 2**22
#: What reading a broken file may raise.
_BROKEN = (OSError, RuntimeError, LookupError, ValueError, TypeError, AttributeError, ArithmeticError)
_ADVICE = (
    "`hpcsim run` of its study sets it aside, keeps the points that can be read and simulates the others again; "
    "`hpcsim check --repair` sets it aside and simulates nothing"
)


def damaged(path: Path, what: object) -> DamagedError:
    """The error for a file that is there and cannot be read as it was written."""
    return DamagedError(f"{path} is damaged and cannot be read: {what}; {_ADVICE}", str(what))


def refused(path: Path, name: str, what: str) -> DamagedError:
    """The error for what hpcsim never writes."""
    reason = f'"{name}" {what}; hpcsim never writes that, so the file is damaged or not to be trusted'
    return DamagedError(f"{path}: {reason}; {_ADVICE}", reason)


@contextmanager
def reading(path: Path, name: str = "") -> Iterator[None]:
    """Turn what HDF5 and h5py raise of a file that is not as it was written into the error that says what to do.

    Raises
    ------
    DamagedError
    """
    try:
        yield
    except HpcsimError:
        raise
    except _BROKEN as error:
        raise damaged(path, f'"{name}" cannot be read ({error})' if name else error) from error


def member(path: Path, group: h5py.Group, name: str) -> h5py.Dataset | h5py.Group:
    """A dataset or group that stands in the file itself.

    Raises
    ------
    DamagedError
        If it is a link, or its values are in another file, or its shape is larger than what is stored can be.
    """
    with reading(path, name):
        if group.id.links.get_info(name.encode()).type != h5py.h5l.TYPE_HARD:
            raise refused(path, name, "is a link to something else")
        # four times as fast as group[name]
        its = h5py.h5o.open(group.id, name.encode())
        if not isinstance(its, h5py.h5d.DatasetID):
            return group[name]
        item = h5py.Dataset(its)
        _check(path, name, item)
        return item


def _check(path: Path, name: str, item: h5py.Dataset) -> None:
    made, dtype, shape = item.id.get_create_plist(), item.dtype, item.shape
    if made.get_layout() == h5py.h5d.VIRTUAL:
        raise refused(path, name, "is a virtual dataset: its values are in other files")
    if made.get_external_count():
        raise refused(path, name, "has external storage: its values are in another file")
    if {made.get_filter(i)[0] for i in range(made.get_nfilters())} - _FILTERS:
        raise refused(path, name, "is packed by a plug-in of HDF5")
    if shape is None:
        raise refused(path, name, "has no shape")
    if dtype.kind not in "biufS" and h5py.check_string_dtype(dtype) is None:
        raise refused(path, name, f"has the type {dtype}")
    claimed = math.prod(shape) * dtype.itemsize
    # bare dimensions have a length and no values
    if claimed > _ROOM and item.attrs.get("hpcsim_role") != "dimension":
        stored = min(item.id.get_storage_size(), path.stat().st_size)
        if claimed > _MOST_SHRUNK * stored + _ROOM:
            raise refused(path, name, f"claims {claimed:,} bytes of values, and {stored:,} bytes are stored")


def fits_memory(path: Path, name: str, size: int) -> None:
    """Look whether so many bytes can be held.

    Raises
    ------
    ResultsError
        If this machine has less memory.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if size > memory:
        raise ResultsError(
            f'{path}: "{name}" takes {size / 1e9:.3g} GB of memory, and this machine has {memory / 1e9:.3g} GB; '
            "read some of the points at a time, with `results.outputs` say, or on a larger machine"
        )
