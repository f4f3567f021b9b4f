"""A sweep that something happens to, a user who runs it again until it says success, and what is looked at then."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import weakref
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import psutil

import hpcsim
from hpcsim.collector.format.table import Table

#: So many points a task has, and so many workers there are: what one fault may cost is simulated again.
POINTS, TASK_SIZE, WORKERS = 40, 5, 2
_WORKERS = dict.fromkeys(("local", "dask", "inline"), ("--workers", str(WORKERS)))
#: A user gives up after so often.
_ENOUGH = 6

MODEL = """
import time
from pathlib import Path
import numpy as np
from hpcsim import Output, Parameter, model

JOURNAL = Path({journal!r})

@model("faulty", parameters=[Parameter("x", 0.0)], outputs=[Output("square"), Output("times", ("spike",), "ms", ragged=True)])
def faulty(point, context):
    time.sleep(0.03)
    random = np.random.default_rng(point.seed)
    with JOURNAL.open("a") as journal:
        journal.write(f"{{point['x']:g}}\\n")
    return {{"square": point["x"] ** 2 + random.random(), "times": np.sort(random.uniform(0, 1, int(point["x"]) % 7))}}
"""
STUDY = """
[study]
name = "faulty"
model = "faulty:faulty"
[space]
x = {{ linspace = [0, {last}, {points}] }}
[resources]
task_size = {size}
"""


@dataclass
class Outcome:
    """What a trial left, after the command said success."""

    lost: int = 0
    doubled: int = 0
    changed: int = 0
    again: int = 0
    commands: int = 0
    said: list[str] = field(default_factory=list)


class FaultySweep:
    """One sweep in a folder of its own.

    Parameters
    ----------
    folder : Path
        Empty.
    on : str
        The executor.
    """

    def __init__(self, folder: Path, on: str) -> None:
        self.folder, self.on = folder, on
        # of this machine: what several append to at once on a parallel file system, none of them can
        self.journal = Path(tempfile.mkdtemp(prefix="hpcsim-journal-"), "journal")
        weakref.finalize(self, shutil.rmtree, self.journal.parent, ignore_errors=True)
        self.directory = folder / "runs" / "faulty"
        (folder / "faulty.py").write_text(MODEL.format(journal=str(self.journal)))
        (folder / "faulty.toml").write_text(STUDY.format(last=POINTS - 1, points=POINTS, size=TASK_SIZE))
        self._said: list[str] = []

    def start(self, more: Mapping[str, str] | None = None, limits: Mapping[int, int] | None = None) -> subprocess.Popen[bytes]:
        """Start the command, with more variables or with limits of resources."""

        def limit() -> None:
            for which, most in (limits or {}).items():
                resource.setrlimit(which, (most, most))

        with (self.folder / "said").open("ab") as said:
            return subprocess.Popen(
                [sys.executable, "-m", "hpcsim", "run", "faulty.toml", "--on", self.on, *_WORKERS.get(self.on, ())],
                cwd=self.folder,
                env={**os.environ, **(more or {})},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                preexec_fn=limit,
            )

    def command(self, *words: str) -> subprocess.Popen[bytes]:
        """Start another command on the same study."""
        line = [sys.executable, "-m", "hpcsim", *words]
        return subprocess.Popen(line, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def processes(self, role: str, driver: subprocess.Popen[bytes]) -> list[psutil.Process]:
        """Processes below the driver in a role: ``task``, ``worker``, ``fork server`` or ``dask worker``."""
        wanted = {
            "task": lambda line: "hpcsim task" in line,
            "worker": lambda line: "hpcsim.scheduler.task.worker" in line,
            "fork server": lambda line: "hpcsim.cli.fork_server" in line,
            "dask worker": lambda line: line.startswith("dask worker"),
        }[role]
        try:
            below = psutil.Process(driver.pid).children(recursive=True)
            return [process for process in below if wanted(line_of(process))]
        except psutil.NoSuchProcess:
            return []

    def simulated(self) -> Counter[str]:
        """How often each point was simulated to its end."""
        return Counter(self.journal.read_text().split()) if self.journal.exists() else Counter()

    def ended(self, process: subprocess.Popen[bytes]) -> bool:
        """Wait for a command; whether it said success. What it says then must be true."""
        code = process.wait(300)
        if code == 0:
            assert self.missing() == 0, f"exit 0, and {self.missing()} points are missing: {self.told()}"
        return code == 0

    def missing(self) -> int:
        """Points that have no row."""
        if not (self.directory / "results.h5").exists():
            return POINTS
        with Table(self.directory / "results.h5") as table:
            return POINTS - len(set(table.array("x").tolist()))

    def told(self) -> str:
        """The last lines that the commands have printed."""
        return "\n".join((self.folder / "said").read_text(errors="replace").splitlines()[-25:])

    def until_success(self, first: subprocess.Popen[bytes]) -> Outcome:
        """Do what a user does: run it again until it says success; then look at what is there."""
        commands, over = 1, self.ended(first)
        while not over:
            assert commands < _ENOUGH, f"no success after {commands} commands: {self.told()}"
            commands, over = commands + 1, self.ended(self.start())
        outcome = self.outcome()
        outcome.commands = commands
        return outcome

    def outcome(self) -> Outcome:
        """The rows against those of a sweep that nothing happened to."""
        found, right = self.rows(), undisturbed()
        with Table(self.directory / "results.h5") as table:
            doubled = len(table.array("id")) - len(set(table.array("id").tolist()))
        lost = len(right.keys() - found.keys())
        changed = sum(found[point] != right[point] for point in right.keys() & found.keys()) + len(found.keys() - right.keys())
        again = sum(times - 1 for times in self.simulated().values())
        return Outcome(lost, doubled, changed, again)

    def rows(self) -> dict[str, tuple[Any, ...]]:
        """Everything of each point, by its id."""
        results = hpcsim.open(self.directory)
        frame = results.parameters
        times = results.ragged("times")
        with Table(self.directory / "results.h5") as table:
            square = dict(zip(table.array("x").tolist(), table.array("square").tolist(), strict=True))
            seeds = dict(zip(table.array("x").tolist(), table.array("seed").tolist(), strict=True))
            status = dict(zip(table.array("x").tolist(), table.array("status").tolist(), strict=True))
        return {
            str(point): (x, square[x], seeds[x], status[x], tuple(train.tolist()))
            for point, x, train in zip(frame.index, frame["x"].tolist(), times, strict=True)
        }

    def left(self, seconds: float = 30.0) -> list[str]:
        """Processes that work in the folder still, and files that a sweep does not leave."""
        deadline = time.monotonic() + seconds
        while (alive := self._alive()) and time.monotonic() < deadline:
            time.sleep(0.1)
        files = [str(path.relative_to(self.directory)) for path in self.directory.rglob("*") if path.is_file()]
        known = (
            "logs/",
            "source/",
            "study.toml",
            "results.",
            ".collect.lock",
            "history",
            "jobs/",
            "shards/refused/",
            "shards/damaged/",
        )
        return [*alive, *(name for name in files if not name.startswith(known))]

    def _alive(self) -> list[str]:
        found = []
        for process in psutil.process_iter():
            try:
                at_work = process.cwd().startswith(str(self.folder)) and process.status() != psutil.STATUS_ZOMBIE
            except psutil.Error:
                continue
            if at_work and process.pid != os.getpid():
                found.append(f"{process.pid}: {line_of(process)[:100]}")
        return found


def line_of(process: psutil.Process) -> str:
    """The command line of a process; empty where it is gone."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


@lru_cache(maxsize=1)
def undisturbed() -> dict[str, tuple[Any, ...]]:
    """The rows of a sweep that nothing happened to."""
    return _quiet()[0]


def length(on: str) -> float:
    """How long such a sweep takes here, in seconds, so that faults fall into each part of it."""
    return _quiet(on)[1]


@lru_cache(maxsize=4)
def _quiet(on: str = "inline") -> tuple[dict[str, tuple[Any, ...]], float]:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        sweep = FaultySweep(Path(folder), on)
        began = time.monotonic()
        process = sweep.start()
        assert process.wait() == 0, sweep.told()
        return sweep.rows(), time.monotonic() - began


def send(process: psutil.Process | subprocess.Popen[bytes], number: signal.Signals) -> None:
    """A signal, to a process that may be gone."""
    with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
        process.send_signal(number)
