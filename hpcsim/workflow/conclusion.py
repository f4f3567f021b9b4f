"""What follows a sweep, for the command and for Python alike: inference where there is something new, and the report."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpcsim.errors import AllFailedError, HpcsimError
from hpcsim.files import regular, write_text
from hpcsim.scheduler.state.outcome import check_success
from hpcsim.study.checked import OBSERVATIONS
from hpcsim.study_reference import StudyReference
from hpcsim.workflow.reporting import is_short, report_words

if TYPE_CHECKING:
    from hpcsim.inference.finding import Finding
    from hpcsim.scheduler.plan import Plan
    from hpcsim.study.directory import StudyDirectory
    from hpcsim.study.study import Study

#: In the folder of the findings: what they stand on.
_ASKED = "methods.json"


def conclude(
    study: Study,
    directory: StudyDirectory,
    before: Plan,
    infer: Callable[[], list[Finding]],
    notify: Callable[[str], None],
    *,
    wanted: bool,
) -> list[Finding] | None:
    """Infer where points, methods, or observations are new, and otherwise write the report where it is older than the results.

    Parameters
    ----------
    study : Study
    directory : StudyDirectory
    before : Plan
        What was left before the sweep.
    infer : callable
        Runs the methods of the study, and writes the report.
    notify : callable
        Told where the report is.
    wanted : bool
        Whether inference and report are wanted at all.

    Returns
    -------
    list of Finding or None
        None where nothing was inferred.

    Raises
    ------
    AllFailedError
        If no point succeeded.
    """
    fresh = wanted and bool(before.left or directory.report_is_old())
    try:
        check_success(study, directory)
    except AllFailedError:
        if fresh:
            notify(report_words(study, directory))
        raise
    if wanted and study.methods and (before.left or inference_is_old(study, directory)):
        return infer()
    # a sweep that is shorter than its figures gets none, but findings do
    if fresh and (study.methods or before.left or not is_short(directory)):
        notify(report_words(study, directory, short=bool(study.methods)))
    return None


def inference_is_old(study: Study, directory: StudyDirectory) -> bool:
    """Whether findings are missing, or methods, options, points or observations are others than those that they stand on.

    What findings of earlier versions do not say of themselves is no reason; for their points, the time of the report counts.
    """
    if any(not (directory.finding(number, bound.name) / "summary.json").exists() for number, bound in enumerate(study.methods)):
        return True
    try:
        held = _read(regular(directory.inference / _ASKED).read_bytes())
    except OSError:
        return directory.report_is_old()
    except ValueError:
        return True
    now = _read(basis(study, directory))
    if not isinstance(held, list) or len(held) != len(now) or not all(isinstance(entry, dict) for entry in held):
        return True
    if any(there[key] != entry[key] for there, entry in zip(held, now, strict=True) for key in there.keys() & entry.keys()):
        return True
    return any("results" not in entry for entry in held) and directory.report_is_old()


def remember_inference(directory: StudyDirectory, stood_on: str) -> None:
    """Write down what the findings in a directory stand on; they are all there."""
    write_text(directory.inference / _ASKED, stood_on)


def basis(study: Study, directory: StudyDirectory) -> str:
    """What findings stand on now: methods, options, points and observations; it is the same where a directory was moved."""
    from hpcsim.scheduler.observations import beside

    points, asked = _points(directory), []
    for bound in study.methods:
        source = str(bound.options.get(OBSERVATIONS) or "")
        file = beside(study, source)
        entry = {
            "use": bound.name,
            "options": dict(bound.options),
            "observations": _digest(file) if source else "",
            "extractor": _digest(file.with_suffix(".json")) if source and file.is_file() else "",
            **points,
        }
        if reference := StudyReference.parse(source):
            # without the other study, which may have stayed elsewhere, findings stand
            entry |= {f"observed {key}": value for key, value in _points(directory.beside(reference.name)).items()}
        asked.append(entry)
    return json.dumps(asked, indent=2, default=str) + "\n"


def _read(text: str | bytes) -> Any:
    # no number equals NaN, but its name does
    return json.loads(text, parse_constant=str)


def _points(directory: StudyDirectory) -> dict[str, Any]:
    """What tells points from others without a look at each: how they ended, and the digest of recipe and design."""
    from hpcsim.collector.results import Results

    try:
        with Results(directory.results) as results:
            return {"results": {**results.counts, "complete": str(results.table.attrs.get("complete", ""))}}
    except (OSError, HpcsimError):
        return {}


def _digest(file: Path) -> str:
    return hashlib.sha256(regular(file).read_bytes()).hexdigest() if file.is_file() else ""
