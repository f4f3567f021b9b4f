"""Code blocks of a page: which are files of the reader's, and the page as a program that draws its pictures."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator

_FILE = re.compile(r"([^\n]*)\n*^```(python|csv|json|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_STEP = re.compile(r"^```(python|toml|sh)\n(.*?)^```$|^!\[[^\]]*\]\(\.\./images/([\w-]+\.png)\)$", re.MULTILINE | re.DOTALL)
_ENDINGS = {"python": "py", "text": "(?:mod|nestml|sh)"}


def file_name(before: str, language: str, source: str) -> str:
    """The file that a block is, as its first line or the sentence before says; "" where it is none.

    Examples
    --------
    >>> file_name("The model, `own.py`:", "python", "x = 1"), file_name("", "python", "# decay.py"), file_name("", "csv", "a,b")
    ('own.py', 'decay.py', '')
    """
    ending = _ENDINGS.get(language, language)
    found = re.match(rf"# (\w+\.{ending})$", source, re.MULTILINE) or re.search(rf"`(\w+\.{ending})`(?: beside it)?:$", before)
    return found[1] if found else ""


def files(text: str) -> dict[str, str]:
    """The files of a page, by name."""
    found = ((file_name(before, language, source), source) for before, language, source in _FILE.findall(text))
    return {name: source for name, source in found if name}


def studies(text: str) -> dict[str, str]:
    """The studies of a page, by the name of the file."""
    blocks = (source for language, source, _ in _STEP.findall(text) if language == "toml")
    return {f"{tables['study']['name']}.toml": source for source in blocks if "study" in (tables := tomllib.loads(source))}


def program(text: str) -> str:
    """What a page does, as one Python program: its Python, `hpcsim run` of its studies, and ``picture(NAME)`` at each picture."""
    return "\n".join(_steps(text))


def _steps(text: str) -> Iterator[str]:
    for found in _STEP.finditer(text):
        language, source, picture = found.groups()
        before = next((line for line in reversed(text[: found.start()].splitlines()) if line.strip()), "")
        if picture:
            yield f"picture({picture!r})"
        elif language == "python" and not file_name(before, language, source):
            yield source
        elif language == "sh":
            for line in source.splitlines():
                words = shlex.split(line, comments=True)
                if words[:2] == ["hpcsim", "run"]:
                    yield f"command({words[1:]!r})"
