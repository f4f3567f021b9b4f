"""A real Slurm on one machine, for trial and for tests: munged, slurmctld, and a slurmd for each of several emulated nodes.

It lives in a temporary folder, with a munge key and ports of its own; nothing of the machine's own Slurm is touched.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from hpcsim.errors import SlurmError

#: What Debian's packages slurm-wlm and munge bring.
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
#: Daemons stand where an ordinary user's shell does not look.
PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"

CONFIG = """\
ClusterName=hpcsim
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
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
DefMemPerCPU=2000
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
NodeName=n[1-{nodes}] NodeHostname={host} NodeAddr=127.0.0.1 Port=[{first}-{last}] CPUs={cpus} RealMemory={memory} State=UNKNOWN
PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE State=UP
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
    """The daemons of a cluster, and what one may do to them; they belong to whoever starts them, root or not.

    Parameters
    ----------
    root : Path
        Where everything lives: a folder that the user of the jobs can enter, with a name that a line of slurm.conf can hold.
    nodes : int
    cpus : int
        Of each node; more than there are is allowed.
    max_array : int
        Slurm's MaxArraySize.
    more : sequence of str
        Further lines of slurm.conf.

    Attributes
    ----------
    config : Path
        The cluster's slurm.conf.
    environment : dict of str to str
        Of commands that shall find this cluster.
    cgroups : bool
        Whether Slurm sees and limits what a job takes.

    Raises
    ------
    SlurmError
        If Slurm is not installed, or this user has no name.
    """

    def __init__(self, root: Path, nodes: int = 3, cpus: int = 2, max_array: int = 1001, more: Sequence[str] = ()) -> None:
        if without := missing():
            raise SlurmError(f"there is no {', '.join(without)} here; Debian's packages slurm-wlm and munge bring them")
        self.root, self.nodes, self.cpus, self.user = root, nodes, cpus, _user()
        self.cgroups = _cgroups()
        for name in ("munge", "run", "log", "state", "spool"):
            (root / name).mkdir(mode=0o755, parents=True)
        ports = _free_ports(nodes + 1)
        text = CONFIG.format(
            host=socket.gethostname().split(".")[0],
            user=self.user,
            root=root,
            ports=ports,
            first=ports[1],
            last=ports[-1],
            nodes=nodes,
            cpus=cpus,
            memory=2000 * cpus,
            max_array=max_array,
            tracking=CGROUPS if self.cgroups else NO_CGROUPS,
        )
        self.config = root / "slurm.conf"
        self.config.write_text("\n".join([text, *more, ""]))
        if self.cgroups:
            (root / "cgroup.conf").write_text(
                "CgroupPlugin=cgroup/v1\nCgroupMountpoint=/sys/fs/cgroup\nCgroupAutomount=no\n"
                "ConstrainRAMSpace=yes\nConstrainCores=no\n"
            )
        self.environment = {**os.environ, "PATH": PATH, "SLURM_CONF": str(self.config)}

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Bring everything up, and wait until all nodes are idle.

        Raises
        ------
        SlurmError
            If a daemon does not start, or not in time; its words are in the message.
        """
        key, munge = self.root / "munge" / "key", self.root / "munge"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        options = {"key-file": key, "socket": munge / "socket", "pid-file": self.root / "run" / "munged.pid"}
        options |= {"log-file": self.root / "log" / "munged.log", "seed-file": munge / "seed"}
        self.ask("munged", "--force", *(f"--{name}={value}" for name, value in options.items()))
        self.start_controller()
        for node in range(1, self.nodes + 1):
            (self.root / "spool" / f"n{node}").mkdir()
            self.ask("slurmd", "-N", f"n{node}", "-f", str(self.config))
        self.wait(lambda: self._states() == ["idle"] * self.nodes, 30.0, "nodes idle")

    def start_controller(self) -> None:
        """Start slurmctld, and wait until it answers."""
        self.ask("slurmctld", "-i" if not any((self.root / "state").iterdir()) else "-R", "-f", str(self.config))
        self.wait(lambda: "UP" in self.ask("scontrol", "ping"), 30.0, "slurmctld up")

    def stop_controller(self) -> None:
        """End slurmctld; jobs go on."""
        _end([self.root / "run" / "slurmctld.pid"])

    def stop(self) -> None:
        """End everything, by process ids that the daemons wrote, and remove the folder."""
        if (self.root / "run" / "slurmctld.pid").exists():
            self._run(["scancel", "-u", self.user])
            time.sleep(0.3)
        _end([self.root / "run" / f"n{node}.pid" for node in range(1, self.nodes + 1)])
        self.stop_controller()
        _end([self.root / "run" / "munged.pid"])
        shutil.rmtree(self.root, ignore_errors=True)

    def ask(self, *command: str) -> str:
        """What one of Slurm's commands prints.

        Raises
        ------
        SlurmError
            If it fails; sinfo and scontrol may: that a controller does not answer, or a node is back already, is an answer too.
        """
        done = self._run(command)
        if done.returncode and command[0] not in ("sinfo", "scontrol"):
            raise SlurmError(f"{' '.join(command)}: exit code {done.returncode}: {done.stderr.strip() or self._log()}")
        return done.stdout

    def queue(self) -> list[list[str]]:
        """Job, state and reason of what is not over."""
        return [line.split("|") for line in self.ask("squeue", "-h", "-o", "%i|%T|%r").splitlines()]

    def wait(self, condition: Callable[[], bool], seconds: float = 180.0, what: str = "what was waited for") -> None:
        """Wait until a condition holds.

        Raises
        ------
        SlurmError
            If it does not, within `seconds`.
        """
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise SlurmError(f"{what}: not within {seconds:g} s\n{self._log()}")
            time.sleep(0.1)

    def _states(self) -> list[str]:
        return self.ask("sinfo", "-h", "-N", "-p", "debug", "-o", "%T").split()

    def _run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60, check=False)

    def _log(self) -> str:
        """The end of the controller's log."""
        log = self.root / "log" / "slurmctld.log"
        return log.read_text(errors="replace")[-2000:] if log.exists() else ""


def missing() -> list[str]:
    """Programs of Slurm that are not here."""
    return [name for name in PROGRAMS if shutil.which(name, path=PATH) is None]


def _user() -> str:
    """The name of who starts the daemons; Slurm knows no users without one."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise SlurmError(
            f"user {os.geteuid()} has no name on this machine, and Slurm wants one; in a container, leave out --user or take root"
        ) from None


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
    """Whether a process runs; one that is over and that nobody waits for, as in a container without init, does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


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
