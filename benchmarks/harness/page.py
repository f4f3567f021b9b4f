"""The page of the documentation, written from the stored results: no figure on it is typed by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

from harness.printed import SCRIPTS
from harness.rounds import Figures

RESULTS = Path(__file__).parents[1] / "results"
PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "benchmarks.md"
_HEAD = """# Benchmarks

<!-- Written by `python benchmarks page` from benchmarks/results; change it there. -->

```sh
make bench
```
measures hpcsim beside what one would use instead, in one run: all ways in turn, round after round, each a script in a process
of its own. A figure is seconds of CPU, system time and all child processes included, from the start of the script to its end;
memory is that of the largest process. A ratio is made within a round, and stands here as the median of the rounds with the
least and the largest. Times on the clock are left out, since other work on a machine changes them. After each measurement the
results are read: every point must be there with the right value. Each peer lives in an environment of its own in hpcsim's
cache, made when it is first needed. `python benchmarks --help` says how to run a part, and more points; `python benchmarks
--short` takes a minute, and CI fails where one of its ratios fell by a third.
"""
#: Modules of the benchmarks that store results, in the order of the page.
GROUPS = ("orchestration", "storing")


def page(results: Path = RESULTS) -> str:
    """The whole page."""
    parts = [_HEAD]
    for name in GROUPS:
        path = results / f"{name}.json"
        if path.exists():
            parts.append("\n".join(_section(name, json.loads(path.read_text()))) + "\n")
    for name, (title, _) in SCRIPTS.items():
        path = results / f"{name}.json"
        if path.exists():
            parts.append("\n".join(_printed(title, json.loads(path.read_text()))) + "\n")
    return "\n".join(parts)


def _section(name: str, stored: Mapping[str, Any]) -> Iterator[str]:
    figures, group = Figures.of_json(stored["figures"]), import_module(name)
    about = stored["machine"]
    yield f"## {group.TITLE}\n"
    versions = ", ".join(f"{key} {value}" for key, value in about["versions"].items())
    rounds = ", ".join(f"{len(figures.of(figures.base, n))} of {n:,}" for n in figures.sizes)
    yield (
        f"{about['processor']}, {about['cores']} cores, load {about['load']} before and {stored['load_after']} after; "
        f"Python {about['python']}, {versions}; {stored['date']}. Rounds: {rounds} points. `{stored['command']}`\n"
    )
    yield from _costs(figures)
    yield ""
    yield from _ratios(figures)
    yield ""
    yield from _behind(figures, group.WHY)
    yield ""
    yield from _about(figures, {entry.name: entry.note for entry in group.entries()})


def _printed(title: str, stored: Mapping[str, Any]) -> Iterator[str]:
    """What a script printed."""
    about = stored["machine"]
    yield f"## {title}\n"
    yield (
        f"{about['processor']}, {about['cores']} cores, load {about['load']} before and {stored['load_after']} after; "
        f"{stored['date']}. `{stored['command']}` took {stored['cpu']:.0f} s of CPU and {stored['peak']} MB, and printed:"
    )
    yield "\n".join(["```text", *stored["printed"], "```"])


def _costs(figures: Figures) -> Iterator[str]:
    """CPU of each size, memory, cost of one more point, growth."""
    sizes = " | ".join(f"{n:,}" for n in figures.sizes)
    yield f"| CPU seconds of so many points | {sizes} | one more point (ms) | exponent | memory (MB) |"
    yield f"| --- |{' ---: |' * (len(figures.sizes) + 3)}"
    for name in figures.entries:
        cells = [_number(figures.of(name, n)) for n in figures.sizes]
        peaks = [value for n in figures.sizes for value in figures.of(name, n, "peak")]
        growth = f"{_plain(1e3 * figures.slope(name))} | {_plain(figures.exponent(name))}"
        yield f"| {name} | {' | '.join(cells)} | {growth} | {max(peaks):.0f} |"
    yield "\nThe exponent is the k of start + cost · points^k through the three largest sizes, where rounds differ by less than"
    yield "the first step."


def _ratios(figures: Figures) -> Iterator[str]:
    """Multiples of the first entry."""
    sizes = " | ".join(f"{n:,}" for n in figures.sizes)
    yield f"| CPU as a multiple of *{figures.base}* | {sizes} |"
    yield f"| --- |{' ---: |' * len(figures.sizes)}"
    for name in figures.entries:
        if name != figures.base:
            yield f"| {name} | {' | '.join(_number(figures.ratios(name, n)) for n in figures.sizes)} |"


def _behind(figures: Figures, why: Mapping[str, str]) -> Iterator[str]:
    """Where hpcsim is not ahead."""
    for name in figures.entries:
        behind = [n for n in figures.sizes if (found := figures.ratios(name, n)) and median(found) < 1]
        if behind and name in why:
            yield f"- **{name}** takes less at {', '.join(f'{n:,}' for n in behind)} points: {why[name]}."
        elif behind:
            yield f"- **{name}** takes less at {', '.join(f'{n:,}' for n in behind)} points."


def _about(figures: Figures, notes: Mapping[str, str]) -> Iterator[str]:
    """What each does, versions, and what was not measured."""
    for name in figures.entries:
        versions = ", ".join(f"{key} {value}" for key, value in figures.versions[name].items())
        yield f"- {name}{f' ({versions})' if versions else ''}: {notes[name]}"
    reasons: dict[str, list[str]] = {}
    for name, reason in figures.left_out.items():
        peer, _, size = name.rpartition(", ")
        reasons.setdefault(reason, []).append(f"{peer} at {int(size):,} points" if size.isdigit() else name)
    for reason, names in reasons.items():
        yield f"- {'; '.join(names)}: {reason}"


def _number(values: list[float]) -> str:
    if not values:
        return "–"
    spread = f" ({_plain(min(values))} to {_plain(max(values))})" if len(values) > 1 else ""
    return _plain(median(values)) + spread


def _plain(value: float) -> str:
    """Three digits at most, no powers of ten."""
    if math.isnan(value):
        return "–"
    digits = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
    return f"{value:.{min(digits, 4)}f}" if abs(value) < 1000 else f"{value:.0f}"
