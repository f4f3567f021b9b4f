"""The report of a study: all that is known of it on one page, with what is missing said where it would stand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hpcsim.collector.selection import sample
from hpcsim.files import write_text
from hpcsim.report.contents import Section, Words
from hpcsim.report.explore import explorer_section
from hpcsim.report.figures import Gallery
from hpcsim.report.findings import finding_sections
from hpcsim.report.glance import glance_section, search_section
from hpcsim.report.outcome import completion_section, cost_section, coverage_section
from hpcsim.report.page import render
from hpcsim.report.standing import Standing
from hpcsim.report.study import again_section, study_section

if TYPE_CHECKING:
    from hpcsim.collector.results import Results
    from hpcsim.inference.finding import Finding
    from hpcsim.study.study import Study

#: Points that figures are drawn of, at most.
_DRAWN = 20_000


def write_report(
    study: Study, results: Results | None, findings: Sequence[Finding], standing: Standing, path: str | Path
) -> Path:
    """Write the report of a study, and beside it its figures and a page to explore its points.

    Figures are in the folder ``report/figures`` of ``report.html``, the page is ``explore.html``. Of very many points, both show
    a sample; numbers are of all.

    Parameters
    ----------
    study : Study
    results : Results, optional
        None where there are none that can be read; `standing` says why.
    findings : sequence of Finding
        Shown in this order.
    standing : Standing
    path : path
        The HTML file.

    Returns
    -------
    Path
        Of the file.

    Raises
    ------
    ResultsError
        If a figure of a finding is not there any more.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    gallery = Gallery(path)
    sections = [
        _part("The study", lambda: study_section(study, results)),
        _part("Completion", lambda: completion_section(standing, results)),
    ]
    if results is not None and len(results):
        few, n = sample(results, _DRAWN), len(results)
        sections.append(_part("Cost", lambda: cost_section(study, results, few, gallery)))
        sections.append(_part("Coverage of the parameter space", lambda: coverage_section(few, n, gallery)))
        if study.search:
            sections.append(_part("The search", lambda: search_section(results, gallery)))
        sections.append(_part("Outputs at a glance", lambda: glance_section(few, n, gallery)))
    sections.append(_part("Points to explore", lambda: explorer_section(study, results, standing, path)))
    sections += finding_sections(findings)
    sections.append(_part("To make it again", lambda: again_section(study, results, standing)))
    gallery.tidy()
    return write_text(path, render(study.name, sections))


def _part(title: str, make: Callable[[], Section]) -> Section:
    """A section, or the sentence that says why there is none: the others are shown all the same."""
    try:
        return make()
    except Exception as error:
        return Section(title, [Words(f"This part cannot be shown: {error}", "bad")])
