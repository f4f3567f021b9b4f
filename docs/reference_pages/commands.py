"""Commands and their options, as the command line itself parses them; and the codes that they end with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from typer.main import get_command

from hpcsim.cli import main as _main
from hpcsim.cli.options import app
from hpcsim.errors import HpcsimError
from reference_pages.errors import tree
from reference_pages.markdown import cell, code, page, prose, table

#: Importing it makes all commands known to the app.
_ENTRY = _main

#: Codes that are no error of hpcsim's own, or of several.
_OTHERS = {
    0: "it worked: every point has a row; some may have failed, which is said",
    1: "something went wrong, as the message says",
    2: "the study, an option or the directory is wrong, or something is not there or not installed; nothing ran",
    137: "`hpcsim task` alone: points are left for a task with more memory",
    143: "`hpcsim task` alone: it was asked to stop, and wrote what it had",
}


def all_commands() -> Mapping[str, Any]:
    """Commands by name, those of a group with its name before; those that nobody types are left out."""
    return dict(_commands(get_command(app)))


def _commands(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if command.hidden:
            continue
        if hasattr(command, "commands"):
            yield from _commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


def commands() -> str:
    """The page of commands."""
    found = all_commands()
    overview = table(("command", "what it does"), [(_link(name), prose(command.help or "")) for name, command in found.items()])
    parts = [_command(name, command) for name, command in found.items()]
    about = (
        "`STUDY` is a TOML file, a study's directory, or the name of a [shipped study](studies.md). "
        "`hpcsim --debug COMMAND` shows the traceback of an error, `hpcsim -q COMMAND` prints no progress and no tables, "
        "`hpcsim --version` the version; `hpcsim --install-completion` lets the shell complete commands and studies."
    )
    return page("Commands and exit codes", about, overview, exit_codes(), *parts)


def exit_codes() -> str:
    """The table of exit codes, from the errors."""
    kinds: dict[int, list[type[HpcsimError]]] = {}
    for kind in tree():
        kinds.setdefault(kind.exit_code, []).append(kind)
    rows = []
    for number in sorted({*kinds, *_OTHERS}):
        names = ", ".join(code(kind.__name__) for kind in kinds.get(number, []))
        meaning = _OTHERS.get(number) or prose((kinds[number][0].__doc__ or "").strip().partition("\n")[0])
        rows.append((str(number), names, meaning))
    text = (
        "An option that does not exist, or an argument that is missing, ends with 2 as well. "
        "`hpcsim doctor` ends with 1 where something is wrong, and with 0 where something is only missing. "
        "What to do about each is on the page of [failed points](../../how-to/failed_points.md#exit-codes)."
    )
    return "## Exit codes\n\n" + table(("code", "errors", "means"), rows) + "\n" + text


def _link(name: str) -> str:
    return f"[`hpcsim {name}`](#hpcsim-{name.replace(' ', '-')})"


def _command(name: str, command: Any) -> str:
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    words = " ".join(_metavar(one) for one in arguments)
    usage = f"```text\nhpcsim {name} {words + ' ' if words else ''}[OPTIONS]\n```"
    rows = []
    for one in command.params:
        if getattr(one, "hidden", False):
            continue
        names = ", ".join([*one.opts, *one.secondary_opts]) if one not in arguments else _metavar(one)
        rows.append((code(names), code(_default(one)), prose(cell(getattr(one, "help", "") or ""))))
    return f"## `hpcsim {name}`\n\n{prose(command.help or '')}\n\n{usage}\n\n" + table(("option", "default", "meaning"), rows)


def _metavar(argument: Any) -> str:
    name = str(argument.metavar or argument.name.upper())
    return name if argument.required else f"[{name}]"


def _default(parameter: Any) -> str:
    value = parameter.default
    if value in (None, "", False, ()) or callable(value) or not isinstance(value, (str, int, float, bool)):
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
