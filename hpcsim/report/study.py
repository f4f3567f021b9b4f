"""From a study's results to its findings and its report."""

from __future__ import annotations

from hpcsim.collector.results import Results
from hpcsim.directory import StudyDirectory
from hpcsim.inference.method import Finding, get_method
from hpcsim.report.html import write_report
from hpcsim.study import Study


def infer(study: Study, directory: StudyDirectory) -> list[Finding]:
    """Run the inference methods of a study on its results, and write the report.

    Parameters
    ----------
    study : Study
    directory : StudyDirectory
        Gets ``inference/`` (a folder a method) and ``report.html``.

    Returns
    -------
    list of Finding
        In the order of the study.

    Raises
    ------
    ResultsError
        If there are no results, or they do not hold what a method needs.
    """
    findings = []
    with Results(directory.results) as results:
        for number, bound in enumerate(study.methods):
            place = directory.inference / f"{number}_{bound.name.rpartition('.')[2]}"
            findings.append(get_method(bound.name)(results, place, seed=study.seed, **bound.options))
        write_report(results, findings, directory.report)
    return findings
