"""Models and stages for tests: no simulator, and every way to misbehave."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np

from hpcsim import Coordinate, Output, Parameter, model
from hpcsim.models.model import Parallel
from hpcsim.models.parent import parent_row
from hpcsim.outputs import Layout
from hpcsim.stages.stage import stage

PARAMETERS = [
    Parameter("x", 2.0, "mV", (-1000.0, 1e9)),
    Parameter("guilty", -1.0, "mV", description="the x at which it misbehaves"),
    Parameter("how", "raise", choices=("raise", "crash", "exit", "sleep", "shape", "once")),
    Parameter("seconds", 0.0, "s", (0.0, None), description="how long a point takes"),
    Parameter("marker", "", description="a file that is touched for every simulated point"),
]
OUTPUTS = [
    Output("square", (), "mV**2"),
    Output("noise", ("time",), "mV"),
    Output("spikes", ("spike",), "ms", ragged=True),
    Output("parity", (), "", "int8"),
]


def _times(values):
    return {"time": Coordinate(0.1 * np.arange(5), "ms")}


def _misbehave(how: str, marker: str) -> None:
    if how == "once" and not Path(marker).exists():
        Path(marker).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "raise":
        raise ValueError("this point cannot be simulated")
    if how == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if how == "exit":
        os._exit(7)
    if how == "sleep":
        time.sleep(600)


def _outputs(x: float, seed: int) -> dict:
    random = np.random.default_rng(seed)
    return {
        "square": x**2,
        "noise": random.normal(size=5),
        "spikes": np.sort(random.uniform(0, 100, int(abs(x)) % 7)),
        "parity": int(x) % 2,
    }


@model("toys.single", parameters=PARAMETERS, outputs=OUTPUTS, coordinates=_times)
def single(point, context):
    """One point a call."""
    if point["marker"] and point["how"] != "once":
        with open(point["marker"], "a") as file:
            file.write(f"{point.id}\n")
    until = time.monotonic() + point["seconds"]
    while time.monotonic() < until:
        time.sleep(0.01)
        context.progress(0.5)
    if point["x"] == point["guilty"]:
        _misbehave(point["how"], point["marker"])
    given = _outputs(point["x"], point.seed)
    if point["x"] == point["guilty"] and point["how"] == "shape":
        given["noise"] = np.zeros(6)
    return given


@model("toys.batch", parameters=PARAMETERS, outputs=OUTPUTS, coordinates=_times, batch=8)
def batch(points, context):
    """Up to eight points a call; one bad point spoils the call."""
    for point in points:
        if point["x"] == point["guilty"]:
            _misbehave(point["how"], point["marker"])
    parts = [_outputs(point["x"], point.seed) for point in points]
    given = {name: [part[name] for part in parts] for name in parts[0]}
    return {name: values if name == "spikes" else np.array(values) for name, values in given.items()}


@model("toys.noop", parameters=[Parameter("a", 0.0), Parameter("b", 0.0)], outputs=[Output("y")])
def noop(point, context):
    """Nothing, as fast as possible."""
    return {"y": 0.0}


def _declare_sum(options, layout):
    layout[options["of"]]
    return Layout.of([Output("total", (), "mV")])


@stage("toys.total", options=[Parameter("of", "noise"), Parameter("fail_over", 1e12)], declare=_declare_sum)
def total(data, options, context):
    """Sum over the last dimension."""
    sums = np.asarray(data[options["of"]]).sum(axis=-1)
    if (np.asarray(data["square"]) > options["fail_over"]).any():
        raise ValueError("the square is too large for this stage")
    return {"total": sums}


def _declare_shifted(options, layout):
    return Layout.of([Output("shifted", ("time",), "mV")], layout.coordinates)


@stage("toys.shifted", options=[Parameter("kernel", "")], declare=_declare_shifted, inputs=("kernel",))
def shifted(data, options, context):
    """Adds the noise of another study's first point."""
    table = context.inputs[options["kernel"]]
    return {"shifted": data["noise"] + table.array("noise")[0]}


def _world() -> int:
    from mpi4py import MPI

    # a simulator that was built without MPI
    return 1 if os.environ.get("TOYS_WORLD") == "1" else MPI.COMM_WORLD.size


def _enough(values, ranks, threads):
    return f"{ranks} ranks are more than 8" if ranks > 8 else ""


RANKED = [
    Parameter("x", 2.0, "mV", (-1000.0, 1e9)),
    Parameter("guilty", -1.0, "mV"),
    Parameter("how", "all", choices=("all", "one", "stuck", "crash")),
    Parameter("seconds", 0.0, "s", (0.0, None)),
]


@model("toys.ranked", parameters=RANKED, outputs=[Output("total", (), "mV"), Output("ranks")], parallel=Parallel(_world, _enough))
def ranked(point, context):
    """A sum over twelve items that the ranks share; `stuck` fails on one rank while the others wait for it."""
    world = context.communicator
    rank, ranks = (0, 1) if world is None else (world.rank, world.size)
    until = time.monotonic() + point["seconds"]
    while time.monotonic() < until:
        time.sleep(0.01)
        context.progress(0.5)
    if point["x"] == point["guilty"]:
        if point["how"] == "all":
            raise ValueError("this point cannot be simulated")
        if point["how"] == "stuck" and rank == ranks - 1:
            raise ValueError("this rank cannot go on")
        if point["how"] == "crash" and rank == ranks - 1:
            os.kill(os.getpid(), signal.SIGSEGV)
    own = sum(point["x"] + item for item in range(rank, 12, ranks))
    total = own if world is None else world.allreduce(own)
    if point["x"] == point["guilty"] and point["how"] == "one" and rank == ranks - 1:
        raise ValueError("this point cannot be simulated")
    return {"total": total, "ranks": ranks}


@model(
    "toys.child",
    parameters=[Parameter("x", 2.0, "mV"), Parameter("how", "raise"), Parameter("parent", "study:base"), Parameter("shift", 0.0)],
    outputs=[Output("inherited", (), "mV**2")],
    inputs=("parent",),
)
def child(point, context):
    """What the parent study's point with the same x had, shifted."""
    table = context.input(point["parent"])
    row = parent_row(table, point.values, point.replicate)
    return {"inherited": table.array("square")[row] + point["shift"]}
