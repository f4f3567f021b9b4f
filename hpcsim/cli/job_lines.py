"""What the command prints of jobs on a cluster."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.table import Table

from hpcsim.cli.terminal import NOTHING, console, warn_of_disk
from hpcsim.study.directory import StudyDirectory
from hpcsim.study.expected_size import describe_size

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hpcsim.scheduler.plan import Plan
    from hpcsim.scheduler.queue.commands import Slurm
    from hpcsim.scheduler.slurm.prepared import PreparedSubmission
    from hpcsim.scheduler.slurm.submission import Submission
    from hpcsim.study.study import Study


def watching(again: bool) -> Iterable[None]:
    """Once, or again and again with ever longer pauses."""
    from hpcsim.scheduler.queue.commands import pauses

    yield None
    for pause in pauses() if again else ():
        time.sleep(max(pause, 2.0))
        yield None


def print_jobs(study: Study, place: StudyDirectory, plan: Plan) -> bool:
    """How a study's Slurm jobs stand; returns whether any is left."""
    if not (place.path / "jobs").exists():
        # nothing of Slurm is loaded for a study that was never submitted
        return False
    from hpcsim.errors import SlurmError
    from hpcsim.scheduler.queue.commands import Slurm
    from hpcsim.scheduler.slurm.queue_status import look, time_left
    from hpcsim.scheduler.slurm.submission import submissions

    known = submissions(place)
    for item in known[-3:]:
        if item.over:
            console.print(f"submission {item.number} is over: {item.over}", markup=False)
    if all(item.over for item in known):
        return False
    try:
        looks = look(place, Slurm(notify=console.print, patience=20.0))
    except SlurmError as error:
        console.print(f"jobs: {error}", markup=False)
        return False
    for present in looks:
        console.print(str(present), markup=False)
    left = time_left(study, place, plan.left, looks)
    if left is not None:
        then = time.strftime("%Y-%m-%d %H:%M", time.localtime(time.time() + left))
        console.print(f"finished about {then}, at the present pace", markup=False)
    return any(present.left for present in looks)


def is_ending(place: StudyDirectory) -> bool:
    """Whether a job of the last submission is in its last moments: the collector says that all is over before it has ended."""
    from hpcsim.errors import SlurmError
    from hpcsim.scheduler.queue.commands import Slurm
    from hpcsim.scheduler.slurm.prepared import states_of
    from hpcsim.scheduler.slurm.submission import submissions

    last = submissions(place)[-1:]
    try:
        found = states_of(last, Slurm(notify=console.print, patience=20.0))
    except SlurmError:
        return False
    return any(state.active for states in found.values() for state in states)


def print_draft(study: Study, made: PreparedSubmission | None, slurm: Slurm) -> None:
    """What would be submitted: the scripts, and what they would take; Slurm looks at the first where it is there."""
    if made is None:
        console.print(NOTHING, markup=False)
        return
    for number, text in enumerate((*made.scripts, made.collector)):
        name = f"array-{number}.job" if number < len(made.scripts) else "collect.job"
        console.print(f"--- {made.place.folder / name}\n{text}", markup=False, soft_wrap=True)
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    tasks = len(made.array_batch.tasks)
    pilot = ", a pilot: it measures what a point costs, and the next submission follows from that"
    table.add_row("points", f"{made.array_batch.points:,}")
    table.add_row("tasks", f"{tasks:,}{pilot if made.array_batch.pilot else ''}")
    table.add_row("arrays", f"{len(made.scripts)}, and the collector")
    hours = "not known before a point has run"
    if made.measured is not None and made.array_batch.hours is not None:
        hours = f"{made.array_batch.hours:.3g}: a point took {made.measured.seconds:.3g} s (mean of {made.measured.points:,})"
    table.add_row("core-hours", hours)
    table.add_row("results", f"{describe_size(study, made.array_batch.points)} before compression")
    # a log and a shard a task, and what jobs/NNNN holds
    table.add_row("files", f"{2 * tasks + len(made.scripts) + 4:,} until they are collected, {tasks:,} of them logs")
    if slurm.available:
        slurm.on(made.settings.site.cluster).check(made.scripts[0])
    table.add_row("Slurm", "takes it (sbatch --test-only)" if slurm.available else "is not on this machine: not checked")
    console.print(table)
    warn_of_disk(study, StudyDirectory(made.place.directory), made.array_batch.points)


def print_submission(place: StudyDirectory, submission: Submission | None) -> None:
    """What was submitted, and how to go on."""
    if submission is None:
        console.print(NOTHING, markup=False)
    else:
        console.print(f"{submission}; hpcsim status {place.path} says how far it is", markup=False, soft_wrap=True)


def print_cancelled(place: StudyDirectory, jobs: list[int]) -> None:
    """What was cancelled."""
    if not jobs:
        console.print("there are no jobs to cancel", markup=False)
        return
    console.print(f"cancelled {len(jobs)} jobs ({', '.join(map(str, jobs))}); tasks write what they have", markup=False)
    console.print(f"hpcsim collect {place.path} gathers it, hpcsim resume {place.path} goes on", markup=False, soft_wrap=True)
