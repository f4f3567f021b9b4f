"""Finds what belongs to one failed point in the logs of a study."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hpcsim.errors import ResultsError
from hpcsim.scheduler.log.reason import alike
from hpcsim.scheduler.log.task_log import parse_heading
from hpcsim.scheduler.state.failures import Failure, failed_points

if TYPE_CHECKING:
    from hpcsim.study.directory import StudyDirectory
    from hpcsim.study.study import Study

#: Ids that a message names.
_IDS = 5
_MARK = b"=== "


@dataclass(frozen=True)
class LogEntry:
    """What a log holds of a failed point.

    Parameters
    ----------
    failure : Failure
    path : Path, optional
        The log; None where no log has anything of it.
    text : str
        What the point printed, and its traceback.
    twin : str
        Id of another point whose entry this is, since this one failed in the same way.
    """

    failure: Failure
    path: Path | None = None
    text: str = ""
    twin: str = ""


def log_entry(study: Study, directory: StudyDirectory, prefix: str) -> LogEntry:
    """The part of the logs that belongs to a failed point.

    Parameters
    ----------
    study : Study
    directory : StudyDirectory
    prefix : str
        The beginning of the point's id.

    Raises
    ------
    ResultsError
        If no failed point has such an id, or several have.
    """
    failure = _find(failed_points(study, directory), prefix, directory)
    paths = sorted(directory.logs.glob("*.log"), key=lambda path: path.stat().st_mtime, reverse=True)
    twin: LogEntry | None = None
    for path in paths:
        for id, reason, text in entries(path):
            if id == failure.id:
                return LogEntry(failure, path, text)
            if twin is None and alike(reason) == alike(failure.reason):
                twin = LogEntry(failure, path, text, id)
    return twin or LogEntry(failure)


def _find(failures: Sequence[Failure], prefix: str, directory: StudyDirectory) -> Failure:
    found = [failure for failure in failures if failure.id.startswith(prefix.lower())]
    if len(found) == 1:
        return found[0]
    if not failures:
        raise ResultsError(f"no point of {directory.path} has failed; logs of tasks are in {directory.logs}")
    few = ", ".join(str(failure) for failure in (found or failures)[:_IDS])
    more = len(found or failures) - _IDS
    few += f" and {more:,} more" if more > 0 else ""
    if found:
        raise ResultsError(f'the ids of {len(found):,} failed points begin with "{prefix}": {few}; give more of the id')
    raise ResultsError(f'no failed point has an id that begins with "{prefix}"; failed: {few}')


def entries(path: Path) -> Iterator[tuple[str, str, str]]:
    """Id, reason and text of each failure in a log, the last first."""
    try:
        content = path.read_bytes()
    except OSError:
        # somebody tidies up
        return
    place = len(content)
    while (place := content.rfind(b"=== point ", 0, place)) >= 0:
        end = content.find(b"\n", place) + 1 or len(content)
        known = parse_heading(content[place:end].decode(errors="replace").rstrip("\n"))
        if known is None or content[place - 1 : place] not in (b"", b"\n"):
            continue
        id, above, below, reason = known
        own = content[max(0, place - above) : place]
        # a line of hpcsim's own is the end of what came before, or says that something is left out
        mark = own.rfind(b"\n" + _MARK)
        if mark >= 0:
            own = own[own.find(b"\n", mark + 1) + 1 :]
        yield id, reason, (own + content[end : end + below]).decode(errors="replace")
