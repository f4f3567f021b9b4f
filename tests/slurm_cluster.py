"""A real Slurm on the loopback interface: munged, slurmctld, and a slurmd for each of several emulated nodes.

It lives in a temporary folder, with a munge key and ports of its own; nothing of the machine's Slurm is touched.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from absent import absent

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"

CONFIG = """\
ClusterName=hpcsim
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={root}/munge/socket
CredType=cred/munge
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool/%n
TmpFS={root}/spool/%n
SlurmctldPidFile={root}/run/slurmctld.pid
SlurmdPidFile={root}/run/%n.pid
SlurmctldLogFile={root}/log/slurmctld.log
SlurmdLogFile={root}/log/%n.log
{tracking}
SwitchType=switch/none
MpiDefault=none
MailProg=/bin/true
PropagateResourceLimits=NONE
# more cores and memory than there are
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=400
# start jobs at once
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1
MaxJobCount=5000
MaxArraySize={max_array}
ReturnToService=2
SlurmctldTimeout=10
MessageTimeout=5
SlurmdTimeout=30
KillWait=5
CompleteWait=0
MinJobAge=3600
AccountingStorageType=accounting_storage/none
NodeName=n[1-{nodes}] NodeHostname={host} NodeAddr=127.0.0.1 Port={first}-{last} CPUs=2 RealMemory=4000 State=UNKNOWN
PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE State=UP
PartitionName=closed Nodes=n1 MaxTime=INFINITE State=DOWN
"""
#: Real kills of jobs that take too much memory, where control groups of version 1 can be made.
CGROUPS = """\
ProctrackType=proctrack/cgroup
TaskPlugin=task/cgroup
JobAcctGatherType=jobacct_gather/cgroup
JobAcctGatherFrequency=1"""
NO_CGROUPS = """\
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1"""


class Cluster:
    """The daemons, and what tests do to them.

    Parameters
    ----------
    root : Path
        Where everything lives.
    nodes : int
    max_array : int
        Slurm's MaxArraySize.
    """

    def __init__(self, root: Path, nodes: int = 3, max_array: int = 21) -> None:
        self.root, self.nodes = root, nodes
        self.cgroups = _cgroups()
        for name in ("munge", "run", "log", "state", "spool"):
            (root / name).mkdir(mode=0o755, parents=True)
        ports = _free_ports(nodes + 1)
        self.config = root / "slurm.conf"
        self.config.write_text(
            CONFIG.format(
                host=socket.gethostname().split(".")[0],
                root=root,
                ports=ports,
                first=ports[1],
                last=ports[-1],
                nodes=nodes,
                max_array=max_array,
                tracking=CGROUPS if self.cgroups else NO_CGROUPS,
            )
        )
        if self.cgroups:
            (root / "cgroup.conf").write_text(
                "CgroupPlugin=cgroup/v1\nCgroupMountpoint=/sys/fs/cgroup\nCgroupAutomount=no\n"
                "ConstrainRAMSpace=yes\nConstrainCores=no\n"
            )
        self.environment = {**os.environ, "PATH": PATH, "SLURM_CONF": str(self.config)}

    def start(self) -> None:
        """Bring everything up, and wait until all nodes are idle."""
        key, munge = self.root / "munge" / "key", self.root / "munge"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        options = {"key-file": key, "socket": munge / "socket", "pid-file": self.root / "run" / "munged.pid"}
        options |= {"log-file": self.root / "log" / "munged.log", "seed-file": munge / "seed"}
        self._do("munged", "--force", *(f"--{name}={value}" for name, value in options.items()))
        self.start_controller()
        for node in range(1, self.nodes + 1):
            (self.root / "spool" / f"n{node}").mkdir()
            self._do("slurmd", "-N", f"n{node}", "-f", str(self.config))
        self._until(
            lambda: self._do("sinfo", "-h", "-N", "-p", "debug", "-o", "%T").split() == ["idle"] * self.nodes, "nodes idle"
        )

    def start_controller(self) -> None:
        """Start slurmctld, and wait until it answers."""
        self._do("slurmctld", "-i" if not any((self.root / "state").iterdir()) else "-R", "-f", str(self.config))
        self._until(lambda: "UP" in self._do("scontrol", "ping"), "slurmctld up")

    def stop_controller(self) -> None:
        """End slurmctld; jobs go on."""
        _end([self.root / "run" / "slurmctld.pid"])

    def stop(self) -> None:
        """End everything, by process ids that the daemons wrote."""
        subprocess.run(["scancel", "-u", "root"], env=self.environment, capture_output=True, timeout=20, check=False)
        time.sleep(0.3)
        _end([self.root / "run" / f"n{node}.pid" for node in range(1, self.nodes + 1)])
        self.stop_controller()
        _end([self.root / "run" / "munged.pid"])
        shutil.rmtree(self.root, ignore_errors=True)

    def ask(self, *command: str) -> str:
        """What one of Slurm's commands prints."""
        return self._do(*command)

    def queue(self) -> list[list[str]]:
        """Job, state and reason of what is not over."""
        return [line.split("|") for line in self._do("squeue", "-h", "-o", "%i|%T|%r").splitlines()]

    def wait(self, condition, seconds: float = 180.0) -> None:
        """Wait until a condition holds."""
        self._until(condition, "the condition of the test", seconds)

    def _do(self, *command: str) -> str:
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode and command[0] not in ("sinfo", "scontrol"):
            raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
        return done.stdout

    def _until(self, condition, what: str, seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                log = (self.root / "log" / "slurmctld.log").read_text()[-2000:]
                raise TimeoutError(f"{what}: not within {seconds:g} s\n{log}")
            time.sleep(0.1)


def _end(files: list[Path]) -> None:
    """Ask processes to end, and wait; the files that name them go with them."""
    pids = [int(file.read_text()) for file in files if file.exists() and file.read_text().strip()]
    for number, seconds in ((signal.SIGTERM, 8.0), (signal.SIGKILL, 2.0)):
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue
        deadline = time.monotonic() + seconds
        while any(map(_alive, pids)) and time.monotonic() < deadline:
            time.sleep(0.05)
    for file in files:
        file.unlink(missing_ok=True)


def _alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def _cgroups() -> bool:
    """Whether control groups of version 1 can be made."""
    probe = Path(f"/sys/fs/cgroup/memory/hpcsim-probe-{os.getpid()}")
    try:
        probe.mkdir()
        probe.rmdir()
    except OSError:
        return False
    return Path("/sys/fs/cgroup/freezer").is_dir()


def _free_ports(count: int) -> list[int]:
    """Consecutive ports that nobody listens at."""
    first = 20_000 + (os.getpid() * 16) % 10_000
    while True:
        ports = list(range(first, first + count))
        if all(map(_free, ports)):
            return ports
        first += count


def _free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


_RUNNING: list[Cluster] = []


def running_cluster() -> Cluster:
    """The cluster of this test process; started when it is first wanted."""
    if not _RUNNING:
        missing = [name for name in PROGRAMS if shutil.which(name, path=PATH) is None]
        if missing or os.geteuid() != 0:
            why = f"no {', '.join(missing)}; scripts/slurm-install.sh" if missing else "slurmd wants root"
            absent(f"Slurm: {why}")
        cluster = Cluster(Path(tempfile.mkdtemp(prefix="hpcsim-slurm-")))
        # slurmd and jobs look into the folder as any user
        cluster.root.chmod(0o755)
        atexit.register(cluster.stop)
        cluster.start()
        _RUNNING.append(cluster)
    return _RUNNING[0]


@pytest.fixture
def slurm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cluster:
    """A running cluster that the commands find, without jobs of other tests."""
    cluster = running_cluster()
    monkeypatch.setenv("SLURM_CONF", str(cluster.config))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    yield cluster
    if cluster.queue():
        cluster.ask("scancel", "-u", "root")
        cluster.wait(lambda: not cluster.queue())
