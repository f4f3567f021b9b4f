"""Whether the kernel killed a process of this job for want of memory."""

from __future__ import annotations

import os
from pathlib import Path

#: Where control groups are mounted: version 1, version 2, and both side by side.
_MOUNTS = (Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"))


def oom_kills(mounts: tuple[Path, ...] = _MOUNTS, groups: Path = Path("/proc/self/cgroup")) -> int:
    """Processes of this process's control group that were killed for want of memory; 0 where nobody counts.

    Notes
    -----
    Version 1 counts ``oom_kill`` in ``memory.oom_control``, version 2 in ``memory.events``: the kernel's
    admin-guide/cgroup-v1/memory.rst and admin-guide/cgroup-v2.rst.
    """
    try:
        lines = [line.split(":", 2) for line in groups.read_text().splitlines()]
    except OSError:
        return 0
    own = [path.lstrip("/") for number, controllers, path in lines if controllers == "memory" or number == "0"]
    files = (mount / path / name for path in own for mount in mounts for name in ("memory.oom_control", "memory.events"))
    return sum(_counted(file) for file in files)


def _counted(file: Path) -> int:
    try:
        words = dict(line.split()[:2] for line in file.read_text().splitlines())
    except (OSError, ValueError):
        return 0
    return int(words.get("oom_kill", 0))


def allowance() -> str:
    """The memory that Slurm gave this job, as words after "out of memory"."""
    given = os.environ.get("SLURM_MEM_PER_NODE", "")
    return f" with {given} MB" if given else ""
