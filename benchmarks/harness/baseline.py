"""The short version's ratios beside those that are committed: a third less than those is a failure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from harness.rounds import Figures

BASELINE = Path(__file__).parents[1] / "baseline.json"
#: What a ratio may fall to, as a part of the committed one.
LEAST = 2 / 3


def ratios(figures: Figures) -> dict[str, float]:
    """Median ratio of every peer at every size; hpcsim's other executors are no peers."""
    return {
        f"{name}, {n} points": round(median(found), 3)
        for name in figures.entries
        for n in figures.sizes
        if name != figures.base and not name.startswith("hpcsim") and (found := figures.ratios(name, n))
    }


def fallen(found: Mapping[str, float], committed: Mapping[str, float]) -> list[str]:
    """A sentence for every ratio that fell by a third, and for every committed one that was not measured."""
    lines = []
    for key, before in committed.items():
        if key not in found:
            lines.append(f"{key}: not measured; committed is a ratio of {before:.2f}")
        elif found[key] < LEAST * before:
            lines.append(f"{key}: {found[key]:.2f} times hpcsim's CPU, committed {before:.2f}, allowed {LEAST * before:.2f}")
    return lines


def committed() -> dict[str, float]:
    """The committed ratios."""
    return json.loads(BASELINE.read_text())
