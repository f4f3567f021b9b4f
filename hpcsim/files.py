"""Files: what can be read, and the one atomic write.

A file is there as a whole or not at all, whatever is killed and whenever the power goes.
"""

from __future__ import annotations

import errno
import io
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def regular(path: Path, largest: int | None = None) -> Path:
    """The path of a file that can be read: opening a pipe waits for ever, and a device has no end.

    Parameters
    ----------
    path : Path
    largest : int, optional
        Bytes that it may have.

    Raises
    ------
    OSError
        If it is not there, no regular file, or larger; ``strerror`` says which.
    """
    try:
        about = path.stat()
    except ValueError as error:
        raise OSError(errno.EINVAL, f"it is no name of a file ({error})") from error
    if not stat.S_ISREG(about.st_mode):
        kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
        raise OSError(errno.EINVAL, f"it is {kinds.get(stat.S_IFMT(about.st_mode), 'a device')}, expected a file")
    if largest is not None and about.st_size > largest:
        raise OSError(errno.EFBIG, f"it has {about.st_size} bytes, expected at most {largest}")
    return path


def read_arrays(source: Path | bytes) -> dict[str, np.ndarray]:
    """The arrays of an ``.npz`` file by their names; the one of an ``.npy`` file has the name ``""``. No pickle is read.

    Parameters
    ----------
    source : Path or bytes
        The file, or what is in it.

    Raises
    ------
    OSError
        If it is not there, or no such file; ``strerror`` says why.
    """
    import numpy as np

    file = io.BytesIO(source) if isinstance(source, bytes) else regular(source)
    try:
        stored = np.load(file, allow_pickle=False)
        if isinstance(stored, np.ndarray):
            return {"": stored}
        with stored:
            return dict(stored)
    except OSError:
        raise
    except Exception as error:
        # zipfile, zlib and numpy raise nearly anything at a damaged file; one that claims too much, MemoryError
        raise OSError(errno.EINVAL, f"it holds no arrays that can be read ({type(error).__name__}: {error})") from error


def publish(temporary: Path, path: Path) -> None:
    """Give a finished file, or a folder with all that is in it, its name, after its content is on the disk.

    Parameters
    ----------
    temporary, path : Path
        In one file system.
    """
    for part in (*temporary.rglob("*"), temporary):
        _sync(part)
    os.replace(temporary, path)
    _sync(path.parent)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside `path`; what the block writes there takes the place of `path` when the block ends well.

    The old file stays until then, and for good when the block raises.

    Parameters
    ----------
    path : Path
        Its folder exists.

    Yields
    ------
    Path
        An empty file that only this user can read; two processes never get the same one.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        # as any other new file: mkstemp's are for their owner alone
        temporary.chmod(0o666 & ~_umask())
        publish(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> Path:
    """Write a whole file, or leave the old one; returns the path."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)
    return path


def write_text(path: Path, text: str) -> Path:
    """Write a whole text file in UTF-8, or leave the old one; returns the path."""
    return write_bytes(path, text.encode())


def _umask() -> int:
    # there is no way to read it without setting it, but for /proc
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return next(int(line.split()[1], 8) for line in status.splitlines() if line.startswith("Umask:"))
    except (OSError, StopIteration, ValueError):
        return 0o077


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
