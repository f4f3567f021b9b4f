"""Zarr: an array with chunks of the same size and the compression that it chooses, written a chunk at a time."""

from __future__ import annotations

import sys

import zarr
from rows import BLOCK, SAMPLES, blocks

if __name__ == "__main__":
    n, folder = int(sys.argv[1]), sys.argv[2]
    group = zarr.open_group(f"{folder}/all.zarr", mode="w")
    signal = group.create_array("signal", shape=(n, SAMPLES), chunks=(BLOCK, SAMPLES), dtype="f8")
    columns = [group.create_array(name, shape=(n,), chunks=(BLOCK,), dtype="f8") for name in "ab"]
    for start, parameters, signals in blocks(n):
        rows = slice(start, start + len(signals))
        signal[rows] = signals
        for column, values in zip(columns, parameters.T, strict=True):
            column[rows] = values
