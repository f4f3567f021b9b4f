"""pypet: https://pypet.readthedocs.io, an exploration with a pool of two processes; results in its HDF5 file."""

from __future__ import annotations

import sys

from pypet import Environment
from work import points, work


def simulate(traj):
    """Nothing."""
    traj.f_add_result("y", work(traj.x))


if __name__ == "__main__":
    n, folder = int(sys.argv[1]), sys.argv[2]
    environment = Environment(
        trajectory="nothing",
        filename=f"{folder}/results.hdf5",
        overwrite_file=True,
        multiproc=True,
        ncores=2,
        use_pool=True,
        log_config=None,
    )
    environment.traj.f_add_parameter("x", 0.0)
    environment.traj.f_explore({"x": points(n)})
    environment.run(simulate)
    environment.disable_logging()
