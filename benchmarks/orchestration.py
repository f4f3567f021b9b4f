"""What an orchestrator costs: points that do nothing, until every one of their results is on disk.

Each entry starts as a user starts it, a script in a fresh process with two workers, and is measured to its end with all of its
processes. What it wrote is read after, and every point must be there with the right value: ``python benchmarks orchestration``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from harness.rounds import Entry
from peers.work import points, work

TITLE = "Sweeps of points that do nothing"
Check = Callable[[Path, int], str]
_PEERS = Path(__file__).parent / "peers"
SIZES, MANY = (100, 1_000, 10_000), 100_000
#: Of the short version: what is installed beside hpcsim.
SHORT, SHORT_SIZES = ("hpcsim, local", "joblib"), (200, 10_000)
_ALL = "hpcsim checks the study, keeps parameters, ids, seeds, states, costs and versions of all points, and goes on after a kill"
#: Why hpcsim is not ahead, where it is not.
WHY = {
    "hpcsim, inline": "one process, none to start, and none that a crash would spare",
    "joblib": f"it returns values to a script that keeps nothing; {_ALL}",
    "joblib, Memory": "it starts sooner; what it keeps is a folder a point, whose cost grows with the points",
    "executorlib": f"two small processes and nothing kept; {_ALL}",
    "xyzpy": "it merges values into a file once, at the end",
    "signac-flow": "it starts sooner; what it keeps is a folder a point, whose cost grows with the points",
    "sbi, simulate_for_sbi": f"it returns tensors and keeps nothing; {_ALL}",
}


def _compared(x: np.ndarray, y: np.ndarray, n: int, drawn: bool = False) -> str:
    """A sentence where a point is missing or wrong."""
    if len(x) != n or len(y) != n:
        return f"{len(y)} results of {n}"
    order = np.argsort(x, kind="stable")
    wanted = np.unique(x) if drawn else np.array(points(n))
    if len(wanted) != n or not np.allclose(x[order], wanted):
        return "other points than asked for"
    return "" if np.allclose(y, [work(value) for value in x]) else "wrong values"


def stored(folder: Path, n: int, drawn: bool = False) -> str:
    """Of peers that return their results."""
    values = np.fromfile(folder / "results.f64")
    return _compared(values[: len(values) // 2], values[len(values) // 2 :], n, drawn)


def drawn(folder: Path, n: int) -> str:
    """Of sbi, which draws its points."""
    return stored(folder, n, drawn=True)


def of_hpcsim(folder: Path, n: int) -> str:
    """Of results.h5; no shard may be left."""
    with h5py.File(folder / "study" / "results.h5") as file:
        return "a point failed" if file["status"][:].any() else _compared(file["x"][:], file["y"][:], n)


def of_memory(folder: Path, n: int) -> str:
    """Of joblib's Memory: a folder a point, too."""
    kept = len(list((folder / "memory").rglob("output.pkl")))
    return stored(folder, n) if kept == n else f"{kept} cached results of {n}"


def of_snakemake(folder: Path, n: int) -> str:
    """A file a point."""
    rows = np.array([path.read_text().split() for path in (folder / "results").glob("*.txt")], float).reshape(-1, 2)
    return _compared(rows[:, 0], rows[:, 1], n)


def of_signac(folder: Path, n: int) -> str:
    """A folder a point with two JSON files."""
    rows = [
        (json.loads((path.parent / "signac_statepoint.json").read_text())["x"], json.loads(path.read_text())["y"])
        for path in (folder / "workspace").glob("*/signac_job_document.json")
    ]
    return _compared(*np.array(rows).reshape(-1, 2).T, n)


def of_xyzpy(folder: Path, n: int) -> str:
    """A netCDF file."""
    with h5py.File(folder / "results.h5") as file:
        return _compared(file["x"][:], file["y"][:], n)


def of_pypet(folder: Path, n: int) -> str:
    """A group a run in one HDF5 file; runs are in the order of the exploration."""
    with h5py.File(folder / "results.hdf5") as file:
        runs = file["nothing/results/runs"]
        names = sorted(name for name in runs if name.startswith("run_0"))
        y = [float(np.ravel(_leaf(runs[name]["y"]))[0]) for name in names]
    return _compared(np.array(points(n))[: len(y)], np.array(y), n)


def _leaf(group: h5py.Group) -> object:
    """The value in a group of pypet."""
    return next(iter(group.attrs[key] for key in group.attrs if key.endswith("__data__")), None) or group["y"][...]


#: What each leaves, and how it works.
_IN_MEMORY = "values in memory, one file at the end: a kill loses all"
_NOTES = {
    "hpcsim, local": "two worker processes; parameters, seeds, states and costs of all points; resumes; without its report",
    "hpcsim, inline": "the same in one process",
    "joblib": _IN_MEMORY,
    "joblib, Memory": "a folder a point; resumes",
    "dask.distributed": _IN_MEMORY,
    "Parsl": f"HighThroughputExecutor; {_IN_MEMORY}",
    "executorlib": _IN_MEMORY,
    "sbi, simulate_for_sbi": f"importing torch, in the workers too, is nearly all of it; {_IN_MEMORY}",
    "xyzpy": "a Harvester: merged into a netCDF file at the end",
    "pypet": "a group a point in one HDF5 file; resumes",
    "signac-flow": "a folder a point; resumes",
    "submitit, local": "a process a point, all of them at once",
    "Snakemake": "a process and a file a point; resumes",
}


def entries() -> list[Entry]:
    """The first is what the others are compared with."""

    def peer(name: str, script: str, *requirements: str, check: Check = stored, **more: Any) -> Entry:
        return Entry(name, _PEERS / f"by_{script}.py", check, requirements=requirements, note=_NOTES[name], **more)

    def own(executor: str) -> Entry:
        name = f"hpcsim, {executor}"
        return Entry(name, _PEERS / "by_hpcsim.py", of_hpcsim, (executor,), note=_NOTES[name], own=True)

    old = ("numpy<2", "pandas<2.2", "scipy<1.14", "tables<3.10")
    return [
        own("local"),
        own("inline"),
        peer("joblib", "joblib", "joblib"),
        peer("joblib, Memory", "joblib", "joblib", words=("memory",), check=of_memory),
        peer("dask.distributed", "dask", "distributed"),
        peer("Parsl", "parsl", "parsl"),
        peer("executorlib", "executorlib", "executorlib"),
        # the extra of that name asks for the same
        peer("sbi, simulate_for_sbi", "sbi", "sbi", check=drawn, beside=True),
        peer("xyzpy", "xyzpy", "xyzpy", "matplotlib", "h5netcdf", check=of_xyzpy),
        peer("pypet", "pypet", "pypet", *old, check=of_pypet),
        peer("signac-flow", "signac", "signac", "signac-flow", check=of_signac),
        peer("submitit, local", "submitit", "submitit", most=100, rounds=1),
        peer("Snakemake", "snakemake", "snakemake", check=of_snakemake, most=100, rounds=1),
    ]
