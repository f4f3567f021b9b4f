"""Units: numbers with a unit, converted exactly and rounded once."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import Any

from hpcsim.errors import UnitError

#: A number as people write it; three digits of exponent are more than float64 has.
_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3}(?!\d))?)\s*(.*?)\s*", re.DOTALL)
_PURE = ("", "1", "dimensionless")
#: What a dimension is called, and a unit that has it; read only to word an error.
_DIMENSIONS = {
    "voltage": "mV",
    "current": "pA",
    "time": "ms",
    "length": "um",
    "frequency": "Hz",
    "conductance": "nS",
    "conductance density": "S/cm**2",
    "capacitance": "pF",
    "capacitance density": "uF/cm**2",
    "current density": "uA/cm**2",
    "resistance": "Mohm",
    "resistivity": "ohm*cm",
    "temperature": "kelvin",
    "area": "um**2",
    "volume": "um**3",
    "concentration": "mmol/l",
    "current dipole moment": "nA*um",
    "charge": "pC",
    "speed": "m/s",
}


def quantity(text: str) -> tuple[str, str]:
    """Split a quantity into the text of its number and its unit.

    Parameters
    ----------
    text : str
        Such as ``29 pA``; the unit may be missing.

    Returns
    -------
    tuple of str
        Number and unit, both as they were written.

    Raises
    ------
    UnitError
        If the text does not begin with a number.

    Examples
    --------
    >>> quantity("1e-3 nA"), quantity("-70mV"), quantity("12")
    (('1e-3', 'nA'), ('-70', 'mV'), ('12', ''))
    """
    match = _NUMBER.fullmatch(text)
    if match is None or match[2][:1] in tuple("0123456789."):
        raise UnitError(f'"{text}" is no quantity; expected a number and a unit, such as "29 pA"')
    return match[1], match[2]


def exact(number: Any) -> Fraction:
    """The value of the shortest decimal text of a number, without any rounding.

    Parameters
    ----------
    number : str, int, float, Fraction or numpy scalar of any width

    Returns
    -------
    Fraction

    Raises
    ------
    UnitError
        If it is no finite number.

    Examples
    --------
    >>> exact(0.1), exact("29")
    (Fraction(1, 10), Fraction(29, 1))
    """
    try:
        # str() of a numpy scalar is the shortest decimal of its own width
        return Fraction(str(number))
    except (ValueError, ZeroDivisionError) as error:
        raise UnitError(f"found {number}, expected a finite number") from error


def same_unit(first: str, second: str) -> bool:
    """Whether two units are spelled alike, so that nothing needs converting."""
    first, second = first.strip(), second.strip()
    return first == second or (first in _PURE and second in _PURE)


def convert(number: Any, unit: str, to: str) -> Fraction:
    """A number in another unit, exactly.

    Parameters
    ----------
    number : str, int, float, Fraction or numpy scalar
        In `unit`.
    unit, to : str
        As pint reads them; empty for a pure number. Units with an offset (degC) are points on their scale.

    Returns
    -------
    Fraction
        In `to`.

    Raises
    ------
    UnitError
        If a unit is unknown, or the two measure different things.

    Examples
    --------
    >>> float(convert("0.029", "nA", "pA")), float(convert("34", "degC", "kelvin"))
    (29.0, 307.15)
    """
    value = exact(number)
    if same_unit(unit, to):
        return value
    source, target = _parsed(unit), _parsed(to)
    if source.dimensionality != target.dimensionality:
        found = f"{number} {unit}".strip()
        raise UnitError(
            f'"{found}" is {_noun(unit)} ({unit or "no unit"}); '
            f'expected {_noun(to)}, such as "{f"{number} {to}".strip()}"'
        )
    pint = _pint()
    try:
        return Fraction(_registry().Quantity(value, source).to(target).magnitude)
    except (pint.errors.PintError, TypeError, ValueError) as error:
        raise UnitError(f'"{unit}" cannot be converted to "{to}": {error}') from error


def convert_difference(number: Any, unit: str, to: str) -> Fraction:
    """As :func:`convert`, for a difference such as a standard deviation: 1 degC is 1 kelvin.

    Raises
    ------
    UnitError
        As :func:`convert`.
    """
    return convert(number, unit, to) - convert(0, unit, to)


def check_unit(unit: str) -> None:
    """Check that pint knows a unit.

    Raises
    ------
    UnitError
        If it does not.
    """
    if unit.strip() not in _PURE:
        _parsed(unit)


@lru_cache(maxsize=1)
def _registry() -> Any:
    # Fractions keep every conversion exact; pint takes 0.3 s to import and 0.3 s to read its units
    return _pint().UnitRegistry(non_int_type=Fraction)


def _pint() -> Any:
    import pint

    return pint


@lru_cache(maxsize=256)
def _parsed(unit: str) -> Any:
    try:
        return _registry().parse_units("" if unit.strip() in _PURE else unit)
    except Exception as error:  # pint's parser also leaks tokenizer, attribute and type errors
        raise UnitError(f'"{unit}" is no unit; expected one such as "pA", "mV", "ms" or "S/cm**2"') from error


def _noun(unit: str) -> str:
    dimensionality = _parsed(unit).dimensionality
    if not dimensionality:
        return "a pure number"
    for name, example in _DIMENSIONS.items():
        if _parsed(example).dimensionality == dimensionality:
            return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
    return f"a quantity of {dimensionality}"
