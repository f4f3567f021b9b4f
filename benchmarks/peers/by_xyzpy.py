"""xyzpy: https://xyzpy.readthedocs.io, a Harvester that merges into a netCDF file, two processes."""

from __future__ import annotations

import sys

import xyzpy
from work import points, work

if __name__ == "__main__":
    n, folder = int(sys.argv[1]), sys.argv[2]
    harvester = xyzpy.Harvester(xyzpy.Runner(work, var_names=["y"]), data_name=f"{folder}/results.h5")
    harvester.harvest_combos({"x": points(n)}, parallel=True, num_workers=2, verbosity=0)
