"""Inference and searches that are killed and gone on with: what they leave against that of a run that nothing happened to."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from functools import lru_cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import psutil
from fault_sweep import line_of, send

from hpcsim.collector.format.table import Table

#: A user gives up after so often; a trial has up to two faults.
_ENOUGH, _FAULTS = 6, 2
MODEL = """
import time
import numpy as np
from hpcsim import Output, Parameter, model

@model("fit", parameters=[Parameter("a", 0.0), Parameter("b", 0.0)], outputs=[Output("f"), Output("g")])
def fit(point, context):
    time.sleep(0.01)
    random = np.random.default_rng(point.seed)
    a, b = point["a"], point["b"]
    return {"f": (a - 1) ** 2 + b**2 + 0.1 * random.normal(), "g": (a + 1) ** 2 + b**2 + 0.1 * random.normal()}
"""
STUDY = """
[study]
name = "fit"
model = "fit:fit"
seed = 3
[space]
a = { uniform = [-4, 4] }
b = { uniform = [-2, 2] }
"""
_NPE = """
[[inference]]
use = "inference.npe"
of = ["f", "g"]
observations = "cells.csv"
epochs = 60
hidden = 16
transforms = 2
batch = 50
rate = 1e-3
samples = 50
checks = 2
calibration = 20
"""
_SMALL = "simulations = 40\ndraws = 500\nepochs = 30\nhidden = 8\ntransforms = 2\n"
_SEARCH = "[sampler]\nevaluations = 120\n"
_TWO = 'objectives = { f = "f", g = "g" }\n'
KINDS = {
    "NPE": f'[design]\nmethod = "random"\nn = 400\n{_NPE}',
    "NPE with refinement": f'[design]\nmethod = "random"\nn = 300\n{_NPE}refine = 3\ncandidates = 6\n',
    "TSNPE": f'{_SEARCH}use = "tsnpe"\nobjectives = ["f", "g"]\nobservations = "cells.csv"\nwhere = "one"\n{_SMALL}',
    "CMA-ES": f'{_SEARCH}use = "cma_es"\n{_TWO}',
    "walk": f'{_SEARCH}use = "walk"\nmax_step = 0.1\ncutoffs = {{ f = 4.0 }}\nstart = [{{ a = 1.0, b = 0.0 }}]\n{_TWO}',
}


class Fit:
    """One study in a folder of its own.

    Parameters
    ----------
    folder : Path
        Empty.
    kind : str
        Of `KINDS`.
    """

    def __init__(self, folder: Path, kind: str) -> None:
        self.folder, self.directory = folder, folder / "runs" / "fit"
        (folder / "fit.py").write_text(MODEL)
        (folder / "cells.csv").write_text("cell,f,g\none,0.5,3.0\ntwo,2.0,2.0\n")
        (folder / "fit.toml").write_text(f"{STUDY}{KINDS[kind]}")

    def start(self) -> subprocess.Popen[bytes]:
        """Start the command, or go on."""
        line = [sys.executable, "-m", "hpcsim", "run", "fit.toml", "--on", "inline"]
        with (self.folder / "said").open("ab") as said:
            return subprocess.Popen(line, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=said, stderr=said)

    def told(self) -> str:
        """The last lines that the commands have printed."""
        return "\n".join((self.folder / "said").read_text(errors="replace").splitlines()[-20:])

    def disturbed(self, number: signal.Signals, random: Random, seconds: float) -> int:
        """Signal the command at random moments, and run it again until it says success; how many commands that took."""
        for commands in range(1, _ENOUGH + 1):
            process = self.start()
            if commands <= _FAULTS:
                until = time.monotonic() + random.uniform(0.1, 1.0) * seconds
                while time.monotonic() < until and process.poll() is None:
                    time.sleep(0.01)
                send(process, number)
            if process.wait(300) == 0:
                return commands
        raise AssertionError(f"no success after {_ENOUGH} commands: {self.told()}")

    def found(self) -> dict[str, Any]:
        """All that must be equal to the bit: rows, suggestions in their order, weights, tables, figures' numbers, metrics."""
        with Table(self.directory / "results.h5") as table:
            columns = [table.array(name).tolist() for name in ("id", "seed", "status", "a", "b", "f", "g")]
        kept: dict[str, Any] = {f"row {row[0]}": row for row in zip(*columns, strict=True)}
        kept["rows"] = len(columns[0])
        log = self.directory / "sampler.jsonl"
        if log.exists():
            events = [json.loads(line) for line in log.read_text().splitlines()[1:]]
            for key in ("suggest", "ingest"):
                kept |= {f"{key} {n}": row for n, row in enumerate(row for event in events for row in event.get(key, ()))}
        for path in sorted(self.directory.glob("inference/**/*")):
            # where the source came from is another folder
            if path.suffix in (".csv", ".safetensors", ".json") and "source" not in path.parts:
                kept[str(path.relative_to(self.directory))] = hashlib.sha256(path.read_bytes()).hexdigest()
        return kept

    def left(self) -> list[str]:
        """Processes that work in the folder still, and temporary files."""
        deadline = time.monotonic() + 30
        while (alive := self._alive()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return [*alive, *(str(path) for path in self.directory.rglob("*") if path.suffix == ".tmp" or "checkpoint" in path.name)]

    def _alive(self) -> list[str]:
        found = []
        for process in psutil.process_iter():
            try:
                here = process.cwd().startswith(str(self.folder)) and process.status() != psutil.STATUS_ZOMBIE
            except psutil.Error:
                continue
            if here and process.pid != os.getpid():
                found.append(line_of(process)[:100])
        return found


@lru_cache(maxsize=8)
def undisturbed(kind: str) -> tuple[dict[str, Any], float]:
    """What a run leaves that nothing happened to, and how long it took, in seconds."""
    with TemporaryDirectory() as folder:
        fit, began = Fit(Path(folder), kind), time.monotonic()
        assert fit.start().wait() == 0, fit.told()
        return fit.found(), time.monotonic() - began
