"""How an output is drawn is said by its declaration, and kept in the results."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hpcsim import Coordinate, Output, Study, model
from hpcsim.errors import ResultsError
from hpcsim.outputs import Layout

DIMS = {
    "time": Coordinate(np.arange(3.0), "ms"),
    "f": Coordinate(np.arange(1.0, 4.0), "Hz"),
    "name": Coordinate(np.array(["a", "b"])),
}


@model(
    "drawn.model",
    parameters=[],
    outputs=[Output("pulse", ("time",), drawn_as="nothing"), Output("v", ("time",))],
    coordinates=lambda values: {"time": DIMS["time"]},
)
def declared(point, context):
    """Two signals."""
    return {"pulse": np.zeros(3), "v": np.ones(3)}


def test_dimensions_and_units_say_it_unless_it_is_declared():
    outputs = [
        Output("rate"),
        Output("both", ("name",)),
        Output("v", ("name", "time")),
        Output("power", ("f",)),
        Output("matrix", ("time", "name")),
        Output("spikes", ("spike",), "ms", ragged=True),
        Output("senders", ("spike",), dtype="int32", ragged=True),
        Output("own", ("name",), drawn_as="trace"),
    ]
    layout = Layout.of(outputs, DIMS)
    kinds = ["feature", "feature", "trace", "spectrum", "nothing", "spikes", "nothing", "trace"]
    assert [layout.drawn_as(output.name) for output in outputs] == kinds
    with pytest.raises(ResultsError, match='drawn_as is "spike"; did you mean "spikes"'):
        Output("x", drawn_as="spike")


def test_results_keep_it(tmp_path: Path):
    with Study("drawn", declared).run("inline", tmp_path) as results:
        assert (results.table.layout.drawn_as("pulse"), results.table.layout.drawn_as("v")) == ("nothing", "trace")
