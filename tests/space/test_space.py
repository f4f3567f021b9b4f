from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcsim.errors import StudyError
from hpcsim.space import Choice, Linspace, Normal, Parameter, Space, Truncnormal, Uniform, Values

PARAMETERS = [
    Parameter("J_ext", 29.0, "nA", bounds=(0, 40)),
    Parameter("n_cells", 3, bounds=(1, None)),
    Parameter("plastic", True),
    Parameter("integrator", "cvode", choices=("cvode", "euler")),
    Parameter("times", (1.0, 2.0), "ms"),
    Parameter("g", 4.5),
    Parameter("celsius", 34.0, "degC"),
]
DEFAULTS = {parameter.name: parameter.default for parameter in PARAMETERS}


def space(entries: Any, fixed: Any = None, **more: Any) -> Space:
    return Space.from_tables(PARAMETERS, entries, {} if fixed is None else fixed, **more)


def problems(entries: Any, fixed: Any = None, **more: Any) -> dict[str, str]:
    with pytest.raises(StudyError) as caught:
        space(entries, fixed, **more)
    return {problem.key: f"{problem.message}; {problem.hint}" for problem in caught.value.problems}


def test_defaults_presets_fixed() -> None:
    assert dict(space({}).fixed) == DEFAULTS
    found = space({"n_cells": 7}, {"J_ext": "30 nA", "times": [3]}, presets={"g": 5, "J_ext": 1}).fixed
    assert dict(found) == {**DEFAULTS, "n_cells": 7, "J_ext": 30.0, "times": (3.0,), "g": 5.0}
    assert space({}, {"g": {"fixed": 2}}).fixed["g"] == 2.0
    assert space({"g": [1, 2]}, presets={"g": 5}).axes[0].names == ("g",)


@pytest.mark.parametrize(
    ("name", "entry", "expected"),
    [
        ("J_ext", {"linspace": [26, 32, 50], "unit": "nA"}, Linspace(26.0, 32.0, 50)),
        ("J_ext", {"linspace": [26000, "32 nA", 50], "unit": "pA"}, Linspace(26.0, 32.0, 50)),
        ("J_ext", [26, "27 nA"], Values((26.0, 27.0))),
        ("J_ext", np.array([26, 27]), Values((26.0, 27.0))),
        ("J_ext", {"values": np.array([26, 27])}, Values((26.0, 27.0))),
        ("n_cells", {"linspace": [1, 9, 3]}, Values((1, 5, 9))),
        ("n_cells", {"logspace": [1, 100, 3]}, Values((1, 10, 100))),
        ("plastic", [True, False], Values((True, False))),
        ("times", [[1, 2], [3]], Values(((1.0, 2.0), (3.0,)))),
    ],
)
def test_lists(name: str, entry: Any, expected: Any) -> None:
    found = space({name: entry})
    assert found.axes[0].lists == {name: expected}
    assert name not in found.fixed


@pytest.mark.parametrize(
    ("name", "entry", "expected"),
    [
        ("J_ext", {"uniform": ["0 pA", 32]}, Uniform(0.0, 32.0)),
        ("g", {"normal": [0, 1]}, Normal(0.0, 1.0)),
        ("J_ext", {"normal": [100, "1 pA"]}, Normal(100.0, 0.001)),
        ("celsius", {"truncnormal": ["307.15 kelvin", 2, 30, "311.15 kelvin"]}, Truncnormal(34.0, 2.0, 30.0, 38.0)),
        ("celsius", {"normal": [307.15, 2], "unit": "kelvin"}, Normal(34.0, 2.0)),
        ("n_cells", {"choice": [1, 2.0]}, Choice((1, 2))),
        ("integrator", {"choice": ["cvode", "euler"]}, Choice(("cvode", "euler"))),
    ],
)
def test_distributions(name: str, entry: Any, expected: Any) -> None:
    found = space({name: entry})
    assert found.sampled == {name: expected}
    assert name not in found.fixed


def test_zip_is_one_axis() -> None:
    found = space({"g": [1, 2, 3], "zip": {"J_ext": {"linspace": [1, 2, 3]}, "n_cells": [1, 2, 3]}})
    assert [axis.names for axis in found.axes] == [("g",), ("J_ext", "n_cells")]
    assert found.axes[1].at(np.array([2, 0]))["J_ext"].tolist() == [2.0, 1.0]
    assert found.axes[1].at(np.array([2, 0]))["n_cells"].tolist() == [3, 1]
    two = space({"zip": [{"J_ext": [1, 2], "g": [1, 1]}, {"n_cells": [4, 5], "plastic": [True, True]}]})
    assert [len(axis) for axis in two.axes] == [2, 2]


@given(st.integers(1, 6), st.integers(1, 6))
def test_zip_needs_equal_lengths(first: int, second: int) -> None:
    entries = {"zip": {"g": list(range(first)), "n_cells": list(range(1, second + 1))}}
    if first == second:
        assert len(space(entries).axes[0]) == first
    else:
        message = problems(entries)["space.zip"]
        assert f"lists of different lengths: g has {first}, n_cells has {second}" in message


def test_all_problems_at_once() -> None:
    found = problems(
        {"J_ex": [1], "g": {"unifrom": [0, 1]}, "n_cells": [1, 0], "zip": {"J_ext": [1], "plastic": [1]}},
        {"integrator": "eulr", "J_ext": 3, "tstop": 1},
        presets={"gg": 1},
    )
    assert list(found) == [
        "presets.gg",
        "space.J_ex",
        "space.g",
        "space.n_cells",
        "space.zip.plastic",
        "fixed.integrator",
        "fixed.J_ext",
        "fixed.tstop",
    ]
    assert found["space.J_ex"] == 'there is no parameter "J_ex"; did you mean "J_ext"?'
    assert found["fixed.J_ext"] == "the parameter is in space.zip.J_ext already; keep one of the two"


@pytest.mark.parametrize(
    ("name", "entry", "message"),
    [
        ("J_ext", {"linspace": [1, 2]}, "linspace: found 2 values, expected [low, high, n]"),
        ("J_ext", {"linspace": [1, 2, 0]}, "found n = 0"),
        ("J_ext", {"linspace": [1, 2, 2.5]}, "found n = 2.5, expected a whole number of values"),
        ("J_ext", {"linspace": [1, 2, "3"]}, "found n = 3"),
        ("J_ext", {"logspace": [0, 1, 3]}, "found the lower end 0.0"),
        ("J_ext", {"uniform": [0, 50]}, "found 50 nA, allowed 0 to 40 nA"),
        ("J_ext", {"uniform": [0, 50000], "unit": "pA"}, "found 50 nA, allowed 0 to 40 nA"),
        ("J_ext", {"uniform": [1, "2 mV"]}, '"2 mV" is a voltage (mV); expected a current'),
        ("J_ext", {"truncnormal": [1, 1, 5, 50]}, "found 50 nA"),
        ("J_ext", {"normal": [1, "3 mV"]}, '"3 mV" is a voltage'),
        ("J_ext", {"normal": [1, True]}, "found true, expected a number"),
        ("J_ext", {"normal": [1, 0]}, "found sigma = 0.0"),
        ("J_ext", {"values": []}, "found an empty list"),
        ("J_ext", [], "found an empty list"),
        ("J_ext", [1, "1 nA"], "J_ext = 1.0 stands twice; for more runs of the same values use replicates"),
        ("J_ext", {"values": [1], "linspace": [1, 2, 3]}, "found values and linspace together, expected one kind"),
        ("J_ext", {"unifrom": [1, 2]}, 'unknown kind "unifrom"; did you mean "uniform"?'),
        ("J_ext", {"uniform": [1, 2], "units": "pA"}, 'unknown key "units" beside uniform; did you mean "unit"?'),
        ("J_ext", {"uniform": [1, 2], "unit": 3}, "unit: found 3, expected a text"),
        ("J_ext", {"uniform": [1, 2], "unit": "pq"}, '"pq" is no unit'),
        ("J_ext", {"uniform": 3}, "uniform: found 3, expected a list"),
        ("J_ext", {"unit": "nA"}, "found no kind, expected one of values, choice"),
        ("J_ext", [50, "x", 1, 60], 'found 50 nA, allowed 0 to 40 nA; found "x", expected a number'),
        ("J_ext", list(range(41, 51)), "and 7 more"),
        ("n_cells", {"uniform": [1, 2]}, "uniform: n_cells is a whole number; use choice"),
        ("n_cells", {"linspace": [1, 2, 3]}, "found 1.5, expected a whole number"),
        ("integrator", {"linspace": [1, 2, 3]}, "linspace: integrator is no number; use values or choice"),
        ("times", {"values": [1, 2]}, "found 1, expected a list of values"),
        ("zip", 3, "found 3, expected a table"),
        ("zip", {}, "found {}, expected a table"),
    ],
)
def test_what_is_refused(name: str, entry: Any, message: str) -> None:
    assert message in problems({name: entry})[f"space.{name}"]


def test_what_does_not_go_together() -> None:
    found = problems({"zip": [{"g": {"uniform": [0, 1]}, "J_ext": 3}, {"n_cells": [1, 1]}, 5], "n_cells": 4})
    assert "found a distribution, expected a list" in found["space.zip[0].g"]
    assert "found one value, expected a list" in found["space.zip[0].J_ext"]
    assert "n_cells = 1 stands twice" in found["space.zip[1]"]
    assert "found 5, expected a table" in found["space.zip[2]"]
    assert "is in space.zip[1].n_cells already" in found["space.n_cells"]


def test_fixed_takes_one_value() -> None:
    several = problems({}, {"g": {"values": [1, 2]}})["fixed.g"]
    assert several == "found several values, expected one; write it as space.g"
    assert "found [1, 2], expected a number" in problems({}, {"g": [1, 2]})["fixed.g"]
    assert "found 3, expected a table" in problems({}, 3)["fixed"]
