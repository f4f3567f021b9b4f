"""The analysis of a study's results: its inference methods, with observations and a way to simulate more, and the report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpcsim.directory import StudyDirectory
from hpcsim.models.model import STUDY
from hpcsim.study import Study

if TYPE_CHECKING:
    from hpcsim.collector.results import Results
    from hpcsim.inference.method import Finding, Simulate

#: The option of a method that names a table of observations, and how a public one is written.
OBSERVATIONS, PUBLIC = "observations", "data:"


def analyse(study: Study, directory: StudyDirectory, on: str = "local", **options: Any) -> list[Finding]:
    """Run the inference methods of a study on its results, and write the report; see :meth:`Study.infer`."""
    from hpcsim.collector.results import Results
    from hpcsim.inference.method import get_method
    from hpcsim.report.html import write_report

    findings = []
    with Results(directory.results) as results:
        for number, bound in enumerate(study.methods):
            place = directory.inference / f"{number}_{bound.name.rpartition('.')[2]}"
            given = _with_observations(study, directory, bound.options, place)
            simulate = _simulator(study, place / "simulated", on, options)
            findings.append(get_method(bound.name)(results, place, seed=study.seed, simulate=simulate, **given))
        write_report(results, findings, directory.report)
    return findings


def find_observations(study: Study) -> None:
    """Look whether the public tables that the inference needs are there: a sweep may take long.

    Raises
    ------
    ResultsError
        If one is not there and cannot be fetched.
    """
    from hpcsim.data import fetch

    for bound in study.methods:
        source = str(bound.options.get(OBSERVATIONS, ""))
        if source.startswith(PUBLIC):
            fetch(source.removeprefix(PUBLIC))


def _with_observations(study: Study, directory: StudyDirectory, options: Mapping[str, Any], place: Path) -> dict[str, Any]:
    """Options in which another study's points, a public table, or a file beside the study, is a path."""
    source = str(options.get(OBSERVATIONS, ""))
    if source.startswith(STUDY):
        from hpcsim.observed_study import observe

        return {**options, OBSERVATIONS: str(observe(study, directory, source.removeprefix(STUDY), place / "observations.csv"))}
    if source.startswith(PUBLIC):
        from hpcsim.recordings.observations import public_observations

        return {**options, OBSERVATIONS: str(public_observations(source.removeprefix(PUBLIC), place / "observations.csv"))}
    beside = study.folder / source
    return {**options, OBSERVATIONS: str(beside)} if source and beside.is_file() else dict(options)


def _simulator(study: Study, place: Path, on: str, options: Mapping[str, Any]) -> Simulate:
    """What a method calls to have points simulated: a study of the same model, in a folder of the method's."""

    def simulate(tables: Mapping[str, Any], name: str) -> Results:
        return Study.of_tables(tables, name, study.folder, study.model).run(on, place / name, **options)

    return simulate
