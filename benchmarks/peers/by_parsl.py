"""Parsl: https://parsl.readthedocs.io, its executor for many tasks, two workers on this machine."""

from __future__ import annotations

import sys

import parsl
from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.providers import LocalProvider
from work import points, store, work

if __name__ == "__main__":
    n, folder = int(sys.argv[1]), sys.argv[2]
    executor = HighThroughputExecutor(
        label="here",
        max_workers_per_node=2,
        cores_per_worker=1,
        address="127.0.0.1",
        provider=LocalProvider(init_blocks=1, max_blocks=1),
    )
    x = points(n)
    with parsl.load(Config(executors=[executor], run_dir=f"{folder}/runinfo", usage_tracking=0)):
        app = parsl.python_app(work)
        store(folder, x, [future.result() for future in [app(value) for value in x]])
