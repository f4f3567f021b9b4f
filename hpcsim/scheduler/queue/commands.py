"""Slurm as its commands show it: what may be submitted, and what became of it."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from hpcsim.errors import SlurmError, SlurmUnavailable, SlurmUnclear
from hpcsim.scheduler.queue.call import Answer, call
from hpcsim.scheduler.queue.job_state import JobId, State, leading_number, sacct_row, squeue_row

#: Seconds between two calls of a controller that does not answer: the first time, and at most.
_PAUSES = (1.0, 30.0)
#: Seconds before each look for a job whose number nobody heard: what was not answered may still be on its way.
_LOOKS = (0.0, 2.0, 4.0, 8.0)
#: Words of scancel about jobs that are over.
_OVER = re.compile(r"invalid job id|already complet", re.IGNORECASE)
#: Seconds between two looks at the queue: the first, how it grows, and the last.
_WATCH = (0.5, 1.3, 60.0)


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
    notify : callable
        Told when Slurm does not answer, and when it does again.
    patience : float
        Seconds to wait for a controller that does not answer.
    cluster : str
        Where there are several: the one that is asked. For new jobs also several with commas, of which Slurm chooses.
    """

    notify: Callable[[str], None] = lambda text: None
    patience: float = 600.0
    cluster: str = ""
    _sleep: Callable[[float], None] = field(default=time.sleep, repr=False)
    _others: dict[str, Slurm] = field(default_factory=dict, repr=False)

    def on(self, cluster: str) -> Slurm:
        """The same on another cluster; this one without a name."""
        if cluster in ("", self.cluster):
            return self
        if cluster not in self._others:
            self._others[cluster] = replace(self, cluster=cluster)
        return self._others[cluster]

    @property
    def available(self) -> bool:
        """Whether this machine has Slurm's commands."""
        return shutil.which("sbatch") is not None

    @cached_property
    def limits(self) -> Limits:
        """From ``scontrol show config``, and from the accounting where there is one."""
        answer = self._answer([*self._command("scontrol"), "show", "config"])
        config = dict(_settings(answer.out))
        if answer.code and not config:
            self.notify(f"{answer.refusal}; limits of the site's file count, and else Slurm's defaults")
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
        asked += [f"cluster={self.cluster}"] if self.cluster else []
        bounds: list[int | None] = []
        try:
            rows = [line.split("|") for line in self._call(asked).splitlines() if "|" in line]
            names = {name for row in rows for name in row[1].split(",") if name}
            bounds += [leading_number(row[0]) for row in rows]
            for line in self._call(["sacctmgr", "-n", "-P", "show", "qos", "format=Name,MaxSubmitJobsPerUser"]).splitlines():
                name, _, bound = line.partition("|")
                bounds += [leading_number(bound)] if name in names else []
        except SlurmUnavailable:
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
        self._call([*self._command("sbatch"), "--test-only"], script)

    def submit(self, script: Path, name: str, after: Sequence[int] = (), token: str = "") -> JobId:
        """Submit a script; returns the job, with the cluster that has it.

        Parameters
        ----------
        script : Path
        name : str
            Of the job.
        after : sequence of int
            Jobs that must be over before it starts.
        token : str
            Stands in the name and the comment of the job: where Slurm's answer is lost or unclear, the job is found by it.

        Raises
        ------
        SlurmError
            If Slurm refuses it.
        SlurmUnclear
            If Slurm took it, but nobody can say which job it is.
        SlurmUnavailable
            If Slurm does not answer; the job may be there.
        """
        token = token or new_token()
        command = [*self._command("sbatch"), "--parsable"]
        if after:
            command += [f"--dependency=afterany:{':'.join(map(str, after))}", "--kill-on-invalid-dep=yes"]
        command += [f"--job-name={name}-{token}", f"--comment={token}", str(script)]
        text = script.read_text(encoding="utf-8") if script.is_file() else ""
        answer = self._answer(command, script=text, heard=lambda: self.find(name, token, patient=True))
        told = answer.job
        if told is not None and not told.cluster and self.cluster:
            # of several clusters, only the queues know which
            told = None if "," in self.cluster else JobId(told, self.cluster)
        if answer.code == 0 and told is not None:
            return told
        job = self.find(name, token, patient=answer.code == 0)
        if job is None and told is not None and self.on(told.cluster)._queued([told]):
            job = told
        if job is None and answer.code == 0:
            words = replace(answer, err="").message
            said = repr(words) if words else "nothing"
            raise SlurmUnclear(
                f"Slurm took a job, but its number is not known: sbatch said {said}, and the queue shows "
                f"no job {name}-{token}; nothing is submitted for its points until it is found. Look with squeue --me and sacct; "
                "where it is really not there, hpcsim cancel forgets it"
            )
        if job is None:
            raise SlurmError(answer.refusal)
        return job

    def find(self, name: str, token: str, *, days: int = 1, patient: bool = False) -> JobId | None:
        """The job that was submitted with a token, whatever sbatch said of it.

        Parameters
        ----------
        name : str
            Of the job, without the token.
        token : str
        days : int
            How far back the accounting is asked.
        patient : bool
            Whether to look several times: a call that was not answered may still be on its way.
        """
        for pause in _LOOKS if patient else _LOOKS[:1]:
            self._sleep(pause)
            for cluster in self.cluster.split(","):
                if (number := self.on(cluster)._look_for(name, token, days)) is not None:
                    return JobId(number, cluster)
        return None

    def _look_for(self, name: str, token: str, days: int) -> int | None:
        line = [*self._command("squeue"), "-h", "-a", "-t", "all", "-u", str(os.getuid())]
        number = _number_beside(token, self._call([*line, "-O", "ArrayJobID:20,Comment:1000,Name:1000"]))
        if number is None and self.limits.accounting:
            line = [*self._command("sacct"), "-X", "-n", "-P", "-S", f"now-{days}days", f"--name={name}-{token}"]
            number = _number_beside(token, _printed(self._accounting([*line, "-o", "JobID,JobName,Comment"])))
        return number

    def states(self, jobs: Iterable[int]) -> list[State]:
        """What is known of jobs and their elements, with one call; Slurm forgets those that are over in a few minutes.

        Where there is accounting, that does not, and is asked about jobs that are over: it learns of new ones some seconds late.
        """
        wanted = sorted({int(job) for job in jobs})
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
        line = [*self._command("sacct"), "-X", "-n", "-P", "-j", _list(jobs), "-o", "JobID,State,ExitCode,Start,Reason"]
        return _rows(self._accounting(line), sacct_row, jobs)

    def _accounting(self, command: list[str]) -> Answer:
        """What sacct answers; nothing where the accounting is switched off, whatever Slurm's configuration says."""
        answer = self._answer(command)
        if not answer.code or "accounting storage is disabled" not in answer.message.lower():
            return answer
        self.notify(answer.refusal)
        self.limits = replace(self.limits, accounting=False)
        return Answer(answer.command, 0)

    def _queued(self, jobs: Sequence[int]) -> list[State]:
        """What the controller knows."""
        # fields of fixed width: a reason may hold any character
        line = [*self._command("squeue"), "-h", "-a", "-t", "all", "-j", _list(jobs)]
        answer = self._answer([*line, "-O", "JobArrayID:1000,State:20,exit_code:12,StartTime:24,Reason:100"])
        if "invalid job id" in answer.message.lower():
            # forgotten
            answer = replace(answer, code=0)
        return _rows(answer, squeue_row, jobs)

    def cancel(self, jobs: Iterable[int]) -> None:
        """End jobs; those that are over stay as they are."""
        numbers = sorted({int(job) for job in jobs})
        if not numbers:
            return
        answer = self._answer([*self._command("scancel"), "--quiet", *map(str, numbers)])
        if answer.code and not _OVER.search(answer.message):
            raise SlurmError(answer.refusal)

    def _command(self, name: str) -> list[str]:
        """A command and the cluster that it asks; scontrol takes one alone."""
        cluster = self.cluster.split(",")[0] if name == "scontrol" else self.cluster
        return [name, "-M", cluster] if cluster else [name]

    def _call(self, command: list[str], text: str = "") -> str:
        """What a command prints; waits while the controller does not answer."""
        return _printed(self._answer(command, text))

    def _answer(
        self, command: list[str], text: str = "", script: str = "", heard: Callable[[], JobId | None] = lambda: None
    ) -> Answer:
        """What a command answers; waits while the controller does not.

        Between two tries, `heard` may find that the call was heard and only its answer lost.
        """
        if shutil.which(command[0]) is None:
            raise SlurmError(
                f"there is no {command[0]} on this machine; run this on a login node of a Slurm cluster, or use --on local"
            )
        pause, deadline, away = _PAUSES[0], time.monotonic() + self.patience, False
        while True:
            answer = call(command, text, script)
            if not answer.away:
                if away:
                    self.notify("Slurm answers again")
                return answer
            if time.monotonic() + pause > deadline:
                raise SlurmUnavailable(
                    f"Slurm has not answered for {self.patience:g} s ({answer.message}); its controller is down: "
                    "jobs that run go on, the same command works when it is back"
                )
            if not away:
                self.notify(f"Slurm does not answer ({answer.message}); waiting for up to {self.patience:g} s")
            away = True
            self._sleep(pause)
            pause = min(2 * pause, _PAUSES[1])
            if (job := heard()) is not None:
                return Answer(command[0], 0, f"{int(job)};{job.cluster}" if job.cluster else str(int(job)))


def new_token() -> str:
    """What no other job has in its name and its comment."""
    return secrets.token_hex(6)


def _printed(answer: Answer) -> str:
    if answer.code:
        raise SlurmError(answer.refusal)
    return answer.out


def _rows(answer: Answer, read: Callable[[str], Iterator[State]], jobs: Sequence[int]) -> list[State]:
    """States of these jobs in the rows of squeue or sacct, beside whatever else these print.

    A complaint takes nothing away from the rows of all jobs; but a job without a row would count as over.
    """
    found = [state for row in answer.out.splitlines() for state in read(row) if state.job in jobs]
    if answer.code and {state.job for state in found} != set(jobs):
        raise SlurmError(answer.refusal)
    return found


def _number_beside(token: str, text: str) -> int | None:
    """The number that the line with a token begins with."""
    return next((number for line in text.splitlines() if token in line and (number := leading_number(line)) is not None), None)


def _list(jobs: Iterable[int]) -> str:
    return ",".join(map(str, jobs))


def _settings(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        key, found, value = line.partition("=")
        if found:
            yield key.strip(), value.strip()


def pauses() -> Iterator[float]:
    """Seconds between looks at the queue, ever longer: its controller serves everybody."""
    pause, growth, longest = _WATCH
    while True:
        yield pause
        pause = min(growth * pause, longest)
