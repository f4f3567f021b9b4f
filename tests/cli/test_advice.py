"""What messages advise exists: options and commands of ``hpcsim``, keys of study and site files, extras."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import typer
from pydantic import BaseModel

import hpcsim
from hpcsim.cli.entry import app
from hpcsim.scheduler.site.site import Overrides, Site
from hpcsim.study.file import StudyFile

PACKAGE = Path(hpcsim.__file__).parent
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
OPTIONS = {
    name: {opt for parameter in command.params for opt in (*parameter.opts, *parameter.secondary_opts) if opt.startswith("--")}
    for name, command in COMMANDS.items()
}
#: Options of the command itself, and those that every command has.
GENERAL = {"--debug", "--help"}
#: Options of other programs that hpcsim calls or that messages name.
OTHERS = {
    "--test-only --parsable --job-name --comment --dependency --kill-on-invalid-dep --requeue --cpus-per-task": "sbatch",
    "--me --name --quiet": "squeue, scancel",
    "--mpi --kill-on-bad-exit": "srun",
    "--no-dashboard --dashboard-address --preload --scheduler-file --lifetime": "dask scheduler, dask worker",
    "--env --mount --bind --pwd --rm --init --user --workdir --entrypoint --format": "apptainer, docker",
    "--always --dirty --abbrev --exclude": "git describe",
    "--install": "scripts/build-nest-mpi.sh, scripts/python-build.sh",
    "--version --param --force": "compilers, mungekey",
    "--ink --soft --line --accent --bad": "variables of a style sheet",
}
#: What follows "hpcsim" in sentences of messages that are no advice to type something.
PROSE = {"again", "compiles", "does", "had", "kept", "makes", "names", "never", "or", "report", "there"}


OTHER_OPTIONS = set(" ".join(OTHERS).split())
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*[a-z]")


class Literal(NamedTuple):
    """A text of the package."""

    where: str
    text: str
    docstring: bool


def _documents(node: ast.AST) -> set[int]:
    """The nodes that are docstrings, of attributes as well."""
    return {id(part.value) for part in ast.walk(node) if isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant)}


def literals() -> Iterator[Literal]:
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text())
        documents = _documents(tree)
        inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in ast.walk(tree):
            where = f"{path.relative_to(PACKAGE)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.JoinedStr):
                parts = (part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
                yield Literal(where, "".join(map(str, parts)), False)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
                yield Literal(where, node.value, id(node) in documents)


TEXTS = list(literals())


def test_every_option_exists():
    known = (GENERAL | OTHER_OPTIONS).union(*OPTIONS.values())
    found = [(text.where, option) for text in TEXTS for option in OPTION.findall(text.text)]
    assert len(found) > 60
    assert not [item for item in found if item[1] not in known]


def test_every_option_of_another_program_is_named_somewhere():
    found = {option for text in TEXTS for option in OPTION.findall(text.text)}
    assert not OTHER_OPTIONS - found


def test_every_command_exists_and_has_the_options_that_follow_it():
    mentions = []
    for text in TEXTS:
        # in the prose of docstrings, only what is marked as something to type
        pattern = (r"`" if text.docstring else r"\b(?<!from )") + r"hpcsim (?:--debug )?([a-z][a-z-]*)([^`;,)]*)"
        mentions += [(text.where, *match) for match in re.findall(pattern, text.text)]
    assert len(mentions) > 30
    wrong = [(where, name) for where, name, _ in mentions if name not in {*OPTIONS, *PROSE}]
    for where, name, rest in mentions:
        wrong += [(where, name, option) for option in OPTION.findall(rest) if option not in OPTIONS.get(name, ())]
    assert not wrong


def test_every_key_of_a_file_exists():
    """Such as ``limits.max_array``."""
    sections: dict[str, set[str]] = {}
    for file in (StudyFile, Site):
        for name, field in file.model_fields.items():
            if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
                sections.setdefault(name, set()).update(field.annotation.model_fields)
    assert {"resources", "limits", "launcher", "container", "study"} <= set(sections)
    pattern = re.compile(rf"(?<![\w.`])({'|'.join(sections)})\.([a-z_]+)(?![\w(.])")
    texts = [text for text in TEXTS if not text.docstring]
    found = [(text.where, *match) for text in texts for match in pattern.findall(text.text)]
    assert len(found) > 15
    assert not [(where, section, key) for where, section, key in found if key not in sections[section] | {"toml", "h"}]


def test_every_override_exists():
    found = [(text.where, key) for text in TEXTS for key in re.findall(r"--with ([a-z_]+)=", text.text)]
    assert found
    assert not [item for item in found if item[1] not in Overrides.model_fields]


def test_every_extra_exists():
    extras = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    found = [(text.where, extra) for text in TEXTS for extra in re.findall(r"hpcsim\[([a-z0-9]+)\]", text.text)]
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            place = {"not_installed": 2, "install_command": 0}.get(getattr(node.func, "id", ""))
            values = [keyword.value for keyword in node.keywords if keyword.arg == "extra"]
            values += node.args[place : place + 1] if place is not None else []
            found += [(path.name, value.value) for value in values if isinstance(value, ast.Constant) and path.name != "file.py"]
    assert len(found) > 20
    assert not [item for item in found if item[1] not in extras]
