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


@app.callback()
def _options(debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False) -> None:
    if debug:
        os.environ["HPCSIM_DEBUG"] = "1"


@app.command()
def run(
    study: StudyArgument,
    directory: DirectoryOption = None,
    scale: ScaleOption = "",
    on: Annotated[str, typer.Option(help="Executor: inline or local.")] = "local",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Tasks side by side. [default: one a core]", show_default=False)
    ] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Simulate failed points again.")] = False,
) -> None:
    """Run what is not finished yet, collect it, infer, and write the report."""
    from hpcsim.scheduler.sweep import sweep
    from hpcsim.study import Study
    from hpcsim.terminal import ProgressListener, print_findings, print_outcome

    checked = Study.load(study, scale)
    place = _place(checked, study, directory)
    with ProgressListener() as listener:
        before = sweep(checked, place, on=on, workers=workers, retry_failed=retry_failed, listener=listener.listener())
    print_outcome(place)
    if checked.methods and (before.left or not place.report.exists()):
        print_findings(checked.infer(place), place)


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
def task(
    study: Annotated[Path, typer.Argument(metavar="STUDY", help="A study's directory.")],
    k: Annotated[int, typer.Argument(metavar="K", min=0, help="Number of the task.")],
    size: Annotated[int, typer.Option(min=1, help="Points a task.")] = 1,
    offset: Annotated[int, typer.Option(min=0, help="Points before task 0.")] = 0,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Simulate failed points again.")] = False,
    events: Annotated[bool, typer.Option("--events", help="Print progress as lines of JSON.")] = False,
) -> None:
    """Simulate points OFFSET + K * SIZE and on, SIZE of them: what executors start."""
    from hpcsim.scheduler.task import run_task

    start = offset + k * size
    raise SystemExit(run_task(study, start, start + size, retry_failed=retry_failed, events=events))


@app.command()
def collect(study: StudyArgument, directory: DirectoryOption = None, scale: ScaleOption = "") -> None:
    """Move finished points from shards into results.h5; tasks may be running."""
    from hpcsim.scheduler.sweep import Listener, gather
    from hpcsim.study import Study
    from hpcsim.terminal import print_outcome

    checked = Study.load(study, scale)
    place = _place(checked, study, directory)
    gather(checked, place, Listener(said=typer.echo))
    print_outcome(place)


@app.command()
def status(study: StudyArgument, directory: DirectoryOption = None, scale: ScaleOption = "") -> None:
    """Say how far a study is, and which points failed and why."""
    from hpcsim.scheduler.plan import plan as make_plan
    from hpcsim.study import Study
    from hpcsim.terminal import print_status

    checked = Study.load(study, scale)
    place = _place(checked, study, directory)
    print_status(checked, place, make_plan(checked, place))


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
def doctor() -> None:
    """Say what is installed, and how to install what is missing."""
    from hpcsim.doctor import examine
    from hpcsim.terminal import print_examination

    print_examination(examine())


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
