"""Slurm's commands: what may be submitted, what became of it, and words for people where it does not go."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from hpcsim.errors import SlurmAway, SlurmError
from hpcsim.scheduler.job_state import State, leading_number, sacct_row, squeue_row

#: Words with which Slurm's commands say that the controller does not answer; the same call may work later.
_AWAY = re.compile(
    r"unable to contact slurm controller|connection refused|connection timed out|socket timed out|zero bytes were transmitted"
    r"|slurm backup controller in standby|temporarily unable|unable to connect to slurm daemon|slurm_persist_conn_open",
    re.IGNORECASE,
)
#: Seconds between two calls of a controller that does not answer: the first time, and at most.
_PAUSES = (1.0, 30.0)
#: Seconds for one call.
_CALL = 120.0


@dataclass(frozen=True)
class Limits:
    """What Slurm allows.

    Parameters
    ----------
    max_array : int
        One more than the largest index of an array.
    max_submit : int, optional
        Jobs that a user may have in the queue; each element of an array is one.
    accounting : bool
        Whether sacct knows jobs that are over.
    memory : int, optional
        Megabytes of a job with one core that does not ask for any.
    """

    max_array: int = 1001
    max_submit: int | None = None
    accounting: bool = False
    memory: int | None = None


@dataclass
class Slurm:
    """Slurm as its commands show it.

    Parameters
    ----------
    announce : callable
        Told when Slurm does not answer, and when it does again.
    patience : float
        Seconds to wait for a controller that does not answer.
    """

    announce: Callable[[str], None] = lambda text: None
    patience: float = 600.0
    _sleep: Callable[[float], None] = field(default=time.sleep, repr=False)

    @property
    def there(self) -> bool:
        """Whether this machine has Slurm's commands."""
        return shutil.which("sbatch") is not None

    @cached_property
    def limits(self) -> Limits:
        """From ``scontrol show config``, and from the accounting where there is one."""
        config = dict(_settings(self._call(["scontrol", "show", "config"])))
        accounting = config.get("AccountingStorageType", "").endswith("slurmdbd")
        memory = [config.get(key, "") for key in ("DefMemPerNode", "DefMemPerCPU")]
        bounds = [leading_number(config.get("MaxJobCount", ""))]
        if accounting:
            bounds += self._associations()
        known = [bound for bound in bounds if bound]
        return Limits(
            max_array=leading_number(config.get("MaxArraySize", "")) or Limits.max_array,
            max_submit=min(known, default=None),
            accounting=accounting,
            memory=next((number for text in memory if (number := leading_number(text))), None),
        )

    def _associations(self) -> list[int | None]:
        """Limits of submitted jobs of this user, and of the QOS that it may use."""
        user = os.environ.get("USER") or str(os.getuid())
        asked = ["sacctmgr", "-n", "-P", "show", "assoc", f"user={user}", "format=MaxSubmitJobs,QOS"]
        bounds: list[int | None] = []
        try:
            rows = [line.split("|") for line in self._call(asked).splitlines() if "|" in line]
            names = {name for row in rows for name in row[1].split(",") if name}
            bounds += [leading_number(row[0]) for row in rows]
            for line in self._call(["sacctmgr", "-n", "-P", "show", "qos", "format=Name,MaxSubmitJobsPerUser"]).splitlines():
                name, _, bound = line.partition("|")
                bounds += [leading_number(bound)] if name in names else []
        except SlurmAway:
            raise
        except SlurmError:
            # not everybody may ask the accounting; sbatch will say what it refuses
            pass
        return bounds

    def check(self, script: str) -> None:
        """Let Slurm look at a script without submitting it.

        Raises
        ------
        SlurmError
            With Slurm's own words, if it would refuse it.
        """
        self._call(["sbatch", "--test-only"], script)

    def submit(self, script: Path, name: str, after: Sequence[int] = ()) -> int:
        """Submit a script; returns the number of the job.

        Parameters
        ----------
        script : Path
        name : str
            Of the job: where Slurm's answer is lost, the queue is asked whether it is there.
        after : sequence of int
            Jobs that must be over before it starts.
        """
        command = ["sbatch", "--parsable"]
        if after:
            command += [f"--dependency=afterany:{':'.join(map(str, after))}", "--kill-on-invalid-dep=yes"]
        token = secrets.token_hex(8)

        def arrived() -> str | None:
            rows = self._call(["squeue", "-h", "-a", "-n", name, "-O", "ArrayJobID:20,Comment:40"]).splitlines()
            return next((row.split()[0] for row in rows if row.split()[1:] == [token]), None)

        answer = self._call([*command, f"--comment={token}", str(script)], recover=arrived)
        return int(answer.strip().splitlines()[-1].split(";")[0])

    def states(self, jobs: Iterable[int]) -> list[State]:
        """What is known of jobs and their elements, with one call; Slurm forgets those that are over in a few minutes.

        Where there is accounting, that does not, and is asked about jobs that are over: it learns of new ones some seconds late.
        """
        wanted = sorted(set(jobs))
        if not wanted:
            return []
        found = self._queued(wanted)
        active = {state.job for state in found if state.active}
        over = [job for job in wanted if job not in active]
        if not over or not self.limits.accounting:
            return found
        known = {(state.job, state.first) for state in found}
        return found + [state for state in self._accounted(over) if (state.job, state.first) not in known]

    def _accounted(self, jobs: Sequence[int]) -> list[State]:
        """What the accounting knows."""
        line = ["sacct", "-X", "-n", "-P", "-j", ",".join(map(str, jobs)), "-o", "JobID,State,ExitCode,Start,Reason"]
        return [state for row in self._call(line).splitlines() for state in sacct_row(row)]

    def _queued(self, jobs: Sequence[int]) -> list[State]:
        """What the controller knows."""
        numbers = ",".join(map(str, jobs))
        # fields of fixed width: a reason may hold any character
        line = ["squeue", "-h", "-a", "-t", "all", "-j", numbers]
        try:
            answer = self._call([*line, "-O", "JobArrayID:1000,State:20,exit_code:12,StartTime:24,Reason:100"])
        except SlurmAway:
            raise
        except SlurmError as error:
            if "invalid job id" in str(error).lower():
                return []
            raise
        return [state for row in answer.splitlines() for state in squeue_row(row)]

    def cancel(self, jobs: Iterable[int]) -> None:
        """End jobs; those that are over stay as they are."""
        numbers = sorted(set(jobs))
        if numbers:
            self._call(["scancel", "--quiet", *map(str, numbers)])

    def _call(self, command: list[str], text: str = "", recover: Callable[[], str | None] = lambda: None) -> str:
        """What a command prints; waits while the controller does not answer."""
        if shutil.which(command[0]) is None:
            raise SlurmError(
                f"there is no {command[0]} on this machine; run this on a login node of a Slurm cluster, or use --on local"
            )
        pause, deadline, away = _PAUSES[0], time.monotonic() + self.patience, False
        while True:
            words, answer = self._once(command, text)
            if answer is not None:
                if away:
                    self.announce("Slurm answers again")
                return answer
            if not _AWAY.search(words):
                raise SlurmError(_refusal(command, words))
            if time.monotonic() + pause > deadline:
                raise SlurmAway(
                    f"Slurm has not answered for {self.patience:g} s ({words}); its controller is down: "
                    "jobs that run go on, the same command works when it is back"
                )
            if not away:
                self.announce(f"Slurm does not answer ({words}); waiting for up to {self.patience:g} s")
            away = True
            self._sleep(pause)
            pause = min(2 * pause, _PAUSES[1])
            # the call may have been heard, and only its answer lost
            if (found := recover()) is not None:
                return found

    def _once(self, command: list[str], text: str) -> tuple[str, str | None]:
        """Words of an error, or None and what was printed."""
        try:
            done = subprocess.run(
                command, input=text, capture_output=True, text=True, timeout=_CALL, env=_environment(), check=False
            )
        except subprocess.TimeoutExpired:
            return f"{command[0]}: connection timed out", None
        if done.returncode:
            return " ".join((done.stderr or done.stdout).split()), None
        return "", done.stdout


def _environment() -> dict[str, str]:
    """What the commands see: not the variables of a job that this may run in, which would become those of its jobs."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "SLURMD_"))}
    kept |= {name: os.environ[name] for name in ("SLURM_CONF",) if name in os.environ}
    # lists of elements are not cut short
    return kept | {"SLURM_BITSTR_LEN": "0"}


_ADVICE = {
    "partition": "sinfo lists the partitions; it stands in the site's file, and --partition stands over it",
    "account": "sacctmgr show assoc lists your accounts; it stands in the site's file, and --account stands over it",
    "maxsubmit": "wait until jobs are over, or set limits.max_submit in the site's file",
    "array": "set limits.max_array in the site's file",
    "memory": "ask for less with resources.memory of the study, or for another partition",
    "time limit": "set limits.time in the site's file to what the partition allows",
    "node configuration": "threads, memory or constraint ask for a node that the partition does not have",
}


def _refusal(command: list[str], words: str) -> str:
    advice = next((text for key, text in _ADVICE.items() if key in words.lower()), "")
    return f"Slurm refuses ({command[0]}): {words}" + (f"; {advice}" if advice else "")


def _settings(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        key, found, value = line.partition("=")
        if found:
            yield key.strip(), value.strip()
