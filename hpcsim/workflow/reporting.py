"""The report of a study's directory, whatever state it is in."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hpcsim.collector.format.table import Table
from hpcsim.collector.results import Results
from hpcsim.collector.shard import shard_files
from hpcsim.errors import HpcsimError, ResultsError
from hpcsim.inference.finding import Finding
from hpcsim.report.html import write_report
from hpcsim.report.standing import Failures, Standing
from hpcsim.scheduler.plan import complete
from hpcsim.scheduler.plan import plan as make_plan
from hpcsim.scheduler.state.failures import failed_points, grouped
from hpcsim.scheduler.state.row_count import RowCounter
from hpcsim.workflow.unfinished import unfinished_points

if TYPE_CHECKING:
    from hpcsim.study.directory import StudyDirectory
    from hpcsim.study.study import Study

#: Points up to which each one is looked for; of more, rows are counted.
_LOOKED_FOR = 1_000_000
#: Points of a group of failures that are named.
_NAMED = 3
#: Seconds of simulation and number of points below which drawing would take as long as the sweep.
_SHORT, _FEW = 10.0, 20_000


def report(study: Study, directory: StudyDirectory, findings: Sequence[Finding] | None = None, path: Path | None = None) -> Path:
    """Write the report of a study as it is now: unfinished, failed or damaged, it says so and shows the rest.

    Parameters
    ----------
    study : Study
    directory : StudyDirectory
    findings : sequence of Finding, optional
        What inference found; what it left in the directory, by default.
    path : Path, optional
        ``report.html`` in the directory by default.

    Returns
    -------
    Path
        Of the page.

    Raises
    ------
    ResultsError
        If nothing of the study is in the directory, and no other path was given.
    """
    if path is None and not directory.study.exists():
        raise ResultsError(
            f"{directory.path} holds no study yet; `hpcsim run` starts it, and --out FILE writes a report of what it would do"
        )
    missing: list[str] = []
    with ExitStack() as stack:
        try:
            results = stack.enter_context(Results(directory.results)) if directory.results.exists() else None
        except HpcsimError as error:
            results = None
            missing.append(f"The results cannot be read: {error}. `hpcsim check --repair {directory.path}` keeps what can be.")
        else:
            missing += _not_collected(directory, results)
        if findings is None:
            findings = _saved(study, directory, missing)
        return write_report(study, results, findings, standing(study, directory, missing), path or directory.report)


def report_words(study: Study, directory: StudyDirectory, *, short: bool = False) -> str:
    """Write the report, and say where it is, or why there is none: what was simulated stands in any case.

    After a sweep that took less time than its figures would, it says how to get one, unless a `short` one is to have it, too.
    """
    try:
        if not short and is_short(directory):
            return f"no report of a sweep this short: `hpcsim report {directory.path}` draws one"
        return f"report: {report(study, directory)}"
    except Exception as error:
        # a fault in a drawing costs nobody the results that he has just simulated; the command of its own shows all of it
        said = error if isinstance(error, (HpcsimError, OSError)) else f"{type(error).__name__}: {error}"
        return f"no report: {said}; `hpcsim report {directory.path}` tries again"


def is_short(directory: StudyDirectory) -> bool:
    """Whether a sweep took less time than the figures of its report would."""
    with Table(directory.results) as table:
        return len(table) <= _FEW and float(np.nansum(table.array("wall_time"))) < _SHORT


def _not_collected(directory: StudyDirectory, results: Results | None) -> list[str]:
    """What is waiting in shards, or not there at all."""
    waiting = len(shard_files(directory.shards))
    if waiting:
        return [f"{waiting} files with finished points are not in the results yet: `hpcsim collect {directory.path}` moves them."]
    return ["There are no results yet."] if results is None else []


def standing(study: Study, directory: StudyDirectory, missing: list[str]) -> Standing:
    """How far a study is.

    Parameters
    ----------
    study : Study
    directory : StudyDirectory
    missing : list of str
        Gets a sentence about each thing that cannot be said.
    """
    total = len(study.design)
    done: int | None = None
    pending: Sequence[tuple[int, int]] | None = None
    groups: list[Failures] = []
    first = ""
    try:
        if total <= _LOOKED_FOR or complete(study, directory):
            planned = make_plan(study, directory)
            done, pending = planned.done, planned.pending
        else:
            done = min(total, RowCounter(directory).count().rows)
        for group in grouped(failed_points(study, directory)):
            first = first or group.failures[0].id[:12]
            count = len(group.failures)
            points = ", ".join(map(str, group.failures[:_NAMED])) + (f" and {count - _NAMED:,} more" if count > _NAMED else "")
            groups.append(Failures(count, group.status, group.reason, points))
    except (HpcsimError, OSError, KeyError, RuntimeError) as error:
        missing.append(f"How far it is cannot be said: {error}")
    # before the first run there is no directory to name
    where = str(directory.path) if directory.study.exists() else "STUDY"
    run, look = (shlex.join(["hpcsim", word, where]) for word in ("run", "point"))
    unfinished = None
    if done != total:
        try:
            unfinished = unfinished_points(study, directory, pending)
        except (HpcsimError, OSError, KeyError, RuntimeError) as error:
            missing.append(f"Which points are missing cannot be said: {error}")
    return Standing(total, done, groups, missing, run, f"{look} {first}" if first else "", look, unfinished)


def _saved(study: Study, directory: StudyDirectory, missing: list[str]) -> list[Finding]:
    """What the methods of a study left, in their order; what is not there is said."""
    found = []
    for number, bound in enumerate(study.methods):
        place = directory.finding(number, bound.name)
        try:
            if (place / "summary.json").exists():
                finding = Finding.load(place)
                if gone := [str(file) for file in finding.figures.values() if not file.exists()]:
                    missing.append(f"Figures of {bound.name} are gone: {', '.join(gone)}.")
                    finding.figures.clear()
                found.append(finding)
            else:
                missing.append(f"{bound.name} was not made yet: `hpcsim infer {directory.path}` makes it.")
        except HpcsimError as error:
            missing.append(f"What {bound.name} found cannot be read: {error}.")
    return found
