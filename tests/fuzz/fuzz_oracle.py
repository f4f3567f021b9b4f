"""What hostile input may lead to: a right result, or an error of the project's tree; and nothing happens beside.

Nothing means: no other exception, no hang, no file made, changed or removed outside the test's own folder, no process started,
no connection made, no class looked up for a pickle.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hang_guard import hang_guard
from hypothesis import HealthCheck, Phase, settings

from hpcsim.errors import HpcsimError

T = TypeVar("T")
#: Examples, refused ones and seconds by target.
TALLY: dict[str, list[float]] = {}
#: Seconds that one example may take, on a machine with much else to do.
PATIENCE = 60
#: Bytes that reading a small file may take.
MEMORY = 2**30
_PLAN = {"examples": 0, "seconds": 0.0}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
#: Audit events that change files; the paths are their first arguments.
_CHANGES = {
    **{"os.remove": 1, "os.mkdir": 1, "os.rmdir": 1, "os.truncate": 1, "os.chmod": 1},
    **{"os.rename": 2, "os.link": 2, "os.symlink": 2},
}
_NEVER = {"os.system", "os.exec", "os.posix_spawn", "os.spawn", "subprocess.Popen", "pickle.find_class", "socket.connect"}
_watched: list[Path] = []
_seen: list[str] = []


def plan(examples: int, seconds: float) -> None:
    """Set how many examples each target gets; as few as it says itself without."""
    _PLAN.update(examples=examples, seconds=seconds)


def fuzzed(few: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The settings of a target that gets so many examples in CI."""
    checks = [check for check in HealthCheck if check is not HealthCheck.nested_given]
    more = int(_PLAN["examples"])
    # what is drawn is told; to make it smaller would take minutes
    return settings(
        max_examples=more or few,
        derandomize=not more,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=checks,
        print_blob=True,
    )


def judged(target: str, act: Callable[..., T], *arguments: Any, inside: Path, apart: bool = False) -> T | None:
    """What an action gives; None where it was refused with an error of the project.

    Parameters
    ----------
    target : str
        For the tally.
    act : callable
    arguments
        Of `act`.
    inside : Path
        Files may change here, and nowhere else.
    apart : bool
        In a process of its own with a limit of its memory, for what a library in C reads; then nothing is given.

    Raises
    ------
    AssertionError
        If something happened that must not.
    """
    tally = TALLY.setdefault(target, [0, 0, 0.0])
    if 0 < _PLAN["seconds"] < tally[2]:
        pytest.skip(f"{target}: {tally[0]} examples, and its time is over")
    began = time.monotonic()
    found: T | None = None
    try:
        with warnings.catch_warnings(), hang_guard(PATIENCE), _nothing_beside(inside):
            warnings.simplefilter("ignore")
            found = _apart(act, *arguments) if apart else act(*arguments)
    except HpcsimError as error:
        assert str(error).strip(), "an error without a word"
        tally[1] += 1
    finally:
        tally[0] += 1
        tally[2] += time.monotonic() - began
    return found


def _apart(act: Callable[..., Any], *arguments: Any) -> None:
    """Act in a copy of this process; how it ends is how this ends."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException):
            signal.alarm(PATIENCE - 10)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY, held + MEMORY))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            said = b"kept"
            try:
                act(*arguments)
            except HpcsimError as error:
                said = b"refused" if str(error).strip() else b"an error without a word"
            except BaseException:
                said = traceback.format_exc().encode()
            said = "; ".join(_seen).encode() or said
            os.write(writing, said[-60_000:])
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        said = pipe.read()
    status = os.waitpid(child, 0)[1]
    assert said, f"the process ended with {signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else status}"
    if said == b"refused":
        raise HpcsimError("refused")
    assert said == b"kept", said.decode(errors="replace")


@contextmanager
def _nothing_beside(folder: Path) -> Iterator[None]:
    """Look at what Python does meanwhile."""
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    _watched[:], _seen[:] = [folder.resolve()], []
    try:
        yield
    finally:
        tempfile.tempdir = before
        _watched.clear()
        # a refusal comes through here as well
        assert not _seen, _seen


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if not _watched:
        return
    if event in _NEVER:
        _seen.append(f"{event} {arguments}")
    elif event == "open" and isinstance(arguments[0], (str, bytes)) and _writes(arguments[1], arguments[2]):
        _changed(event, arguments[0])
    elif event in _CHANGES:
        for path in arguments[: _CHANGES[event]]:
            if isinstance(path, (str, bytes, os.PathLike)):
                _changed(event, path)


def _writes(mode: Any, flags: Any) -> bool:
    return bool(set(mode) & set("wax+")) if isinstance(mode, str) else bool((flags or 0) & _WRITING)


def _changed(event: str, path: Any) -> None:
    name = os.path.abspath(os.fsdecode(path))
    # byte code that Python keeps, and bare devices
    if "__pycache__" not in name and not name.startswith("/dev/") and not Path(name).is_relative_to(_watched[0]):
        _seen.append(f"{event} {name}")


sys.addaudithook(_audit)
