"""Code blocks of the pages: Python is run, commands are parsed and where it is cheap run, studies and sites are read."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import SkipTest

import typer
from block_count import Count
from sybil import Example, Sybil
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown import CodeBlockParser, SkipParser

import hpcsim
from hpcsim.cli import main as _main
from hpcsim.cli.options import app
from hpcsim.inference.method import get_method
from hpcsim.paths import shipped_studies
from hpcsim.samplers import get_sampler
from hpcsim.samplers.table import _LIMITS, _OWN
from hpcsim.scheduler.site.site import Site
from hpcsim.space.options import complete_options
from hpcsim.stages.registry import get_stage
from hpcsim.study.file import StudyFile

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))

from reference_pages.blocks import file_name, files  # noqa: E402

#: Importing it makes all commands known to the app.
_ENTRY = _main
#: What a block may be; those behind the first three are shown, and nothing is made of them but files.
LANGUAGES = {"sh", "toml", "python", "text", "csv", "json", "{toctree}"}
#: Commands that only look, and are run where what they look at is there.
LOOKING = {"plan", "status", "check", "export", "collect", "log"}


@dataclass(frozen=True)
class Page:
    """A page, and what its blocks need to be cheap.

    Parameters
    ----------
    name : str
        Its path from the root of the repository.
    replaced : mapping of str to str
        Texts of its Python, and what stands for them here, such as a smaller size. Each must be on the page.
    before : callable, optional
        Called in the folder in which the blocks run, once the files of the page are there.
    """

    name: str
    replaced: Mapping[str, str] = field(default_factory=dict)
    before: Callable[[], None] | None = None

    def evaluate(self) -> Count:
        """Run and check all of its blocks in the present folder, in their order."""
        count, path = Count(), ROOT / self.name
        text = path.read_text(encoding="utf-8")
        languages = set(re.findall(r"^```(\S+)$", text, re.MULTILINE))
        assert languages <= LANGUAGES, f"{self.name}: {languages - LANGUAGES} is no language that this test knows"
        missing = [old for old in self.replaced if old not in text]
        assert not missing, f"{self.name} has no {missing} any more"
        self.write_files(text)
        if self.before:
            self.before()
        runners: dict[str, Callable[[Example], bool]] = {"python": self._python, "sh": _shell, "toml": _toml}
        parsers = [CodeBlockParser(language, lambda example: None) for language in runners]
        document = Sybil([*parsers, SkipParser()]).parse(path)
        for example in document.examples():
            try:
                example.evaluate()
            except SkipTest as reason:
                _skipped(count, f"{self.name}:{example.line}: {reason}")
                continue
            if not isinstance(example.parsed, str):
                continue
            language = text.splitlines()[example.line - 1].strip().lstrip("`")
            try:
                ran = runners[language](example)
            except Exception as error:
                raise AssertionError(f"{self.name}, line {example.line}: {type(error).__name__}: {error}") from error
            count.run += ran
            count.checked += not ran
        return count

    def _code(self, source: str) -> str:
        for old, new in self.replaced.items():
            source = source.replace(old, new)
        return source

    def write_files(self, text: str) -> None:
        """Blocks that are files: the sentence before, or the first line, says the name."""
        for name, source in files(text).items():
            Path(name).write_text(self._code(source), encoding="utf-8")

    def _python(self, example: Example) -> bool:
        text = Path(example.path).read_text(encoding="utf-8").splitlines()
        before = next((line for line in reversed(text[: example.line - 1]) if line.strip()), "")
        source = str(example.parsed)
        if name := file_name(before, "python", source):
            assert compile(source, name, "exec")
            import_module(name.removesuffix(".py"))
            return True
        example.parsed = type(example.parsed)(self._code(source), example.parsed.offset, example.parsed.line_offset)
        # as in a file of the folder
        example.namespace["__file__"] = str(Path.cwd() / "page.py")
        PythonEvaluator()(example)
        return True


def _skipped(count: Count, reason: str) -> None:
    """Count a block that is not run here; a test that runs it must be there."""
    if where := re.search(r": run by (\S+)", reason):
        assert (ROOT / where[1].rstrip(",")).exists(), reason
        count.elsewhere.append(reason)
    else:
        count.skipped.append(reason)


def _toml(example: Example) -> bool:
    """Read a study or a site; of a part, its keys and options are checked."""
    tables = tomllib.loads(example.parsed)
    if "study" in tables and "model" in tables["study"]:
        path = Path(f"{tables['study']['name']}.toml")
        path.write_text(example.parsed, encoding="utf-8")
        hpcsim.Study.load(path)
    elif set(tables) <= set(Site.model_fields):
        Site.check(tables, "site")
    else:
        rest = {key: value for key, value in tables.items() if key != "scales"}
        StudyFile.model_validate({"study": {"name": "part", "model": "any"}, **rest})
        _options(tables)
    return False


def _options(tables: Mapping[str, Any]) -> None:
    """Options of stages, methods and sampler of a part of a study."""
    for entry in tables.get("stages", []):
        stage = get_stage(entry["use"])
        options = {key: value for key, value in entry.items() if key not in ("use", "as")}
        _, problems = complete_options(stage.name, stage.options, options)
        assert not problems, problems
    for entry in tables.get("inference", []):
        get_method(entry["use"]).complete({key: value for key, value in entry.items() if key != "use"})
    if (table := tables.get("sampler")) is not None:
        own = {*_OWN, *(limit.name for limit in _LIMITS)}
        get_sampler(table["use"]).complete({key: value for key, value in table.items() if key not in own})


def _shell(example: Example) -> bool:
    """Parse every command of a block; True where all of them were run."""
    return all([_command(words) for words in commands(example.parsed)])


def commands(source: str) -> Iterator[list[str]]:
    """The commands of a block, one after the other, without comments."""
    for line in source.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        while words:
            end = words.index("&&") if "&&" in words else len(words)
            yield words[:end]
            words = words[end + 1 :]


def _command(words: list[str]) -> bool:
    first, rest = words[0], words[1:]
    if first == "hpcsim":
        return _hpcsim(rest)
    if first == "pip":
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        named = {extra for word in rest for found in re.findall(r"\[(.*?)\]", word) for extra in found.split(",")}
        assert named <= set(extras), f"there is no extra {named - set(extras)}"
    elif first == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert all(word in targets for word in rest if "=" not in word), f"make has no {rest}"
    elif first == "tar":
        # the reader's home is the present folder
        subprocess.run([str(Path.cwd()) + word[1:] if word.startswith("~") else word for word in words], check=True, timeout=60)
        return True
    elif first == "python":
        assert (ROOT / rest[0]).is_file() or Path(rest[0]).is_file(), f"there is no {rest[0]}"
    elif first.startswith("scripts/"):
        assert os.access(ROOT / first, os.X_OK), f"there is no {first}"
    else:
        raise AssertionError(
            f'"{first}" cannot be checked: say before the block, in <!-- skip: next "..." -->, why it is not run'
        )
    return False


def _hpcsim(arguments: list[str]) -> bool:
    """Parse a command as the command line does; run it where it is cheap."""
    group: Any = typer.main.get_command(app)
    with group.make_context("hpcsim", list(arguments)) as context:
        name, command, rest = group.resolve_command(context, [*context._protected_args, *context.args])
        with command.make_context(name, list(rest), parent=context) as inner:
            study = str(inner.params.get("study") or "")
    own = Path(study) if Path(study).exists() else None
    if name == "run" and own and "testing" not in study and _is_own(own):
        return _ran(arguments)
    if (name in ("models", "show") or (name in LOOKING and own)) or (name == "plan" and study in shipped_studies()):
        return _ran(arguments)
    return False


def _is_own(study: Path) -> bool:
    """Whether its model is a function of the page: such a study is small."""
    return study.is_file() and ":" in tomllib.loads(study.read_text(encoding="utf-8"))["study"]["model"]


def _ran(arguments: list[str]) -> bool:
    line = [sys.executable, "-m", "hpcsim", *arguments]
    done = subprocess.run(line, capture_output=True, text=True, timeout=1200, check=False)
    assert done.returncode == 0, f"hpcsim {' '.join(arguments)}: {done.stderr}{done.stdout}"
    return True
