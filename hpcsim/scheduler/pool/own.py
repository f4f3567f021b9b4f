"""What all Dask clusters that hpcsim starts have in common."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dask

#: Loaded by Dask into schedulers and workers.
PRELOAD = "hpcsim.scheduler.pool.hosts"
_SETTINGS = {
    # its sampling of the waiting threads would cost more than everything else here
    "distributed.worker.profile.enabled": False,
    "distributed.admin.system-monitor.interval": "2s",
    "distributed.scheduler.preload": [PRELOAD],
    "distributed.worker.preload": [PRELOAD],
}


@contextmanager
def own_dask(more: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Settings for a cluster that starts in this context: pages for this machine alone, and a folder of its own for scratch.

    Dask's own folder for scratch has the same name for all users of a machine: one of them could link files of ours there.

    Parameters
    ----------
    more : mapping of str to any, optional
        Further settings of Dask's.
    """
    # for this user alone, and gone at the end
    parent = dask.config.get("temporary-directory", None)
    with (
        tempfile.TemporaryDirectory(prefix="hpcsim-dask-", dir=parent, ignore_cleanup_errors=True) as scratch,
        dask.config.set({**_SETTINGS, "temporary-directory": scratch, **(more or {})}),
    ):
        yield
