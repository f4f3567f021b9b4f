"""dask.distributed: https://distributed.dask.org/en/stable/quickstart.html, two worker processes with a thread each."""

from __future__ import annotations

import sys

from distributed import Client, LocalCluster
from work import points, store, work

if __name__ == "__main__":
    n, folder = int(sys.argv[1]), sys.argv[2]
    x = points(n)
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        store(folder, x, client.gather(client.map(work, x)))
