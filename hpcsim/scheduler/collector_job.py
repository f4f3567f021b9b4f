"""The job after the tasks: it gathers what they finished, and submits what is missing."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hpcsim.collector.shard import shard_files
from hpcsim.directory import StudyDirectory
from hpcsim.scheduler.local import cores
from hpcsim.scheduler.queue import Slurm
from hpcsim.scheduler.slurm import go_on
from hpcsim.scheduler.sweep import Listener, gather
from hpcsim.study import Study

#: Shards from which on Dask checks them.
_WORTH_DASK = 32


def collect_and_go_on(study: Study, directory: StudyDirectory, listener: Listener) -> None:
    """Gather finished points under a Dask dashboard, then submit what is missing."""
    with dashboard(directory, listener.said) as client:
        gather(study, directory, listener, client=client)
    for words in go_on(study, directory, Slurm(announce=listener.said)):
        listener.said(words)
    if shard_files(directory.shards):
        # points that were recorded as failed only now
        gather(study, directory, listener)


@contextmanager
def dashboard(directory: StudyDirectory, announce: Callable[[str], None]) -> Iterator[Any]:
    """A Dask client of this job's own, where there is enough to check; its page is told, with the way to it."""
    if len(shard_files(directory.shards)) < _WORTH_DASK:
        yield None
        return
    from dask.distributed import Client, LocalCluster

    options = {"n_workers": 1, "threads_per_worker": cores(), "processes": False, "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(**options) as cluster, Client(cluster) as client:
        port, host = cluster.scheduler.services["dashboard"].port, socket.gethostname()
        announce(f"dashboard http://127.0.0.1:{port}/status on {host}: ssh -L {port}:127.0.0.1:{port} {host}")
        yield client
