"""What the command prints: progress, plans, models, findings."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from hpcsim.dashboard.words import rate
from hpcsim.scheduler.sweep import Listener

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hpcsim.directory import StudyDirectory
    from hpcsim.doctor import Finding as Examined
    from hpcsim.inference.method import Finding
    from hpcsim.scheduler.draft import Draft
    from hpcsim.scheduler.plan import Plan
    from hpcsim.scheduler.queue import Slurm
    from hpcsim.scheduler.submission import Submission
    from hpcsim.study import Study

console = Console(highlight=False)
_NOTHING = "nothing to submit: every point is finished or in jobs"
#: Seconds between two lines of progress where the output is no terminal.
LOG_EVERY = 60.0


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
        return Listener(self.started, self.progressed, self.said)

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
            self.said(f"{self._name}: {self._before + done:,} of {self._total:,} points, {failed:,} failed")

    def said(self, text: str) -> None:
        """Print a line above the bar."""
        # addresses and commands stay whole
        console.print(text, markup=False, soft_wrap=True)


def _sizes(study: Study) -> dict[str, int]:
    """Bytes of a point in each output."""
    import numpy as np

    return {
        name: int(np.prod(study.layout.shape(name))) * np.dtype(output.dtype).itemsize
        for name, output in study.layout.outputs.items()
    }


def print_plan(study: Study, place: StudyDirectory, plan: Plan) -> None:
    """What a study would run."""
    sizes = _sizes(study)
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_row("study", f"{study.name}  ({study.model.name} {study.model.version})")
    table.add_row("directory", str(place.path))
    table.add_row("points", f"{plan.total:,}, {plan.done:,} finished, {plan.left:,} to run")
    for axis in study.space.axes:
        table.add_row("", Text(" with ".join(f"{name}: {values}" for name, values in axis.lists.items())))
    for name, distribution in study.space.sampled.items():
        table.add_row("", Text(f"{name}: {distribution}"))
    for name in study.layout.outputs:
        output = study.layout[name]
        shape = "ragged" if output.ragged else " x ".join(f"{n} {dim}" for n, dim in _dims(study, name)) or "one number"
        table.add_row("keeps" if name == next(iter(sizes)) else "", Text(f"{name}: {shape} {output.unit}"))
    total = sum(sizes.values()) * plan.total
    table.add_row("size", f"{human_bytes(sum(sizes.values()))} a point, {human_bytes(total)} in all before compression")
    for name in study.needs:
        table.add_row("needs", f"study {name}")
    console.print(table)


def _dims(study: Study, name: str) -> Iterable[tuple[int, str]]:
    return zip(study.layout.shape(name), study.layout[name].dims, strict=True)


def human_bytes(size: float) -> str:
    """A size for people.

    Examples
    --------
    >>> human_bytes(2_160_000_000)
    '2.2 GB'
    """
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}" if size < 100 else f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.2g} TB"


def print_outcome(place: StudyDirectory) -> None:
    """What the results hold."""
    from hpcsim.collector.schema import STATUSES
    from hpcsim.collector.table import Table as Results

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
    from hpcsim.scheduler.tally import RowCounter

    console.print(f"{study.name}: {plan.done:,} of {plan.total:,} points finished, {plan.left:,} to run", markup=False)
    print_outcome(place)
    reasons = RowCounter(place).tally().reasons
    if not reasons:
        return
    table = Table("points", "status", "reason", box=None, padding=(0, 2, 0, 0))
    for (status, reason), count in reasons.most_common(10):
        table.add_row(f"{count:,}", status, Text(reason))
    console.print(table)


def watching(again: bool) -> Iterable[None]:
    """Once, or again and again with ever longer pauses."""
    from hpcsim.scheduler.slurm import pauses

    yield None
    for pause in pauses() if again else ():
        time.sleep(max(pause, 2.0))
        yield None


def print_jobs(study: Study, place: StudyDirectory, plan: Plan) -> bool:
    """How a study's Slurm jobs stand; returns whether any is left."""
    from hpcsim.errors import SlurmError
    from hpcsim.scheduler.outlook import look, time_left
    from hpcsim.scheduler.queue import Slurm
    from hpcsim.scheduler.submission import submissions

    known = submissions(place)
    for item in known[-3:]:
        if item.over:
            console.print(f"submission {item.number} is over: {item.over}", markup=False)
    if all(item.over for item in known):
        return False
    try:
        looks = look(place, Slurm(announce=console.print, patience=20.0))
    except SlurmError as error:
        console.print(f"jobs: {error}", markup=False)
        return False
    for present in looks:
        console.print(str(present), markup=False)
    left = time_left(study, place, plan.left, looks)
    if left is not None:
        then = time.strftime("%Y-%m-%d %H:%M", time.localtime(time.time() + left))
        console.print(f"finished about {then}, at the present pace", markup=False)
    return bool(looks)


def print_draft(study: Study, made: Draft | None, slurm: Slurm) -> None:
    """What would be submitted: the scripts, and what they would take; Slurm looks at the first where it is there."""
    if made is None:
        console.print(_NOTHING, markup=False)
        return
    for number, text in enumerate((*made.scripts, made.collector)):
        name = f"array-{number}.job" if number < len(made.scripts) else "collect.job"
        console.print(f"--- {made.place.folder / name}\n{text}", markup=False, soft_wrap=True)
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    tasks = len(made.round.tasks)
    pilot = ", a pilot: it measures what a point costs, and the next submission follows from that"
    table.add_row("points", f"{made.round.points:,}")
    table.add_row("tasks", f"{tasks:,}{pilot if made.round.pilot else ''}")
    table.add_row("arrays", f"{len(made.scripts)}, and the collector")
    hours = "not known before a point has run"
    if made.measured is not None and made.round.hours is not None:
        hours = f"{made.round.hours:.3g}: a point took {made.measured.seconds:.3g} s (mean of {made.measured.points:,})"
    table.add_row("core-hours", hours)
    table.add_row("results", f"{human_bytes(sum(_sizes(study).values()) * made.round.points)} before compression")
    # a log and a shard a task, and what jobs/NNNN holds
    table.add_row("files", f"{2 * tasks + len(made.scripts) + 4:,} until they are collected, {tasks:,} of them logs")
    if slurm.there:
        slurm.check(made.scripts[0])
    table.add_row("Slurm", "takes it (sbatch --test-only)" if slurm.there else "is not on this machine: not checked")
    console.print(table)


def print_submission(place: StudyDirectory, submission: Submission | None) -> None:
    """What was submitted, and how to go on."""
    if submission is None:
        console.print(_NOTHING, markup=False)
    else:
        console.print(f"{submission}; hpcsim status {place.path} says how far it is", markup=False, soft_wrap=True)


def print_cancelled(place: StudyDirectory, jobs: list[int]) -> None:
    """What was cancelled."""
    if not jobs:
        console.print("there are no jobs to cancel", markup=False)
        return
    console.print(f"cancelled {len(jobs)} jobs ({', '.join(map(str, jobs))}); tasks write what they have", markup=False)
    console.print(f"hpcsim collect {place.path} gathers it, hpcsim resume {place.path} goes on", markup=False, soft_wrap=True)


def print_findings(findings: Iterable[Finding], place: StudyDirectory) -> None:
    """The numbers of the inference, and where the report is."""
    for finding in findings:
        console.print(finding.title, style="bold", markup=False)
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        for name, value in finding.metrics.items():
            numbers = value.items() if isinstance(value, dict) else [("", value)]
            table.add_row(Text(name), Text(", ".join(f"{key} {number:.4g}".strip() for key, number in numbers)))
        console.print(table)
        for note in finding.notes:
            console.print(note, markup=False)
    console.print(f"report: {place.report}", markup=False, soft_wrap=True)


def print_models() -> None:
    """All models, and the shipped studies."""
    from hpcsim.assets import shipped_studies
    from hpcsim.errors import ModelError
    from hpcsim.models.registry import MODELS, get_model
    from hpcsim.study_file import read

    table = Table("model", "", "", box=None, padding=(0, 2, 0, 0))
    for name in MODELS.names():
        try:
            model = get_model(name, installed=False)
        except ModelError as error:
            table.add_row(name, "[red]broken", Text(str(error)))
            continue
        missing = "" if model.installed else f"[yellow]pip install 'hpcsim\\[{model.extra}]'"
        table.add_row(name, missing, Text(model.description))
    console.print(table)
    console.print()
    studies = Table("study", "", box=None, padding=(0, 2, 0, 0))
    for name, path in shipped_studies().items():
        studies.add_row(name, Text(str(read(path)["study"].get("description", ""))))
    console.print(studies)


def print_model(name: str) -> None:
    """One model or stage: parameters with units, defaults and bounds; outputs; source."""
    from hpcsim.errors import ModelError, nearest
    from hpcsim.models.registry import MODELS
    from hpcsim.stages.registry import STAGES

    if name in STAGES.names():
        stage = STAGES.get(name)
        console.print(f"{stage.name} {stage.version}: {stage.description}", style="bold", markup=False)
        _print_parameters(stage.options, "option")
        _print_source(stage.source)
        return
    try:
        model = MODELS.get(name)
    except ModelError:
        if ":" in name:
            raise
        names = [*MODELS.names(), *STAGES.names()]
        raise ModelError(f'there is no model or stage "{name}"; {nearest(name, names)}') from None
    console.print(f"{model.name} {model.version}: {model.description}", style="bold", markup=False)
    _print_parameters(model.parameters, "parameter")
    outputs = Table("output", "dims", "unit", "", box=None, padding=(0, 2, 0, 0))
    for output in model.outputs:
        dims = ", ".join(output.dims) + (" (ragged)" if output.ragged else "")
        outputs.add_row(output.name, dims, output.unit, Text(output.description))
    console.print(outputs)
    if model.presets:
        console.print(f"presets: {', '.join(model.presets)}", markup=False)
    _print_source(model.source)


def _print_parameters(parameters: Iterable[Any], word: str) -> None:
    table = Table(word, "default", "unit", "allowed", "", box=None, padding=(0, 2, 0, 0))
    for parameter in parameters:
        low, high = parameter.bounds
        allowed = ", ".join(parameter.choices)
        if not allowed and (low is not None or high is not None):
            allowed = f">= {low:g}" if high is None else f"<= {high:g}" if low is None else f"{low:g} to {high:g}"
        default = f"{parameter.default:g}" if isinstance(parameter.default, float) else str(parameter.default)
        table.add_row(Text(parameter.name), Text(default), parameter.unit, Text(allowed), Text(parameter.description))
    console.print(table)


def _print_source(source: str) -> None:
    if source:
        console.print(f"source: {source}", markup=False)


def print_examination(found: Iterable[Examined]) -> bool:
    """What the doctor found; returns whether nothing is wrong."""
    well = True
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for item in found:
        mark = {"ok": "[green]ok", "missing": "[yellow]missing", "wrong": "[red]wrong"}[item.state]
        table.add_row(mark, item.name, Text(item.detail + (f"  ->  {item.remedy}" if item.remedy else "")))
        well = well and item.state != "wrong"
    console.print(table)
    return well
