"""What a method found: numbers, tables, figures and notes, written to a folder and read again."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpcsim.errors import ResultsError, shown
from hpcsim.files import regular, write_text
from hpcsim.inference.note import Note, is_warning
from hpcsim.representation import block, line, table

if TYPE_CHECKING:
    from pandas import DataFrame

#: One number, or numbers by name.
Metric = float | dict[str, float]
#: A metric with more numbers than this is shown by its range; the summary has them all.
SHOWN = 12

#: Bytes of the largest summary.
_LARGEST = 2**26
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


@dataclass(frozen=True, eq=False)
class Finding:
    """What a method found: numbers, tables and figures.

    Parameters
    ----------
    method, title : str
    metrics : dict
        Numbers, or dicts of numbers, by name.
    tables : dict of str to DataFrame
        The names become file names.
    figures : dict of str to Path
        PNG files.
    notes : list of str
        What a reader must know: what was left out, warnings; each is a :class:`~hpcsim.inference.note.Note` or a plain text.
    """

    method: str
    title: str
    metrics: dict[str, Metric] = field(default_factory=dict)
    tables: dict[str, DataFrame] = field(default_factory=dict)
    figures: dict[str, Path] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        warnings = sum(map(is_warning, self.notes))
        parts = [f"{len(self.metrics)} metrics", f"tables {', '.join(self.tables) or 'none'}"]
        parts += [f"{warnings} warnings"] if warnings else []
        return f"<Finding {self.title}: {'; '.join(parts)}>"

    def _repr_html_(self) -> str:
        tables = ", ".join(f"{name} ({len(found)} x {len(found.columns)})" for name, found in self.tables.items())
        return block(
            self.title,
            table(("metric", "value"), ((name, numbers(value)) for name, value in self.metrics.items())),
            line(f"tables: {tables}" if tables else ""),
            *(line(f"warning: {note}" if is_warning(note) else str(note)) for note in self.notes),
        )

    def save(self, directory: Path) -> Path:
        """Write ``summary.json`` and one CSV file a table.

        Raises
        ------
        ResultsError
            If a table's name cannot be a file name.
        """
        directory.mkdir(parents=True, exist_ok=True)
        for name, found in self.tables.items():
            if not _FILE_NAME.fullmatch(name):
                raise ResultsError(f'{self.method}: the table name "{name}" is no file name; use letters, digits, _.-')
            found.to_csv(directory / f"{name}.csv")
        summary = {
            "method": self.method,
            "title": self.title,
            "metrics": _finite(self.metrics),
            "tables": sorted(self.tables),
            "figures": {name: os.path.relpath(path, directory) for name, path in self.figures.items()},
            "notes": [str(note) for note in self.notes],
            "warnings": [_finite(note.to_dict()) for note in map(Note.of, self.notes) if is_warning(note)],
        }
        return write_text(directory / "summary.json", json.dumps(summary, indent=2, allow_nan=False) + "\n")

    @classmethod
    def load(cls, directory: Path) -> Finding:
        """Read what :meth:`save` wrote.

        Raises
        ------
        ResultsError
            If the directory holds no finding, or a damaged one.
        """
        import pandas

        path = directory / "summary.json"
        try:
            summary = json.loads(regular(path, _LARGEST).read_text(encoding="utf-8"))
            # findings of older versions have no warnings
            warnings = {str(note): note for note in map(Note.of, summary.get("warnings", []))}
            return cls(
                str(summary["method"]),
                str(summary["title"]),
                _restored(summary["metrics"]),
                {name: pandas.read_csv(regular(_inside(directory, f"{name}.csv")), index_col=0) for name in summary["tables"]},
                {name: _inside(directory, file) for name, file in summary["figures"].items()},
                [warnings.get(text, Note(text)) for text in summary["notes"]],
            )
        except (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
            raise ResultsError(
                f"{path}: no finding can be read here ({shown(repr(error), 500)}); run the method again"
            ) from error


def _inside(directory: Path, name: str) -> Path:
    """A file of the finding's own folder: a report shows it, and may be passed on."""
    path = directory / name
    if not path.resolve().is_relative_to(directory.resolve()):
        raise ValueError(f"{name} lies outside of the folder")
    return path


def numbers(metric: Metric) -> str:
    """A number, or numbers by name: all of a few, the range of many."""
    if not isinstance(metric, dict):
        return f"{metric:.4g}"
    if len(metric) <= SHOWN:
        return ", ".join(f"{key} {number:.4g}" for key, number in metric.items())
    ascending = sorted(metric.values())
    return f"{ascending[0]:.4g} to {ascending[-1]:.4g}, half of {len(metric)} up to {ascending[len(metric) // 2]:.4g}"


def _finite(metrics: Mapping[str, Any]) -> dict[str, Any]:
    # JSON has no NaN: null stands for it
    def plain(value: Any) -> Any:
        if isinstance(value, Mapping):
            return _finite(value)
        return value if value is None or isinstance(value, str) or math.isfinite(value) else None

    return {name: plain(value) for name, value in metrics.items()}


def _restored(metrics: Mapping[str, Any]) -> dict[str, Metric]:
    return {
        name: {key: _number(item) for key, item in value.items()} if isinstance(value, Mapping) else _number(value)
        for name, value in metrics.items()
    }


def _number(value: Any) -> float:
    if value is None:
        return math.nan
    if not isinstance(value, (int, float)):
        raise TypeError(f"found {shown(value)}, expected a number")
    return float(value)
