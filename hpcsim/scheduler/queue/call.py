"""One call of one of Slurm's commands: what it sees of the environment, what it answers, and words where it refuses."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass

from hpcsim.scheduler.queue.job_state import JobId

#: Words with which Slurm's commands say that the controller does not answer; the same call may work later.
_AWAY = re.compile(
    r"unable to contact slurm controller|connection refused|connection timed out|socket timed out|zero bytes were transmitted"
    r"|slurm backup controller in standby|temporarily unable|unable to connect to slurm daemon|slurm_persist_conn_open",
    re.IGNORECASE,
)
#: Seconds for one call.
_CALL = 120.0
#: The most characters of Slurm's words in a message.
_WORDS = 600
#: Variables of Slurm's commands: of the job that this may run in, options, and formats of what they print.
_SLURMS = ("SLURM_", "SLURMD_", "SBATCH_", "SQUEUE_", "SACCT_", "SACCTMGR_", "SCANCEL_", "SCONTROL_", "SINFO_")
#: Those that say which Slurm this is, and who asks.
_KEPT = ("SLURM_CONF", "SLURM_JWT")
#: Options that a user's shell may set for all jobs; those that the script sets itself override them.
_DEFAULTS = ("account", "constraint", "partition", "qos", "reservation", "wckey")
#: A line of ``sbatch --parsable``, and what sbatch says without it.
_PARSABLE = re.compile(r"(\d{1,10})(?:;([\w.-]+))?")
_SENTENCE = re.compile(r"Submitted batch job (\d{1,10})(?: on cluster ([\w.-]+))?")
#: Part of Slurm's words, and what to do.
_ADVICE = {
    "accounting storage is disabled": "this cluster keeps no accounting; squeue knows jobs only for some minutes after their end",
    # before the partition: Slurm refuses an "account or account/partition combination"
    "account": "sacctmgr show assoc lists your accounts; set it in the site's file, or for once with --with account=NAME",
    "partition": "sinfo lists the partitions; set it in the site's file, or for once with --with partition=NAME",
    "maxsubmit": "wait until jobs are over, or set limits.max_submit in the site's file",
    "array": "set limits.max_array in the site's file",
    "memory": "ask for less with resources.memory of the study, or for another partition",
    "time limit": "set limits.time in the site's file to what the partition allows",
    "node configuration": "threads, memory or constraint ask for a node that the partition does not have",
}


@dataclass(frozen=True)
class Answer:
    """What a command answered.

    Parameters
    ----------
    command : str
    code : int or None
        Its exit code; None where it came to no end.
    out, err : str
        What it printed; bytes that are no UTF-8 are replaced.
    """

    command: str
    code: int | None
    out: str = ""
    err: str = ""

    @property
    def message(self) -> str:
        """What it said, on one line that is not too long."""
        words = " ".join((self.err if self.err.strip() else self.out).split())
        return words if len(words) <= _WORDS else f"{words[:_WORDS]} ..."

    @property
    def away(self) -> bool:
        """Whether the controller did not answer."""
        return self.code is None or (self.code != 0 and _AWAY.search(self.err + self.out) is not None)

    @property
    def refusal(self) -> str:
        """Slurm's words, and what to do."""
        advice = next((text for key, text in _ADVICE.items() if key in self.message.lower()), "")
        words = self.message or f"exit code {self.code}"
        return f"Slurm refuses ({self.command}): {words}" + (f"; {advice}" if advice else "")

    @property
    def job(self) -> JobId | None:
        r"""The job that sbatch tells of, among whatever else it prints; None where that is not clear.

        Examples
        --------
        >>> Answer("sbatch", 0, "Checking your quota ... ok\n17;blue\n").job
        JobId(17, 'blue')
        >>> Answer("sbatch", 0, "3\n17\n").job
        """
        lines = [line.strip() for line in self.out.splitlines()]
        found = [match for line in (*lines, *self.err.splitlines()) if (match := _SENTENCE.search(line))]
        found = found or [match for line in lines if (match := _PARSABLE.fullmatch(line))]
        numbers, clusters = {int(match[1]) for match in found}, {match[2] for match in found if match[2]}
        if len(numbers) != 1 or len(clusters) > 1:
            return None
        return JobId(numbers.pop(), clusters.pop() if clusters else "")


def call(command: list[str], text: str = "", script: str = "") -> Answer:
    """Run a command to its end.

    Parameters
    ----------
    command : list of str
    text : str
        What it reads.
    script : str
        The job's script, for sbatch: its options override those of the user's shell.
    """
    environment = _environment(script or text)
    try:
        done = subprocess.run(command, input=text.encode(), capture_output=True, timeout=_CALL, env=environment, check=False)
    except subprocess.TimeoutExpired:
        return Answer(command[0], None, err=f"{command[0]}: connection timed out")
    except OSError as error:
        return Answer(command[0], 126, err=f"{command[0]} cannot be started: {error.strerror}")
    return Answer(command[0], done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


def _environment(script: str) -> dict[str, str]:
    """What the commands see: nothing that changes what they print, and no option that would override the script's own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_SLURMS)}
    kept |= {name: os.environ[name] for name in _KEPT if name in os.environ}
    options = [option for option in _DEFAULTS if f"#SBATCH --{option}=" not in script]
    names = [f"SBATCH_{option.upper()}" for option in options]
    kept |= {name: os.environ[name] for name in names if name in os.environ}
    # lists of elements are not cut short
    return kept | {"SLURM_BITSTR_LEN": "0"}
