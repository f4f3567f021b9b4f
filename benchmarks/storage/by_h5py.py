"""h5py by hand: one chunked file (``chunked``, ``uncompressed``), a group a point (``groups``), a file a point (``files``)."""

from __future__ import annotations

import sys
from pathlib import Path

import h5py
from rows import BLOCK, SAMPLES, blocks


def chunked(folder: Path, n: int, **filters: object) -> None:
    """The limit: chunks and filters as hpcsim's, nothing about points, no checks, nothing left after a kill."""
    with h5py.File(folder / "all.h5", "w") as file:
        signal = file.create_dataset("signal", (n, SAMPLES), chunks=(BLOCK, SAMPLES), dtype="f8", **filters)
        columns = [file.create_dataset(name, (n,), chunks=(min(n, 1024),), dtype="f8") for name in "ab"]
        for start, parameters, signals in blocks(n):
            rows = slice(start, start + len(signals))
            signal[rows] = signals
            for column, values in zip(columns, parameters.T, strict=True):
                column[rows] = values


def one_by_one(folder: Path, n: int, files: bool) -> None:
    """A file, or a group of one file, a point."""
    whole = None if files else h5py.File(folder / "all.h5", "w")
    for start, parameters, signals in blocks(n):
        for i, (values, row) in enumerate(zip(parameters, signals, strict=True), start):
            place = h5py.File(folder / f"{i}.h5", "w") if whole is None else whole.create_group(str(i))
            place.attrs["a"], place.attrs["b"] = values
            place["signal"] = row
            if whole is None:
                place.close()
    if whole is not None:
        whole.close()


if __name__ == "__main__":
    n, folder, way = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    if way in ("chunked", "uncompressed"):
        chunked(folder, n, **({"compression": 1, "shuffle": True} if way == "chunked" else {}))
    else:
        one_by_one(folder, n, way == "files")
