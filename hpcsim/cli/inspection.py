"""Commands that look at a study, at what there is, and at this machine: they read arguments and print; they decide nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hpcsim.cli.options import (
    DirectoryOption,
    JsonOption,
    OverridesOption,
    ScaleOption,
    SiteOption,
    StudyArgument,
    app,
    directory_of,
    print_json,
    target_of,
)


@app.command()
def status(
    study: StudyArgument,
    directory: DirectoryOption = None,
    scale: ScaleOption = "",
    watch: Annotated[bool, typer.Option("--watch", help="Again and again, ever more rarely, until no job is left.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Say how far a study is, which points failed and why, and how its jobs stand."""
    from hpcsim.cli.job_lines import is_ending, print_jobs, watching
    from hpcsim.cli.terminal import print_status
    from hpcsim.scheduler.plan import plan as make_plan
    from hpcsim.study.history import changed_since
    from hpcsim.workflow.study import Study

    checked = Study.load(study, scale)
    place = directory_of(checked, study, directory)
    if as_json:
        from hpcsim.cli.planned import status_mapping

        print_json(status_mapping(checked, place, make_plan(checked, place)))
        return
    if note := changed_since(checked, place):
        typer.echo(note)
    for _ in watching(watch):
        checked.read_suggestions(place.path)
        now = make_plan(checked, place)
        print_status(checked, place, now)
        if not print_jobs(checked, place, now) and not (watch and is_ending(place)):
            break


@app.command()
def log(
    study: StudyArgument,
    point: Annotated[str, typer.Argument(metavar="ID", help="The beginning of a failed point's id.", show_default=False)] = "",
    directory: DirectoryOption = None,
    scale: ScaleOption = "",
) -> None:
    """Show what a failed point printed, and its traceback; without an id, which points failed."""
    from hpcsim.cli.terminal import print_log
    from hpcsim.workflow.study import Study

    checked = Study.load(study, scale)
    print_log(checked, directory_of(checked, study, directory), point)


@app.command("point")
def one_point(
    study: StudyArgument,
    id: Annotated[str, typer.Argument(metavar="ID", help="The beginning of a point's id.")],
    directory: DirectoryOption = None,
    scale: ScaleOption = "",
    again: Annotated[bool, typer.Option("--again", help="Simulate it here, in this process, and keep every output.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="With --again: the file. [default: points/ID.h5 in DIR]", show_default=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show one point: parameters, outputs, log and error; with --again, simulate it, and compare with what is stored."""
    from hpcsim.cli.point import as_mapping, print_again, print_point, simulated_again, stdout_to_stderr
    from hpcsim.scheduler.state.one_point import find_point
    from hpcsim.workflow.study import Study

    checked = Study.load(study, scale)
    place = directory_of(checked, study, directory)
    point = find_point(checked, place, id)
    if as_json:
        with stdout_to_stderr():
            found = simulated_again(checked, place, point, out) if again else None
        print_json(as_mapping(checked, place, point, found))
        return
    print_point(checked, place, point, study)
    if again:
        print_again(checked, simulated_again(checked, place, point, out))


@app.command()
def report(
    study: StudyArgument,
    out: Annotated[Path | None, typer.Option("--out", help="[default: report.html in its directory]", show_default=False)] = None,
    directory: DirectoryOption = None,
    scale: ScaleOption = "",
) -> None:
    """Write the report of a study as it is now: a page, its figures beside it, and a page to explore the points."""
    from hpcsim.workflow.reporting import report as write
    from hpcsim.workflow.study import Study

    checked = Study.load(study, scale)
    typer.echo(f"report: {write(checked, directory_of(checked, study, directory), path=out)}")


@app.command()
def compare(
    studies: Annotated[
        list[str], typer.Argument(metavar="STUDY...", help="Directories, results, study files; a scale as FILE@SCALE.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Say what differs in studies: settings, points in common, their outputs, posteriors."""
    from hpcsim.cli.terminal import console
    from hpcsim.workflow.comparison.comparison import compare as compared

    found = compared(*studies)
    print_json(found.to_dict()) if as_json else typer.echo(found.text(console.width))


@app.command()
def check(
    study: StudyArgument,
    directory: DirectoryOption = None,
    scale: ScaleOption = "",
    repair: Annotated[bool, typer.Option("--repair", help="Set damaged results aside, keep readable points.")] = False,
) -> None:
    """Read all results and shards, compare them with the design, and say what to do; ends with 0 only if all is well."""
    from hpcsim.cli.terminal import print_check
    from hpcsim.scheduler.state.check import check as check_files
    from hpcsim.scheduler.state.check import repair as repair_results
    from hpcsim.workflow.study import Study

    checked = Study.load(study, scale)
    place = directory_of(checked, study, directory)
    for words in repair_results(checked, place) if repair else ():
        typer.echo(words)
    report = check_files(checked, place)
    print_check(place, report)
    raise SystemExit(0 if report.ok else 1)


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
    from hpcsim.workflow.study import Study

    checked = Study.load(study, scale)
    server = Server(Monitor(checked, directory_of(checked, study, directory)), port)
    server.start()
    typer.echo(f"dashboard {server.url}\nfrom elsewhere: {server.tunnel}\nCtrl-C ends it")
    server.wait()


@app.command()
def export(
    study: StudyArgument,
    to: Annotated[str, typer.Option("--to", metavar="FORMAT", help="csv, neo (NIX), nwb, parquet, sonata or zarr.")],
    where: Annotated[str, typer.Option("--where", help='Which points, such as "J_ext > 29".', show_default=False)] = "",
    point: Annotated[list[str] | None, typer.Option("--id", help="A point; may be repeated.", show_default=False)] = None,
    out: Annotated[Path | None, typer.Option("--out", help="[default: export/ in its directory]", show_default=False)] = None,
    directory: DirectoryOption = None,
    scale: ScaleOption = "",
) -> None:
    """Write results for other tools: a table of points, or files for each."""
    from hpcsim.collector.results import open_results
    from hpcsim.recordings.export.formats import export as write
    from hpcsim.workflow.study import Study

    place = directory_of(Study.load(study, scale), study, directory)
    with open_results(place.path) as results:
        files = write(results, to, out, where, point or [])
    typer.echo(f"{files[0]}" if len(files) == 1 else f"{len(files)} files in {files[0].parent}")


@app.command()
def observe(
    paths: Annotated[list[Path], typer.Argument(metavar="NWB...", help="NWB files, or folders of them; a cell each.")],
    out: Annotated[Path, typer.Option("--out", help="The CSV file to write.")],
    use: Annotated[str, typer.Option("--use", help="features.ephys or features.glm.")] = "features.ephys",
    amplitude: Annotated[
        float | None, typer.Option(help="features.ephys: step in pA. [default: the largest]", show_default=False)
    ] = None,
    junction_potential: Annotated[float, typer.Option(help="Subtracted from the voltage, mV.")] = 0.0,
    definition: Annotated[str, typer.Option(help="features.ephys: default or bernaerts2025.")] = "default",
    margin: Annotated[float, typer.Option(help="features.ephys: ms of the trace before and after the step.", min=0.0)] = 100.0,
    train: Annotated[str, typer.Option(help="features.glm: tag or description of the stimuli to fit.")] = "Noise 1",
    test: Annotated[str, typer.Option(help="features.glm: tag or description of the stimuli to test on.")] = "Noise 2",
    electrode: Annotated[str, typer.Option(help="Where files have sweeps of several cells.", show_default=False)] = "",
    voltage_unit: Annotated[str, typer.Option(help="Where the file's own is wrong, such as mV.", show_default=False)] = "",
    current_unit: Annotated[str, typer.Option(help="Where the file's own is wrong, such as pA.", show_default=False)] = "",
) -> None:
    """Write a table of observations from recordings; files that cannot be used are named with the reason."""
    import warnings

    from hpcsim.recordings.observe import observe as write
    from hpcsim.recordings.observe import recordings
    from hpcsim.recordings.sources import extractor

    # where in hpcsim a warning arose tells nobody who reads a recording anything
    warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"
    files = recordings(paths)
    series = {"electrode": electrode, "voltage_unit": voltage_unit, "current_unit": current_unit}
    extract = extractor(use, amplitude, junction_potential, definition, margin=margin, train=train, test=test, **series)
    table, left_out = write(files, extract, out)
    typer.echo(f"{out}: {len(table)} cells of {len(files)} files")
    for name, reason in left_out.items():
        typer.echo(f"left out {name}: {reason}")


@app.command()
def models(as_json: JsonOption = False) -> None:
    """List the models and the shipped studies."""
    from hpcsim.cli.catalogue import entries
    from hpcsim.cli.listing import print_entries

    found = entries(("model", "study"))
    print_json([entry.to_dict() for entry in found]) if as_json else print_entries(found)


@app.command()
def show(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="A model, stage, inference method, sampler, executor, site or shipped study. [default: a list of all]",
            show_default=False,
        ),
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Show what a name means: parameters or options, outputs, presets, source; without one, all names."""
    from hpcsim.cli.catalogue import entries, find_entries
    from hpcsim.cli.listing import print_entries, print_entry

    found = find_entries(name) if name else entries()
    if as_json:
        print_json([entry.to_dict() for entry in found])
    elif name:
        for entry in found:
            print_entry(entry)
    else:
        print_entries(found)


@app.command()
def doctor(
    site: SiteOption = "",
    overrides: OverridesOption = None,
    patience: Annotated[float, typer.Option(min=1, help="With --site: seconds to wait for the probe.")] = 300.0,
) -> None:
    """Say what is installed, and how to install what is missing; with --site, submit a probe and check its answer.

    Ends with 1 where something is wrong, such as a simulator that cannot be imported; what is only missing is no error.
    """
    from hpcsim.cli.doctor import examine, examine_site
    from hpcsim.cli.listing import print_examination

    found = examine_site(target_of("slurm", site, overrides), patience, typer.echo) if site else examine()
    if not print_examination(found):
        raise SystemExit(1)


new = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Write a model of your own, or a study, to begin with.")
app.add_typer(new, name="new")


@new.command("model")
def new_model(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="nest, neuron, brian2, numpy or program.")],
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="Of the model.")] = "my_model",
) -> None:
    """Write a model, its study and its test, which run as they are, into the current folder."""
    from hpcsim.cli.new import new_model as write

    for path in write(kind, name, Path.cwd()):
        typer.echo(path.name)
    typer.echo(f"hpcsim run {name}.toml runs it, pytest test_{name}.py checks it")


@new.command("study")
def new_study(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model, or one of your own as module:name.")],
    out: Annotated[Path | None, typer.Option("--out", help="[default: NAME.toml]", show_default=False)] = None,
) -> None:
    """Write a commented study with every parameter of a model."""
    from hpcsim.cli.new import new_study as write

    path = write(model, out)
    typer.echo(f"{path}\nhpcsim plan {path} says what it would run")


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
    from hpcsim.cli.slurm_demo import COMMAND, demonstrate

    raise SystemExit(demonstrate(command or COMMAND, nodes, cpus, typer.echo))
