"""An entry of a study's space, as it is written, and the distribution that it means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from hpcsim.errors import SpaceError, UnitError, nearest, shown
from hpcsim.space.distribution import (
    Choice,
    Distribution,
    Enumerated,
    Fixed,
    Linspace,
    Logspace,
    Loguniform,
    Normal,
    Sampled,
    Truncnormal,
    Uniform,
    Values,
)
from hpcsim.space.parameter import Parameter, Value
from hpcsim.space.units import convert_difference, exact, quantity

#: Each kind that takes numbers, and what its numbers are.
_NUMERIC: Mapping[str, tuple[type[Enumerated] | type[Sampled], tuple[str, ...]]] = {
    "linspace": (Linspace, ("low", "high", "n")),
    "logspace": (Logspace, ("low", "high", "n")),
    "uniform": (Uniform, ("low", "high")),
    "loguniform": (Loguniform, ("low", "high")),
    "normal": (Normal, ("mu", "sigma")),
    "truncnormal": (Truncnormal, ("mu", "sigma", "low", "high")),
}
_LISTS: Mapping[str, type[Values] | type[Choice]] = {"values": Values, "choice": Choice}
#: Whole numbers are listed one by one.
_LONGEST_LIST = 1_000_000
#: Every kind of distribution that a table may name.
KINDS = (*_LISTS, *_NUMERIC, "fixed")


def read(entry: Any, parameter: Parameter) -> Distribution:
    """The distribution that an entry of a study means, checked against its parameter.

    Parameters
    ----------
    entry : mapping, list or value
        A table such as ``{"linspace": [26, 32, 50], "unit": "nA"}``, a list of values, or one value.
    parameter : Parameter

    Returns
    -------
    Enumerated or Sampled
        In the parameter's unit.

    Raises
    ------
    SpaceError
        If the entry makes no sense, or a value is none that the parameter takes.
    UnitError
        If a unit does not fit.

    Examples
    --------
    >>> read({"linspace": [26, 32, 4], "unit": "nA"}, Parameter("J_ext", 29.0, "nA"))
    Linspace(low=26.0, high=32.0, n=4)
    """
    if isinstance(entry, Mapping):
        return _table(entry, parameter)
    if isinstance(entry, np.ndarray) and entry.ndim:
        entry = list(entry)
    if isinstance(entry, (list, tuple)) and not (isinstance(parameter.default, tuple) and _is_one(entry)):
        return _values(entry, parameter, "")
    return Fixed(parameter.resolve(entry))


def _is_one(entry: Sequence[Any]) -> bool:
    """Whether a list is one value of a parameter that takes lists, and not a list of such values."""
    return not any(isinstance(item, (list, tuple, np.ndarray)) for item in entry)


def _table(table: Mapping[str, Any], parameter: Parameter) -> Distribution:
    kind = _kind(table)
    unit, given = table.get("unit", ""), table[kind]
    if not isinstance(unit, str):
        raise UnitError(f'unit: found {shown(unit)}, expected a text such as "{parameter.unit or "mV"}"')
    if kind == "fixed":
        return Fixed(parameter.resolve(given, unit))
    if isinstance(given, np.ndarray):
        given = list(given)
    if not isinstance(given, (list, tuple)):
        raise SpaceError(f"{kind}: found {shown(given)}, expected a list")
    if kind == "values":
        return _values(given, parameter, unit)
    if kind == "choice":
        return Choice(_resolved(given, parameter, unit))
    return _numeric(kind, given, parameter, unit)


def _kind(table: Mapping[str, Any]) -> str:
    kinds = [key for key in table if key in KINDS]
    unknown = [key for key in table if key not in KINDS and key != "unit"]
    if not kinds:
        found = f'unknown kind "{unknown[0]}"; {nearest(unknown[0], KINDS)}' if unknown else "found no kind"
        raise SpaceError(found if unknown else f"{found}, expected one of {', '.join(KINDS)}")
    if unknown:
        raise SpaceError(f'unknown key "{unknown[0]}" beside {kinds[0]}; {nearest(unknown[0], [*KINDS, "unit"])}')
    if len(kinds) > 1:
        raise SpaceError(f"found {' and '.join(kinds)} together, expected one kind; keep one of them")
    return kinds[0]


def _values(given: Sequence[Any], parameter: Parameter, unit: str) -> Values:
    return Values(_resolved(given, parameter, unit))


def _resolved(given: Sequence[Any], parameter: Parameter, unit: str) -> tuple[Value, ...]:
    """All values of a list; one error names all that are wrong."""
    values: list[Value] = []
    messages: list[str] = []
    error: type[SpaceError] | type[UnitError] = SpaceError
    for item in given:
        try:
            values.append(parameter.resolve(item, unit))
        except (SpaceError, UnitError) as failure:
            error = type(failure) if not messages else error
            messages.append(str(failure))
    if messages:
        more = f"; and {len(messages) - 3} more" if len(messages) > 3 else ""
        raise error("; ".join(dict.fromkeys(messages[:3])) + more)
    return tuple(values)


def _numeric(kind: str, given: Sequence[Any], parameter: Parameter, unit: str) -> Distribution:
    maker, roles = _NUMERIC[kind]
    if type(parameter.default) not in (float, int):
        raise SpaceError(f"{kind}: {parameter.name} is no number; use {' or '.join(_LISTS)}")
    if issubclass(maker, Sampled) and isinstance(parameter.default, int):
        raise SpaceError(f"{kind}: {parameter.name} is a whole number; use choice, values or linspace")
    if len(given) != len(roles):
        raise SpaceError(f"{kind}: found {len(given)} values, expected [{', '.join(roles)}]")
    numbers = {role: _number(role, item, parameter, unit) for role, item in zip(roles, given, strict=True)}
    distribution = maker(**numbers)
    if isinstance(distribution, Enumerated) and isinstance(parameter.default, int):
        if len(distribution) > _LONGEST_LIST:
            raise SpaceError(f"{kind}: found {len(distribution)} whole numbers, expected at most {_LONGEST_LIST}")
        return _values(distribution.at(np.arange(len(distribution))).tolist(), parameter, "")
    return distribution


def _number(role: str, item: Any, parameter: Parameter, unit: str) -> Any:
    if role == "n":
        return item
    if role == "sigma":
        return _difference(item, parameter, unit)
    if role == "mu":
        # a mean may lie outside of what its parameter allows
        return replace(parameter, bounds=(None, None)).resolve(item, unit)
    return float(parameter.resolve(item, unit))  # type: ignore[arg-type]


def _difference(item: Any, parameter: Parameter, unit: str) -> float:
    if not isinstance(item, str):
        replace(parameter, bounds=(None, None)).resolve(item)
        return float(convert_difference(item, unit or parameter.unit, parameter.unit))
    number, own = quantity(item)
    return float(convert_difference(exact(number), own or unit or parameter.unit, parameter.unit))
