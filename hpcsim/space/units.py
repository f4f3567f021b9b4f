"""Units: numbers with a unit, converted exactly and rounded once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any
from unicodedata import normalize

from hpcsim.errors import UnitError, shown
from hpcsim.space.multiples import is_multiple, ratio

#: A number as people write it; three digits of exponent are more than float64 has.
_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3}(?!\d))?)\s*(.*?)\s*", re.DOTALL)
#: An exponent that would make a number of thousands of digits.
_HUGE = re.compile(r"[eE][+-]?0*[1-9]\d{3}")
_PURE = ("", "1", "dimensionless")
#: What a dimension is called, and a unit that has it; read only to word an error.
_DIMENSIONS = {
    "voltage": "mV",
    "current": "pA",
    "time": "ms",
    "length": "um",
    "frequency": "Hz",
    "angular frequency": "rad/s",
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
    "acceleration": "m/s**2",
    "electric field": "mV/mm",
    "voltage per time": "mV/ms",
    "mass": "kg",
    "force": "N",
    "energy": "J",
    "power": "W",
    "pressure": "Pa",
    "amount of memory": "MB",
}
#: What units are written with; pint's tokenizer passes over anything else.
_LETTERS = re.compile(r"[\w\s*/^().+\-%°‰′″⁻·⋅×]{0,100}")
#: Units with higher powers than this are nonsense, and converting them would take for ever.
_HIGHEST_POWER = 12


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
    # "5 1/s" has a unit; "1 000 ms" and "5 2 mV" are no numbers
    if match is None or (match[2][:1] in tuple("0123456789.") and not match[2].startswith("1/")):
        raise UnitError(f'"{shown(text)}" is no quantity; expected a number and a unit, such as "29 pA"')
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
        text = str(number)
        if _HUGE.search(text):
            raise ValueError(text)
        return Fraction(text)
    except (ValueError, ZeroDivisionError) as error:
        raise UnitError(f"found {shown(number)}, expected a finite number") from error


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
    if (multiple := ratio(unit, to)) is not None:
        return value * multiple
    source, target = _parsed(unit), _parsed(to)
    if _measured(source) != _measured(target):
        found = f"{shown(number)} {unit}".strip()
        raise UnitError(f'"{found}" is {_noun(unit)} ({unit or "no unit"}); {_expected(number, to)}')
    try:
        return Fraction(_registry().Quantity(value, source).to(target).magnitude)
    except (_pint().errors.PintError, TypeError, ValueError, ArithmeticError) as error:
        # differences of temperatures, logarithmic units
        raise UnitError(f'"{shown(number)} {unit}" lies on another scale; {_expected(number, to)}') from error


def convert_difference(number: Any, unit: str, to: str) -> Fraction:
    """As :func:`convert`, for a difference such as a standard deviation: 1 degC is 1 kelvin.

    Raises
    ------
    UnitError
        As :func:`convert`.
    """
    if same_unit(unit, to) or _measured(_parsed(unit)) != _measured(_parsed("kelvin")):
        return convert(number, unit, to) - convert(0, unit, to)
    # through kelvin, which is its own difference: "2 delta_degC" lies on no scale
    kelvins = convert(number, unit, "kelvin") - convert(0, unit, "kelvin")
    return convert(kelvins, "kelvin", to) - convert(0, "kelvin", to)


def base_units(unit: str) -> Fraction:
    """What one of a unit is in SI base units.

    Raises
    ------
    UnitError
        If pint does not know the unit, or it has an offset (degC).

    Examples
    --------
    >>> float(base_units("mS/cm**2")), float(base_units(""))
    (10.0, 1.0)
    """
    parsed = _parsed(unit)
    try:
        zero, one = (Fraction(_registry().Quantity(Fraction(k), parsed).to_base_units().magnitude) for k in (0, 1))
    except (_pint().errors.PintError, TypeError, ValueError, ArithmeticError) as error:
        raise UnitError(f'"{shown(unit)}" lies on another scale than its SI unit') from error
    if zero:
        raise UnitError(f'"{shown(unit)}" has an offset; expected a unit such as "kelvin"')
    return one


def check_unit(unit: str) -> None:
    """Check that pint knows a unit.

    Raises
    ------
    UnitError
        If it does not.
    """
    if unit.strip() not in _PURE and not is_multiple(unit):
        _parsed(unit)


@lru_cache(maxsize=1)
def _registry() -> Any:
    # Fractions keep every conversion exact; pint takes 0.3 s to import and 0.3 s to read its units
    registry = _pint().UnitRegistry(non_int_type=Fraction)
    # as most papers and many files have it: MOhm
    registry.define("@alias ohm = Ohm")
    return registry


def _pint() -> Any:
    import pint

    return pint


@lru_cache(maxsize=256)
def _parsed(unit: str) -> Any:
    message = f'"{shown(unit)}" is no unit; expected one such as "pA", "mV", "ms" or "S/cm**2"'
    if not _LETTERS.fullmatch(unit):
        raise UnitError(message)
    try:
        # the ohm sign and the letter omega are one
        parsed = _registry().parse_units("" if unit.strip() in _PURE else normalize("NFC", unit))
    except Exception as error:  # pint's parser also leaks tokenizer, attribute and type errors
        raise UnitError(message) from error
    powers = [*parsed._units.values(), *parsed.dimensionality.values()]
    if any(abs(power) > _HIGHEST_POWER for power in powers):
        raise UnitError(message)
    return parsed


def _measured(unit: Any) -> dict[str, Fraction]:
    """Dimensions with their powers; angles and data are some: 5 rad/s are not 5 Hz, 5 % are not 5 MB."""
    powers = dict(unit.dimensionality)
    roots = dict(_registry().get_root_units(unit)[1]._units)
    angle, data = roots.get("radian", 0), roots.get("bit", 0)
    # an angle alone is a pure number; bytes are none
    return {**powers, **({"[angle]": angle} if powers and angle else {}), **({"[data]": data} if data else {})}


def _expected(number: object, unit: str) -> str:
    return f'expected {_noun(unit)}, such as "{f"{shown(number)} {unit}".strip()}"'


def _noun(unit: str) -> str:
    measured = _measured(_parsed(unit))
    if not measured:
        return "a pure number"
    for name, example in _DIMENSIONS.items():
        if _measured(_parsed(example)) == measured:
            return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
    return f"a quantity of {_product(measured)}"


def _product(powers: Mapping[str, Fraction]) -> str:
    """Dimensions as people write them, such as ``[mass] * [length]**2 / [time]**3``."""

    def side(sign: int) -> list[str]:
        chosen = {name: sign * power for name, power in powers.items() if sign * power > 0}
        return [name if power == 1 else f"{name}**{float(power):g}" for name, power in chosen.items()]

    return " / ".join([" * ".join(side(1)) or "1", *side(-1)])
