"""One sweep at a time in a study's directory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from hpcsim.errors import BusyError
from hpcsim.lock import hold
from hpcsim.study.directory import StudyDirectory


@contextmanager
def one_sweep(directory: StudyDirectory, what: str = "a sweep", wait: float = 0.0) -> Iterator[None]:
    """Nobody else runs this study meanwhile; status, plan, dashboard, collect and results need not wait.

    Parameters
    ----------
    directory : StudyDirectory
        Made when it is not there.
    what : str
        What this process does, in words for others.
    wait : float, s
        How long to wait for another process.

    Raises
    ------
    BusyError
        If another process does, with its machine, its number, and since when.
    StorageError
        If the directory cannot be written.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(hold(directory.lock, what, wait))
        except BusyError as error:
            raise BusyError(
                f"{directory.path}: {error.holder} is at work on this study; nothing was done here. "
                f"`hpcsim status {directory.path}` and `hpcsim dashboard {directory.path}` say how far it is; "
                "when it is over, the same command does what is left",
                error.holder,
            ) from None
        yield
