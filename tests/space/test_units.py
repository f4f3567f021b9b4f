from __future__ import annotations

import subprocess
import sys
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
        ("3", ("3", "")),
    ],
)
def test_quantity_splits_number_and_unit(text: str, parts: tuple[str, str]) -> None:
    assert quantity(text) == parts


@pytest.mark.parametrize("text", ["", "pA", "nan pA", "inf", "1.2.3 mV", "1 000 ms", "1e99999 pA", "--1 mV"])
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
    ],
)
def test_convert(number: object, unit: str, to: str, value: float) -> None:
    assert float(convert(number, unit, to)) == value


def test_a_difference_has_no_offset() -> None:
    assert convert_difference("1.5", "degC", "kelvin") == Fraction(3, 2)
    assert convert_difference(9, "degF", "kelvin") == 5


def test_exact_is_the_shortest_decimal_of_any_width() -> None:
    assert exact(0.1) == exact(np.float32(0.1)) == exact(np.float16(0.1)) == exact("0.1") == Fraction(1, 10)
    with pytest.raises(UnitError, match="found inf, expected a finite number"):
        exact(float("inf"))


@pytest.mark.parametrize(
    ("number", "unit", "to", "message"),
    [
        ("29", "mV", "pA", '"29 mV" is a voltage (mV); expected a current, such as "29 pA"'),
        (3, "mV", "", '"3 mV" is a voltage (mV); expected a pure number, such as "3"'),
        (3, "", "mV", '"3" is a pure number (no unit); expected a voltage, such as "3 mV"'),
        (3, "mV", "cd", "expected a quantity of [luminosity]"),
        (3, "mVolt?", "mV", '"mVolt?" is no unit'),
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


def test_pint_is_imported_only_to_convert() -> None:
    code = (
        "import sys; from hpcsim.space import Parameter, Space, Design\n"
        "p = Parameter('J', 1.0, 'pA'); p.resolve('29 pA'); p.resolve(3, 'pA')\n"
        "Design(Space.from_tables([p], {'J': {'uniform': ['1 pA', 2]}}, {}), 'random', 3, model='m').block(0, 3)\n"
        "print([m for m in ('pint', 'scipy', 'hpcsim.cli', 'h5py', 'pandas') if m in sys.modules])\n"
        "p.resolve('1 nA'); print('pint' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[]", "True"]
