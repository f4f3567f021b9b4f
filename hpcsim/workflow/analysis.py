"""The analysis of a study's results: its inference methods, with observations and a way to simulate more, and the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from hpcsim.errors import Problem, StudyError
from hpcsim.inference.note import Note
from hpcsim.scheduler.target import LOCAL, Target
from hpcsim.study.checked import OBSERVATIONS, BoundMethod
from hpcsim.study.directory import StudyDirectory
from hpcsim.study.history import open_directory
from hpcsim.study.observations import PUBLIC
from hpcsim.study.study import Study
from hpcsim.study_reference import StudyReference

if TYPE_CHECKING:
    from hpcsim.inference.finding import Finding
    from hpcsim.inference.inputs import ResultsLike


#: Methods whose answer rests on how the points were drawn.
_OF_THE_PRIOR = ("inference.npe",)
#: Points of a search that has no limit of them.
_MANY = 10**6


def analyse(
    study: Study,
    directory: StudyDirectory,
    target: Target = LOCAL,
    *,
    retry_failed: bool = False,
    accept_changes: bool = False,
) -> list[Finding]:
    """Run the inference methods of a study on its results, and write the report; see :meth:`Study.infer`."""
    from hpcsim.collector.results import Results
    from hpcsim.scheduler.state.outcome import check_success, check_whole
    from hpcsim.scheduler.sweep_lock import one_sweep
    from hpcsim.workflow.conclusion import basis, remember_inference
    from hpcsim.workflow.reporting import report
    from hpcsim.workflow.simulator import simulator

    findings = []
    with Results(directory.results) as results, one_sweep(directory, "an inference"):
        # no inference from points of other code
        open_directory(study, directory, accept_changes=accept_changes)
        # no inference from a part of the points
        check_whole(study, directory)
        check_success(study, directory)
        # before the methods run: what changes meanwhile is new
        stood_on = basis(study, directory)
        for number, bound in enumerate(study.methods):
            place = directory.finding(number, bound.name)
            options = _with_observations(study, directory, bound.options, place)
            again = place / "simulated"
            simulate = simulator(study, again, target, retry_failed=retry_failed, accept_changes=accept_changes)
            found = bound.method(results, place, seed=study.seed, simulate=simulate, **options)
            stand_on(found, results, len(study.design), missing=0)
            found.save(place)
            findings.append(found)
        if study.methods:
            remember_inference(directory, stood_on)
        report(study, directory, findings)
    return findings


def stand_on(finding: Finding, results: ResultsLike, design: int, missing: int | None = None) -> None:
    """Say on how many of how many points a finding stands.

    Parameters
    ----------
    finding : Finding
        Gets the numbers, and a note.
    results : ResultsLike
    design : int
        Points of the study's design.
    missing : int, optional
        Those without a row, where that is known: a design may draw the same values twice.
    """
    ended = {word: n for word, n in results.counts.items() if n and word != "ok"}
    ok = results.counts.get("ok", 0)
    used = int(cast("float", finding.metrics.get("points used", ok)))
    if excluded := max(0, ok - used):
        ended["ok, but with features that are not finite"] = excluded
    finding.metrics.update({"points of the design": design, "points in the results": len(results)})
    rows = ", ".join(f"{n} {word}" for word, n in {"used": used, **ended}.items())
    text = f"It stands on {used} of {design} points of the design; rows of the results: {rows}."
    missing = max(0, design - len(results)) if missing is None else missing
    more = max(0, len(results) - design)
    if missing:
        advice = "`hpcsim run` simulates them."
        finding.notes.append(Note(f"{text} {missing} are missing.", "points", "warning", missing, advice))
    elif more:
        text = f"It stands on {used} points, where the design has {design}: {more} that it had before count too; rows: {rows}."
        finding.notes.append(Note(text, "points", figure=used))
    else:
        finding.notes.append(Note(text, "points", figure=used))


def check_inference(study: Study) -> None:
    """Look whether the inference of a study can work, before a sweep that may take long.

    Raises
    ------
    StudyError
        With every mistake that can be seen without simulations.
    """
    from hpcsim.inference.planned import Planned
    from hpcsim.scheduler.observations import beside

    space = study.space
    varied = (*(name for axis in space.axes if len(axis) > 1 for name in axis.names), *space.sampled)
    units = {name: output.unit for name, output in study.layout.outputs.items()}
    units |= {parameter.name: parameter.unit for parameter in space.parameters}
    problems: list[Problem] = []
    for number, bound in enumerate(study.methods):
        method = bound.method
        # what is not installed is told by find_observations, where it is needed
        if method.name in _OF_THE_PRIOR:
            problems += _problems_of_prior(study, number, bound)
        if method.check is None or not method.installed:
            continue
        source = str(bound.options.get(OBSERVATIONS, ""))
        elsewhere = not source or StudyReference.parse(source) or source.startswith(PUBLIC)
        table = None if elsewhere else beside(study, source)
        names = tuple(parameter.name for parameter in space.parameters)
        planned = Planned(_points(study), varied, tuple(space.sampled), names, study.layout, units, table)
        found = method.check(method.complete(bound.options), planned)
        problems += [replace(problem, key=f"inference[{number}].{problem.key}") for problem in found]
    if problems:
        raise StudyError(problems, study.name)


def _problems_of_prior(study: Study, number: int, bound: BoundMethod) -> list[Problem]:
    """What is wrong where a method takes points for draws from the prior, and a sampler suggests them."""
    if study.search is None or study.search.plan.plugin.name == "uniform":
        return []
    if not study.search.plan.plugin.kind.infers:
        message = f"{bound.name} takes points for draws from the prior, and a sampler chose these"
        return [Problem(f"inference[{number}].use", message, "infer from a study of its own with [design]")]
    # near one observation they are draws from the prior
    wanted = {OBSERVATIONS: study.search.observations, "where": study.search.where}
    return [
        Problem(
            f"inference[{number}].{key}",
            f'found "{bound.options.get(key, "")}"; the points are drawn for the observation of the sampler',
            f'{key} = "{value}"' if study.search.observations else "give the sampler the table of its observation, too",
        )
        for key, value in wanted.items()
        if bound.options.get(key, "") != value or not study.search.observations
    ]


def _points(study: Study) -> int:
    """How many points there are, or will be at most where a sampler suggests them."""
    if study.search is None:
        return len(study.design)
    return max(len(study.design), (study.search.budget.evaluations or _MANY) * study.design.replicates)


def _with_observations(study: Study, directory: StudyDirectory, options: Mapping[str, Any], place: Path) -> dict[str, Any]:
    """Options in which another study's points, a public table, or a file beside the study, is a path."""
    from hpcsim.scheduler.observations import observations_of

    source = str(options.get(OBSERVATIONS, ""))
    if not source:
        return dict(options)
    return {**options, OBSERVATIONS: str(observations_of(study, directory, source, place / "observations.csv"))}
