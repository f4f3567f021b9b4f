"""A toy network whose rates and spectra follow from two parameters, and a problem whose Pareto front is known."""

from __future__ import annotations

import os

import numpy as np

from hpcsim import Coordinate, Output, Parameter, model

STEPS = 4096
#: A file of this name in the current folder gets a line for every simulated point.
MARKER = "simulated.txt"


def _coordinates(values):
    return {
        "population": Coordinate(np.array(["E", "I"])),
        "time_bin": Coordinate(100 + values["dt"] * np.arange(STEPS), "ms"),
    }


@model(
    "fit_toys.network",
    parameters=[
        Parameter("gain", 1.0, "", (0, 10)),
        Parameter("tau", 5.0, "ms", (1e-3, None)),
        Parameter("dt", 0.5, "ms", (1e-3, None)),
    ],
    outputs=[
        Output("rate", ("population",), "Hz"),
        Output("spike_counts", ("population", "time_bin"), "", "int32"),
        Output("field", ("time_bin",), "mV"),
    ],
    coordinates=_coordinates,
)
def network(point, context):
    """Counts of a Poisson process whose intensity is low-pass filtered noise; fails at a gain of 9."""
    if point["gain"] == 9:
        raise ValueError("this point cannot be simulated")
    from scipy.signal import lfilter

    random = np.random.default_rng(point.seed)
    decay = np.exp(-point["dt"] / point["tau"])
    noise = lfilter([1 - decay], [1, -decay], random.standard_normal((2, STEPS)), axis=-1)
    intensity = point["gain"] * np.array([[1.0], [2.0]]) * np.exp(noise)
    counts = random.poisson(intensity)
    return {"rate": counts.mean(axis=1) / point["dt"] * 1e3 / 100, "spike_counts": counts, "field": noise[0]}


@model(
    "fit_toys.front",
    parameters=[Parameter(f"x{k}", 0.5, "", (-5, 5)) for k in range(4)] + [Parameter("hole", 2.0), Parameter("noise", 0.0)],
    outputs=[Output("f", ("objective",)), Output("shape", ("objective",))],
    coordinates=lambda values: {"objective": Coordinate(np.array(["one", "two"]))},
)
def front(point, context):
    """ZDT1 of Zitzler, Deb & Thiele (2000): the front is f2 = 1 - sqrt(f1), at x1 = x2 = x3 = 0; it fails where x0 > hole."""
    with open(os.environ.get("FIT_TOYS_MARKER", MARKER), "a") as file:
        file.write(f"{point.id}\n")
    if point["x0"] > point["hole"]:
        raise ValueError("this point cannot be simulated")
    rest = 1 + 3 * abs(np.array([point[f"x{k}"] for k in (1, 2, 3)])).mean()
    f = np.array([point["x0"], rest * (1 - np.sqrt(point["x0"] / rest))])
    return {"f": f + point["noise"] * np.random.default_rng(point.seed).standard_normal(2), "shape": f}
