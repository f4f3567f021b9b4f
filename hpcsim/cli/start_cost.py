"""How many files a task opens before its first point: thousands of tasks that start at once ask a shared disk for them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

#: Distributions of simulators, and the modules that a model imports.
_ENGINES = (("nest-simulator", "nest"), ("neuron", "neuron"), ("brian2", "brian2"))
#: What a task imports whatever its model is.
_TASK = ("hpcsim.scheduler.task.supervisor", "hpcsim.scheduler.task.worker")
#: File systems on which every opened file is a question to a server that all nodes share.
_SHARED = frozenset(
    [
        *("nfs", "nfs4", "lustre", "gpfs", "beegfs", "ceph", "panfs", "pvfs2", "orangefs", "afs", "cifs", "smb3", "9p", "wekafs"),
        *("fuse.ceph", "fuse.sshfs", "fuse.glusterfs"),
    ]
)
_COUNT = """
import json, os, sys
opened, asked = set(), [0]
def hear(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes)):
        opened.add(os.fsdecode(arguments[0]))
    elif event in ("os.listdir", "os.scandir"):
        asked[0] += 1
sys.addaudithook(hear)
sys.stdout = sys.stderr
try:
    for name in sys.argv[1:]:
        __import__(name)
    error = ""
except BaseException as caught:
    error = f"{type(caught).__name__}: {caught}"
maps = "/proc/self/maps"
with open(maps) if os.path.exists(maps) else open(os.devnull) as file:
    opened |= {line.split(maxsplit=5)[5].strip() for line in file if ".so" in line}
opened = {os.path.realpath(path) for path in opened if not path.startswith(("/proc/", "/dev/", "/sys/"))}
sizes = [os.path.getsize(path) for path in opened if os.path.isfile(path)]
print(json.dumps([len(sizes), sum(sizes), error]), file=sys.__stdout__)
"""


class StartCost(NamedTuple):
    """What a process needs before it can simulate.

    Parameters
    ----------
    what : str
        What it imports, in words.
    files : int
        How many different files it opens.
    size : int
        Bytes of these.
    error : str
        Why it cannot be imported, or "".
    """

    what: str
    files: int
    size: int
    error: str = ""


def start_costs() -> Iterator[StartCost]:
    """Of a task without a simulator, and with each of those that are installed; each in a process of its own."""
    yield _measured("a task", ())
    for distribution, module in _ENGINES:
        try:
            version(distribution)
        except PackageNotFoundError:
            continue
        yield _measured(f"a task with {module}", (module,))


def file_system(path: Path, mounts: Path = Path("/proc/self/mounts")) -> tuple[str, bool]:
    """The kind of file system of a path, and whether other machines share it; ("", False) where that cannot be known."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "", False
    place, found = path.resolve(), ("", "")
    for line in lines:
        point, kind = _unescaped(line.split()[1]), line.split()[2]
        if place.is_relative_to(point) and len(point) >= len(found[0]):
            found = (point, kind)
    return found[1], found[1] in _SHARED


def _unescaped(text: str) -> str:
    """A mount point as it is called: spaces and such are octal numbers there."""
    return re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), text)


def _measured(what: str, modules: tuple[str, ...]) -> StartCost:
    command = [sys.executable, "-c", _COUNT, *_TASK, *modules]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        files, size, error = json.loads(done.stdout.strip().splitlines()[-1])
    except (OSError, subprocess.TimeoutExpired, ValueError, IndexError):
        return StartCost(what, 0, 0, "the process that imports it died, or does not end")
    return StartCost(what, files, size, error)
