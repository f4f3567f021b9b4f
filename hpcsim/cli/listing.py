"""What the command prints of all that has a name, and of what is installed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from hpcsim.cli.terminal import console

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hpcsim.cli.catalogue import Entry
    from hpcsim.cli.doctor import Check
    from hpcsim.outputs import Output
    from hpcsim.space.parameter import Parameter


#: Columns that a table of parameters needs; with less, descriptions have lines of their own.
_WIDE = 120


def print_entries(found: Iterable[Entry]) -> None:
    """Names with what they are, a table a kind."""
    kinds: dict[str, list[Entry]] = {}
    for entry in found:
        kinds.setdefault(entry.kind, []).append(entry)
    for number, (kind, every) in enumerate(kinds.items()):
        if number:
            console.print()
        table = Table(kind, "", box=None, padding=(0, 2, 0, 0))
        for entry in every:
            text = Text(entry.description)
            if entry.missing:
                text = Text(f"{entry.description} ".lstrip()).append(f"({entry.missing})", "yellow")
            table.add_row(Text(entry.name, no_wrap=True), text)
        console.print(table)


def print_entry(entry: Entry) -> None:
    """One model, stage, method, sampler, executor, site or study: parameters with units, defaults and bounds; outputs; source."""
    item = entry.item
    if isinstance(item, Path):
        console.print(f"{entry.kind} {entry.name}: {entry.description}", style="bold", markup=False)
        console.print(f"{item}\n\n{item.read_text(encoding='utf-8')}", markup=False, soft_wrap=True, end="")
        return
    console.print(f"{entry.kind} {entry.name} {item.version}: {entry.description}", style="bold", markup=False)
    if entry.missing:
        console.print(f"not installed: {entry.missing}", markup=False, soft_wrap=True)
    for word in ("parameters", "options"):
        if hasattr(item, word):
            _print_parameters(getattr(item, word), word)
    if entry.kind == "model":
        _print_outputs(item.outputs)
        if item.presets:
            console.print(f"presets: {', '.join(item.presets)}", markup=False)
    if item.source:
        console.print(f"source: {item.source}", markup=False)


def _print_parameters(parameters: Iterable[Parameter], word: str) -> None:
    every = [(one.name, _default(one), one.unit, allowed(one), one.description) for one in parameters]
    if console.width >= _WIDE:
        table = Table(word.removesuffix("s"), "default", "unit", "allowed", "", box=None, padding=(0, 2, 0, 0))
        for row in every:
            table.add_row(*map(Text, row))
        console.print(table)
        return
    console.print(f"\n{word}")
    for name, default, unit, may_be, description in every:
        _print_stacked(f"{name} = {default} {unit}".rstrip() + (f"  ({may_be})" if may_be else ""), description)


def _print_outputs(outputs: Iterable[Output]) -> None:
    every = [(one.name, ", ".join(one.dims) + (" (ragged)" if one.ragged else ""), one.unit, one.description) for one in outputs]
    if console.width >= _WIDE:
        table = Table("output", "dims", "unit", "", box=None, padding=(0, 2, 0, 0))
        for row in every:
            table.add_row(*map(Text, row))
        console.print(table)
        return
    console.print("\noutputs")
    for name, dims, unit, description in every:
        _print_stacked(f"{name}: {dims or 'one number'}{f', {unit}' if unit else ''}", description)


def _print_stacked(first: str, description: str) -> None:
    """One line, and below it what it means."""
    console.print(Padding(Text(first), (0, 0, 0, 2)))
    if description:
        console.print(Padding(Text(description, "dim"), (0, 0, 0, 6)))


def _default(parameter: Parameter) -> str:
    return f"{parameter.default:g}" if isinstance(parameter.default, float) else str(parameter.default)


def allowed(parameter: Parameter) -> str:
    """What a parameter may be: its choices or bounds; empty where anything is."""
    low, high = parameter.bounds
    if parameter.choices or (low is None and high is None):
        return ", ".join(parameter.choices)
    return f">= {low:g}" if high is None else f"<= {high:g}" if low is None else f"{low:g} to {high:g}"


def print_examination(found: Iterable[Check]) -> bool:
    """What the doctor found; returns whether nothing is wrong."""
    wrong = []
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for item in found:
        mark = {"ok": "[green]ok", "missing": "[yellow]missing", "wrong": "[red]wrong"}[item.state]
        table.add_row(mark, item.name, Text(item.detail + (f"  ->  {item.remedy}" if item.remedy else "")))
        if item.state == "wrong":
            wrong.append(item.name)
    console.print(table)
    if wrong:
        console.print(f"wrong: {', '.join(wrong)}", style="red", markup=False, highlight=False)
    return not wrong
