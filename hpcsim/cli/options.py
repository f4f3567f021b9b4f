"""The ``hpcsim`` command itself, and the options that several of its commands share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from hpcsim.scheduler.target import Target

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
AcceptOption = Annotated[
    bool, typer.Option("--accept-changes", help="Go on where code has changed; the results say which made which row.")
]
DryOption = Annotated[bool, typer.Option("--dry-run", help="Show what would run, and the scripts for Slurm; run nothing.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print it as JSON, for scripts.")]
OverridesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--with",
        metavar="KEY=VALUE",
        help="Slurm: over study and site: partition, account, qos, constraint, cluster, memory, time, task_size.",
        show_default=False,
    ),
]


@app.callback()
def _options(debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False) -> None:
    if debug:
        os.environ["HPCSIM_DEBUG"] = "1"


def target_of(on: str, site: str, pairs: list[str] | None, workers: int | None = None, scheduler: str = "") -> Target:
    """Where tasks run, as the options say it; imported late, since most commands need none."""
    from hpcsim.scheduler.site.site import Overrides
    from hpcsim.scheduler.target import Target

    return Target(on, workers, site, scheduler, Overrides.parse(pairs or []))


def directory_of(study: Any, where: str, directory: Path | None) -> Any:
    """The directory of a study: the one named, the one that it was loaded from, or ``runs/<name>``."""
    if directory is None and Path(where).is_dir():
        directory = Path(where)
    return study.directory(directory)


def print_json(value: Any) -> None:
    """A value for scripts, as one JSON document; numbers that JSON does not have are null."""
    import json

    typer.echo(json.dumps(_jsonable(value), indent=1, allow_nan=False))


def _jsonable(value: Any) -> Any:
    import math

    if isinstance(value, dict):
        return {str(name): _jsonable(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(item) for item in value]
    if hasattr(value, "tolist"):
        return _jsonable(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, (str, int, float, bool)) or value is None else str(value)
