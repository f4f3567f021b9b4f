"""One call of a model: its outputs as batches, checked against what it declares."""

from __future__ import annotations

from hpcsim.errors import SimulationError
from hpcsim.models.model import Context, Model
from hpcsim.models.returned import checked, of_one_point, returned
from hpcsim.outputs import Batch, Layout
from hpcsim.space.points import Point, Points


def simulate(model: Model, layout: Layout, points: Points, context: Context) -> dict[str, Batch]:
    """The model's outputs as batches, checked against its declaration.

    Raises
    ------
    SimulationError
        If the point makes no sense, or the model gives other outputs than it declared.
    """
    rows = list(points)
    for point in rows:
        _sane(model, point)
    names = tuple(layout.outputs)
    if model.batch is None:
        [point] = rows
        outputs = of_one_point(layout, returned(model.name, model.simulate(point, context), names), model.name)
    else:
        outputs = returned(model.name, model.simulate(points, context), names)
    return {name: checked(layout, name, outputs[name], len(points), model.name) for name in names}


def _sane(model: Model, point: Point) -> None:
    complaint = model.check(point.values)
    if complaint:
        raise SimulationError(complaint)
