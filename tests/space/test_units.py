from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcsim.errors import UnitError
from hpcsim.space.units import check_unit, convert, convert_difference, exact, quantity


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("29 pA", ("29", "pA")),
        ("1e-3 nA", ("1e-3", "nA")),
        ("12 s", ("12", "s")),
        ("-70 mV", ("-70", "mV")),
        ("-70mV", ("-70", "mV")),
        (" .5  nA um ", (".5", "nA um")),
        ("5eV", ("5", "eV")),
        ("5 1/s", ("5", "1/s")),
        ("3", ("3", "")),
    ],
)
def test_quantity_splits_number_and_unit(text: str, parts: tuple[str, str]) -> None:
    assert quantity(text) == parts


@pytest.mark.parametrize(
    "text",
    ["", "pA", "nan pA", "inf", "1.2.3 mV", "1 000 ms", "1e99999 pA", "--1 mV", "5 1e3 pA", "1/2 pA", "5,0 pA", "1" * 5000],
)
def test_what_is_no_quantity(text: str) -> None:
    # "1e99999" splits into 1 and a unit that nothing has; no number of a million digits is ever made
    with pytest.raises(UnitError):
        number, unit = quantity(text)
        convert(number, unit, "pA")


@given(st.decimals(-1000000, 1000000, places=6))
def test_spelling_of_unit_does_not_matter(number: object) -> None:
    in_pA = Fraction(str(number))
    in_nA = f"{in_pA.numerator * 10**9 // in_pA.denominator}e-12"
    assert float(convert(in_nA, "nA", "pA")) == float(str(number))


@pytest.mark.parametrize(
    ("number", "unit", "to", "value"),
    [
        ("0.029", "nA", "pA", 29.0),
        (0.029, "nA", "pA", 29.0),
        (np.float32(0.029), "nA", "pA", 29.0),
        ("34", "degC", "kelvin", 307.15),
        ("300", "kelvin", "degC", 26.85),
        ("1", "1/s", "Hz", 1.0),
        ("3", "fA m", "nA um", 3.0),
        ("1e-4", "S/cm**2", "uS/cm**2", 100.0),
        ("50", "percent", "", 0.5),
        ("7", "1", "dimensionless", 7.0),
        ("5", "1/ms", "Hz", 5000.0),
        ("5", "s⁻¹", "Hz", 5.0),
        ("5", "S/m^2", "S/cm**2", 5e-4),
        ("5", "S/m²", "S/cm**2", 5e-4),
        ("5", "\u00b5m", "um", 5.0),  # the micro sign
        ("5", "\u03bcm", "um", 5.0),  # the letter mu
        ("5", "M\u03a9", "Mohm", 5.0),  # the letter omega
        ("5", "M\u2126", "Mohm", 5.0),  # the ohm sign
        ("5", "MOhm", "Mohm", 5.0),
        ("5", "V/nA", "Mohm", 5000.0),
        ("5", "°C", "degC", 5.0),
        ("5", "%", "", 0.05),
        ("50", "cm/m", "", 0.5),
    ],
)
def test_convert(number: object, unit: str, to: str, value: float) -> None:
    assert float(convert(number, unit, to)) == value


def test_a_difference_has_no_offset() -> None:
    assert convert_difference("1.5", "degC", "kelvin") == Fraction(3, 2)
    assert convert_difference(9, "degF", "kelvin") == 5
    assert convert_difference(2, "delta_degC", "degC") == convert_difference(2, "kelvin", "degC") == 2
    assert convert_difference(9, "delta_degF", "degC") == 5
    assert convert_difference(2, "V", "mV") == 2000


def test_exact_is_the_shortest_decimal_of_any_width() -> None:
    assert exact(0.1) == exact(np.float32(0.1)) == exact(np.float16(0.1)) == exact("0.1") == Fraction(1, 10)
    with pytest.raises(UnitError, match="found inf, expected a finite number"):
        exact(float("inf"))
    # no number of a million digits is ever made
    for number in (10**5000, Decimal("1e999999999"), "1e-999999999"):
        with pytest.raises(UnitError, match="expected a finite number"):
            exact(number)


@pytest.mark.parametrize(
    ("number", "unit", "to", "message"),
    [
        ("29", "mV", "pA", '"29 mV" is a voltage (mV); expected a current, such as "29 pA"'),
        (3, "mV", "", '"3 mV" is a voltage (mV); expected a pure number, such as "3"'),
        (3, "", "mV", '"3" is a pure number (no unit); expected a voltage, such as "3 mV"'),
        (3, "mV", "cd", "expected a quantity of [luminosity]"),
        (3, "mVolt?", "mV", '"mVolt?" is no unit'),
        (5, "mV/ms", "mV", '"5 mV/ms" is a voltage per time (mV/ms); expected a voltage, such as "5 mV"'),
        (1, "mV**2", "mV", '"1 mV**2" is a quantity of [mass]**2 * [length]**4 / [time]**6 / [current]**2 (mV**2); expected'),
        (1, "mV**0.5", "mV", "[time]**1.5"),
        ("1.5", "e ms", "ms", "is a quantity of [current] * [time]**2 (e ms); expected a time"),
        (1, "S/cm", "mV", "is a quantity of [current]**2 * [time]**3 / [mass] / [length]**3 (S/cm); expected a voltage"),
        (1, "mV", "1/(S cm)", "expected a quantity of"),
        (10, "m/s**2", "s", '"10 m/s**2" is an acceleration (m/s**2); expected a time, such as "10 s"'),
        (1, "m s", "ms", "is a quantity of [length] * [time] (m s); expected a time"),
        (1, "m", "mV", '"1 m" is a length (m); expected a voltage'),
        (1, "1/mV", "mV", "[time]**3 * [current] / [mass] / [length]**2 (1/mV); expected a voltage"),
        (5, "rad/s", "Hz", '"5 rad/s" is an angular frequency (rad/s); expected a frequency, such as "5 Hz"'),
        (5, "rpm", "1/s", "is an angular frequency (rpm); expected a frequency"),
        (5, "degC**2", "degC", "is a quantity of [temperature]**2 (degC**2); expected a temperature"),
        (5, "delta_degC", "degC", '"5 delta_degC" lies on another scale; expected a temperature'),
        (5, "dB", "", '"5 dB" lies on another scale; expected a pure number'),
        (5, "mv", "mV", '"mv" is no unit; expected one such as "pA", "mV"'),
        (5, "mV**9999999", "mV", "is no unit"),
        (5, "(mV/V)**99999999", "", "is no unit"),
        (5, "mV # per compartment", "mV", "is no unit"),
        (5, "mV;", "mV", "is no unit"),
        (5, "\x00mV", "mV", '"\\x00mV" is no unit'),
        (5, "mV\u200b", "mV", '"mV\\u200b" is no unit'),
        (5, "(" * 3000 + "mV" + ")" * 3000, "mV", "(6002 characters)"),
        (5, "x" * 100_000, "mV", "(100000 characters)"),
    ],
)
def test_messages(number: object, unit: str, to: str, message: str) -> None:
    with pytest.raises(UnitError) as caught:
        convert(number, unit, to)
    assert message in str(caught.value)


def test_check_unit() -> None:
    check_unit("")
    check_unit("uF/cm**2")
    for unit in ("foo", "mV +", "pA * ("):
        with pytest.raises(UnitError, match="is no unit"):
            check_unit(unit)


def test_pint_is_imported_only_to_convert_what_is_no_multiple() -> None:
    code = (
        "import sys; from hpcsim.space import Parameter, Space, Design\n"
        "p = Parameter('J', 1.0, 'pA'); p.resolve('29 pA'); p.resolve(3, 'pA')\n"
        "Design(Space.from_tables([p], {'J': {'uniform': ['1 pA', 2]}}, {}), 'random', 3, model='m').block(0, 3)\n"
        "print([m for m in ('pint', 'scipy', 'hpcsim.cli.commands', 'h5py', 'pandas') if m in sys.modules])\n"
        "p.resolve('1 nA'); print('pint' in sys.modules)\n"
        "p.resolve('1 mV/kohm'); print('pint' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:3] == ["[]", "False", "True"]
