"""All benchmarks that compare, in one command: ``python benchmarks [WHAT ...]``, or ``make bench``.

WHAT is ``orchestration``, ``storing``, a script that prints what it compares (``hodgkin_huxley``, ``ephys``, ``kernels``,
``ball_and_sticks``, ``sweep``, ``nest_input``, ``plan``) or ``page``; all of them without it, which takes hours. What was
measured is kept in benchmarks/results, and the page of the documentation is written from there. ``--rounds`` says how often,
``--many`` adds 100 000 and 500 000 points. ``--sizes 100,1000`` and ``--only NAME`` are for a look at some of it: nothing is
kept.

``--short`` takes a minute of CPU, makes no environments, and fails where a ratio fell by a third against `baseline.json`;
``--short --commit`` writes that file.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import time
from importlib import import_module

from harness.baseline import BASELINE, committed, fallen, ratios
from harness.machine import machine
from harness.page import GROUPS, PAGE, RESULTS, page
from harness.printed import SCRIPTS, run_printed
from harness.rounds import Entry, Figures, run


def main() -> int:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python benchmarks", description=__doc__, formatter_class=raw)
    parser.add_argument("what", nargs="*", choices=[*GROUPS, *SCRIPTS, "page", []], help="parts; all of them by default")
    parser.add_argument("--short", action="store_true", help="a minute of CPU, compared with the committed ratios")
    parser.add_argument("--commit", action="store_true", help="with --short: these ratios are the committed ones from now on")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", type=lambda text: [int(word) for word in text.split(",")], help="numbers of points")
    parser.add_argument("--many", action="store_true", help="one larger size as well")
    parser.add_argument("--only", action="append", default=[], help="entries whose name has this in it")
    asked = parser.parse_args()
    if asked.short:
        return short(commit=asked.commit)
    what = asked.what or [*GROUPS, *SCRIPTS, "page"]
    for name in (name for name in what if name != "page"):
        if name in GROUPS:
            measured(name, asked)
        else:
            script(name)
    if "page" in what:
        PAGE.write_text(page(), encoding="utf-8")
        print(f"written: {PAGE}")
    return 0


def keep(name: str, command: list[str], about: dict[str, object], found: dict[str, object]) -> None:
    """Store what was measured, with the machine as it was before, and its load after."""
    stored = {
        "date": time.strftime("%Y-%m-%d"),
        "command": shlex.join(["python", "benchmarks", *command]),
        "machine": about,
        "load_after": round(os.getloadavg()[0], 2),
        **found,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(stored, indent=1) + "\n")


def script(name: str) -> None:
    """Run a script that prints what it compares; one that cannot run here is left as it was."""
    about = machine()
    try:
        found = run_printed(name)
    except RuntimeError as error:
        say(f"{name}: not measured: {error}")
        return
    say("\n".join(found["printed"]))
    keep(name, [name], about, found)


def measured(name: str, asked: argparse.Namespace) -> None:
    """Measure a group, and store it."""
    group = import_module(name)
    first, *others = group.entries()
    wanted = [entry for entry in others if not asked.only or any(word in entry.name for word in asked.only)]
    entries: list[Entry] = [first, *wanted]
    about = machine()
    print(f"{name}: {about['processor']}, {about['cores']} cores, load {about['load']}", flush=True)
    figures = run(entries, asked.sizes or [*group.SIZES, *([group.MANY] if asked.many else [])], asked.rounds, say=say)
    if asked.only or asked.sizes:
        for key, ratio in ratios(figures).items():
            say(f"{key}: {ratio:.2f} times hpcsim's CPU")
        return
    keep(name, sys.argv[1:], about, {"figures": figures.as_json()})


def short(*, commit: bool) -> int:
    """Fails where a ratio fell by a third; the first failure is measured again, since other work may have come between."""
    for last in (False, True):
        found: dict[str, float] = {}
        for group in map(import_module, GROUPS):
            entries = [entry for entry in group.entries() if entry.name in group.SHORT]
            figures: Figures = run(entries, group.SHORT_SIZES, 3, alone=True, say=say)
            found |= ratios(figures)
        for key, ratio in found.items():
            print(f"{key}: {ratio:.2f} times hpcsim's CPU")
        if commit:
            BASELINE.write_text(json.dumps(found, indent=1) + "\n")
            return 0
        lines = fallen(found, committed())
        if not lines:
            return 0
        print("\n".join(lines), file=sys.stderr)
        if not last:
            print("once more", file=sys.stderr)
    return 1


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
