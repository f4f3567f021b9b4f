"""A model in the place of those whose results the pages read: outputs of the same names and kinds, in no time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hpcsim import Context, Coordinate, Output, Parameter, Point, model
from hpcsim.space.parameter import Value

TIME = np.arange(0.0, 100.0, 0.5)


def _coordinates(values: Mapping[str, Value]) -> dict[str, Coordinate]:
    del values
    return {"time": Coordinate(TIME, "ms"), "population": Coordinate(np.array(["E", "I"]))}


@model(
    "doc.drive",
    parameters=[Parameter("J_ext", 29.0, "pA"), Parameter("g", 5.0)],
    outputs=[
        Output("rate", ("population",), "1/s"),
        Output("v", ("time",), "mV"),
        Output("spike_times_E", ("spike_E",), "ms", ragged=True),
    ],
    coordinates=_coordinates,
)
def drive(point: Point, context: Context) -> dict[str, Any]:
    """Numbers that follow from the drive, with noise."""
    del context
    random = np.random.default_rng(point.seed)
    x = float(point["J_ext"])
    return {
        "rate": np.array([x, x / float(point["g"])]) + random.normal(size=2),
        "v": np.sin(TIME / x) + 0.1 * random.normal(size=TIME.size),
        "spike_times_E": np.sort(random.uniform(0, 100, 5)),
    }
