"""The Slurm that tests of one process share."""

from __future__ import annotations

import atexit
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from absent import absent

from hpcsim.cli.slurm_cluster import Cluster, missing

_RUNNING: list[Cluster] = []


def running_cluster() -> Cluster:
    """The cluster of this test process; started when it is first wanted."""
    if not _RUNNING:
        if without := missing():
            absent(f"Slurm: no {', '.join(without)}; scripts/slurm-install.sh")
        if os.geteuid() != 0:
            absent("Slurm: the tests want its control groups, and these want root")
        root = Path(tempfile.mkdtemp(prefix="hpcsim-slurm-"))
        # slurmd and jobs look into the folder as any user
        root.chmod(0o755)
        cluster = Cluster(root, max_array=21, more=["PartitionName=closed Nodes=n1 MaxTime=INFINITE State=DOWN"])
        atexit.register(cluster.stop)
        cluster.start()
        _RUNNING.append(cluster)
    return _RUNNING[0]


@pytest.fixture
def slurm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Cluster]:
    """A running cluster that the commands find, without jobs of other tests."""
    cluster = running_cluster()
    monkeypatch.setenv("SLURM_CONF", str(cluster.config))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    yield cluster
    if cluster.queue():
        cluster.ask("scancel", "-u", cluster.user)
        cluster.wait(lambda: not cluster.queue())
