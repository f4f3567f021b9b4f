"""A lock on a folder that people can read: who works there, on which machine, and since when.

It is a file that is made by a hard link, which is one step on every file system, NFS included; locks of the kernel
are not. What a dead process leaves is no obstacle: on its own machine the process is looked for, from another one the
time of the file counts, which its holder renews.
"""

from __future__ import annotations

import errno
import getpass
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from hpcsim.errors import BusyError, StorageError

#: Seconds between two signs of life of a holder, and without one until it counts as dead on another machine.
BEAT, DEAD_AFTER = 20.0, 300.0
#: Seconds between two tries, and after which the removal of a dead lock counts as dead itself.
_PAUSE, _REMOVAL = 0.1, 60.0
#: What file systems say that have no hard links.
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


@dataclass(frozen=True)
class Holder:
    """Who holds a lock.

    Parameters
    ----------
    what : str
        What it does, in words.
    host, user : str
    pid : int
    since : float
        Seconds since 1970.
    machine, started : str
        Tell this boot of the machine, and this process of that number, from others; empty where the system does not say.
    token : str
        Another one for every holder.
    """

    what: str = "a process that did not say what it does"
    host: str = ""
    user: str = ""
    pid: int = 0
    since: float = 0.0
    machine: str = ""
    started: str = ""
    token: str = ""

    @classmethod
    def here(cls, what: str) -> Holder:
        """The process that calls."""
        try:
            user = getpass.getuser()
        except (KeyError, OSError):
            user = str(os.getuid())
        pid = os.getpid()
        return cls(what, socket.gethostname(), user, pid, time.time(), _machine(), _started(pid), secrets.token_hex(8))

    def __str__(self) -> str:
        if not self.pid:
            return self.what
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.since))
        return f"{self.what} (process {self.pid} of {self.user} on {self.host}, since {since})"

    def lives(self, age: float) -> bool:
        """Whether it is still there; `age` is the time since its last sign of life."""
        if self.pid and self.host == socket.gethostname() and self.machine == _machine():
            return _lives(self.pid, self.started)
        return age < DEAD_AFTER


def holder(path: Path) -> Holder | None:
    """Who holds the lock at `path`; None if nobody does, or a dead process.

    Raises
    ------
    StorageError
        If the folder cannot be read.
    """
    try:
        found = _read(path)
    except OSError as error:
        raise StorageError(f"{path.parent} cannot be read: {error.strerror}") from error
    return found[0] if found is not None and found[0].lives(time.time() - found[1]) else None


@contextmanager
def hold(path: Path, what: str, wait: float = 0.0) -> Iterator[None]:
    """Hold the lock at `path`, and remove it at the end.

    Parameters
    ----------
    path : Path
        Folders above it are made when they are not there, and removed again if they are left empty.
    what : str
        What this process does, in words for others.
    wait : float, s
        How long to wait for another holder.

    Raises
    ------
    BusyError
        If another process holds it.
    StorageError
        If the folder cannot be written.
    """
    mine = Holder.here(what)
    over = threading.Event()
    made = [folder for folder in path.parents if not folder.exists()]
    try:
        try:
            _take(path, mine, wait)
        except OSError as error:
            if isinstance(error, StorageError):
                raise
            raise StorageError(f"{path.parent} cannot be written: {error.strerror}; give another directory with --dir") from error
        threading.Thread(target=_beat, args=(path, mine, over), daemon=True).start()
        yield
    finally:
        over.set()
        # a child of a fork leaves it to its parent
        if os.getpid() == mine.pid:
            _release(path, mine)
            with suppress(OSError):
                for folder in made:
                    folder.rmdir()  # only if nothing else came into it


def _take(path: Path, mine: Holder, wait: float) -> None:
    until = time.monotonic() + wait
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        now = _claim(path, mine)
        found = _read(path)
        if found is not None:
            other, seen = found
            if other.token == mine.token:
                return
            if not other.lives(now - seen):
                _remove_dead(path, other.token)
            elif time.monotonic() >= until:
                raise BusyError(f"{path.parent}: {other} is at work there", other)
        time.sleep(_PAUSE)


def _claim(path: Path, mine: Holder) -> float:
    """Try to make the file; returns what time it is for the file system, whose clock is that of all."""
    draft = path.with_name(f"{path.name}.{mine.token}")
    text = json.dumps(asdict(mine))
    try:
        draft.write_text(text, encoding="utf-8")
        now = draft.stat().st_mtime
        with suppress(FileExistsError):
            _link(draft, path, text)
    finally:
        draft.unlink(missing_ok=True)
    return now


def _link(draft: Path, path: Path, text: str) -> None:
    try:
        os.link(draft, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        with path.open("x", encoding="utf-8") as file:
            file.write(text)


def _release(path: Path, mine: Holder) -> None:
    with suppress(OSError):
        if _holds(path, mine.token):
            path.unlink()


def _beat(path: Path, mine: Holder, over: threading.Event) -> None:
    """Signs of life, for those who cannot see the process."""
    while not over.wait(BEAT):
        with suppress(OSError):
            if _holds(path, mine.token):
                os.utime(path)


def _holds(path: Path, token: str) -> bool:
    found = _read(path)
    return found is not None and found[0].token == token


def _read(path: Path) -> tuple[Holder, float] | None:
    """What stands in the file, whoever wrote it, and the last sign of life; None if there is no file."""
    try:
        seen = path.stat().st_mtime
        if not path.is_file():
            raise StorageError(f"{path} is no regular file, expected the lock of a sweep; remove it")
        given = json.loads(path.read_text(encoding="utf-8"))
        return Holder(**given), seen
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, PermissionError):
        # half-written, or of another program
        return Holder(), seen


def _remove_dead(path: Path, token: str) -> None:
    """Remove a dead process's lock; of several that try, one does, so that none removes the lock of the next holder."""
    removal = path.with_name(f"{path.name}.{token}.dead")
    try:
        removal.touch(exist_ok=False)
    except FileExistsError:
        with suppress(FileNotFoundError):
            if time.time() - removal.stat().st_mtime > _REMOVAL:
                removal.unlink()
        return
    try:
        if _holds(path, token):
            path.unlink(missing_ok=True)
    finally:
        removal.unlink(missing_ok=True)


def _machine() -> str:
    """The boot of the machine, and the space of its process numbers."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _started(pid: int) -> str:
    """When a process started, in clock ticks since boot; empty where that cannot be read, or it is over."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    # a zombie does nothing any more
    return "" if fields[0] in "ZX" else fields[19]


def _lives(pid: int, started: str) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        # another user's, whose times may be hidden
        return _started(pid) in ("", started)
    return not started or _started(pid) == started
