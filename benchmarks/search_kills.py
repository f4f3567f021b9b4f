"""A search that is killed at random moments, row by row against one that is not.

Run it with ``python benchmarks/search_kills.py [KILLS] [inline|local|dask|slurm]``: a random walk and an evolution without a
barrier of a cheap model. The process that drives the search gets SIGKILL or SIGTERM at a random moment, is started again, and so
on. On Slurm, which is started for it, nobody drives: each kill takes a job that runs, a task or a collector, and the user resumes
when the queue is empty. The other search is not disturbed.

The figure is the number of rows that differ: suggestions, objectives, and all columns of the results; with one worker also the
order of arrival. With several it is another one in each run, and ``order = "suggestion"`` makes suggestions follow from the seed.
"""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hpcsim.cli.slurm_cluster import Cluster
from hpcsim.collector.format.table import Table

MODEL = """
import time
from hpcsim import Output, Parameter, model
@model("kills.bowl", parameters=[Parameter("x", 0.0), Parameter("y", 0.0)], outputs=[Output("f"), Output("g")])
def bowl(point, context):
    time.sleep(0.05)
    return {"f": (point["x"] - 1) ** 2 + point["y"] ** 2, "g": (point["x"] + 1) ** 2 + point["y"] ** 2}
"""
STUDY = """
[study]
name = "kills"
model = "kills:bowl"
[space]
x = {{ uniform = [-4, 4] }}
y = {{ uniform = [-2, 2] }}
[sampler]
evaluations = {n}
objectives = {{ f = "f", g = "g" }}
order = "{order}"
ahead = 12
{more}
[resources]
task_size = {size}
"""
SAMPLERS = {
    "walk": 'use = "walk"\nmax_step = 0.1\ncutoffs = { f = 4.0 }\nstart = [{ x = 1.0, y = 0.0 }]',
    "steady state": 'use = "steady_state"\npopulation = 10',
}
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def hpcsim(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    """Start a command."""
    return subprocess.Popen([sys.executable, "-m", "hpcsim", *words], cwd=folder, **QUIET)  # type: ignore[call-overload]


def lines(log: Path) -> int:
    """Events in the log of a search."""
    return log.read_bytes().count(b"\n") if log.exists() else 0


def run(folder: Path, on: str, name: str, events: int | None = None, later: float = 0.0, number: int = 0) -> bool:
    """Start or go on, and send a signal some time after so many further events; returns whether it came to its end."""
    log = folder / name / "sampler.jsonl"
    before = lines(log)
    process = hpcsim(folder, "run", "kills.toml", "--on", on, "--dir", name, "--workers", "2")
    while events is not None and process.poll() is None:
        if lines(log) >= before + events:
            time.sleep(later)
            process.send_signal(number)
            break
        time.sleep(0.002)
    return process.wait() == 0


def disturb(folder: Path, on: str, wanted: int, random: np.random.Generator) -> int:
    """Run a search to its end and kill it on the way; returns how often."""
    kills, over = 0, False
    while not over:
        if kills < wanted:
            number = signal.SIGTERM if kills % 4 == 3 else signal.SIGKILL
            over = run(folder, on, "part", int(random.integers(1, 6)), random.uniform(0, 0.1 if on == "inline" else 1.0), number)
            kills += not over
        else:
            over = run(folder, on, "part")
    return kills


def jobs(path: Path) -> list[int]:
    """Processes of tasks and collectors of a study's directory."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except OSError:
            continue
        if str(path).encode() in words and (b"task" in words or b"collect" in words):
            found.append(int(entry.parent.name))
    return found


def disturb_jobs(folder: Path, cluster: Cluster, wanted: int, random: np.random.Generator) -> int:
    """Submit a search, kill running jobs, and resume when the queue is empty, until nothing is left."""
    path, kills = folder / "part", 0
    os.environ["SLURM_CONF"] = str(cluster.config)
    hpcsim(folder, "submit", "kills.toml", "--dir", "part", "--workers", "4").wait()
    last = -1
    while True:
        while cluster.queue():
            time.sleep(random.uniform(0, 2.0))
            # a point whose job is killed again and again is recorded as failed: between two kills, something lands
            if kills < wanted and lines(path / "sampler.jsonl") > last and (running := jobs(path)):
                last = lines(path / "sampler.jsonl")
                try:
                    os.kill(int(random.choice(running)), signal.SIGTERM if kills % 4 == 3 else signal.SIGKILL)
                    kills += 1
                except ProcessLookupError:
                    pass
        before = lines(path / "sampler.jsonl")
        hpcsim(folder, "resume", "part", "--workers", "4").wait()
        if not cluster.queue() and lines(path / "sampler.jsonl") == before:
            hpcsim(folder, "collect", "part").wait()
            return kills


def rows(path: Path, *, ordered: bool) -> list[str]:
    """Suggestions and arrivals, and the rows of the results, as texts."""
    events = [json.loads(line) for line in (path / "sampler.jsonl").read_text().splitlines()[1:]]
    suggested = [json.dumps(row) for event in events for row in event.get("suggest", ())]
    arrived = [json.dumps(row) for event in events for row in event.get("ingest", ())]
    with Table(path / "results.h5") as table:
        columns = [table.array(column).tolist() for column in ("id", "seed", "status", "x", "y", "f", "g")]
    return [*suggested, *(arrived if ordered else sorted(arrived)), *map(str, zip(*columns, strict=True))]


def compare(on: str, wanted: int, cluster: Cluster | None = None, samplers: Sequence[str] = tuple(SAMPLERS)) -> list[int]:
    """Print how many rows differ for each sampler, and return it."""
    random = np.random.default_rng(0)
    ordered, found = on == "inline", []
    for name in samplers:
        more = SAMPLERS[name]
        n, size = (max(20, 4 * wanted), 1) if ordered else (max(24, 6 * wanted), 3)
        with tempfile.TemporaryDirectory() as made:
            folder = Path(made)
            folder.chmod(0o755)
            (folder / "kills.py").write_text(MODEL)
            text = STUDY.format(n=n, more=more, size=size, order="arrival" if ordered else "suggestion")
            (folder / "kills.toml").write_text(text)
            run(folder, "inline", "whole")
            kills = disturb(folder, on, wanted, random) if cluster is None else disturb_jobs(folder, cluster, wanted, random)
            one, other = rows(folder / "whole", ordered=ordered), rows(folder / "part", ordered=ordered)
        differ = abs(len(one) - len(other)) + sum(a != b for a, b in zip(one, other, strict=False))
        print(f"{on}, {name}: {n} evaluations, {kills} kills, {differ} of {len(one)} rows differ", flush=True)
        found.append(differ)
        if differ:
            first = next(i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
            print(f"  the first: {one[first]} is {other[first]}", flush=True)
    return found


def main() -> None:
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    on = sys.argv[2] if len(sys.argv) > 2 else "inline"
    print(platform.processor() or platform.machine(), platform.python_version(), flush=True)
    # half of them for each sampler
    if on == "slurm":
        with tempfile.TemporaryDirectory(prefix="hpcsim-slurm-") as root:
            Path(root).chmod(0o755)
            with Cluster(Path(root)) as cluster:
                compare(on, wanted // 2, cluster)
    else:
        compare(on, wanted // 2)


if __name__ == "__main__":
    main()
