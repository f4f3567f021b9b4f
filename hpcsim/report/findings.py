"""What inference found, as sections of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from hpcsim.inference.finding import SHOWN, Finding
from hpcsim.inference.note import is_warning
from hpcsim.report.contents import Block, Notes, Pairs, Picture, Section, Words, grid, text
from hpcsim.report.figures import embedded

if TYPE_CHECKING:
    from pandas import DataFrame

#: Rows of a table that is laid beside those of other findings, and of one that is not folded.
_COMPARED, _OPEN = 5, 12


def finding_sections(findings: Sequence[Finding]) -> list[Section]:
    """A section for each finding, after one that compares those that share short tables.

    Raises
    ------
    ResultsError
        If a figure of a finding is not there any more.
    """
    compared = _compared(findings)
    return [*([Section("Compared", compared)] if compared else []), *map(_section, findings)]


def _section(finding: Finding) -> Section:
    """Numbers and notes first; short tables open, long ones folded."""
    import pandas

    scalars = [(name, text(value)) for name, value in finding.metrics.items() if not isinstance(value, Mapping)]
    nested = {name: value for name, value in finding.metrics.items() if isinstance(value, Mapping) and len(value) <= SHOWN}
    blocks: list[Block] = [Words(finding.method, "soft")]
    if scalars:
        blocks.append(Pairs(scalars))
    if finding.notes:
        blocks.append(Notes([(f"Warning: {note}" if is_warning(note) else note, is_warning(note)) for note in finding.notes]))
    if nested and "metrics" not in finding.tables:
        blocks.append(grid(pandas.DataFrame.from_dict(nested, orient="index"), "metrics"))
    short = [(name, table) for name, table in finding.tables.items() if len(table) <= _OPEN]
    blocks += [grid(table, name) for name, table in short]
    blocks += [Picture(name, f"{name[:1].upper()}{name[1:]}.", embedded(file)) for name, file in finding.figures.items()]
    blocks += [grid(table, name, folded=True) for name, table in finding.tables.items() if len(table) > _OPEN]
    return Section(finding.title, blocks)


def _compared(findings: Sequence[Finding]) -> list[Block]:
    """Tables of numbers that more than one finding has, such as the performance of each schedule, as one."""
    import pandas

    by_name: dict[str, dict[str, DataFrame]] = {}
    for number, finding in enumerate(findings):
        for name, table in finding.tables.items():
            label = finding.title.partition(":")[0]
            held = by_name.setdefault(name, {})
            held[f"{label} ({number + 1})" if label in held else label] = table
    return [
        grid(pandas.concat([table.rename(index=f"{label}: {{}}".format) for label, table in tables.items()]), name)
        for name, tables in by_name.items()
        if len(tables) > 1 and all(len(table) <= _COMPARED for table in tables.values())
    ]
