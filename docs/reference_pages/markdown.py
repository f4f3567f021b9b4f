"""Tables and words of Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence


def cell(text: object) -> str:
    """A text for a cell of a table: one line, and no bar or markup that would end or change it."""
    line = " ".join(str(text).split())
    return re.sub(r"(?<!\\)([|*_<>\[\]])", r"\\\1", line)


def code(text: object) -> str:
    """A text as code; empty where there is none."""
    line = " ".join(str(text).split()).replace("|", "\\|")
    return f"`{line}`" if line else ""


def prose(text: str) -> str:
    """A docstring's sentence: roles and double backticks as plain code."""
    text = re.sub(r":\w+:`~?(?:[\w.]+\.)?([\w]+)`", r"`\1`", text)
    return re.sub(r"``([^`]+)``", r"`\1`", " ".join(text.split())).replace("|", "\\|")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are Markdown already; columns that are empty everywhere are left out."""
    held = [list(row) for row in rows]
    if not held:
        return ""
    kept = [k for k in range(len(head)) if any(row[k] for row in held)]
    lines = [[head[k] for k in kept], ["---"] * len(kept), *([row[k] for k in kept] for row in held)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def page(title: str, *parts: str) -> str:
    """A page: its title, and its paragraphs and tables in order."""
    return "\n\n".join([f"# {title}", *(part.strip() for part in parts if part.strip())]) + "\n"
