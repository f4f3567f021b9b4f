"""Why a point failed, in one line; and which of such lines say the same."""

from __future__ import annotations

import re
import signal
import subprocess
import traceback

from hpcsim.errors import HpcsimError

#: Characters of a reason; longer ones lose their middle, since both ends say something. The results have room for 400 bytes.
LENGTH = 380
#: Characters of what a program said that belong to a reason.
_WORDS = 240
#: Characters of a traceback.
_TRACEBACK = 40_000
#: How srun says that a rank ended.
_SRUN = re.compile(r"srun: error: \S+ tasks? \S+: (?!Terminated)")
#: How NEURON says that it has said more on standard error.
_RIDDLES = ("hocobj_call error", "hoc_execute error", "hoc error", "error in hoc")

_PATH = re.compile(r"(?<![\w.])(?:/[\w.+@~%,=:-]+){2,}/?")
_QUOTED = re.compile(r"""(["'])/[^"']*/[^"']*\1""")
_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]+\b")
_NAME = re.compile(r"\b(?:(?=[0-9a-f]*\d)(?=\d*[a-f])[0-9a-f]{8,}|tmp\w{6,})\b", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:[.,]\d+)*(?:[eE][-+]?\d+)?")
_ALIKE = ((_QUOTED, "<path>"), (_PATH, "<path>"), (_ADDRESS, "<address>"), (_NAME, "<name>"), (_NUMBER, "<number>"))
#: Numbers that say what happened.
_KEPT = re.compile(r"\b(?:SIG[A-Z]+\d*|exit (?:code|status) \d+|Errno -?\d+|line \d+)\b", re.IGNORECASE)


def describe(error: BaseException, printed: str = "") -> str:
    """One line for the results.

    Parameters
    ----------
    error : BaseException
        What the model or a stage raised.
    printed : str
        The end of what the point has printed: a reason where the error only points to it.
    """
    text = _text(error)
    if not isinstance(error, HpcsimError):
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    if isinstance(error, SystemExit):
        text += " (the model or a stage called sys.exit)"
    elif isinstance(error, KeyboardInterrupt):
        text += " (raised by the model itself)"
    words = _program(error, printed)
    if words and words not in text:
        text += f": {words}"
    return shorten(text)


def shorten(text: str, length: int = LENGTH) -> str:
    """One line of at most so many bytes; both ends stay.

    Examples
    --------
    >>> shorten("a line of many words", 13)
    'a lin … words'
    """
    line = printable(" ".join(text.replace("\0", "\\0").split())).encode(errors="backslashreplace")
    if len(line) <= length:
        return line.decode()
    half = (length - 3) // 2
    return f"{line[:half].decode(errors='ignore')} … {line[len(line) - half :].decode(errors='ignore')}"


def printable(text: str) -> str:
    r"""A text without what steers a terminal: a model may print anything.

    Examples
    --------
    >>> printable("red \x1b[31m")
    'red \\x1b[31m'
    """
    return "".join(sign if sign.isprintable() or sign in "\n\t" else ascii(sign)[1:-1] for sign in text)


def last_lines(text: str, length: int = _WORDS) -> str:
    r"""The last lines of a text that say something, as one line of at most so many characters.

    Examples
    --------
    >>> last_lines("loading\nwhat(): bad weight\n\n", 15)
    'what(): bad weight'
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    found: list[str] = []
    for line in reversed(lines):
        if found and sum(map(len, found)) + len(line) > length:
            break
        found.insert(0, line)
    return " / ".join(found)


def last_words(text: str, parallel: bool = False) -> str:
    """What a log ends with; of several ranks the last line that names an error, since launchers talk at the end.

    Without any it is what srun says of a rank that was not ended because of another one.
    """
    # what hpcsim itself has written there
    lines = [line for line in text.strip().splitlines() if not line.startswith("=== ")]
    if parallel:
        lines = [line for line in lines if line.startswith("error: ")] or [line for line in lines if _SRUN.match(line)]
        return lines[-1] if lines else ""
    return last_lines("\n".join(lines))


def cause_of_death(code: int, who: str = "the process") -> str:
    """How a process ended that should not have, from its exit code as subprocess gives it.

    Examples
    --------
    >>> cause_of_death(-11), cause_of_death(7)
    ('the process died of SIGSEGV', 'the process ended with exit code 7')
    """
    if code == 128 + signal.SIGTERM:
        return f"{who} was ended by SIGTERM, which hpcsim had not sent"
    if code >= 0:
        return f"{who} ended with exit code {code}" + (" in the middle of its work" if code == 0 else "")
    names = {number.value: number.name for number in signal.Signals}
    return f"{who} died of {names.get(-code, f'signal {-code}')}"


def alike(reason: str) -> str:
    """What reasons have in common that say the same: without paths, addresses, names of temporary files, and numbers.

    Examples
    --------
    >>> alike("OSError: [Errno 28] No space left on device: '/tmp/tmpx81k/a.dat'")
    'OSError: [Errno 28] No space left on device: <path>'
    >>> alike("dt of 0.3 ms is too long for seed 812") == alike("dt of 0.25 ms is too long for seed 7")
    True
    """
    kept: list[str] = []

    def keep(found: re.Match[str]) -> str:
        kept.append(found.group())
        return f"\0{'x' * len(kept)}\0"

    text = _KEPT.sub(keep, reason)
    for pattern, word in _ALIKE:
        text = pattern.sub(word, text)
    return re.sub("\0(x+)\0", lambda found: kept[len(found.group(1)) - 1], text)


def full(error: BaseException) -> str:
    """The traceback, whatever the error is made of; the middle of a very long one is left out."""
    try:
        text = "".join(traceback.format_exception(error))
    except Exception:
        text = f"{type(error).__name__}, whose traceback cannot be printed\n"
    if len(text) > _TRACEBACK:
        text = f"{text[: _TRACEBACK // 2]}\n... {len(text) - _TRACEBACK} characters ...\n{text[-_TRACEBACK // 2 :]}"
    return text.encode(errors="backslashreplace").decode()


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as other:
        return f"its text cannot be made ({type(other).__name__})"


def _program(error: BaseException, printed: str) -> str:
    """What a program said that the error, or what it was raised from, is about."""
    cause: BaseException | None = error
    for _ in range(10):
        if isinstance(cause, (subprocess.CalledProcessError, subprocess.TimeoutExpired)):
            said = cause.stderr or cause.stdout
            if isinstance(said, bytes):
                said = said.decode(errors="replace")
            return last_lines(said or printed)
        if cause is None:
            break
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    if any(word in _text(error) for word in _RIDDLES) or type(error).__module__.split(".")[0] == "nest":
        return last_lines(printed)
    return ""
