"""How objects show themselves in a notebook: a title and small tables, as HTML without styles or scripts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

#: Rows of a table that are shown.
ROWS = 12
_CELL = 'style="text-align:left"'


def block(title: str, *parts: str) -> str:
    """A title and what stands below it.

    Examples
    --------
    >>> block("a < b", "<p>c</p>")
    '<div><strong>a &lt; b</strong><p>c</p></div>'
    """
    return f"<div><strong>{escape(title)}</strong>{''.join(parts)}</div>"


def line(text: str) -> str:
    """One line of text; nothing of an empty one."""
    return f"<p>{escape(text)}</p>" if text else ""


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table, the first rows of a long one; nothing without rows.

    Examples
    --------
    >>> table(["x"], [[1]])
    '<table><tr><th style="text-align:left">x</th></tr><tr><td style="text-align:left">1</td></tr></table>'
    """
    every = [list(map(str, row)) for row in rows]
    if not every:
        return ""
    shown = [*every[:ROWS], *([[f"and {len(every) - ROWS:,} more"]] if len(every) > ROWS else [])]
    lines = [_row("th", heads), *(_row("td", row) for row in shown)]
    return f"<table>{''.join(lines)}</table>"


def rate(points_per_second: float) -> str:
    """A rate in the unit that gives it a digit before the point.

    Examples
    --------
    >>> rate(1234.4), rate(4.56), rate(0.2), rate(0.001)
    ('1,234 points/s', '4.6 points/s', '12 points/min', '3.6 points/h')
    """
    unit, seconds = next(((unit, n) for unit, n in (("s", 1), ("min", 60)) if points_per_second * n >= 1), ("h", 3600))
    value = points_per_second * seconds
    return f"{value:,.0f} points/{unit}" if value >= 9.95 else f"{value:.1f} points/{unit}"


def _row(tag: str, cells: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<{tag} {_CELL}>{escape(cell)}</{tag}>' for cell in cells)}</tr>"
