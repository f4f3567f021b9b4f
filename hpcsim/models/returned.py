"""What models and stages return, compared with what they declare: the message says what was expected and what was found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np

from hpcsim.errors import SimulationError, nearest
from hpcsim.outputs import Batch, Layout, Output

#: Kinds of numpy types that may stand for another: whole numbers are fine as floats, and floats as integers if they are whole.
_FITTING = {"f": "fiub", "i": "iubf", "u": "iubf", "b": "biuf"}
_WORDS = {"f": "numbers", "i": "whole numbers", "u": "whole numbers from 0 on", "b": "true or false"}
#: Modules whose values carry units; ``unit`` of an object of pandas or xarray may be a label or a coordinate.
_WITH_UNITS = {"astropy", "brian2", "neo", "pint", "quantities", "unyt"}
_KINDS = {"U": "text", "S": "text", "c": "complex numbers", "M": "dates", "m": "time spans", "V": "records"}


def returned(maker: str, given: Any, declared: Sequence[str] = ()) -> dict[str, Any]:
    """The outputs by name that a model or a stage returned.

    Parameters
    ----------
    maker : str
        Who returned it, for messages.
    given : object
        What it returned.
    declared : sequence of str
        Names that it must give, and no others; anything goes without them.

    Raises
    ------
    SimulationError
        If it is no mapping, lacks an output, or has one that is not declared.
    """
    if not isinstance(given, Mapping):
        hint = "; is its `return` missing?" if given is None else "; write `return`, not `yield`" if _lazy(given) else ""
        names = f" of its outputs ({', '.join(declared)})" if declared else " of its outputs"
        raise SimulationError(f"{maker} returned {found(given)}, expected a dict{names}{hint}")
    if declared:
        for name in declared:
            if name not in given:
                raise SimulationError(f'{maker} declares the output "{name}" but did not give it; it gave {_names(given)}')
        for name in given:
            if name not in declared:
                hint = nearest(str(name), declared)
                raise SimulationError(f'{maker} gave the output "{name}", which it does not declare; {hint}')
    return dict(given)


def checked(layout: Layout, name: str, batch: Any, n: int, maker: str) -> Batch:
    """One output of `n` points as declared: an array with a leading axis of points, or one array a point where ragged.

    Raises
    ------
    SimulationError
        If it has another number of points, another shape, or is made of something else than numbers.
    """
    output = layout[name]
    where = f'{maker}: output "{name}"'
    if output.ragged:
        return list(_ragged(output, batch, n, where))
    array = _array(batch, output, where)
    if array.shape != (n, *layout.shape(name)):
        expected = ", ".join(f"{dim} {size}" for dim, size in zip(output.dims, layout.shape(name), strict=True)) or "one number"
        if not array.shape or array.shape[0] != n:
            raise SimulationError(f"{where} has shape {array.shape}, expected {n} points along the first axis, then ({expected})")
        raise SimulationError(f"{where} has shape {array.shape[1:]} a point; declared: ({expected})")
    return array


def of_one_point(layout: Layout, outputs: Mapping[str, Any], maker: str) -> dict[str, Any]:
    """The outputs of a single point as those of a batch.

    Raises
    ------
    SimulationError
        If one is made of something else than numbers.
    """
    return {
        name: [value] if layout[name].ragged else _array(value, layout[name], f'{maker}: output "{name}"')[np.newaxis]
        for name, value in outputs.items()
    }


def check_lengths(layout: Layout, data: Mapping[str, Batch]) -> None:
    """Ragged outputs that share a dimension have equal lengths in each point.

    Raises
    ------
    SimulationError
        If they differ.
    """
    first: dict[str, str] = {}
    for name, output in layout.outputs.items():
        if not output.ragged or name not in data:
            continue
        other = first.setdefault(output.dims[0], name)
        for one, two in zip(data[other], data[name], strict=True):
            if len(one) != len(two):
                raise SimulationError(
                    f'the outputs "{other}" and "{name}" share the dimension "{output.dims[0]}" and have {len(one)} and '
                    f"{len(two)} values in one point; expected equal lengths"
                )


def found(value: object) -> str:
    """A value as a message names it.

    Examples
    --------
    >>> found(None), found((1, 2)), found("12 mV")
    ('None', 'a tuple of 2', 'text ("12 mV")')
    """
    if value is None:
        return "None"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    if isinstance(value, (str, bytes)):
        text = value if isinstance(value, str) else value.decode(errors="replace")
        return f'text ("{text[:40]}")'
    if isinstance(value, (tuple, list, set, frozenset, dict)):
        return f"a {type(value).__name__} of {len(value)}"
    if _lazy(value):
        return "a generator"
    return f"the number {value}" if isinstance(value, Real) else f"an object of type {type(value).__name__}"


def _lazy(value: object) -> bool:
    return isinstance(value, Iterator) or hasattr(value, "__await__")


def _names(given: Mapping[Any, Any]) -> str:
    return ", ".join(map(str, given)) or "nothing"


def _ragged(output: Output, batch: Any, n: int, where: str) -> Iterator[np.ndarray]:
    if not hasattr(batch, "__len__") or isinstance(batch, (str, bytes, Mapping)):
        raise SimulationError(f"{where} is {found(batch)}, expected a list with one array for each of {n} points")
    if len(batch) != n:
        raise SimulationError(f"{where} has {len(batch)} entries for {n} points")
    for item in batch:
        array = _array(item, output, where)
        if array.ndim != 1:
            expected = _WORDS.get(np.dtype(output.dtype).kind, output.dtype)
            raise SimulationError(f"{where} is {found(item)} in one point, expected a list of {expected}")
        yield array


def _array(value: Any, output: Output, where: str) -> np.ndarray:
    """A value as an array of the declared type, if that is what it says."""
    dtype = np.dtype(output.dtype)
    # nearly every value, and every point has some
    if type(value) is np.ndarray and value.dtype == dtype:
        return value
    if type(value) is float and dtype.kind == "f":
        return np.array(value, dtype)
    expected = f"expected {_WORDS.get(dtype.kind, dtype.name)} ({dtype.name})"
    if _lazy(value):
        raise SimulationError(f"{where} is {found(value)}, {expected}")
    # of a list the first item tells: all of them would take as long as a simulation
    first = value[0] if isinstance(value, (list, tuple)) and value else value
    if type(first) is not np.ndarray and (unit := _unit(first)):
        # numpy would take the numbers in base units, whatever the output is declared in
        wanted = f"plain numbers in {output.unit}" if output.unit else "plain numbers"
        raise SimulationError(
            f"{where} is a quantity with a unit ({unit}), expected {wanted}; divide it by the unit it is to be in"
        )
    try:
        array = np.asarray(value)
    except (ValueError, TypeError) as error:
        raise SimulationError(f"{where} is no array: {error}; {expected}") from error
    if array.dtype == dtype:
        return array
    if array.dtype.kind == "O":
        array = _numbers(array, where, expected)
    kind = array.dtype.kind
    # an empty list has no numbers of a wrong kind
    if array.size and kind not in _FITTING.get(dtype.kind, kind):
        first = found(array.flat[0].item() if kind in "US" else array.flat[0])
        raise SimulationError(f"{where} holds {_KINDS.get(kind, array.dtype.name)}, such as {first}; {expected}")
    with np.errstate(all="ignore"):
        numbers = array.astype(dtype)
    if dtype.kind in "iub" and array.size and kind != "b":
        wrong = array[numbers != array]
        if wrong.size:
            raise SimulationError(f"{where} holds {wrong.flat[0]}, which does not fit; {expected}")
    return numbers


def _unit(value: Any) -> str:
    """The unit of a quantity of Brian2, Pint, Astropy, Neo or quantities; empty for everything else."""
    # Pint makes its classes when it runs: what they derive from tells
    if not any(made.__module__.partition(".")[0] in _WITH_UNITS for made in type(value).__mro__):
        return ""
    dimension = getattr(value, "dim", None)
    if dimension is not None and getattr(dimension, "is_dimensionless", False):
        # what Brian2 recorded without a unit calls it rad
        return ""
    if hasattr(value, "get_best_unit"):
        return str(value.get_best_unit())
    # a group of Brian2 and Astropy have the first, Pint and quantities the second
    unit = getattr(value, "unit", None) or getattr(value, "units", None)
    text = "" if unit is None else str(unit).removeprefix("1.0 ")
    return "" if text == "dimensionless" else text


def _numbers(array: np.ndarray, where: str, expected: str) -> np.ndarray:
    """Objects that are numbers (fractions, say) as floats."""
    for item in array.flat:
        if not isinstance(item, Real):
            inside = " in a list" if array.ndim else ""
            raise SimulationError(f"{where} is {found(item)}{inside}, {expected}")
    return array.astype(float)
