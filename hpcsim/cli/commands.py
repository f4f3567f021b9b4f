"""Commands that simulate, collect and infer: they read arguments and print; they decide nothing."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from hpcsim.cli.options import (
    AcceptOption,
    DirectoryOption,
    DryOption,
    JsonOption,
    OverridesOption,
    RetryOption,
    ScaleOption,
    SchedulerOption,
    SiteOption,
    StudyArgument,
    WorkersOption,
    app,
    directory_of,
    print_json,
    target_of,
)


@app.command()
def run(
    study: StudyArgument,
    directory: DirectoryOption = None,
    scale: ScaleOption = "",
    on: Annotated[str, typer.Option(help="Executor: inline, local, dask or slurm.")] = "local",
    workers: WorkersOption = None,
    retry_failed: RetryOption = False,
    site: SiteOption = "",
    scheduler: SchedulerOption = "",
    overrides: OverridesOption = None,
    dry_run: DryOption = False,
    infer: Annotated[bool, typer.Option("--infer/--no-infer", help="Whether inference and report follow the sweep.")] = True,
    accept_changes: AcceptOption = False,
) -> None:
    """Run what is not finished yet, collect it, infer, and write the report."""
    from hpcsim.cli.terminal import ProgressListener, print_failures, print_findings, print_outcome
    from hpcsim.dashboard.sweep_page import SweepPage
    from hpcsim.scheduler.sweep import sweep
    from hpcsim.workflow.analysis import check_inference
    from hpcsim.workflow.conclusion import conclude
    from hpcsim.workflow.study import Study

    if dry_run and on == "slurm":
        return submit(study, directory, scale, workers, retry_failed, site, overrides, dry_run)
    if dry_run:
        return plan(study, directory, scale)
    checked = Study.load(study, scale, changed=accept_changes)
    place = directory_of(checked, study, directory)
    target = target_of(on, site, overrides, workers, scheduler)
    again = {"retry_failed": retry_failed, "accept_changes": accept_changes}
    if infer:
        check_inference(checked)
    with SweepPage(checked, place, on, retry_failed=retry_failed) as page:
        with ProgressListener() as listener:
            before = sweep(checked, place, target, listener=page.listener(listener.listener()), infer=infer, **again)
        page.simulated()
        print_outcome(place)
        print_failures(checked, place)
        found = conclude(checked, place, before, lambda: checked.infer(place, target, **again), typer.echo, wanted=infer)
        if found is not None:
            print_findings(found, place)


@app.command()
def plan(
    study: StudyArgument,
    directory: DirectoryOption = None,
    scale: ScaleOption = "",
    prepare: Annotated[bool, typer.Option("--prepare", help="Also make the directory ready for tasks.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what a study would run: points, shapes, bytes, what is finished already, and what inference will do."""
    from hpcsim.cli.terminal import print_plan
    from hpcsim.scheduler.plan import plan as make_plan
    from hpcsim.study.observations import find_observations
    from hpcsim.workflow.analysis import check_inference
    from hpcsim.workflow.study import Study

    checked = Study.load(study, scale)
    check_inference(checked)
    place = directory_of(checked, study, directory)
    if prepare:
        from hpcsim.scheduler.executor import Listener
        from hpcsim.scheduler.prepare import prepare as make_ready
        from hpcsim.scheduler.sweep_lock import one_sweep

        with one_sweep(place, "hpcsim plan --prepare"):
            make_ready(checked, place, listener=Listener(notify=partial(typer.echo, err=as_json)))
    if as_json:
        from hpcsim.cli.planned import plan_mapping

        print_json(plan_mapping(checked, place, make_plan(checked, place)))
    else:
        print_plan(checked, place, make_plan(checked, place))
    find_observations(checked)


@app.command()
def submit(
    study: StudyArgument,
    directory: DirectoryOption = None,
    scale: ScaleOption = "",
    workers: WorkersOption = None,
    retry_failed: RetryOption = False,
    site: SiteOption = "",
    overrides: OverridesOption = None,
    dry_run: DryOption = False,
    accept_changes: AcceptOption = False,
    after_inputs: Annotated[bool, typer.Option("--after-inputs", hidden=True)] = False,
) -> None:
    """Submit what is not finished yet to Slurm, and return immediately; what needs another study waits for it there."""
    from hpcsim.cli.job_lines import print_draft, print_submission
    from hpcsim.scheduler.queue.commands import Slurm
    from hpcsim.scheduler.slurm.executor import draft, settings_of, start
    from hpcsim.workflow.study import Study

    checked = Study.load(study, scale, changed=accept_changes)
    place = directory_of(checked, study, directory)
    target = target_of("slurm", site, overrides, workers)
    slurm = Slurm(notify=typer.echo)
    if dry_run:
        made = draft(checked, place, settings_of(checked, place, target), slurm, retry_failed=retry_failed)
        print_draft(checked, made, slurm)
        return
    again = {"retry_failed": retry_failed, "accept_changes": accept_changes}
    print_submission(place, start(checked, place, slurm, target, after_inputs=after_inputs, **again))


# what is submitted is always what is missing; the site is that of the last submission unless another is named


app.command("resume", help="Submit only what is missing to Slurm again, to the same site unless another is named.")(submit)


@app.command()
def cancel(study: StudyArgument, directory: DirectoryOption = None, scale: ScaleOption = "") -> None:
    """End a study's Slurm jobs; tasks write what they have."""
    from hpcsim.cli.job_lines import print_cancelled
    from hpcsim.scheduler.queue.commands import Slurm
    from hpcsim.scheduler.slurm.executor import cancel as cancel_jobs
    from hpcsim.workflow.study import Study

    checked = Study.load(study, scale)
    place = directory_of(checked, study, directory)
    print_cancelled(place, cancel_jobs(place, Slurm(notify=typer.echo)))


@app.command()
def task(
    study: Annotated[Path, typer.Argument(metavar="STUDY", help="A study's directory.")],
    k: Annotated[int, typer.Argument(metavar="K", min=0, help="Number of the task.")],
    size: Annotated[int, typer.Option(min=1, help="Points a task.")] = 1,
    offset: Annotated[int, typer.Option(min=0, help="Points before task 0.")] = 0,
    tasks: Annotated[Path | None, typer.Option(help="Instead: a file with first point and end of each task.")] = None,
    retry_failed: RetryOption = False,
    events: Annotated[bool, typer.Option("--events", help="Print progress as lines of JSON.")] = False,
    log: Annotated[Path | None, typer.Option(help="What simulators print. [default: logs/FIRST-END.log]")] = None,
    seconds: Annotated[float | None, typer.Option(min=0, help="Begin no further point after this time.")] = None,
    defer_oom: Annotated[bool, typer.Option("--defer-oom", help="Leave points that run out of memory unfinished.")] = False,
    launcher: Annotated[str, typer.Option(help="What starts MPI ranks. [default: mpiexec]", show_default=False)] = "",
    inside: Annotated[str, typer.Option(help="What runs Python in a container, for MPI ranks.", show_default=False)] = "",
    design: Annotated[str, typer.Option(help="Digest of the design that is meant.", show_default=False)] = "",
) -> None:
    """Simulate points OFFSET + K * SIZE and on, SIZE of them: what executors start."""
    from hpcsim.scheduler.task.supervisor import design_of, run_task, slice_of

    first, last = slice_of(k, size, offset, tasks)
    design = design or (design_of(tasks) if tasks else "")
    options = {
        "retry_failed": retry_failed,
        "events": events,
        "budget": seconds,
        "defer_oom": defer_oom,
        "log": log,
        "design": design,
    }
    raise SystemExit(run_task(study, first, last, launcher=launcher, inside=inside, **options))  # type: ignore[arg-type]


@app.command()
def collect(
    study: StudyArgument,
    directory: DirectoryOption = None,
    scale: ScaleOption = "",
    go_on: Annotated[bool, typer.Option("--go-on", help="Then submit what is missing; with a Dask dashboard.")] = False,
) -> None:
    """Move finished points from shards into results.h5; tasks may be running."""
    from hpcsim.cli.terminal import print_outcome
    from hpcsim.scheduler.executor import Listener
    from hpcsim.scheduler.gather import gather
    from hpcsim.scheduler.state.outcome import check_success, check_whole
    from hpcsim.study.history import changed_since
    from hpcsim.workflow.study import Study

    checked = Study.load(study, scale)
    place = directory_of(checked, study, directory)
    if go_on:
        from hpcsim.scheduler.slurm.collector_job import collect_and_go_on

        handed_on = collect_and_go_on(checked, place, Listener(notify=typer.echo))
    else:
        gather(checked, place, Listener(notify=typer.echo))
        handed_on = False
    print_outcome(place)
    if words := changed_since(checked, place):
        typer.echo(words)
    if not handed_on:
        check_whole(checked, place)
        check_success(checked, place)


@app.command()
def infer(
    study: StudyArgument, directory: DirectoryOption = None, scale: ScaleOption = "", accept_changes: AcceptOption = False
) -> None:
    """Run the inference of a study on its results, and write the report."""
    from hpcsim.cli.terminal import print_findings
    from hpcsim.workflow.study import Study

    checked = Study.load(study, scale, changed=accept_changes)
    place = directory_of(checked, study, directory)
    print_findings(checked.infer(place, accept_changes=accept_changes), place)
