"""A fitted neuron under one protocol, with the potentials of all its segments: for figures and animations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

import numpy as np

from hpcsim.models.model import Context, Model, ModelFields
from hpcsim.models.neuron.l5pc.fitted import INTEGRATION, FittedCell
from hpcsim.models.neuron.l5pc.model import FITTED
from hpcsim.models.neuron.l5pc.parameters import SOURCE
from hpcsim.models.neuron.l5pc.protocols import Bench
from hpcsim.models.neuron.l5pc.simulation import Integrator, potentials
from hpcsim.models.neuron.morphology import geometry
from hpcsim.models.neuron.nmodl import mechanisms
from hpcsim.outputs import Coordinate, Output
from hpcsim.space.parameter import Parameter
from hpcsim.space.points import Point


def segments_model(
    fitted: FittedCell,
    name: str,
    protocol: str = "",
    times: tuple[float, float, float] = (0.0, 100.0, 0.5),
    **more: Unpack[ModelFields],
) -> Model:
    """A model of the same neuron whose outputs are potentials and positions of all segments.

    Parameters
    ----------
    fitted : FittedCell
    name : str
        Of the model.
    protocol : str
        The one that runs unless a study says another; the first one by default.
    times : tuple of float, ms
        Start, end and step of what is kept, unless a study says others.
    **more
        As of :class:`Model`.
    """
    protocols = {each.name: each for each in fitted.protocols}
    own = (
        *fitted.parameters,
        Parameter("protocol", protocol or next(iter(protocols)), choices=tuple(protocols), description="what is done to it"),
        Parameter("start", times[0], "ms", (0, None), description="where the potentials begin"),
        Parameter("stop", times[1], "ms", (0, None), description="where they end"),
        Parameter("step", times[2], "ms", (1e-3, None), description="between two of them"),
        *INTEGRATION,
    )

    def check(values: Mapping[str, Any]) -> str:
        tstop = protocols[values["protocol"]].tstop
        if not values["start"] < values["stop"] <= tstop:
            return (
                f"start is {values['start']:g} ms and stop {values['stop']:g} ms; expected start below stop, and stop within "
                f"the {tstop:g} ms of {values['protocol']}"
            )
        return fitted.check(values)

    def coordinates(values: Mapping[str, Any]) -> dict[str, Coordinate]:
        segments = fitted.build(values).segments
        return {"segment": Coordinate(segments.section), "time": Coordinate(_times(values), "ms"), **geometry.coordinates()}

    def simulate(point: Point, context: Context) -> dict[str, np.ndarray]:
        chosen = protocols[point["protocol"]]

        def run(bench: Bench, solver: Any, integrator: Integrator) -> dict[str, np.ndarray]:
            found = potentials(bench, chosen, solver, integrator, fitted.v_init, bench.points, _times(point.values))
            return {"segment_v": found, **geometry.values(bench.cell.segments)}

        return fitted.on_the_bench(point.values, context, run)

    words = "membrane potential of each segment; its coordinate is the kind of its section"
    outputs = (Output("segment_v", ("segment", "time"), "mV", "float32", description=words), *geometry.outputs())
    more.setdefault("engine", "neuron")
    more.setdefault("extra", "neuron")
    more.setdefault("requires", ("neuron",))
    more["coordinates"], more["check"] = coordinates, check
    more["identity"] = lambda: mechanisms.identity(fitted.mechanisms)
    more["prepare"] = lambda context: _prepare(fitted, context)
    return Model(name, "1", own, outputs, simulate, **more)


def _times(values: Mapping[str, Any]) -> np.ndarray:
    """From start to stop, both included, ms."""
    steps = int((values["stop"] - values["start"]) / values["step"] + 1e-9)
    return np.asarray(values["start"] + values["step"] * np.arange(steps + 1))


def _prepare(fitted: FittedCell, context: Context) -> None:
    mechanisms.library(fitted.mechanisms, context.cache)


#: During BAC firing: the somatic spike, how it travels, and the calcium spike.
l5pc_segments = segments_model(
    FITTED,
    "neuron.l5pc_segments",
    "BAC",
    (290.0, 350.0, 0.5),
    source=SOURCE,
    description="The neuron of neuron.l5pc under one protocol: potentials and positions of all segments",
)
