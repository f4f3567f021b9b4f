"""Multiples of the SI units that studies are written in, converted without pint, whose units take half a second to read."""

from __future__ import annotations

from fractions import Fraction

#: Powers of ten; both letters for micro.
_PREFIXES = {"": 0, "f": -15, "p": -12, "n": -9, "u": -6, "\u00b5": -6, "\u03bc": -6, "m": -3, "k": 3, "M": 6, "G": 9}
#: Each with every prefix above means to pint what it means here; the test compares them all.
_UNITS = ("V", "A", "s", "m", "Hz", "S", "F")
_MULTIPLES = {prefix + unit: (unit, power) for unit in _UNITS for prefix, power in _PREFIXES.items()}


def is_multiple(unit: str) -> bool:
    """Whether a unit is one of these, such as ``pA``."""
    return unit.strip() in _MULTIPLES


def ratio(unit: str, to: str) -> Fraction | None:
    """How many of one unit another one is, or None where they are no multiples of one unit.

    Examples
    --------
    >>> ratio("s", "ms"), ratio("pA", "nA"), ratio("mV", "ms")
    (Fraction(1000, 1), Fraction(1, 1000), None)
    """
    (source, power), (target, other) = (_MULTIPLES.get(text.strip(), ("", 0)) for text in (unit, to))
    return Fraction(10) ** (power - other) if source and source == target else None
