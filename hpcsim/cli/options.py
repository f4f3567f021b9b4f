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
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Parameter sweeps of neural simulations, from one text file to inferred parameters.",
)


def _complete_study(incomplete: str) -> list[str]:
    """Shipped studies, study files and directories that begin so, for the shell."""
    from hpcsim.paths import shipped_studies

    begun = Path(incomplete)
    folder = begun if incomplete.endswith("/") else begun.parent
    beside = sorted(folder.iterdir()) if folder.is_dir() else []
    paths = [f"{path}/" if path.is_dir() else str(path) for path in beside if path.is_dir() or path.suffix == ".toml"]
    return [name for name in (*shipped_studies(), *paths) if name.startswith(incomplete)]


StudyArgument = Annotated[
    str,
    typer.Argument(metavar="STUDY", help="A TOML file, a study's directory, or a shipped study.", autocompletion=_complete_study),
]
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


def _print_version(wanted: bool) -> None:
    if wanted:
        import hpcsim

        typer.echo(f"hpcsim {hpcsim.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print no progress and no tables; errors and JSON remain.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version, and end.")
    ] = False,
) -> None:
    del version
    if debug:
        os.environ["HPCSIM_DEBUG"] = "1"
    if quiet:
        from hpcsim.cli.terminal import console

        console.quiet = True


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
