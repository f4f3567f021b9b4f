"""The errors that hpcsim raises. Each says what was found, what was expected, where, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches


class HpcsimError(Exception):
    """Base of every error that hpcsim raises on purpose.

    Attributes
    ----------
    exit_code : int
        What the ``hpcsim`` command returns to the shell.
    retryable : bool
        Whether the same call may succeed later without any change.
    """

    exit_code = 1
    retryable = False


@dataclass(frozen=True)
class Problem:
    """One mistake of a user: where it stands, what is wrong, and what to do.

    Parameters
    ----------
    key : str
        Where, in the words of the file: ``space.J_ext``, ``stages[0].use``.
    message : str
        What was found and what is allowed.
    hint : str
        What to do about it; may be empty.
    """

    key: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.key}: {self.message}" + (f"; {self.hint}" if self.hint else "")


class StudyError(HpcsimError, ValueError):
    """A study cannot run as it is written; carries every mistake at once."""

    exit_code = 2

    def __init__(self, problems: Iterable[Problem], source: str = "study") -> None:
        self.problems = tuple(problems)
        self.source = source
        super().__init__("\n".join(f"{source}: {problem}" for problem in self.problems))


class ModelError(HpcsimError, LookupError):
    """A model or stage does not exist, or its engine is not installed."""

    exit_code = 2


class UnitError(HpcsimError, ValueError):
    """A quantity whose unit does not fit, or that is no quantity."""

    exit_code = 2


class SpaceError(HpcsimError, ValueError):
    """A parameter, a distribution or a design that makes no sense."""

    exit_code = 2


class DirectoryError(HpcsimError, FileExistsError):
    """A study's directory holds something else than this study."""

    exit_code = 2


class ShardError(HpcsimError, OSError):
    """A shard that cannot be trusted: damaged, or with another schema."""


class StorageError(HpcsimError, OSError):
    """The disk is full, a file is not writable, or another process holds it."""

    exit_code = 3
    retryable = True


class ResultsError(HpcsimError, ValueError):
    """The results do not hold what was asked for."""


class SimulationError(HpcsimError, RuntimeError):
    """A model or stage failed on a point; the point becomes a failed row, the sweep goes on."""


class LaunchError(HpcsimError, RuntimeError):
    """MPI ranks cannot be started, or do not make one world."""

    exit_code = 2


class SlurmError(HpcsimError, RuntimeError):
    """Slurm is not there, does not answer, refuses a job, or ended one."""


class SlurmAway(SlurmError):
    """Slurm's controller has not answered for a while."""

    retryable = True


class DaskError(HpcsimError, RuntimeError):
    """A Dask scheduler is not there, has no workers, or lost them."""

    retryable = True


class SiteError(StudyError):
    """A site file that is not there or is wrong; carries every mistake at once."""


class Interrupted(HpcsimError):
    """A signal asked the work to stop; what was finished is safe."""

    exit_code = 130
    retryable = True


def nearest(name: str, allowed: Iterable[str]) -> str:
    """A hint that names the nearest allowed word, or lists all when none is near.

    Examples
    --------
    >>> nearest("J_ex", ["J_ext", "tstop"])
    'did you mean "J_ext"?'
    >>> nearest("foo", ["J_ext", "tstop"])
    'allowed: J_ext, tstop'
    """
    names = sorted(allowed)
    close = get_close_matches(name, names, n=1)
    if close:
        return f'did you mean "{close[0]}"?'
    return "allowed: " + (", ".join(names) if names else "nothing")
