"""submitit: https://github.com/facebookincubator/submitit, its executor for this machine: a process a point."""

from __future__ import annotations

import sys

import submitit
from work import points, store, work

if __name__ == "__main__":
    n, folder = int(sys.argv[1]), sys.argv[2]
    x = points(n)
    executor = submitit.AutoExecutor(folder=f"{folder}/submitit", cluster="local")
    executor.update_parameters(timeout_min=30)
    store(folder, x, [job.result() for job in executor.map_array(work, x)])
