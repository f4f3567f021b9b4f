"""``hpcsim slurm-demo``: a command beside a Slurm of its own, to try hpcsim as on a cluster."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hpcsim.cli.slurm_cluster import Cluster
from hpcsim.errors import SlurmError

#: What runs where no command is given.
COMMAND = ("hpcsim", "run", "quickstart", "--on", "slurm")
#: Seconds between two looks at the command.
INTERVAL = 0.2


def demonstrate(command: Sequence[str], nodes: int, cpus: int, notify: Callable[[str], None]) -> int:
    """Run a command beside a cluster of its own, which ends with it.

    Parameters
    ----------
    command : sequence of str
    nodes, cpus : int
        How many, and CPUs of each.
    notify : callable
        Told how the cluster stands.

    Returns
    -------
    int
        The command's exit code, as a shell gives it.

    Raises
    ------
    SlurmError
        If Slurm is not installed or does not start, or there is no such command.
    """
    root = Path(tempfile.mkdtemp(prefix="hpcsim-slurm-"))
    # daemons and jobs of other users look into it
    root.chmod(0o755)
    try:
        with _heeding() as asked, Cluster(root, nodes, cpus) as cluster:
            limits = "limits memory" if cluster.cgroups else "does not limit memory: it cannot make control groups here"
            notify(f"Slurm is up: {nodes} emulated nodes of {cpus} CPUs in partition debug; it {limits}")
            try:
                return _accompany(command, cluster.environment, asked)
            finally:
                notify("Slurm ends")
    finally:
        shutil.rmtree(root, ignore_errors=True)


@contextmanager
def _heeding() -> Iterator[list[int]]:
    """Signals are remembered for the command; one that ended this process would leave the daemons alone."""
    asked: list[int] = []
    # a terminal sends Ctrl-C to the command as well; SIGTERM comes here alone
    previous = {
        signal.SIGINT: signal.signal(signal.SIGINT, lambda number, frame: None),
        signal.SIGTERM: signal.signal(signal.SIGTERM, lambda number, frame: asked.append(number)),
    }
    try:
        yield asked
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _accompany(command: Sequence[str], environment: dict[str, str], asked: list[int]) -> int:
    """Wait for a command, and hand on to it what was asked; returns its exit code as a shell gives it."""
    try:
        process = subprocess.Popen(command, env=environment)
    except OSError as error:
        raise SlurmError(f"{command[0]} cannot be started: {error.strerror}") from error
    while True:
        try:
            code = process.wait(INTERVAL)
            return code if code >= 0 else 128 - code
        except subprocess.TimeoutExpired:
            while asked:
                process.send_signal(asked.pop())
