from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcsim.errors import HpcsimError, SpaceError, UnitError
from hpcsim.space.parameter import Parameter

CURRENT = Parameter("J_ext", 29.0, "pA", bounds=(0, 40))
COUNT = Parameter("n_cells", 3, bounds=(1, None))
SWITCH = Parameter("plastic", True)
WORD = Parameter("integrator", "cvode", choices=("cvode", "euler"))
TIMES = Parameter("times", (1.0, 2.0), "ms", bounds=(None, 100))
WORDS = Parameter("layers", ("L4", "L5"), choices=("L4", "L5", "L6"))
NUMBER = Parameter("g", 4.5)


@pytest.mark.parametrize(
    ("parameter", "value", "unit", "resolved"),
    [
        (CURRENT, "29 pA", "", 29.0),
        (CURRENT, "0.029 nA", "", 29.0),
        (CURRENT, 0.029, "nA", 29.0),
        (CURRENT, "0.029", "nA", 29.0),
        (CURRENT, "29 pA", "nA", 29.0),
        (CURRENT, 29, "", 29.0),
        (CURRENT, np.int8(29), "", 29.0),
        (CURRENT, np.float32(0.1), "", 0.1),
        (CURRENT, np.float16(0.1), "", 0.1),
        (CURRENT, np.longdouble("0.1"), "", 0.1),
        (CURRENT, np.array(0.1), "", 0.1),
        (COUNT, 3.0, "", 3),
        (COUNT, "4", "", 4),
        (COUNT, 2**70, "", 2**70),
        (COUNT, np.uint64(2**63), "", 2**63),
        (SWITCH, np.False_, "", False),
        (WORD, "euler", "", "euler"),
        (TIMES, [1, "0.002 s"], "", (1.0, 2.0)),
        (TIMES, np.array([1.5, 2.5]), "", (1.5, 2.5)),
        (TIMES, [0.001], "s", (1.0,)),
        (WORDS, ["L6"], "", ("L6",)),
        (Parameter("any", ()), ["a", "b"], "", ("a", "b")),
        (Parameter("any", ()), [1, 2], "", (1.0, 2.0)),
    ],
)
def test_resolve(parameter: Parameter, value: Any, unit: str, resolved: Any) -> None:
    found = parameter.resolve(value, unit)
    assert found == resolved
    assert type(found) is type(resolved)


def test_minus_zero_is_zero() -> None:
    assert str(NUMBER.resolve(-0.0)) == str(NUMBER.resolve("-0")) == "0.0"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_in_its_own_unit_is_itself(value: float) -> None:
    assert NUMBER.resolve(value) == NUMBER.resolve(repr(value)) == value


@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_width_of_scalar_does_not_matter(value: float) -> None:
    assert NUMBER.resolve(np.float32(value)) == float(str(np.float32(value)))


@pytest.mark.parametrize(
    ("parameter", "value", "unit", "message"),
    [
        (CURRENT, "50 pA", "", "found 50 pA, allowed 0 to 40 pA"),
        (CURRENT, "0.05 nA", "", "found 50 pA, allowed 0 to 40 pA"),
        (CURRENT, -0.5, "", "found -0.5 pA, allowed 0 to 40 pA"),
        (COUNT, 0, "", "found 0, allowed at least 1"),
        (TIMES, [1, 101], "", "found 101 ms, allowed at most 100 ms"),
        (CURRENT, "29 mV", "", '"29 mV" is a voltage (mV); expected a current, such as "29 pA"'),
        (CURRENT, 5, "mV", '"5 mV" is a voltage (mV); expected a current'),
        (CURRENT, "abc", "", 'found "abc", expected a number in pA'),
        (CURRENT, float("nan"), "", "found nan, expected a finite number"),
        (CURRENT, np.float32("inf"), "", "found inf, expected a finite number"),
        (CURRENT, "1e999 pA", "", "expected a number that float64 holds"),
        (CURRENT, "1e-400 pA", "", 'found "1e-400 pA", expected a number that float64 holds'),
        (CURRENT, 10**400, "", "expected a number that float64 holds"),
        pytest.param(COUNT, 10**5000, "", "found int that is too long to show", id="5000 digits"),
        pytest.param(COUNT, [10**5000], "", "found list that is too long to show", id="a list of it"),
        (WORD, "e" * 5000, "", "(5000 characters)"),
        (CURRENT, "29 pA/ms", "", '"29 pA/ms" is a quantity of [current] / [time] (pA/ms); expected a current'),
        (CURRENT, True, "", "found true, expected a number"),
        (CURRENT, np.True_, "", "found true, expected a number"),
        (CURRENT, None, "", "found None, expected a number"),
        (CURRENT, 1j, "", "found 1j, expected a number"),
        (CURRENT, [1], "", "found [1], expected a number"),
        (NUMBER, "3 mV", "", "expected a pure number"),
        (COUNT, 3.5, "", "found 3.5, expected a whole number"),
        (COUNT, True, "", "found true, expected a number"),
        (SWITCH, 1, "", "found 1, expected true or false"),
        (SWITCH, "true", "", 'found "true", expected true or false'),
        (SWITCH, True, "mV", 'found the unit "mV", expected none: plastic is true or false'),
        (WORD, "eulr", "", 'found "eulr", allowed cvode, euler; did you mean "euler"?'),
        (WORD, 3, "", "found 3, expected a word"),
        (WORDS, ["L7"], "", 'found "L7", allowed L4, L5, L6'),
        (Parameter("cell", "a"), "a\0b", "", 'found "a\\x00b", expected a word without a zero character'),
        (Parameter("cell", "a"), "a\0", "", 'found "a\\x00", expected a word without a zero character'),
        (Parameter("cells", ("a", "b")), ["a", "b\0"], "", 'found "b\\x00", expected a word without a zero character'),
        (Parameter("cell", "a"), "\ud800", "", 'found "\\ud800", expected a word without half of a character'),
        (TIMES, 3, "", "found 3, expected a list of values"),
    ],
)
def test_what_is_refused(parameter: Parameter, value: Any, unit: str, message: str) -> None:
    with pytest.raises(HpcsimError) as caught:
        parameter.resolve(value, unit)
    assert message in str(caught.value)
    assert isinstance(caught.value, (SpaceError, UnitError))
