"""What a page is made of: sections of words, tables, pictures and texts, without any markup."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from pandas import DataFrame

#: Rows of a table that are shown; the whole of it is in the CSV files.
_ROWS = 200


@dataclass(frozen=True)
class Words:
    """A paragraph; `tone` is empty, ``soft`` or ``bad``."""

    kind: ClassVar[str] = "words"
    text: str
    tone: str = ""


@dataclass(frozen=True)
class Heading:
    """A line above what follows."""

    kind: ClassVar[str] = "heading"
    text: str


@dataclass(frozen=True)
class Link:
    """A line that leads to another file beside the page."""

    kind: ClassVar[str] = "link"
    text: str
    address: str


@dataclass(frozen=True)
class Notes:
    """A list of sentences, each with a word whether it warns."""

    kind: ClassVar[str] = "notes"
    items: Sequence[tuple[str, bool]]


@dataclass(frozen=True)
class Pairs:
    """Names with their texts."""

    kind: ClassVar[str] = "pairs"
    items: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Grid:
    """A table: texts of its head and rows, a class for each column, and how many rows are left out."""

    kind: ClassVar[str] = "grid"
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    kinds: Sequence[str] = ()
    more: int = 0
    title: str = ""
    folded: bool = False

    def __post_init__(self) -> None:
        if not self.kinds:
            object.__setattr__(self, "kinds", ["text"] * len(self.head))


@dataclass(frozen=True)
class Picture:
    """A figure with its caption, and the addresses of its other forms; a wide one keeps its size on a narrow screen."""

    kind: ClassVar[str] = "picture"
    name: str
    caption: str
    data: str
    links: Sequence[tuple[str, str]] = ()
    wide: bool = False


@dataclass(frozen=True)
class Code:
    """A text as it is in a file or a terminal."""

    kind: ClassVar[str] = "code"
    text: str
    title: str = ""
    folded: bool = False


Block = Words | Heading | Link | Notes | Pairs | Grid | Picture | Code


@dataclass(frozen=True)
class Section:
    """A part of the page with a title."""

    title: str
    blocks: Sequence[Block] = field(default_factory=list)


def grid(table: DataFrame, title: str = "", *, folded: bool = False) -> Grid:
    """A table of pandas as one of the page, its index first."""
    kinds = ["text", *("number" if dtype.kind in "iuf" else "text" for dtype in table.dtypes)]
    rows = [[text(cell) for cell in row] for row in table.head(_ROWS).itertuples(name=None)]
    head = [text(table.index.name or ""), *(str(name) for name in table.columns)]
    return Grid(head, rows, kinds, max(0, len(table) - _ROWS), title, folded)


def text(value: object) -> str:
    """A value as it is printed: four digits, n/a for NaN, tables and lists in one line.

    Examples
    --------
    >>> text({"a": 1.23456, "b": [1, float("nan")]})
    'a = 1.235, b = [1, n/a]'
    """
    if isinstance(value, Mapping):
        return ", ".join(f"{name} = {text(inner)}" for name, inner in value.items())
    if isinstance(value, list | tuple):
        return "[" + ", ".join(text(inner) for inner in value[:12]) + (", ...]" if len(value) > 12 else "]")
    if isinstance(value, float):
        return "n/a" if math.isnan(value) else f"{value:.4g}"
    return str(value)


def quantity(value: Any, unit: str) -> str:
    """A value with all its digits and its unit.

    Examples
    --------
    >>> quantity(0.123456789, "nA"), quantity((1.0, 2.0), ""), quantity(True, "")
    ('0.123456789 nA', '[1, 2]', 'True')
    """
    if isinstance(value, list | tuple):
        words = "[" + ", ".join(quantity(inner, "") for inner in value[:12]) + (", ...]" if len(value) > 12 else "]")
    else:
        words = f"{value:.15g}" if isinstance(value, float) else str(value)
    return f"{words} {unit}" if unit else words
