"""Objectives of a search from the outputs of its points: what one is, and its value for rows of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hpcsim.collector.format.table import Table
from hpcsim.errors import Problem, ResultsError, nearest
from hpcsim.inference.search.objectives import DISTANCES
from hpcsim.outputs import Layout, columns_meant, split_unit

#: The distance with its sign, of one column: what a sampler learns from that infers.
SIGNED = "signed"
_KEYS = ("of", "target", "sd", "distance")


@dataclass(frozen=True)
class Objective:
    """One number of a point that should be small.

    Parameters
    ----------
    name : str
    of : str
        An output, or one of its columns such as ``rate.E``; see :meth:`named`.
    target : float or tuple of float, optional
        How far the output is from it is the objective: from one number, or from one a column; without it, the output itself.
    sd : float
        Standard deviation of the target: the objective is in units of it.
    distance : str
        ``absolute``, ``squared`` or ``relative``; of several columns the sum. Or ``signed``, of one column.
    """

    name: str
    of: str
    target: float | tuple[float, ...] | None = None
    sd: float = 1.0
    distance: str = "absolute"

    def __str__(self) -> str:
        """What it is, in words that change when it does."""
        what = self.of if self.target is None else f"{self.distance} distance of {self.of} from {self.target!r}"
        return f"{what} / {self.sd!r}"

    @property
    def output(self) -> str:
        """The output that it is about."""
        return self.of.split(".")[0]

    def named(self, layout: Layout) -> Objective:
        """The same by the full name of what it is about, however the user spelled it; as it is where there is no such thing.

        A full name stays as it is, also that of the only column of an output: it is part of the definition of a search.
        """
        try:
            found = layout.columns(self.of)
        except ResultsError:
            return self
        full = [name for name in (self.of, split_unit(self.of)[0]) if name == found.output or name in found.places]
        return replace(self, of=full[0] if full else next(iter(found.places)))

    def columns(self, layout: Layout) -> dict[str, int]:
        """Columns of the output that it is about, with their places."""
        output = layout[self.output]
        labels = [str(label) for label in layout.coordinate(self.output).values.tolist()] if output.dims else [""]
        names = [f"{self.output}.{label}" if label else self.output for label in labels]
        return {name: names.index(name) for name in columns_meant(self.of, self.output, names)}

    def problems(self, layout: Layout) -> list[Problem]:
        """What does not fit the outputs that a study keeps."""
        key = f"sampler.objectives.{self.name}"
        if self.output not in layout:
            hint = nearest(self.output, layout.outputs)
            return [Problem(f"{key}.of", f'no output "{self.output}" is kept', hint)]
        output = layout[self.output]
        if output.ragged or len(output.dims) > 1 or output.dtype.startswith(("str", "S", "object")):
            return [Problem(f"{key}.of", f'the output "{self.output}" is no number', "make features of it with a stage")]
        columns = self.columns(layout)
        if not columns:
            allowed = [f"{self.output}.{label}" for label in layout.coordinate(self.output).values.tolist()]
            return [Problem(f"{key}.of", f'there is no column "{self.of}"', nearest(self.of, allowed))]
        if self.distance == SIGNED and len(columns) > 1:
            message = f'"{self.of}" has {len(columns)} columns, and this sampler learns each of its own'
            return [Problem(key, message, f'name one, such as {next(iter(columns))}, or all: objectives = ["{self.output}"]')]
        if isinstance(self.target, tuple) and len(self.target) != len(columns):
            return [Problem(f"{key}.target", f'found {len(self.target)} numbers, "{self.of}" has {len(columns)} columns')]
        if self.target is None and len(columns) > 1:
            message = f'"{self.of}" has {len(columns)} columns and the objective no target'
            return [Problem(key, message, f"name one, such as {next(iter(columns))}, or give a target")]
        return []

    def spread(self, layout: Layout) -> tuple[Objective, ...]:
        """An objective for each of its columns, called as it is."""
        return tuple(replace(self, name=name, of=name) for name in self.columns(layout))

    def __call__(self, table: Table, rows: np.ndarray) -> np.ndarray:
        """Its value for rows of a shard or of results, shape (n,); NaN where a point failed."""
        places = list(self.columns(table.layout).values())
        output = np.asarray(table.array(self.output), float)
        values = output[rows].reshape(len(rows), -1)[:, places]
        if self.target is None:
            return np.asarray(values[:, 0] / self.sd)
        target = np.broadcast_to(self.target, len(places))
        if self.distance == SIGNED:
            return np.asarray((values[:, 0] - target[0]) / self.sd)
        return np.asarray(DISTANCES[self.distance](values, target) / self.sd)


def objectives(table: Any, problems: list[Problem]) -> tuple[Objective, ...]:
    """Objectives as a study writes them: ``name = "output.column"``, or a table with the keys of :class:`Objective`.

    A list of outputs is one objective each, which :meth:`Objective.spread` makes one a column.
    """
    if isinstance(table, list) and table and all(isinstance(name, str) for name in table):
        return tuple(Objective(name, name) for name in dict.fromkeys(table))
    if not isinstance(table, Mapping) or not table:
        problems.append(Problem("sampler.objectives", "there is none", 'name some, such as { rate = "rate.E" }'))
        return ()
    found = []
    # in the order of a TOML file that hpcsim writes, whose plain keys come before tables
    for name, entry in sorted(table.items(), key=lambda item: isinstance(item[1], Mapping)):
        key, given = f"sampler.objectives.{name}", {"of": entry} if isinstance(entry, str) else entry
        if not isinstance(given, Mapping) or not isinstance(given.get("of"), str):
            problems.append(Problem(key, f'found {entry!r}, expected an output or {{ of = "output", target = 1.0, sd = 0.1 }}'))
            continue
        problems += [Problem(f"{key}.{k}", "there is no such key", nearest(k, _KEYS)) for k in given if k not in _KEYS]
        numbers: dict[str, list[Any]] = {k: [given[k]] for k in ("target", "sd") if k in given}
        if isinstance(given.get("target"), list):
            numbers["target"] = list(given["target"])
        wrong = [k for k, values in numbers.items() if not values or not all(map(_is_number, values))]
        problems += [Problem(f"{key}.{k}", f"found {given[k]!r}, expected a finite number") for k in wrong]
        distance = given.get("distance", "absolute")
        if distance not in DISTANCES:
            problems.append(Problem(f"{key}.distance", f"found {distance!r}", f"allowed: {', '.join(DISTANCES)}"))
        elif distance == "relative" and not wrong and not np.any(numbers.get("target", [1])):
            problems.append(Problem(f"{key}.target", "is 0, to which nothing is relative", "use another distance"))
        elif not wrong and float(given.get("sd", 1.0)) <= 0:
            problems.append(Problem(f"{key}.sd", f"found {given['sd']}, expected a number above 0"))
        elif not wrong:
            found.append(Objective(str(name), given["of"], target(given.get("target")), float(given.get("sd", 1.0)), distance))
    return tuple(found)


def scores(wanted: Sequence[Objective], table: Table, rows: np.ndarray) -> np.ndarray:
    """Objectives of rows of a table, shape (n, objectives); NaN where a point failed."""
    values = np.stack([objective(table, rows) for objective in wanted], axis=1) if len(rows) else np.empty((0, len(wanted)))
    values[~table.good[rows]] = np.nan
    return values


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and bool(np.isfinite(value))


def target(given: Any) -> float | tuple[float, ...] | None:
    """A target as a study or a log writes it: a number, a list of them, or none."""
    if given is None:
        return None
    return tuple(map(float, given)) if isinstance(given, list) else float(given)
