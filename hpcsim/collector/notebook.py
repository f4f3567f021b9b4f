"""Results as a notebook shows them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from hpcsim.collector.format.schema import FAILED, STATUSES
from hpcsim.collector.format.table import Table
from hpcsim.representation import block, line, table


class Source(Protocol):
    """What is asked of :class:`hpcsim.collector.results.Results`."""

    path: Path
    table: Table

    @property
    def study(self) -> Mapping[str, Any]: ...  # noqa: D102

    @property
    def units(self) -> Mapping[str, str]: ...  # noqa: D102

    @property
    def counts(self) -> Mapping[str, int]: ...  # noqa: D102

    def __len__(self) -> int: ...


def results_html(results: Source) -> str:
    """Counts, what varies, and outputs; nothing is read that grows with the number of points but how they ended."""
    if not results.table.file:
        return block(repr(results)[1:-1])
    attrs = results.table.attrs
    counts = ", ".join(f"{n:,} {word}" for word, n in results.counts.items() if n) or "none"
    failed = sum(results.counts[word] for word in STATUSES[FAILED:])
    return block(
        f"Results {attrs.get('study', results.path)} ({attrs.get('model', '')}): {len(results):,} points, {counts}",
        table(("parameter", "unit", "varies over"), _varying(results)),
        table(("output", "shape", "unit", "description"), _outputs(results)),
        line(f"results.failures says why {failed:,} failed" if failed else ""),
        line(str(results.path)),
    )


def _varying(results: Source) -> Iterator[tuple[str, str, str]]:
    for name, entry in results.study.get("space", {}).items():
        groups = entry if isinstance(entry, list) and name == "zip" else [entry] if name == "zip" else [{name: entry}]
        for group in groups:
            for parameter, values in group.items():
                yield parameter, results.units.get(parameter, ""), _text(values)


def _text(entry: Any) -> str:
    """Values or a distribution as a study has them, in a few words."""
    if isinstance(entry, dict):
        return ", ".join(f"{name} {_text(value)}" for name, value in entry.items())
    if isinstance(entry, list) and len(entry) > 4:
        return f"{entry[0]}, {entry[1]}, ... {entry[-1]} ({len(entry)} values)"
    return ", ".join(map(str, entry)) if isinstance(entry, list) else str(entry)


def _outputs(results: Source) -> Iterator[tuple[str, str, str, str]]:
    layout = results.table.layout
    for name, output in layout.outputs.items():
        sizes = f"ragged {output.dims[0]}" if output.ragged else " x ".join(map(_size, layout.shape(name), output.dims))
        yield name, sizes, output.unit, output.description


def _size(n: int, dim: str) -> str:
    return f"{n:,} {dim}"
