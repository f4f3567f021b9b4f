"""How a study went: which points are there, why others failed, and what they cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hpcsim.plot.coverage import coverage
from hpcsim.plot.sweep import timing
from hpcsim.report.contents import Block, Grid, Heading, Pairs, Section, Words
from hpcsim.study.file import amount

if TYPE_CHECKING:
    from hpcsim.collector.results import Results
    from hpcsim.report.figures import Gallery
    from hpcsim.report.standing import Standing
    from hpcsim.study.study import Study

#: Reasons that are listed.
_REASONS = 20


def completion_section(standing: Standing, results: Results | None) -> Section:
    """How many points are finished, how they ended, and why some failed."""
    left = 0 if standing.done is None else standing.total - standing.done
    items = [("points of the design", f"{standing.total:,}")]
    if standing.done is not None:
        items += [("finished", f"{standing.done:,}"), ("missing", f"{left:,}")]
    if results is not None:
        items += [(f"rows that are {word}", f"{n:,}") for word, n in results.counts.items() if n or word == "ok"]
    blocks: list[Block] = [Pairs(items)]
    blocks += [Words(sentence, "bad") for sentence in standing.missing]
    if left > 0:
        share = f"{100 * left / standing.total:.3g} %"
        blocks.append(Words(f"{left:,} points ({share}) are missing: `{standing.command}` simulates them.", "bad"))
    if standing.failures:
        shown = standing.failures[:_REASONS]
        rows = [[f"{group.count:,}", group.status, group.reason, group.points] for group in shown]
        more = len(standing.failures) - len(shown)
        head = ["points", "status", "reason", "the first of them"]
        blocks += [Heading("Failed points"), Grid(head, rows, ["text", "text", "long", "long"], more)]
        look = f" `{standing.look}` shows one of them, with what it printed." if standing.look else ""
        blocks.append(Words(f"A failed point has no outputs; figures and inference leave it out.{look}", "soft"))
    elif standing.done and not standing.missing:
        blocks.append(Words("No point failed." if left else "Every point is there, and none failed."))
    return Section("Completion", blocks)


def cost_section(study: Study, results: Results, few: Results, gallery: Gallery) -> Section:
    """CPU hours, what a point took, and what was asked for beside what was used."""
    cpu, _ = _spent(results, "cpu_time")
    wall, longest = _spent(results, "wall_time")
    memory_used = f"{_spent(results, 'peak_memory')[1]:.4g} MB"
    hosts = sorted({str(host) for host in np.unique(few.table.array("host"))} - {""})
    items = [
        ("CPU time", _time(cpu)),
        ("wall time of all points, one after the other", _time(wall)),
        ("a point", f"{_time(cpu / max(1, len(results)))} of CPU time in the mean"),
        ("most memory of a process", memory_used),
        ("computers", ", ".join(hosts[:20]) + (f" and {len(hosts) - 20} more" if len(hosts) > 20 else "")),
    ]
    asked = study.file.resources
    busy = cpu / wall if wall else 0.0
    memory = f"{amount(asked.memory, 'MB'):.4g} MB" if asked.memory else "no limit"
    limit = _time(study.time_limit) if study.time_limit is not None else "no limit"
    rows = [
        ["time of a point", limit, f"{_time(longest)} at most"],
        ["memory of a point", memory, f"{memory_used} at most"],
        ["cores of a point", str(asked.cores), f"{busy:.2f} busy in the mean"],
    ]
    grid = Grid(["resource", "asked for", "used"], rows, title="Asked for and used")
    whole = "all points" if few is results else f"a sample of {len(few):,} points"
    caption = f"Wall time of {whole}, those that failed apart."
    picture = gallery.draw("wall_times", caption, lambda: timing(few))
    return Section("Cost", [Pairs([item for item in items if item[1]]), grid, picture])


def coverage_section(few: Results, whole: int, gallery: Gallery) -> Section:
    """Where in the space there are points."""
    sample = "" if len(few) == whole else f" This is a sample of {len(few):,} of {whole:,} points."
    caption = (
        "Points along each parameter that varies, and over pairs of few parameters: blue those that succeeded, red those "
        f"that failed.{sample}"
    )
    return Section("Coverage of the parameter space", [gallery.draw("coverage", caption, lambda: coverage(few))])


def _spent(results: Results, name: str) -> tuple[float, float]:
    """Sum and maximum of a column over all points, read piece by piece."""
    total, most = 0.0, 0.0
    for _, part in results.table.scan(name):
        total, most = total + float(np.nansum(part)), max(most, float(np.nanmax(part, initial=0.0)))
    return total, most


def _time(seconds: float) -> str:
    """Seconds for people.

    Examples
    --------
    >>> _time(0.0123), _time(90), _time(7200)
    ('0.0123 s', '1.5 min', '2 h')
    """
    for size, word in ((3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.3g} {word}"
    return f"{seconds:.3g} s"
