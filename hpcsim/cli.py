"""The ``hpcsim`` command: reads arguments, prints; decides nothing."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from hpcsim.errors import HpcsimError, Interrupted

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Parameter sweeps of neural simulations, from one text file to inferred parameters.",
)

StudyArgument = Annotated[str, typer.Argument(metavar="STUDY", help="A TOML file, a study's directory, or a shipped study.")]
ScaleOption = Annotated[str, typer.Option("--scale", help="One of the study's scales.", show_default=False)]
DirectoryOption = Annotated[Path | None, typer.Option("--dir", help="Where it runs. [default: runs/NAME]", show_default=False)]
WorkersOption = Annotated[
    int | None, typer.Option("--workers", min=1, help="Tasks side by side. [default: one a core]", show_default=False)
]
RetryOption = Annotated[bool, typer.Option("--retry-failed", help="Simulate failed points again.")]
SiteOption = Annotated[str, typer.Option("--site", help="Slurm: the name of a site, or its file.", show_default=False)]
SchedulerOption = Annotated[
    str,
    typer.Option("--scheduler", metavar="ADDRESS", help="Dask: a scheduler that is there, or its JSON file.", show_default=False),
]
DryOption = Annotated[bool, typer.Option("--dry-run", help="Show what would run, and the scripts for Slurm; run nothing.")]
GivenOption = Annotated[
    list[str] | None,
    typer.Option(
        "--with",
        metavar="KEY=VALUE",
        help="Slurm: over study and site: partition, account, qos, constraint, memory, time, task_size.",
        show_default=False,
    ),
]


@app.callback()
def _options(debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False) -> None:
    if debug:
        os.environ["HPCSIM_DEBUG"] = "1"


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
    given: GivenOption = None,
    dry_run: DryOption = False,
) -> None:
    """Run what is not finished yet, collect it, infer, and write the report."""
    from hpcsim.dashboard.sweep_page import SweepPage
    from hpcsim.scheduler.sweep import sweep
    from hpcsim.study import Study
    from hpcsim.terminal import ProgressListener, print_findings, print_outcome

    if dry_run and on == "slurm":
        return submit(study, directory, scale, workers, retry_failed, site, given, dry_run)
    if dry_run:
        return plan(study, directory, scale)
    checked = Study.load(study, scale)
    place = _place(checked, study, directory)
    options = {"on": on, "workers": workers, "retry_failed": retry_failed, "site": site, "given": _given(given)}
    options |= {"scheduler": scheduler}
    with SweepPage(checked, place, on, retry_failed=retry_failed) as page:
        with ProgressListener() as listener:
            before = sweep(checked, place, listener=page.listener(listener.listener()), **options)
        page.simulated()
        print_outcome(place)
        if checked.methods and (before.left or not place.report.exists()):
            print_findings(checked.infer(place, **options), place)


@app.command()
def plan(
    study: StudyArgument,
    directory: DirectoryOption = None,
    scale: ScaleOption = "",
    prepare: Annotated[bool, typer.Option("--prepare", help="Also make the directory ready for tasks.")] = False,
) -> None:
    """Show what a study would run: points, shapes, bytes, what is finished already."""
    from hpcsim.scheduler.plan import plan as make_plan
    from hpcsim.study import Study
    from hpcsim.terminal import print_plan

    checked = Study.load(study, scale)
    place = _place(checked, study, directory)
    if prepare:
        from hpcsim.scheduler.sweep import Listener
        from hpcsim.scheduler.sweep import prepare as make_ready

        make_ready(checked, place, listener=Listener(said=typer.echo))
    print_plan(checked, place, make_plan(checked, place))


@app.command()
def submit(
    study: StudyArgument,
    directory: DirectoryOption = None,
    scale: ScaleOption = "",
    workers: WorkersOption = None,
    retry_failed: RetryOption = False,
    site: SiteOption = "",
    given: GivenOption = None,
    dry_run: DryOption = False,
    following: Annotated[bool, typer.Option("--following", hidden=True)] = False,
) -> None:
    """Hand what is not finished yet to Slurm, and come back at once; what needs another study waits for it there."""
    from hpcsim.scheduler.draft import draft
    from hpcsim.scheduler.queue import Slurm
    from hpcsim.scheduler.slurm import settings_of, start
    from hpcsim.study import Study
    from hpcsim.terminal import print_draft, print_submission

    checked = Study.load(study, scale)
    place = _place(checked, study, directory)
    arguments = _given(given, workers)
    slurm = Slurm(announce=typer.echo)
    if dry_run:
        made = draft(checked, place, settings_of(checked, place, site, arguments), slurm, retry_failed=retry_failed)
        print_draft(checked, made, slurm)
        return
    options = {"site": site, "given": arguments}
    print_submission(place, start(checked, place, slurm, retry_failed=retry_failed, following=following, **options))


# what is submitted is always what is missing; the site is that of the last submission unless another is named
app.command("resume", help="Hand only what is missing to Slurm again, to the same site unless another is named.")(submit)


@app.command()
def cancel(study: StudyArgument, directory: DirectoryOption = None, scale: ScaleOption = "") -> None:
    """End a study's Slurm jobs; tasks write what they have."""
    from hpcsim.scheduler.queue import Slurm
    from hpcsim.scheduler.slurm import cancel as cancel_jobs
    from hpcsim.study import Study
    from hpcsim.terminal import print_cancelled

    checked = Study.load(study, scale)
    place = _place(checked, study, directory)
    print_cancelled(place, cancel_jobs(place, Slurm(announce=typer.echo)))


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
    spare: Annotated[bool, typer.Option("--spare", help="Leave points that run out of memory unfinished.")] = False,
    launcher: Annotated[str, typer.Option(help="What starts MPI ranks. [default: mpiexec]", show_default=False)] = "",
    inside: Annotated[str, typer.Option(help="What runs Python in a container, for MPI ranks.", show_default=False)] = "",
) -> None:
    """Simulate points OFFSET + K * SIZE and on, SIZE of them: what executors start."""
    from hpcsim.scheduler.task import run_task, slice_of

    first, last = slice_of(k, size, offset, tasks)
    options = {"retry_failed": retry_failed, "events": events, "budget": seconds, "spare": spare, "log": log}
    raise SystemExit(run_task(study, first, last, launcher=launcher, inside=inside, **options))  # type: ignore[arg-type]


@app.command()
def collect(
    study: StudyArgument,
    directory: DirectoryOption = None,
    scale: ScaleOption = "",
    go_on: Annotated[bool, typer.Option("--go-on", help="Then submit what is missing; with a Dask dashboard.")] = False,
) -> None:
    """Move finished points from shards into results.h5; tasks may be running."""
    from hpcsim.scheduler.sweep import Listener, gather
    from hpcsim.study import Study
    from hpcsim.terminal import print_outcome

    checked = Study.load(study, scale)
    place = _place(checked, study, directory)
    if go_on:
        from hpcsim.scheduler.collector_job import collect_and_go_on

        collect_and_go_on(checked, place, Listener(said=typer.echo))
    else:
        gather(checked, place, Listener(said=typer.echo))
    print_outcome(place)


@app.command()
def status(
    study: StudyArgument,
    directory: DirectoryOption = None,
    scale: ScaleOption = "",
    watch: Annotated[bool, typer.Option("--watch", help="Again and again, ever more rarely, until no job is left.")] = False,
) -> None:
    """Say how far a study is, which points failed and why, and how its jobs stand."""
    from hpcsim.scheduler.plan import plan as make_plan
    from hpcsim.study import Study
    from hpcsim.terminal import print_jobs, print_status, watching

    checked = Study.load(study, scale)
    place = _place(checked, study, directory)
    for _ in watching(watch):
        now = make_plan(checked, place)
        print_status(checked, place, now)
        if not print_jobs(checked, place, now):
            break


@app.command()
def dashboard(
    study: StudyArgument,
    directory: DirectoryOption = None,
    scale: ScaleOption = "",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="[default: any that is free]", show_default=False)] = 0,
) -> None:
    """Serve a page with a study's progress on this machine until Ctrl-C; anything may run it meanwhile."""
    from hpcsim.dashboard.monitor import Monitor
    from hpcsim.dashboard.server import Server
    from hpcsim.study import Study

    checked = Study.load(study, scale)
    server = Server(Monitor(checked, _place(checked, study, directory)), port)
    server.start()
    typer.echo(f"dashboard {server.url}\nfrom elsewhere: {server.tunnel}\nCtrl-C ends it")
    server.wait()


@app.command()
def infer(study: StudyArgument, directory: DirectoryOption = None, scale: ScaleOption = "") -> None:
    """Run the inference of a study on its results, and write the report."""
    from hpcsim.study import Study
    from hpcsim.terminal import print_findings

    checked = Study.load(study, scale)
    place = _place(checked, study, directory)
    print_findings(checked.infer(place), place)


@app.command()
def models() -> None:
    """List the models and the shipped studies."""
    from hpcsim.terminal import print_models

    print_models()


@app.command()
def show(name: Annotated[str, typer.Argument(metavar="MODEL", help="A model or a stage.")]) -> None:
    """Show a model's or a stage's parameters, outputs, presets and source."""
    from hpcsim.terminal import print_model

    print_model(name)


@app.command()
def doctor(
    site: SiteOption = "",
    given: GivenOption = None,
    patience: Annotated[float, typer.Option(min=1, help="With --site: seconds to wait for the probe.")] = 300.0,
) -> None:
    """Say what is installed, and how to install what is missing; with --site, submit a probe and check its answer."""
    from hpcsim.doctor import examine, examine_site
    from hpcsim.terminal import print_examination

    if site:
        if not print_examination(examine_site(site, _given(given), patience, typer.echo)):
            raise SystemExit(1)
    else:
        print_examination(examine())


# what follows belongs to the command, options as well
@app.command(context_settings={"allow_interspersed_args": False})
def slurm_demo(
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="COMMAND...", help="[default: hpcsim run quickstart --on slurm]", show_default=False),
    ] = None,
    nodes: Annotated[int, typer.Option(min=2, help="Emulated nodes.")] = 3,
    cpus: Annotated[int, typer.Option(min=1, help="CPUs of each.")] = 2,
) -> None:
    """Run a command beside a Slurm that is started for it on this machine, and ends with it."""
    from hpcsim.slurm_demo import COMMAND, demonstrate

    raise SystemExit(demonstrate(command or COMMAND, nodes, cpus, typer.echo))


def _given(pairs: list[str] | None, workers: int | None = None) -> Any:
    """Arguments that stand over study and site; imported late, since most commands need none."""
    from hpcsim.scheduler.site import Arguments

    return Arguments.parse(pairs or [], throttle=workers)


def _place(study: Any, where: str, directory: Path | None) -> Any:
    """The directory of a study: the one named, the one that it was loaded from, or ``runs/<name>``."""
    if directory is None and Path(where).is_dir():
        directory = Path(where)
    return study.directory(directory)


def main() -> NoReturn:
    """Entry point of the command; errors are a few lines, and a traceback with ``--debug``."""
    # models and stages of the user's own, in files beside the study; tasks start with `python -m`, which does the same
    sys.path.insert(0, os.getcwd())
    try:
        code = app(standalone_mode=False)
    except HpcsimError as error:
        code = _complain(error)
    except KeyboardInterrupt:
        code = _complain(Interrupted("stopped"))
    except BrokenPipeError:
        # the reader went away (`hpcsim plan | head`)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except typer.Abort:
        code = _complain(Interrupted("stopped"))
    except Exception as error:
        if hasattr(error, "format_message") and hasattr(error, "exit_code"):
            code = _complain_usage(error)
        else:
            raise
    raise SystemExit(code)


def _complain(error: HpcsimError) -> int:
    if os.environ.get("HPCSIM_DEBUG"):
        import traceback

        traceback.print_exception(error)
    else:
        print(f"hpcsim: {error}" if isinstance(error, Interrupted) else f"error: {error}", file=sys.stderr)
    return error.exit_code


def _complain_usage(error: Any) -> int:
    """Typer's own mistakes: an option that does not exist, a missing argument."""
    context = getattr(error, "ctx", None)
    print(f"error: {error.format_message()}", file=sys.stderr)
    if context is not None:
        print(f"try: {context.command_path} --help", file=sys.stderr)
    return int(error.exit_code)


if __name__ == "__main__":
    main()
