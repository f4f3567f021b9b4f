from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hpcsim.errors import SpaceError
from hpcsim.space import Constraint

COLUMNS = {"a": np.array([1.0, -2.0, 3.0, 0.0]), "b": np.array([2.0, 2.0, 2.0, 2.0]), "n": np.array([1, 2, 3, 4])}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a < b", [1, 1, 0, 1]),
        ("0 < a <= b", [1, 0, 0, 0]),
        ("a > b or a < -1", [0, 1, 1, 0]),
        ("not a > b and n != 4", [1, 1, 0, 0]),
        ("2 * abs(a) - 1 <= min(a, b, 10) + +1", [1, 0, 0, 1]),
        ("max(a, b) == 3.0", [0, 0, 1, 0]),
        ("a ** 2 % 3 >= 1", [1, 1, 0, 0]),
        ("n / 2 == 1.5", [0, 0, 1, 0]),
        ("sqrt(a) > 0", [1, 0, 1, 0]),
        ("log(exp(a)) > 2", [0, 0, 1, 0]),
        ("1 / a > 100", [0, 0, 0, 1]),
        ("9 ** 9 ** 9 > a", [1, 1, 1, 1]),
        ("1 < 2", [1, 1, 1, 1]),
    ],
)
def test_value_of_text(text: str, expected: list[int]) -> None:
    answer = Constraint(text)(COLUMNS)
    assert answer.dtype == bool
    assert answer.tolist() == [bool(x) for x in expected]


def test_example_with_four_weights() -> None:
    columns = {
        name: np.array(column, float)
        for name, column in zip(("J_EE", "J_IE", "J_EI", "J_II"), ([1, 3, 1], [2, 2, 2], [-2, -9, -1], [-3, -9, -9]), strict=True)
    }
    constraint = Constraint("J_IE > J_EE and 2 * J_EE <= min(abs(J_EI), abs(J_II))")
    assert constraint(columns).tolist() == [True, False, False]
    assert constraint.names == ("J_EE", "J_EI", "J_IE", "J_II")
    constraint.check(columns)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a <", "is no condition"),
        ("", "is no condition"),
        ("a + b", "is a number, expected a comparison"),
        ("a and b > 1", 'found "a" where a comparison is expected'),
        ("(a > b) + 1 > 2", 'found "a > b" where a number is expected'),
        ("__import__('os').system('x') > 1", "is not allowed; allowed: numbers, parameters"),
        ("a.real > 1", '"a.real" is not allowed'),
        ("a[0] > 1", '"a[0]" is not allowed'),
        ("(lambda: 1)() > 1", "is not allowed"),
        ("[x for x in a] > 1", "is not allowed"),
        ("a in b", '"a in b" is not allowed'),
        ("a > 'x'", "is not allowed"),
        ("a > True", '"True" is not allowed'),
        ("a // 2 > 1", '"a // 2" is not allowed'),
        ("sin(a) > 1", '"sin(a)" is not allowed'),
        ("min(a) > 1", "min takes at least two values, found 1"),
        ("abs(a, b) > 1", "abs takes one value, found 2"),
        ("abs(x=a) > 1", "is not allowed"),
        ("a" + " + a" * 200 + " > 1", "nested more than 100 levels deep"),
        ("(" * 5000 + "a" + ")" * 5000 + " > 1", "is no condition"),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(SpaceError) as caught:
        Constraint(text)
    assert message in str(caught.value)


def test_unknown_names() -> None:
    with pytest.raises(SpaceError, match='there is no number "J_ex"; did you mean "J_ext"'):
        Constraint("J_ex > 1").check(["J_ext", "g"])


def test_function() -> None:
    assert Constraint(lambda columns: columns["a"] > columns["b"])(COLUMNS).tolist() == [False, False, True, False]
    bad: list[Any] = [lambda columns: True, lambda columns: columns["a"]]
    for function in bad:
        with pytest.raises(SpaceError, match="the function returned"):
            Constraint(function)(COLUMNS)
    with pytest.raises(SpaceError, match="expected a text"):
        Constraint(3)  # type: ignore[arg-type]
