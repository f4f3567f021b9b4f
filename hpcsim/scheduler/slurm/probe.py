"""Tries a site: a small job says what it finds on a node, and the answer is checked here."""

from __future__ import annotations

import json
import os
import platform
import secrets
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hpcsim.errors import SlurmError, StorageError
from hpcsim.files import write_text
from hpcsim.paths import PACKAGE
from hpcsim.scheduler.queue.commands import Slurm
from hpcsim.scheduler.queue.paths import SubmissionPaths
from hpcsim.scheduler.queue.script import probe_script
from hpcsim.scheduler.site.site import Settings


@dataclass(frozen=True)
class Answer:
    """What a node said.

    Parameters
    ----------
    job : int
    host : str
    found : dict
        Versions, cores and folders, as :func:`describe` gives them.
    """

    job: int
    host: str
    found: dict[str, Any]


def describe() -> dict[str, Any]:
    """What this process has: the node's answer, and what it is compared with."""
    return {
        "host": socket.gethostname(),
        "node": os.environ.get("SLURMD_NODENAME", ""),
        "python": platform.python_version(),
        "hpcsim": version("hpcsim"),
        "package": str(PACKAGE),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "temporary": tempfile.gettempdir(),
        "free_MB": shutil.disk_usage(tempfile.gettempdir()).free // 10**6,
    }


def probe(settings: Settings, slurm: Slurm, *, patience: float = 300.0, folder: Path | None = None) -> Answer:
    """Submit a job to a site and wait for what it says.

    Parameters
    ----------
    settings : Settings
    slurm : Slurm
    patience : float
        Seconds to wait.
    folder : Path, optional
        Where nodes can write; the current folder by default.

    Raises
    ------
    SlurmError
        With Slurm's words or the job's own, if there is no answer; a job that still waits is cancelled.
    StorageError
        If the folder cannot be written.
    """
    with _room(folder or Path.cwd()) as room:
        place = SubmissionPaths("hpcsim-probe", room, 1, room)
        answer, script = room / "answer.json", room / "probe.job"
        text = probe_script(place, settings, answer)
        slurm = slurm.on(settings.site.cluster)
        slurm.check(text)
        script.write_text(text, encoding="utf-8")
        job = slurm.submit(script, place.job_name)
        _wait(job, slurm.on(job.cluster), answer, patience)
        found = json.loads(answer.read_text(encoding="utf-8"))
        return Answer(job, str(found["node"] or found["host"]), found)


def _wait(job: int, slurm: Slurm, answer: Path, patience: float) -> None:
    deadline, pause = time.monotonic() + patience, 0.5
    while not answer.exists():
        states = slurm.states([job])
        if not any(state.active for state in states) and not _arrives(answer):
            end = states[0].state if states else "gone"
            raise SlurmError(f"the probe (job {job}) ended without an answer, {end}: {_words(answer)}")
        if time.monotonic() > deadline:
            slurm.cancel([job])
            waits = states[0] if states else None
            why = f"{waits.state} {waits.reason}".strip() if waits else "gone"
            raise SlurmError(f"the probe (job {job}) has no answer after {patience:g} s, {why}; it was cancelled")
        time.sleep(pause)
        pause = min(1.3 * pause, 10.0)


def _arrives(answer: Path) -> bool:
    """Whether the file shows up after the job; network file systems take a moment."""
    for _ in range(5):
        if answer.exists():
            return True
        time.sleep(0.4)
    return False


def _words(answer: Path) -> str:
    """What the job printed last."""
    try:
        lines = Path(f"{answer}.log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return f"no output either; do the nodes see {answer.parent.parent}, and may they write there?"
    return " / ".join(lines[-3:]) or "it printed nothing"


@contextmanager
def _room(folder: Path) -> Iterator[Path]:
    """A folder for the probe, where nodes see it."""
    room = folder.resolve() / f".hpcsim-probe-{secrets.token_hex(4)}"
    try:
        room.mkdir()
    except OSError as error:
        raise StorageError(f"{folder} cannot be written: {error.strerror}; go to a folder that the nodes see") from error
    try:
        yield room
    finally:
        shutil.rmtree(room, ignore_errors=True)


def _world() -> tuple[int, int | None]:
    """The number of this rank, and how many its MPI library sees; None without mpi4py."""
    try:
        from mpi4py import MPI
    except ImportError:
        return 0, None
    return MPI.COMM_WORLD.rank, MPI.COMM_WORLD.size


if __name__ == "__main__":
    rank, ranks = _world()
    if rank == 0:
        target = Path(sys.argv[1])
        # ranks that are worlds of their own all get here
        write_text(target, json.dumps({**describe(), "ranks": ranks}))
