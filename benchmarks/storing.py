"""What storing costs: points of 4 kB from memory to files that can be read, ``python benchmarks storing``.

Each way is a script in a process of its own; what it wrote is read after, and all values must be there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from harness.rounds import Entry
from storage.rows import BLOCK, total

TITLE = "Storing points of 4 kB"
Check = Callable[[Path, int], str]
_WAYS = Path(__file__).parent / "storage"
SIZES, MANY = (1_000, 10_000, 50_000), 500_000
#: Of the short version.
SHORT = ("hpcsim, shards and collector", "h5py, chunked and compressed", "h5py, a file a point")
SHORT_SIZES = (2_000,)
_ROW = "hpcsim stores each row twice, first in a shard that no kill can spoil, checks it, and keeps id, seed, state and costs"
#: Why hpcsim is not ahead, where it is not.
WHY = {
    "h5py, chunked and compressed": f"it is the limit; {_ROW}",
    "h5py, chunked": f"it compresses nothing, and compression is most of the cost; {_ROW}",
    "Zarr": f"Zstandard is faster than gzip, whose files every HDF5 reads; {_ROW}",
    "h5py, a group a point": "at few points the start of hpcsim counts for more; it compresses as well",
    "h5py, a file a point": "at few points the start of hpcsim counts for more; it compresses as well",
}


def _summed(parts: Iterable[np.ndarray], n: int) -> str:
    """A sentence where rows are missing or wrong."""
    rows, found = 0, 0.0
    for part in parts:
        rows, found = rows + len(part), found + float(part.sum())
    if rows != n:
        return f"{rows} rows of {n}"
    return "" if np.isclose(found, total(n), rtol=1e-12) else "wrong values"


def _in_pieces(signal: object, n: int) -> Iterable[np.ndarray]:
    return (np.asarray(signal[start : start + BLOCK]) for start in range(0, n, BLOCK))  # type: ignore[index]


def table(name: str) -> Check:
    """Of one HDF5 file."""

    def check(folder: Path, n: int) -> str:
        with h5py.File(folder / name) as file:
            return _summed(_in_pieces(file["signal"], len(file["signal"])), n)

    return check


def of_groups(folder: Path, n: int) -> str:
    """A group a point."""
    with h5py.File(folder / "all.h5") as file:
        return _summed((file[name]["signal"][...][None] for name in file), n)


def of_files(folder: Path, n: int) -> str:
    """A file a point."""

    def rows() -> Iterable[np.ndarray]:
        for path in folder.glob("*.h5"):
            with h5py.File(path) as file:
                yield file["signal"][...][None]

    return _summed(rows(), n)


def of_zarr(folder: Path, n: int) -> str:
    """A Zarr group."""
    import zarr

    signal = zarr.open_group(str(folder / "all.zarr"), mode="r")["signal"]
    return _summed(_in_pieces(signal, signal.shape[0]), n)


_NOTES = {
    "hpcsim, shards and collector": "gzip 1; ids, seeds, states and costs beside the values; checked; safe from kills",
    "h5py, chunked and compressed": "the limit: the same chunks and filters, values and parameters alone; lost with a kill",
    "h5py, chunked": "the same without compression",
    "Zarr": "the same chunks, its own compression (Zstandard); a file a chunk",
    "h5py, a group a point": "not compressed; lost with a kill",
    "h5py, a file a point": "not compressed",
}


def entries() -> list[Entry]:
    """The first is what the others are compared with."""

    def way(name: str, script: str, check: Check, *words: str, **more: Any) -> Entry:
        return Entry(name, _WAYS / f"by_{script}.py", check, words, note=_NOTES[name], **more)

    return [
        way("hpcsim, shards and collector", "hpcsim", table("results.h5"), own=True),
        way("h5py, chunked and compressed", "h5py", table("all.h5"), "chunked"),
        way("h5py, chunked", "h5py", table("all.h5"), "uncompressed"),
        way("Zarr", "zarr", of_zarr, requirements=("zarr",)),
        way("h5py, a group a point", "h5py", of_groups, "groups", most=10_000),
        way("h5py, a file a point", "h5py", of_files, "files", most=10_000),
    ]
