"""A parameter: name, unit, default, bounds; and how a user's value becomes a checked one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import inf, isfinite, isinf
from typing import Any, TypeVar

import numpy as np

from hpcsim.errors import SpaceError, UnitError, nearest, shown
from hpcsim.space.units import convert, exact, quantity, same_unit

#: A resolved value: a number in the parameter's unit, a word, a switch, or a list of numbers or words.
Value = float | int | bool | str | tuple[float, ...] | tuple[str, ...]
_N = TypeVar("_N", int, float)


@dataclass(frozen=True)
class Parameter:
    """One parameter of a model, or one option of a stage.

    Parameters
    ----------
    name : str
    default : value
        Its type is the parameter's type: float, int, bool, str, or a tuple of floats or strings.
    unit : str
        As pint reads it; empty for a pure number.
    bounds : tuple of float
        Lowest and highest allowed value, both included; None where there is no bound.
    choices : tuple of str
        Allowed words; empty where any is.
    description, source : str
        One line for people; where the default comes from.
    """

    name: str
    default: Value
    unit: str = ""
    bounds: tuple[float | None, float | None] = (None, None)
    choices: Sequence[str] = ()
    description: str = ""
    source: str = ""

    @property
    def range(self) -> str:
        """The bounds in words, such as ``0 to 40 pA`` or ``at least 0.1 ms``; empty without bounds."""
        return "" if self.bounds == (None, None) else _range(*self.bounds, self.unit)

    def resolve(self, value: Any, unit: str = "") -> Value:
        """The value of a user in the unit of the parameter, checked.

        Parameters
        ----------
        value : number, str, bool, list or tuple
            A number of any width, a text with a unit such as ``29 pA``, a word, a switch,
            or a list of numbers or words.
        unit : str
            Unit of numbers that carry none; empty for the parameter's own.

        Returns
        -------
        value
            Of the parameter's type, in the parameter's unit; ``-0.0`` becomes ``0.0``.

        Raises
        ------
        SpaceError
            If the type is wrong, or the value is not finite, out of bounds or not among the choices.
        UnitError
            If the unit is unknown or measures something else.

        Examples
        --------
        >>> current = Parameter("J_ext", 29.0, "pA", bounds=(0, 40))
        >>> current.resolve("0.029 nA"), current.resolve(0.03, unit="nA")
        (29.0, 30.0)
        """
        if isinstance(value, np.ndarray):
            value = value.item() if value.ndim == 0 else list(value)
        if not isinstance(self.default, tuple):
            return self._one(value, unit, type(self.default))
        if not isinstance(value, (list, tuple)):
            raise SpaceError(f"found {_shown(value)}, expected a list of values")
        kind = type(self.default[0]) if self.default else _kind(value)
        # a list of numbers is a list of floats, also where its default was written in whole numbers
        return tuple(self._one(item, unit, str if kind is str else float) for item in value)  # type: ignore[return-value]

    def _one(self, value: Any, unit: str, kind: type) -> float | int | bool | str:
        if issubclass(kind, (bool, str)):
            if unit:
                raise UnitError(f'found the unit "{unit}", expected none: {self.name} is {_NOUNS[kind]}')
            return self._switch(value) if kind is bool else self._word(value)
        return self._number(value, unit, kind)

    def _switch(self, value: Any) -> bool:
        if not isinstance(value, (bool, np.bool_)):
            raise SpaceError(f"found {_shown(value)}, expected true or false")
        return bool(value)

    def _word(self, value: Any) -> str:
        if not isinstance(value, str):
            raise SpaceError(f"found {_shown(value)}, expected a word")
        check_text(value)
        if self.choices and value not in self.choices:
            hint = nearest(value, self.choices)
            raise SpaceError(f"found {_shown(value)}, allowed {', '.join(self.choices)}; {hint}")
        return str(value)

    def _number(self, value: Any, unit: str, kind: type) -> float | int:
        fraction = self._exact(value, unit or self.unit)
        try:
            # one rounding, from the exact value; "+ 0.0" makes no difference between 0.0 and -0.0
            number = float(fraction) + 0.0
        except OverflowError:
            number = inf
        if isinf(number) or (fraction and not number):
            raise SpaceError(f"found {_shown(value)}, expected a number that float64 holds")
        if issubclass(kind, int):
            if fraction.denominator != 1:
                raise SpaceError(f"found {_shown(value)}, expected a whole number{_in(self.unit)}")
            return self._bounded(int(fraction))
        return self._bounded(number)

    def _exact(self, value: Any, unit: str) -> Fraction:
        """The exact number in the parameter's unit."""
        if isinstance(value, str):
            try:
                value, own = quantity(value)
            except UnitError:
                raise SpaceError(f"found {_shown(value)}, expected a number{_in(self.unit)}") from None
            unit = own or unit
        elif isinstance(value, (bool, np.bool_)) or not isinstance(value, _NUMBERS):
            raise SpaceError(f"found {_shown(value)}, expected a number{_in(self.unit)}")
        elif isinstance(value, (float, np.floating)) and not isfinite(value):
            raise SpaceError(f"found {value}, expected a finite number{_in(self.unit)}")
        return exact(value) if same_unit(unit, self.unit) else convert(value, unit, self.unit)

    def _bounded(self, number: _N) -> _N:
        low, high = self.bounds
        if (low is not None and number < low) or (high is not None and number > high):
            raise SpaceError(f"found {_plain(number, self.unit)}, allowed {_range(low, high, self.unit)}")
        return number


def check_text(value: object) -> None:
    """Refuse a text, or a list with one, that no file holds as it is: two such points would look the same in the results.

    Parameters
    ----------
    value : object
        Numbers and switches are let through.

    Raises
    ------
    SpaceError
        If it has a zero character, or half of a pair of surrogates.
    """
    for text in value if isinstance(value, (list, tuple)) else (value,):
        if isinstance(text, str) and (
            found := next((letter for letter in text if letter == "\0" or "\ud800" <= letter <= "\udfff"), "")
        ):
            what = (
                "a zero character, which ends a text in HDF5"
                if found == "\0"
                else "half of a character, which UTF-8 does not have"
            )
            raise SpaceError(
                f"found {_shown(text)}, expected a word without {what}; write it without that, or with an escape of your own"
            )


_NUMBERS = (int, float, Fraction, Decimal, np.integer, np.floating)
_NOUNS = {bool: "true or false", str: "a word"}


def _kind(values: Sequence[Any]) -> type:
    return str if values and all(isinstance(value, str) for value in values) else float


def _shown(value: object) -> str:
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value)).lower()
    return f'"{shown(value)}"' if isinstance(value, str) else shown(value)


def _in(unit: str) -> str:
    return f' in {unit}, such as "1 {unit}"' if unit else ""


def _plain(number: float, unit: str = "") -> str:
    return f"{str(number).removesuffix('.0')} {unit}".rstrip()


def _range(low: float | None, high: float | None, unit: str) -> str:
    if low is None or high is None:
        end = low if high is None else high
        return f"{'at least' if high is None else 'at most'} {_plain(end or 0, unit)}"
    return f"{_plain(low)} to {_plain(high, unit)}"
