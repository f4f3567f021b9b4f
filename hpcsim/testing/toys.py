"""Models and stages of the suite for executors: no simulator, outputs of every kind, and a point that fails."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hpcsim.models.model import Context, model
from hpcsim.outputs import Batch, Coordinate, Layout, Output
from hpcsim.space.parameter import Parameter, Value
from hpcsim.space.points import Point, Points
from hpcsim.stages.stage import Options, stage

#: What the point that fails says.
FAILURE = "this point cannot be simulated"

PARAMETERS = (
    Parameter("x", 2.0, "mV", (-1000.0, 1e9)),
    Parameter("failing", -1.0, "mV", description="the x that cannot be simulated"),
    Parameter("marker", "", description="a file that gets a line for every simulated point"),
)
OUTPUTS = (
    Output("square", (), "mV**2"),
    Output("noise", ("time",), "mV"),
    Output("spikes", ("spike",), "ms", ragged=True),
    Output("parity", (), "", "int8"),
)


def _times(values: Mapping[str, Value]) -> dict[str, Coordinate]:
    del values
    return {"time": Coordinate(0.1 * np.arange(5), "ms")}


def _simulate(point: Point) -> dict[str, Any]:
    if point["marker"]:
        with Path(point["marker"]).open("a") as file:
            file.write(f"{point.id}\n")
    if point["x"] == point["failing"]:
        raise ValueError(FAILURE)
    random = np.random.default_rng(point.seed)
    return {
        "square": point["x"] ** 2,
        "noise": random.normal(size=5),
        "spikes": np.sort(random.uniform(0, 100, int(abs(point["x"])) % 7)),
        "parity": int(point["x"]) % 2,
    }


@model("testing.single", parameters=PARAMETERS, outputs=OUTPUTS, coordinates=_times)
def single(point: Point, context: Context) -> dict[str, Any]:
    """One point a call."""
    del context
    return _simulate(point)


@model("testing.batch", parameters=PARAMETERS, outputs=OUTPUTS, coordinates=_times, batch=8)
def batch(points: Points, context: Context) -> dict[str, Any]:
    """Up to eight points a call; one that fails spoils the call."""
    del context
    parts = [_simulate(point) for point in points]
    outputs: dict[str, Any] = {name: [part[name] for part in parts] for name in parts[0]}
    return {name: values if name == "spikes" else np.array(values) for name, values in outputs.items()}


def _declare_total(options: Options, layout: Layout) -> Layout:
    layout[str(options["of"])]
    return Layout.of([Output("total", (), "mV")])


@stage("testing.total", options=[Parameter("of", "noise")], declare=_declare_total)
def total(data: Mapping[str, Batch], options: Options, context: Context) -> dict[str, Batch]:
    """Sum over time."""
    del context
    return {"total": np.asarray(data[str(options["of"])]).sum(axis=-1)}


def _declare_shifted(options: Options, layout: Layout) -> Layout:
    del options
    return Layout.of([Output("shifted", ("time",), "mV")], layout.coordinates)


@stage("testing.shifted", options=[Parameter("by", "")], declare=_declare_shifted, inputs=("by",))
def shifted(data: Mapping[str, Batch], options: Options, context: Context) -> dict[str, Batch]:
    """Adds the noise of another study's first point."""
    return {"shifted": np.asarray(data["noise"]) + context.input(options["by"]).array("noise")[0]}
