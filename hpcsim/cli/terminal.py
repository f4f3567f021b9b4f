"""What the command prints: progress, plans, models, findings."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from hpcsim.cli.planned import inference_words
from hpcsim.inference.finding import numbers
from hpcsim.inference.note import is_warning
from hpcsim.representation import rate
from hpcsim.scheduler.executor import Listener
from hpcsim.study.directory import StudyDirectory
from hpcsim.study.expected_size import describe_size, disk_warning, free_bytes, human_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hpcsim.inference.finding import Finding
    from hpcsim.scheduler.plan import Plan
    from hpcsim.scheduler.state.check import CheckReport
    from hpcsim.study.study import Study

console = Console(highlight=False)
NOTHING = "nothing to submit: every point is finished or in jobs"
#: Seconds between two lines of progress where the output is no terminal.
LOG_EVERY = 60.0
#: Reasons that are shown, points that are named for each, and points that are listed.
_GROUPS, _POINTS, _LISTED = 10, 3, 50


class _Rate(ProgressColumn):
    """Points a second, or a minute where they are slow."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        if not speed:
            return Text("")
        return Text(rate(speed), style="cyan")


class ProgressListener:
    """Shows a sweep on the terminal: a bar with rate and time left."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[note]}"),
            console=console,
            # slow simulations finish a point in minutes: an estimate needs a long memory
            speed_estimate_period=3600,
        )
        self._bar: Any = None
        self._name, self._before, self._total = "", 0, 0
        self._printed_at = time.monotonic()

    def listener(self) -> Listener:
        """As a sweep wants it."""
        return Listener(self.started, self.progressed, self.notify)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._progress.stop()

    def started(self, study: Study, plan: Plan) -> None:
        """A bar for a study that begins."""
        self._name, self._before, self._total = study.name, plan.done, plan.total
        if plan.left:
            self._bar = self._progress.add_task(study.name, total=plan.total, completed=plan.done, note="")

    def progressed(self, done: int, failed: int) -> None:
        """Move the bar."""
        if self._bar is not None:
            note = f"[red]{failed} failed" if failed else ""
            self._progress.update(self._bar, completed=self._before + done, note=note)
        # a bar that nobody sees: a line a minute for logs
        if not console.is_terminal and time.monotonic() - self._printed_at > LOG_EVERY:
            self._printed_at = time.monotonic()
            self.notify(f"{self._name}: {self._before + done:,} of {self._total:,} points, {failed:,} failed")

    def notify(self, text: str) -> None:
        """Print a line above the bar."""
        # addresses and commands stay whole
        console.print(text, markup=False, soft_wrap=True)


def print_plan(study: Study, place: StudyDirectory, plan: Plan) -> None:
    """What a study would run."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_row("study", f"{study.name}  ({study.model.name} {study.model.version})")
    table.add_row("directory", str(place.path))
    table.add_row("points", f"{plan.total:,}, {plan.done:,} finished, {plan.left:,} to run")
    if study.search:
        table.add_row("sampler", f"{study.search.plan.plugin.name} suggests more: {study.search.budget}")
    for axis in study.space.axes:
        table.add_row("", Text(" with ".join(f"{name}: {values}" for name, values in axis.lists.items())))
    for name, distribution in study.space.sampled.items():
        table.add_row("", Text(f"{name}: {distribution}{_cut(study, name)}"))
    for name in study.layout.outputs:
        output = study.layout[name]
        shape = "ragged" if output.ragged else " x ".join(f"{n} {dim}" for n, dim in _dims(study, name)) or "one number"
        table.add_row("keeps" if name == next(iter(study.layout.outputs)) else "", Text(f"{name}: {shape} {output.unit}"))
    one, every = describe_size(study, 1), describe_size(study, plan.total)
    free = human_bytes(free_bytes(place.path))
    table.add_row("size", f"{one} a point, {every} in all before compression; the disk has {free} free")
    for name in study.needs:
        table.add_row("needs", f"study {name}")
    for bound in study.methods:
        table.add_row("infers" if bound is study.methods[0] else "", Text(inference_words(bound)))
    console.print(table)
    warn_of_disk(study, place, plan.left)


def warn_of_disk(study: Study, place: StudyDirectory, points: int) -> None:
    """Say where the outputs of so many points may not fit on the disk."""
    if words := disk_warning(study, place, points):
        console.print(words, markup=False, soft_wrap=True)


def _cut(study: Study, name: str) -> str:
    """What the bounds of a parameter cut off its distribution."""
    if name not in study.space.cut:
        return ""
    parameter = next(parameter for parameter in study.space.parameters if parameter.name == name)
    return f", drawn again outside {parameter.range}: {1 - study.space.cut[name].share:.2g} of it is cut off"


def _dims(study: Study, name: str) -> Iterable[tuple[int, str]]:
    return zip(study.layout.shape(name), study.layout[name].dims, strict=True)


def print_outcome(place: StudyDirectory) -> None:
    """What the results hold."""
    from hpcsim.collector.format.schema import STATUSES
    from hpcsim.collector.format.table import Table as Results

    if not place.results.exists():
        console.print(f"no results yet in {place.path}", markup=False)
        return
    import numpy as np

    with Results(place.results) as results:
        counts = np.bincount(results.array("status"), minlength=len(STATUSES))
    words = ", ".join(f"{count:,} {name}" for name, count in zip(STATUSES, counts, strict=True) if count)
    console.print(f"{place.results}: {counts.sum():,} points ({words or 'empty'})", markup=False, soft_wrap=True)


def print_status(study: Study, place: StudyDirectory, plan: Plan) -> None:
    """How far a study is, and why points failed."""
    console.print(f"{study.name}: {plan.done:,} of {plan.total:,} points finished, {plan.left:,} to run", markup=False)
    if study.search:
        spent, budget = study.search.spent(place.path), study.search.budget
        accepted = f", {spent.accepted:,} accepted" if study.search.plan.problem.cutoffs else ""
        hours = f"{spent.cpu_hours:.3g} CPU hours, {spent.wall_hours:.3g} hours"
        over = budget.reached(spent) or str(budget)
        console.print(f"search: {spent.evaluations:,} points suggested{accepted}, {hours}; {over}", markup=False)
    print_outcome(place)
    print_failures(study, place)


def print_failures(study: Study, place: StudyDirectory) -> None:
    """Which points failed, by their reasons, and what to do; nothing where all succeeded."""
    from hpcsim.scheduler.state.failures import failed_points, grouped

    failures = failed_points(study, place)
    if not failures:
        return
    groups = grouped(failures)
    table = Table("points", "status", "reason, and the first points", box=None, padding=(0, 2, 0, 0))
    for group in groups[:_GROUPS]:
        count = len(group.failures)
        points = ", ".join(map(str, group.failures[:_POINTS])) + (f" and {count - _POINTS:,} more" if count > _POINTS else "")
        table.add_row(f"{count:,}", group.status, Text(group.reason))
        table.add_row("", "", Text(points, style="dim"))
    console.print(table)
    if len(groups) > _GROUPS:
        console.print(f"and {len(groups) - _GROUPS:,} more reasons", markup=False)
    if len(failures) == len(study.design):
        console.print("every point failed", markup=False)
    # a sampler was told that they failed, and has gone on from there
    again = "" if study.search else f"hpcsim run {place.path} --retry-failed simulates them again, "
    console.print(
        f"{again}hpcsim log {place.path} {failures[0].id[:12]} shows the log of one",
        markup=False,
        soft_wrap=True,
    )


def print_log(study: Study, place: StudyDirectory, prefix: str) -> None:
    """What the logs hold of a failed point; without an id, which points failed."""
    from hpcsim.scheduler.log.reason import printable
    from hpcsim.scheduler.state.failures import failed_points
    from hpcsim.scheduler.state.logbook import log_entry

    if not prefix:
        failures = failed_points(study, place)
        for failure in failures[:_LISTED]:
            console.print(f"{failure}: {failure.status}: {failure.reason}", markup=False, soft_wrap=True)
        if len(failures) > _LISTED:
            console.print(f"and {len(failures) - _LISTED:,} more", markup=False)
        if not failures:
            console.print(f"no point has failed; logs of tasks are in {place.logs}", markup=False, soft_wrap=True)
        return
    entry = log_entry(study, place, prefix)
    console.print(f"{entry.failure}: {entry.failure.status}: {entry.failure.reason}", markup=False, soft_wrap=True)
    if entry.path is None:
        console.print(f"the logs in {place.logs} have nothing of it: they were removed, or its part was left out", markup=False)
        return
    console.print(f"from {entry.path}", markup=False, soft_wrap=True)
    if entry.twin:
        console.print(f"it failed as {entry.twin[:12]} did, whose log this is", markup=False)
    print(printable(entry.text), end="")


def print_check(place: StudyDirectory, report: CheckReport) -> None:
    """What a check found, and what to do."""
    for finding in report.defects:
        console.print(str(finding), markup=False, soft_wrap=True)
    for note in report.notes:
        console.print(note, markup=False, soft_wrap=True)
    extra = f"; {report.extra:,} more rows are not in the design" if report.extra else ""
    counts = f"{report.collected:,} of {report.total:,} points in the results, {report.failed:,} of them failed{extra}"
    console.print(f"{place.path}: {'sound, ' if report.ok else 'NOT in order: '}{counts}", markup=False, soft_wrap=True)


def print_findings(findings: Iterable[Finding], place: StudyDirectory) -> None:
    """The numbers of the inference, and where the report is."""
    for finding in findings:
        console.print(finding.title, style="bold", markup=False)
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        for name, value in finding.metrics.items():
            table.add_row(Text(name), Text(numbers(value)))
        console.print(table)
        for note in finding.notes:
            warns = is_warning(note)
            console.print(f"warning: {note}" if warns else str(note), style="yellow" if warns else "", markup=False)
    console.print(f"report: {place.report}", markup=False, soft_wrap=True)
