"""Writing files so that a kill, a full disk or a bad block never leaves half a truth."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zlib import crc32

from hpcsim.errors import DamagedError, HpcsimError, StorageError

_PIECE = 2**20
_SLACK = 16  # a block that is compressed again may be a little larger
_METADATA = 2**21
_ADVICE = {
    errno.ENOSPC: "the disk is full: free some space and start again; finished points are kept",
    errno.EDQUOT: "the quota is used up: free some space and start again; finished points are kept",
    errno.EFBIG: "a file may not be as large as that: see `ulimit -f`",
    errno.EROFS: "the file system is read-only: choose another directory",
    errno.EACCES: "you may not write there: choose another directory",
}


def write(descriptor: int, data: bytes) -> None:
    """Write all of it."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def storage_error(error: Exception, what: str, where: Path) -> StorageError:
    """What the operating system says, in words that help."""
    number = getattr(error, "errno", None)
    advice = _ADVICE.get(number or 0, "check the file system and start again; finished points are kept")
    return StorageError(f"cannot write {what} in {where}: {error}; {advice}")


def checksum(path: Path) -> str:
    """The crc32 of a file, 8 hexadecimal digits."""
    value = 0
    buffer = bytearray(_PIECE)
    view = memoryview(buffer)
    with path.open("rb", buffering=0) as file:
        while size := file.readinto(buffer):
            value = crc32(view[:size], value)
    return f"{value:08x}"


def copy(source: Path, target: Path) -> None:
    """Copy a file inside the kernel; the target must be new."""
    with source.open("rb", buffering=0) as old, target.open("xb", buffering=0) as new:
        length = os.fstat(old.fileno()).st_size
        done = 0
        while done < length:
            done += _copy_some(old.fileno(), new.fileno(), length - done)


def reserve(path: Path, size: int) -> None:
    """Make sure that a file can grow by `size` bytes.

    HDF5 may crash on a full disk, so that is found out before it writes; it gives back what it did not use.
    """
    with path.open("r+b", buffering=0) as file:
        length = os.fstat(file.fileno()).st_size
        try:
            os.posix_fallocate(file.fileno(), length, size + size // _SLACK + _METADATA)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
                raise


def _copy_some(source: int, target: int, size: int) -> int:
    try:
        moved = os.copy_file_range(source, target, min(size, 2**30))
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP):
            raise
        data = os.read(source, _PIECE)
        write(target, data)
        moved = len(data)
    if not moved:
        raise OSError(errno.EIO, "a file became shorter while it was copied")
    return moved


@contextmanager
def storage(path: Path) -> Iterator[None]:
    """Turn what HDF5 and the system raise into words that help."""
    try:
        yield
    except HpcsimError as error:
        if isinstance(error, StorageError):
            raise
        if isinstance(error, DamagedError):
            raise StorageError(str(error)) from error
        raise StorageError(f"{path} is not usable: {error}; move it away and collect again, or restore it") from error
    except (OSError, RuntimeError, KeyError) as error:
        raise storage_error(error, path.name, path.parent) from error


def modified(path: Path) -> float:
    """When a file was written last; now, if it is gone."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return time.time()
