"""What the command prints of one point."""

from __future__ import annotations

import ctypes
import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table
from rich.text import Text

from hpcsim.cli.terminal import console

if TYPE_CHECKING:
    from hpcsim.outputs import Layout
    from hpcsim.scheduler.foreground import Again
    from hpcsim.scheduler.state.one_point import FoundPoint
    from hpcsim.study.directory import StudyDirectory
    from hpcsim.study.study import Study

#: Values of an output that are shown.
_SHOWN = 4


def print_point(study: Study, place: StudyDirectory, point: FoundPoint, where: str) -> None:
    """Parameters, how it ended, outputs, and of a failed one the log.

    Parameters
    ----------
    study : Study
    place : StudyDirectory
    point : FoundPoint
    where : str
        What the user calls the study, for the next command.
    """
    from hpcsim.scheduler.state.one_point import MISSING

    number = "not in the design" if point.index is None else f"point {point.index:,} of {len(study.design):,}"
    _line(f"{point.id}  ({number} of {study.name}, replicate {point.replicate}, seed {point.seed})")
    if point.status == MISSING:
        _line(f"{MISSING}: `hpcsim run {where}` simulates all that is missing, --again this point alone")
    else:
        record = point.record
        cost = f"{record['wall_time']:.3g} s, {record['cpu_time']:.3g} s CPU, {record['peak_memory']:.3g} MB"
        _line(f"{point.status} in attempt {record['attempts']}, {cost}, on {record['host']}; in {point.path}")
    if point.record.get("error"):
        _line(f"error: {point.record['error']}")
    print_values(study, point)
    if point.outputs:
        print_outputs(study.layout, point.outputs)
    elif text := _log(study, place, point):
        _line("\nwhat it printed, and its traceback:")
        print(text, end="")


def print_values(study: Study, point: FoundPoint) -> None:
    """A table of the parameters: those that differ between points, and all others."""
    varied = {name for axis in study.space.axes for name in axis.lists} | {*study.space.sampled}
    table = Table("parameter", "value", "unit", "", box=None, padding=(0, 2, 0, 0))
    units = {parameter.name: parameter.unit for parameter in study.model.parameters}
    for name in sorted(point.values, key=lambda name: name not in varied):
        table.add_row(Text(name), Text(_value(point.values[name])), units.get(name, ""), "" if name in varied else "fixed")
    console.print(table)


def print_outputs(layout: Layout, outputs: Mapping[str, Any]) -> None:
    """A table of outputs with their shapes and values."""
    table = Table("output", "shape", "unit", "values", box=None, padding=(0, 2, 0, 0))
    for name, values in outputs.items():
        output, array = layout[name], np.asarray(values)
        sizes = " x ".join(f"{n} {dim}" for n, dim in zip(array.shape, output.dims, strict=False))
        table.add_row(Text(name), sizes, output.unit, Text(_summary(array)))
    console.print(table)


def print_again(study: Study, again: Again) -> None:
    """What a point gave that was simulated again, and whether it is what is stored."""
    _line("\nsimulated again:")
    print_outputs(study.all_outputs, {name: batch[0] for name, batch in again.outputs.items()})
    if again.equal and not again.different:
        _line(f"equal to the bit with what is stored: {', '.join(again.equal)}")
    elif again.different:
        _line(f"NOT equal to what is stored: {', '.join(again.different)}")
    _line(f'{again.path}: hpcsim.open("{again.path}").point(0) in Python')


def simulated_again(study: Study, place: StudyDirectory, point: FoundPoint, out: Path | None) -> Again:
    """The point, simulated in this process; an error ends the command with its traceback.

    Raises
    ------
    SystemExit
        1 where the model or a stage failed, whatever it raised.
    """
    from hpcsim.errors import StorageError
    from hpcsim.scheduler.foreground import simulate_again

    try:
        return simulate_again(study, place, point, out)
    except (KeyboardInterrupt, StorageError):
        raise
    except BaseException as error:
        traceback.print_exception(error)
        raise SystemExit(1) from None


@contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """What Python or a simulator's own code prints goes to standard error: standard output is one document."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        ctypes.CDLL(None).fflush(None)
        os.dup2(kept, 1)
        os.close(kept)


def as_mapping(study: Study, place: StudyDirectory, point: FoundPoint, again: Again | None = None) -> dict[str, Any]:
    """All of it for scripts."""
    units = {parameter.name: parameter.unit for parameter in study.model.parameters}
    found = {
        "id": point.id,
        "index": point.index,
        "replicate": point.replicate,
        "seed": point.seed,
        "status": point.status,
        **point.record,
        "parameters": {name: {"value": value, "unit": units.get(name, "")} for name, value in point.values.items()},
        "outputs": {name: {"value": value, "unit": study.layout[name].unit} for name, value in point.outputs.items()},
        "log": _log(study, place, point),
    }
    if again is not None:
        units_of = study.all_outputs
        outputs = {name: {"value": batch[0], "unit": units_of[name].unit} for name, batch in again.outputs.items()}
        found["again"] = {"path": again.path, "equal": again.equal, "different": again.different, "outputs": outputs}
    return found


def _log(study: Study, place: StudyDirectory, point: FoundPoint) -> str:
    """What it printed, where it failed and a log has it."""
    from hpcsim.errors import ResultsError
    from hpcsim.scheduler.log.reason import printable
    from hpcsim.scheduler.state.logbook import log_entry

    if not point.record.get("error"):
        return ""
    try:
        return printable(log_entry(study, place, point.id).text)
    except ResultsError:
        # of very many failures the first are not read
        return ""


def _value(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(_value, value))
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)


def _summary(array: np.ndarray) -> str:
    """A number, the first of a few, or the range of many."""
    if not array.ndim:
        return f"{array.item():.6g}" if array.dtype.kind == "f" else str(array.item())
    flat = array.ravel()
    if not flat.size:
        return "none"
    text = ", ".join(f"{item:.4g}" for item in flat[:_SHOWN].tolist()) + (", ..." if flat.size > _SHOWN else "")
    finite = flat[np.isfinite(flat)] if array.dtype.kind == "f" else flat
    if flat.size <= _SHOWN or not finite.size:
        return text
    bad = f", {flat.size - finite.size:,} not finite" if finite.size < flat.size else ""
    return f"{text}  ({finite.min():.4g} to {finite.max():.4g}, mean {finite.mean():.4g}{bad})"


def _line(text: str) -> None:
    console.print(text, markup=False, soft_wrap=True)
