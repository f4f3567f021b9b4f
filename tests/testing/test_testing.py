"""The check for models catches the models that break their promises."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import toys

from hpcsim import Coordinate, Output, Parameter, model
from hpcsim.errors import SimulationError, SpaceError
from hpcsim.testing import check_model

TIMES = {"time": Coordinate(np.arange(3.0), "ms")}


def make(simulate, batch=None, **more):
    settings = {"parameters": [Parameter("x", 1.0)], "outputs": [Output("y", ("time",))], "coordinates": lambda values: TIMES}
    return model("bad.model", **{**settings, **more}, batch=batch)(simulate)


def test_good_models_pass():
    given = check_model(toys.single)
    assert given["noise"].shape == (3, 5)
    assert not np.array_equal(given["noise"][0], given["noise"][1])
    check_model(toys.batch, {"x": 5})


def counting():
    counter = itertools.count()
    return lambda point, context: {"y": np.full(3, float(next(counter)))}


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (make(lambda point, context: {}), 'declares the output "y" but did not give it'),
        (make(lambda point, context: {"y": np.zeros(4)}), r"shape \(4,\) a point; declared: \(time 3\)"),
        (make(lambda point, context: {"y": np.full(3, np.nan)}), "not finite"),
        (make(counting()), "differs when it is simulated a second time"),
        (
            make(lambda points, context: {"y": np.full((len(points), 3), float(len(points)))}, batch=10),
            "simulated alone",
        ),
        (
            make(lambda points, context: {"y": np.arange(3.0 * len(points)).reshape(-1, 3)}, batch=10),
            "in another order",
        ),
        (make(lambda point, context: {"y": np.zeros(3)}, presets={"p": {"z": 1}}), 'preset "p" names the parameter "z"'),
        (make(lambda point, context: {"y": np.zeros(3)}, parameters=[Parameter("x", 1.0)] * 2), '"x" twice'),
    ],
)
def test_broken_promises_are_named(broken, words):
    with pytest.raises(SimulationError, match=words):
        check_model(broken)


def test_a_default_out_of_bounds_is_found():
    with pytest.raises(SpaceError, match="allowed at least 2"):
        check_model(make(lambda point, context: {"y": np.zeros(3)}, parameters=[Parameter("x", 1.0, bounds=(2, None))]))
