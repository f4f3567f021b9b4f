"""CPU time and memory of a command and of every process that it starts, also of those that outlive it.

As a program, ``measure.py REPORT LIMIT COMMAND...``: adopts what the command leaves behind (daemons, workers that nobody
waited for), so that their CPU time counts. It loads next to nothing, since a process begins with
the peak memory of the one that started it.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

#: prctl(2): orphans of this process's descendants become its children.
_SET_CHILD_SUBREAPER = 36
#: Seconds that processes may outlive the command before they are ended.
_GRACE = 10.0
#: How often is looked, s.
_EVERY = 0.02
#: One thread a process, as a task of hpcsim has.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")


def cpu() -> float:
    """Seconds of CPU of this process and its children, system time included."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def peak_memory() -> float:
    """Largest resident size of this process so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(command: list[str], folder: Path, limit: float = 3600.0, **environment: str) -> dict[str, float]:
    """Run a command in a folder.

    Returns
    -------
    dict
        ``cpu`` (s) of all its processes, ``peak`` memory of the largest of them (MB), ``wall`` (s).

    Raises
    ------
    RuntimeError
        If it fails, or takes longer than `limit` seconds; with the end of what it printed.
    """
    report, log = folder / "measured.json", folder / "printed.log"
    line = [sys.executable, "-I", "-S", __file__, str(report), str(limit), *command]
    with log.open("w") as printed:
        around = {**os.environ, **ONE_THREAD, **environment}
        quiet = {"stdin": subprocess.DEVNULL, "stdout": printed, "stderr": printed}
        code = subprocess.run(line, cwd=folder, env=around, **quiet).returncode  # type: ignore[call-overload]
    if code or not report.exists():
        last = "\n".join(log.read_text(errors="replace").strip().splitlines()[-15:])
        raise RuntimeError(f"{' '.join(command)} ended with {code}:\n{last}")
    return json.loads(report.read_text())


def _descendants() -> list[int]:
    """Processes below this one that run, the deepest last."""
    parents: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                state, parent = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[:2]
            except OSError:
                continue
            if state != "Z":
                parents.setdefault(int(parent), []).append(int(name))
    found = [os.getpid()]
    for process in found:
        found += parents.get(process, [])
    return found[1:]


def _end(processes: list[int]) -> None:
    for process in processes:
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _main(report: str, limit: float, command: list[str]) -> int:
    ctypes.CDLL(None, use_errno=True).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    began = time.monotonic()
    first = os.posix_spawnp(command[0], command, os.environ)
    code: int | None = None
    until, wall = began + limit, 0.0
    while True:
        try:
            process, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            break
        if process == first:
            code, wall = os.waitstatus_to_exitcode(status), time.monotonic() - began
            until = time.monotonic() + _GRACE
        if process == 0:
            if time.monotonic() > until:
                _end(_descendants())
                until = time.monotonic() + 1.0
                if code is None:
                    print(f"stopped: longer than {limit:g} s", flush=True)
            time.sleep(_EVERY)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = {"cpu": used.ru_utime + used.ru_stime, "peak": used.ru_maxrss / 1024, "wall": wall}
    Path(report).write_text(json.dumps(found))
    assert code is not None
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1], float(sys.argv[2]), sys.argv[3:]))
