"""A cheap model to search: two bowls, a part where it fails, and a file that tells how often it was simulated."""

from __future__ import annotations

import time

from hpcsim import Output, Parameter, model


@model(
    "search.bowls",
    parameters=[
        Parameter("x", 0.0, bounds=(-5.0, 5.0)),
        Parameter("y", 0.0, "mV"),
        Parameter("edge", 9.0, description="it fails where x is above"),
        Parameter("slow", 0.0, "s", description="how long a point with x > 0 takes"),
        Parameter("trace", "", description="a file that gets a line for each point"),
    ],
    outputs=[Output("near"), Output("far")],
)
def bowls(point, context):
    """Squared distances from (1, 0) and (-1, 0)."""
    if point["trace"]:
        with open(point["trace"], "a") as file:
            file.write(f"{point['x']!r}\n")
    if point["x"] > 0:
        time.sleep(point["slow"])
    if point["x"] > point["edge"]:
        raise ValueError("too far out")
    return {"near": (point["x"] - 1) ** 2 + point["y"] ** 2, "far": (point["x"] + 1) ** 2 + point["y"] ** 2}
