"""The errors that hpcsim raises. Each says what was found, what was expected, where, and what to do."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
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


#: Mistakes that a message lists.
_MOST = 100
#: Characters of a value that a message repeats.
_LONGEST = 200


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
        return f"{shown(self.key)}: {shown(self.message, 1000)}" + (f"; {shown(self.hint, 10_000)}" if self.hint else "")


class StudyError(HpcsimError, ValueError):
    """A study cannot run as it is written; carries every mistake at once."""

    exit_code = 2

    def __init__(self, problems: Iterable[Problem], source: str = "study") -> None:
        self.problems = tuple(problems)
        self.source = source
        lines = [f"{source}: {problem}" for problem in self.problems[:_MOST]]
        if len(self.problems) > _MOST:
            lines.append(f"{source}: and {len(self.problems) - _MOST} more mistakes")
        super().__init__("\n".join(lines))


class PluginError(HpcsimError, LookupError):
    """A model, stage, inference method or executor is not there, is something else, or fails outside of points.

    Also where a package is not installed that it, or a file, needs.
    """

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


class BusyError(HpcsimError, RuntimeError):
    """Another process is at work in this directory; `holder` says which."""

    # EX_TEMPFAIL of sysexits.h: nothing is wrong, try again later
    exit_code = 75
    retryable = True

    def __init__(self, message: str, holder: object = None) -> None:
        self.holder = holder
        super().__init__(message)


class ResultsError(HpcsimError, ValueError):
    """The results do not hold what was asked for."""


class InferenceError(HpcsimError, RuntimeError):
    """A library failed within an inference method; ``--debug`` shows where."""


class IncompleteError(HpcsimError, LookupError):
    """Points of the design have no row in the results; carries how many, out of how many."""

    exit_code = 4
    retryable = True

    def __init__(self, message: str, missing: int = 0, total: int = 0) -> None:
        self.missing, self.total = missing, total
        super().__init__(message)


class AllFailedError(HpcsimError, RuntimeError):
    """Every point of the design has a row, and none succeeded."""

    exit_code = 5


class DamagedError(ResultsError, OSError):
    """A file of points that is not as it was written: cut short, overwritten, or made of what hpcsim never writes.

    Attributes
    ----------
    reason : str
        What is wrong with it.
    """

    def __init__(self, message: str, reason: str = "") -> None:
        self.reason = reason or message
        super().__init__(message)


class SimulationError(HpcsimError, RuntimeError):
    """A model or stage failed on a point; the point becomes a failed row, the sweep goes on."""


class LaunchError(HpcsimError, RuntimeError):
    """MPI ranks cannot be started, or do not make one world."""

    exit_code = 2


class SlurmError(HpcsimError, RuntimeError):
    """Slurm is not there, does not answer, refuses a job, or ended one."""


class SlurmUnavailable(SlurmError):
    """Slurm's controller has not answered for a while."""

    retryable = True


class SlurmUnclear(SlurmError):
    """Slurm took a job, but nobody can say which it is: submitting again could simulate the same points twice."""


class DaskError(HpcsimError, RuntimeError):
    """A Dask scheduler is not there, has no workers, or lost them."""

    retryable = True


class SiteError(StudyError):
    """A site file that is not there or is wrong; carries every mistake at once."""


class Interrupted(HpcsimError):
    """A signal asked the work to stop; what was finished is safe."""

    exit_code = 130
    retryable = True


def shown(value: object, longest: int = _LONGEST) -> str:
    """The text of a value for a message: one line, and not too long to read.

    Examples
    --------
    >>> shown([1, 2]), shown("a" * 1000)
    ('[1, 2]', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa ... aaaaaaaaaaaaaaaaaaaa (1000 characters)')
    """
    try:
        text = str(value)
    except (ValueError, RecursionError):
        # Python makes no text of whole numbers with more than 4300 digits
        return f"{type(value).__name__} that is too long to show"
    if len(text) > longest:
        text = f"{text[: longest // 5]} ... {text[-longest // 10 :]} ({len(text)} characters)"
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


#: Names that a hint lists at most.
_LISTED = 100


@contextmanager
def calling(what: str) -> Iterator[None]:
    """A function of a model's or a stage's own at work, outside of points: however it ends, it is one error that says where.

    Parameters
    ----------
    what : str
        Which function, for the message.

    Raises
    ------
    PluginError
        If it raises anything, SystemExit included, that is no error of hpcsim's and no Ctrl-C.
    """
    try:
        yield
    except (HpcsimError, KeyboardInterrupt):
        raise
    except BaseException as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        raise PluginError(f"{what} ended with {type(error).__name__}: {error} ({place.filename}, line {place.lineno})") from error


def nearest(name: str, allowed: Iterable[str]) -> str:
    """A hint that names the nearest allowed word, or lists all when none is near.

    Examples
    --------
    >>> nearest("J_ex", ["J_ext", "tstop"])
    'did you mean "J_ext"?'
    >>> nearest("rate.e", ["rate.E", "rate.I"])
    'did you mean "rate.E"?'
    >>> nearest("foo", ["J_ext", "tstop"])
    'allowed: J_ext, tstop'
    """
    names = sorted(allowed)
    # nothing that is longer by far is near, and looking would take for ever
    close = [known for known in names if known.casefold() == name.casefold()]
    close = close or (get_close_matches(name, names, n=1) if len(name) <= _LONGEST else [])
    if close:
        return f'did you mean "{close[0]}"?'
    # a table may have thousands of columns: nobody reads them all in a message
    more = f", and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return "allowed: " + (", ".join(names[:_LISTED]) + more if names else "nothing")
