"""Stands in for Slurm's commands: keeps jobs in a folder, and answers as the commands of real sites do.

Started under the name of each command. What it does beside its work stands in the variables ``STAND_IN_...``.
"""

from __future__ import annotations

import os
import signal
import stat
import sys
import time
from pathlib import Path

FIRST = 4001


class StandIn:
    """The commands in a folder, and what they were asked.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.commands, self.jobs = folder / "bin", folder / "jobs"
        self.commands.mkdir(parents=True)
        self.jobs.mkdir()
        for name in ("sbatch", "squeue", "sacct", "scontrol", "scancel", "sacctmgr"):
            path = self.commands / name
            path.write_text(f"#!{sys.executable} -SE\n{Path(__file__).read_text()}")
            path.chmod(path.stat().st_mode | stat.S_IXUSR)

    @property
    def queued(self) -> int:
        """How many jobs were ever queued."""
        return len(list(self.jobs.iterdir()))

    def calls(self, command: str) -> list[str]:
        """How a command was called."""
        lines = (self.folder / "calls").read_text().splitlines()
        return [line for line in lines if line.startswith(f"{command} ") and "--test-only" not in line]


def main() -> None:
    """Be one of the commands."""
    command = Path(sys.argv[0])
    folder = command.parent.parent
    with (folder / "calls").open("a") as calls:
        calls.write(" ".join([command.name, *sys.argv[1:]]) + "\n")
    globals()[command.name](folder, sys.argv[1:], os.environ.get("STAND_IN", ""))


def option(arguments: list[str], name: str) -> str:
    for given, following in zip(arguments, [*arguments[1:], ""], strict=True):
        if given == name:
            return following
        if given.startswith(f"{name}="):
            return given.partition("=")[2]
    return ""


def here(arguments: list[str]) -> bool:
    """Whether the cluster that has the jobs is asked."""
    return option(arguments, "-M") == os.environ.get("STAND_IN_CLUSTER", option(arguments, "-M"))


def sbatch(folder: Path, arguments: list[str], mode: str) -> None:
    variables = "".join(f"{name}={value}\n" for name, value in sorted(os.environ.items()))
    (folder / "environment").write_text(variables, errors="surrogateescape")
    if "--test-only" in arguments:
        return
    if mode == "killed before":
        os.kill(os.getppid(), signal.SIGKILL)
        return
    number = FIRST + len(list((folder / "jobs").iterdir()))
    name, comment = option(arguments, "--job-name"), option(arguments, "--comment")
    if "forget" in mode:
        name, comment = "job", "(null)"
    if "no comment" in mode:
        comment = "(null)"
    if "no name" in mode:
        name = "renamed"
    (folder / "jobs" / str(number)).write_text(f"{name}\n{comment}\n")
    if mode == "killed after":
        os.kill(os.getppid(), signal.SIGKILL)
    if mode == "late":
        time.sleep(60)
    if mode == "talks":
        print("*" * 1_000_000)
    if "fails" in mode:
        print("sbatch: error: the plugin for e-mail is not there", file=sys.stderr)
    sys.stderr.write("sbatch: note: default memory used\n")
    if mode == "stderr forget":
        sys.stderr.write(f"Submitted batch job {number}\n")
    sys.stdout.flush()
    sys.stdout.buffer.write(os.environb.get(b"STAND_IN_SAYS", b"%d\n").replace(b"%d", str(number).encode()))
    sys.stdout.flush()
    sys.exit(1 if "fails" in mode else 0)


def squeue(folder: Path, arguments: list[str], mode: str) -> None:
    if os.environ.get("STAND_IN_BANNER"):
        print(os.environ["STAND_IN_BANNER"])
    jobs = sorted((folder / "jobs").iterdir()) if here(arguments) else []
    if "squeue dies" in mode:
        jobs = []
    state = os.environ.get("STAND_IN_STATE", "PENDING")
    asked = option(arguments, "-j").split(",") if "-j" in arguments else None
    for job in jobs:
        name, comment = job.read_text().splitlines()
        if asked is None:
            print(f"{job.name:20}{comment:1000}{name:1000}")
        elif job.name in asked and state:
            print(f"{job.name:1000}{state:20}{'0':12}{'N/A':24}{'Priority':100}")
    if "squeue complains" in mode or "squeue dies" in mode:
        print("squeue: error: a plugin is older than this command", file=sys.stderr)
        sys.exit(1)


def sacct(folder: Path, arguments: list[str], mode: str) -> None:
    if "sacct disabled" in mode:
        print("Slurm accounting storage is disabled", file=sys.stderr)
        sys.exit(1)
    print("Scheduled maintenance | on Monday")
    for job in sorted((folder / "jobs").iterdir()):
        name, comment = job.read_text().splitlines()
        print(f"{job.name}|{name}|{comment}" if "JobName" in " ".join(arguments) else f"{job.name}|COMPLETED|0:0|Unknown|None")


def scontrol(folder: Path, arguments: list[str], mode: str) -> None:
    print(f"AccountingStorageType = accounting_storage/{'slurmdbd' if 'sacct' in mode else 'none'}\nMaxArraySize = 1001")


def scancel(folder: Path, arguments: list[str], mode: str) -> None:
    if "scancel complains" in mode:
        print("scancel: error: Kill job error on job id 1: Job/step already completing or completed", file=sys.stderr)
        sys.exit(1)


def sacctmgr(folder: Path, arguments: list[str], mode: str) -> None:
    sys.exit(0)


if __name__ == "__main__":
    main()
