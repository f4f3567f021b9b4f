"""Entries in turn, round after round, so that what else the machine does meets all of them; ratios are made within a round."""

from __future__ import annotations

import math
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from harness.environment import NotInstalledError, here, python_of
from harness.measure import measure

#: Seconds of CPU that one measurement of an entry may take, as far as its smaller sizes tell.
BUDGET = 120.0


@dataclass(frozen=True)
class Entry:
    """One way of doing the same.

    Parameters
    ----------
    name : str
        What the page calls it.
    script : path
        Started with the number of points, a folder for what it writes, and `words`.
    check : callable
        Told the folder and the number of points; a sentence where the results of a point are not there or wrong.
    requirements : sequence of str
        Packages of its own environment; none for the one that runs this.
    most : int
        Points that it is asked for at most.
    rounds : int
        Rounds that it takes part in at most.
    note : str
        What the page says about it.
    own : bool
        Whether it is hpcsim's.
    beside : bool
        Whether the environment that runs this will do where it has the packages: an extra of hpcsim asks for just them.
    """

    name: str
    script: Path
    check: Callable[[Path, int], str]
    words: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    most: int = 10**9
    rounds: int = 10**9
    note: str = ""
    own: bool = False
    beside: bool = False


@dataclass
class Figures:
    """What was measured: of each entry and size a list with one measurement a round."""

    sizes: list[int]
    base: str
    entries: dict[str, dict[str, list[dict[str, float]]]] = field(default_factory=dict)
    versions: dict[str, dict[str, str]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def of(self, name: str, size: int, what: str = "cpu") -> list[float]:
        """One quantity in each round; none where it was not measured."""
        return [row[what] for row in self.entries.get(name, {}).get(str(size), [])]

    def ratios(self, name: str, size: int) -> list[float]:
        """CPU time as a multiple of the base's in the same round."""
        return [other / own for other, own in zip(self.of(name, size), self.of(self.base, size), strict=False)]

    def slope(self, name: str) -> float:
        """Seconds of CPU that one more point takes between the two largest sizes; NaN with one size."""
        found = [(n, median(values)) for n in self.sizes if (values := self.of(name, n))]
        if len(found) < 2:
            return math.nan
        (small, less), (large, more) = found[-2:]
        return (more - less) / (large - small)

    def exponent(self, name: str) -> float:
        """The k of ``cpu = start + cost * points**k`` through the three largest sizes; NaN where that cannot be told."""
        found = [(n, values) for n in self.sizes if (values := self.of(name, n))][-3:]
        spread = max((max(values) - min(values) for _, values in found[:-1]), default=0.0)
        return growth([(n, median(values)) for n, values in found], spread)

    def as_json(self) -> dict[str, Any]:
        """What is stored."""
        return {key: getattr(self, key) for key in ("sizes", "base", "entries", "versions", "left_out")}

    @classmethod
    def of_json(cls, stored: Mapping[str, Any]) -> Figures:
        """What was stored."""
        return cls(**{key: stored[key] for key in ("sizes", "base", "entries", "versions", "left_out")})


def growth(found: Sequence[tuple[int, float]], spread: float = 0.0) -> float:
    """The k of ``a + b * n**k`` through three points; NaN where the first step is not beyond the spread of a measurement."""
    if len(found) < 3:
        return math.nan
    (n1, c1), (n2, c2), (n3, c3) = found[-3:]
    if c2 - c1 <= spread or c3 <= c2:
        return math.nan
    wanted, low, high = (c3 - c2) / (c2 - c1), 0.01, 6.0
    for _ in range(60):
        k = (low + high) / 2
        low, high = (k, high) if (n3**k - n2**k) / (n2**k - n1**k) < wanted else (low, k)
    return k


def run(
    entries: Sequence[Entry], sizes: Iterable[int], rounds: int, *, alone: bool = False, say: Callable[[str], None] = print
) -> Figures:
    """Measure all entries in turn.

    Parameters
    ----------
    entries : sequence of Entry
        The first is what the others are compared with.
    sizes : iterable of int
        Numbers of points, ascending.
    rounds : int
    alone : bool
        Take peers from the environment that runs this, without making one.

    Returns
    -------
    Figures

    Raises
    ------
    AssertionError, RuntimeError
        If hpcsim fails, or its results are not what they must be; a peer is left out, with the reason.
    """
    figures = Figures(sorted(sizes), entries[0].name)
    pythons: dict[str, str] = {}
    for entry in entries:
        try:
            python, versions = _interpreter(entry, alone)
        except NotInstalledError as error:
            figures.left_out[entry.name] = f"not measured: {error}"
            say(f"{entry.name}: not measured: {error}")
            continue
        pythons[entry.name], figures.versions[entry.name] = python, versions
    for size in figures.sizes:
        for number in range(rounds):
            # the other way round every second time
            for entry in entries if number % 2 == 0 else entries[::-1]:
                if entry.name not in pythons or number >= entry.rounds or _too_long(figures, entry, size, say):
                    continue
                try:
                    found = _one(entry, pythons[entry.name], size)
                except (RuntimeError, AssertionError) as error:
                    if entry.own:
                        raise
                    figures.left_out[f"{entry.name}, {size}"] = f"failed: {str(error).splitlines()[-1]}"
                    say(str(error))
                    continue
                figures.entries.setdefault(entry.name, {}).setdefault(str(size), []).append(found)
                took = f"CPU {found['cpu']:8.2f} s  memory {found['peak']:6.0f} MB"
                say(f"{size:7d} points, round {number + 1}, {entry.name:32s} {took}")
    return figures


def _interpreter(entry: Entry, alone: bool) -> tuple[str, dict[str, str]]:
    """What runs an entry, and the versions of its packages."""
    if not entry.requirements or alone:
        return sys.executable, here(entry.requirements)
    if entry.beside:
        with suppress(NotInstalledError):
            return sys.executable, here(entry.requirements)
    return python_of(entry.script.stem, entry.requirements)


def _too_long(figures: Figures, entry: Entry, size: int, say: Callable[[str], None]) -> bool:
    """Whether an entry is left out at a size, and why."""
    key = f"{entry.name}, {size}"
    if key in figures.left_out:
        return True
    expected = _expected([(n, median(found)) for n in figures.sizes if n < size and (found := figures.of(entry.name, n))], size)
    if size > entry.most:
        figures.left_out[key] = "not asked for so many points"
    elif expected > BUDGET and not entry.own:
        figures.left_out[key] = f"not run: {expected:.0f} s of CPU expected"
    if key in figures.left_out:
        say(f"{size:7d} points, {entry.name}: {figures.left_out[key]}")
    return key in figures.left_out


def _expected(smaller: Sequence[tuple[int, float]], size: int) -> float:
    """CPU of a size as the last step to a smaller one foretells it; with one nobody knows what of it is the start."""
    if len(smaller) < 2:
        return 0.0
    (small, less), (large, more) = smaller[-2:]
    return more + (more - less) / (large - small) * (size - large)


def _one(entry: Entry, python: str, size: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name).resolve()
        # what is measured leaves its report and its log outside of what it writes
        (folder / "out").mkdir()
        paths = [str(entry.script.parent), *([str(Path(__file__).parents[2])] if entry.own else [])]
        found = measure(
            [python, str(entry.script), str(size), str(folder / "out"), *entry.words],
            folder,
            PYTHONPATH=":".join(paths),
            PATH=f"{Path(python).parent}:{os.environ.get('PATH', os.defpath)}",
        )
        complaint = entry.check(folder / "out", size)
        assert not complaint, f"{entry.name}, {size} points: {complaint}"
        return {key: round(value, 4) for key, value in found.items()}
