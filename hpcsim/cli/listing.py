"""What the command prints of models, stages and what is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from hpcsim.cli.terminal import console

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hpcsim.cli.doctor import Check
    from hpcsim.space.parameter import Parameter


def print_models() -> None:
    """All models, and the shipped studies."""
    from hpcsim.errors import PluginError
    from hpcsim.models.registry import MODELS, get_model
    from hpcsim.paths import shipped_studies
    from hpcsim.plugin import install_command
    from hpcsim.study.file import read

    table = Table("model", "", "", box=None, padding=(0, 2, 0, 0))
    for name in MODELS.names():
        try:
            model = get_model(name, installed=False)
        except PluginError as error:
            table.add_row(name, "[red]broken", Text(str(error)))
            continue
        missing = Text("" if model.installed else install_command(model.extra), "yellow")
        table.add_row(name, missing, Text(model.description))
    console.print(table)
    console.print()
    studies = Table("study", "", box=None, padding=(0, 2, 0, 0))
    for name, path in shipped_studies().items():
        studies.add_row(name, Text(str(read(path)["study"].get("description", ""))))
    console.print(studies)


def print_model(name: str) -> None:
    """One model, stage or sampler: parameters with units, defaults and bounds; outputs; source."""
    from hpcsim.errors import PluginError, nearest
    from hpcsim.models.registry import MODELS
    from hpcsim.samplers import get_sampler, sampler_names
    from hpcsim.stages.registry import STAGES

    if name in sampler_names():
        sampler = get_sampler(name)
        console.print(f"sampler {sampler.name} {sampler.version}: {sampler.description}", style="bold", markup=False)
        _print_parameters(sampler.options, "option")
        return
    if name in STAGES.names():
        stage = STAGES.get(name)
        console.print(f"{stage.name} {stage.version}: {stage.description}", style="bold", markup=False)
        _print_parameters(stage.options, "option")
        _print_source(stage.source)
        return
    try:
        model = MODELS.get(name)
    except PluginError:
        if ":" in name:
            raise
        names = [*MODELS.names(), *STAGES.names(), *sampler_names()]
        raise PluginError(f'there is no model, stage or sampler "{name}"; {nearest(name, names)}') from None
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
        default = f"{parameter.default:g}" if isinstance(parameter.default, float) else str(parameter.default)
        table.add_row(Text(parameter.name), Text(default), parameter.unit, Text(allowed(parameter)), Text(parameter.description))
    console.print(table)


def allowed(parameter: Parameter) -> str:
    """What a parameter may be: its choices or bounds; empty where anything is."""
    low, high = parameter.bounds
    if parameter.choices or (low is None and high is None):
        return ", ".join(parameter.choices)
    return f">= {low:g}" if high is None else f"<= {high:g}" if low is None else f"{low:g} to {high:g}"


def _print_source(source: str) -> None:
    if source:
        console.print(f"source: {source}", markup=False)


def print_examination(found: Iterable[Check]) -> bool:
    """What the doctor found; returns whether nothing is wrong."""
    well = True
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for item in found:
        mark = {"ok": "[green]ok", "missing": "[yellow]missing", "wrong": "[red]wrong"}[item.state]
        table.add_row(mark, item.name, Text(item.detail + (f"  ->  {item.remedy}" if item.remedy else "")))
        well = well and item.state != "wrong"
    console.print(table)
    return well
