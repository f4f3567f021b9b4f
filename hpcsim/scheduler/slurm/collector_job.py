"""The job after the tasks: it gathers what they finished, and submits what is missing."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hpcsim.collector.shard import shard_files
from hpcsim.cores import cores
from hpcsim.lock import DEAD_AFTER
from hpcsim.scheduler.executor import Listener
from hpcsim.scheduler.gather import gather
from hpcsim.scheduler.pool.loopback import LOOPBACK
from hpcsim.scheduler.queue.commands import Slurm
from hpcsim.scheduler.slurm.executor import go_on
from hpcsim.scheduler.slurm.submission import open_submissions
from hpcsim.study.directory import StudyDirectory
from hpcsim.study.study import Study

#: Shards from which on Dask checks them.
_WORTH_DASK = 32
#: Seconds that it waits for other such jobs: a step of a search waits half of it for a dead one. Nobody would do its work.
_WAIT = 4 * DEAD_AFTER


def collect_and_go_on(study: Study, directory: StudyDirectory, listener: Listener) -> bool:
    """Gather finished points under a Dask dashboard, then submit what is missing.

    Returns
    -------
    bool
        Whether points are left to jobs that are not over.
    """
    with dashboard(directory, listener.notify) as client:
        gather(study, directory, listener, client=client, wait=_WAIT)
    for words in go_on(study, directory, Slurm(notify=listener.notify), wait=_WAIT):
        listener.notify(words)
    if shard_files(directory.shards):
        # points that were recorded as failed only now
        gather(study, directory, listener, wait=_WAIT)
    return bool(open_submissions(directory))


@contextmanager
def dashboard(directory: StudyDirectory, notify: Callable[[str], None]) -> Iterator[Any]:
    """A Dask client of this job's own, where there is enough to check; its page is told, with the way to it."""
    if len(shard_files(directory.shards)) < _WORTH_DASK:
        yield None
        return
    from dask.distributed import Client, LocalCluster

    from hpcsim.scheduler.pool.own import own_dask

    options = {"n_workers": 1, "threads_per_worker": cores(), "processes": False}
    pages = dict.fromkeys(("dashboard_address", "worker_dashboard_address"), f"{LOOPBACK}:0")
    with own_dask(), LocalCluster(**options, **pages) as cluster, Client(cluster) as client:
        port, host = cluster.scheduler.services["dashboard"].port, socket.gethostname()
        notify(f"dashboard http://{LOOPBACK}:{port}/status on {host}: ssh -L {port}:{LOOPBACK}:{port} {host}")
        yield client
