"""What follows a sweep, for the command and for Python alike: inference where there is something new, and the report."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from hpcsim.errors import AllFailedError
from hpcsim.files import regular, write_text
from hpcsim.scheduler.state.outcome import check_success
from hpcsim.study.checked import OBSERVATIONS
from hpcsim.workflow.reporting import is_short, report_words

if TYPE_CHECKING:
    from hpcsim.inference.finding import Finding
    from hpcsim.scheduler.plan import Plan
    from hpcsim.study.directory import StudyDirectory
    from hpcsim.study.study import Study

#: In the folder of the findings: what they were asked for.
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
    """Infer where points, methods, or observations are new, and otherwise write the report where points are.

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
    if study.methods:
        return infer() if fresh or (wanted and inference_is_old(study, directory)) else None
    # a sweep that is shorter than its figures gets none
    if fresh and (before.left or not is_short(directory)):
        notify(report_words(study, directory))
    return None


def inference_is_old(study: Study, directory: StudyDirectory) -> bool:
    """Whether methods, options or a table of observations are others than those of the findings, or findings are missing."""
    if any(not (directory.finding(number, bound.name) / "summary.json").exists() for number, bound in enumerate(study.methods)):
        return True
    try:
        return regular(directory.inference / _ASKED).read_text(encoding="utf-8") != _asked(study)
    except OSError:
        # findings of earlier versions say nothing of it
        return False


def remember_inference(study: Study, directory: StudyDirectory) -> None:
    """Write down what the findings in a directory were asked for; they are all there."""
    if study.methods:
        write_text(directory.inference / _ASKED, _asked(study))


def _asked(study: Study) -> str:
    from hpcsim.scheduler.observations import beside

    asked = []
    for bound in study.methods:
        source = str(bound.options.get(OBSERVATIONS) or "")
        file = beside(study, source)
        digest = hashlib.sha256(regular(file).read_bytes()).hexdigest() if source and file.is_file() else ""
        asked.append({"use": bound.name, "options": dict(bound.options), "observations": digest})
    return json.dumps(asked, indent=2, default=str) + "\n"
