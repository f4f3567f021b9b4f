"""A model of no cost that records over time, and a search of it, for figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import hpcsim
from hpcsim import Coordinate, Output, Parameter, model
from hpcsim.collector.results import Results

TIME = np.arange(0.0, 50.0, 0.5)

SPACE = {"a": {"uniform": [0, 4], "unit": "nA"}, "b": {"loguniform": [0.1, 10], "unit": "mV"}}
SAMPLER = {
    "use": "uniform",
    "evaluations": 40,
    "objectives": {"rate": {"of": "rate", "target": 6.0, "sd": 0.5}, "raw": {"of": "rate"}},
    "cutoffs": {"rate": 3.0},
}


def search(folder: Path, **changes: Any) -> Results:
    """Results of a search of the toy, in this process."""
    more = {"space": SPACE, "sampler": SAMPLER, "seed": 1, **changes}
    return hpcsim.Study("looked", "drawn_toys:toy", **more).run("inline", folder)


@model(
    "plot.toy",
    parameters=[
        Parameter("a", 1.0, "nA"),
        Parameter("b", 1.0, "mV"),
        Parameter("edge", 9.0, description="it fails where a is above"),
    ],
    outputs=[
        Output("v", ("site", "time"), "mV", description="potential"),
        Output("rate", unit="Hz"),
        Output("spikes", ("spike",), "ms", ragged=True),
        Output("senders", ("spike",), dtype="int32", ragged=True),
    ],
    coordinates=lambda values: {"site": Coordinate(np.array(["soma", "tuft"])), "time": Coordinate(TIME, "ms")},
)
def toy(point, context):
    """A sine of 100 Hz, a rate that a explains twice as much as b, and three spikes."""
    if point["a"] > point["edge"]:
        raise ValueError("too far out")
    wave = point["a"] * np.sin(2 * np.pi * 0.1 * TIME)
    return {
        "v": np.stack([wave - 70, wave / 2 - 60]),
        "rate": 2 * point["a"] + point["b"],
        "spikes": np.array([1.0, 2.0, 40.0]) + point["b"],
        "senders": np.array([0, 5, 2]),
    }
