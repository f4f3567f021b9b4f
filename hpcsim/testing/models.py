"""A check that authors of models can run on their own: that it keeps the contract."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hpcsim.errors import SimulationError
from hpcsim.models.model import Context, Model
from hpcsim.outputs import Batch
from hpcsim.space.points import Points


def check_model(
    model: Model,
    values: Mapping[str, Any] | None = None,
    *,
    points: int = 3,
    inputs: Mapping[str, Any] | None = None,
    cache: Path | None = None,
) -> dict[str, Batch]:
    """Simulate a few points and check every promise of a model.

    The declaration is consistent, all declared outputs come back in the declared shapes and types, equal
    points give equal values whatever was simulated before and whatever batch they are in, other seeds are
    accepted, and the values are finite.

    Parameters
    ----------
    model : Model
    values : mapping, optional
        Parameter values that make a small, fast point; defaults otherwise.
    points : int
        How many points (replicates of the same values); at least 2.
    inputs : mapping of str to Table, optional
        Results of the studies that the model's parameters name, by the name of the study.
    cache : Path, optional
        A folder for what the model compiles, which other tests may share; one that is gone afterwards without it.

    Returns
    -------
    dict of str to batch
        What the model gave, for further checks.

    Raises
    ------
    SimulationError
        With the first promise that is broken.

    Examples
    --------
    >>> from hpcsim import Output, Parameter, model
    >>> from hpcsim.testing.models import check_model
    >>> @model("toy.square", parameters=[Parameter("x", 2.0)], outputs=[Output("y")])
    ... def square(point, context):
    ...     return {"y": point["x"] ** 2}
    >>> check_model(square)["y"]
    array([4., 4., 4.])
    """
    from hpcsim.space.design import Design
    from hpcsim.space.space import Space

    _check_declaration(model)
    space = Space.from_tables(model.parameters, {}, dict(values or {}))
    design = Design(space, replicates=max(2, points), model=model.name)
    batch = design.block(0, len(design))
    with tempfile.TemporaryDirectory(prefix="hpcsim-check-") as passing:
        context = Context(cache=cache or Path(passing), inputs=inputs or {}, layout=model.layout(batch[0].values))
        if model.prepare:
            model.prepare(context)
        first = _simulate(model, batch, context)
        again = _simulate(model, batch, context)
        backwards = _simulate(model, batch[::-1], context)
        alone = _simulate(model, batch[1:2], context)
    _compare(model, first, again, "simulated a second time")
    _compare(model, first, {name: values[::-1] for name, values in backwards.items()}, "simulated in another order")
    _compare(model, {name: values[1:2] for name, values in first.items()}, alone, "simulated alone")
    _check_finite(model, first)
    return first


def _check_declaration(model: Model) -> None:
    names = [parameter.name for parameter in model.parameters]
    for name in {name for name in names if names.count(name) > 1}:
        raise SimulationError(f'{model.name} declares the parameter "{name}" twice')
    for parameter in model.parameters:
        parameter.resolve(parameter.default)
    for preset, values in model.presets.items():
        for name, value in values.items():
            declared = model.parameter(name)
            if declared is None:
                raise SimulationError(f'{model.name}: preset "{preset}" names the parameter "{name}", which is not declared')
            declared.resolve(value)


def _simulate(model: Model, points: Points, context: Context) -> dict[str, Batch]:
    from hpcsim.models.simulation import simulate

    if model.batch is not None:
        return simulate(model, model.layout(points[0].values), points, context)
    return simulate_alone(model, points, context)


def simulate_alone(model: Model, points: Points, context: Context) -> dict[str, Batch]:
    """The outputs of points of which each is simulated in a call of its own."""
    from hpcsim.models.simulation import simulate

    layout = model.layout(points[0].values)
    parts = [simulate(model, layout, points[i : i + 1], context) for i in range(len(points))]
    return {
        name: [part[name][0] for part in parts] if layout[name].ragged else np.concatenate([np.asarray(p[name]) for p in parts])
        for name in layout.outputs
    }


def _compare(model: Model, one: Mapping[str, Batch], other: Mapping[str, Batch], when: str) -> None:
    for name, batch in one.items():
        for first, second in zip(batch, other[name], strict=True):
            if not np.array_equal(first, second, equal_nan=np.asarray(first).dtype.kind in "fc"):
                raise SimulationError(f'{model.name}: the output "{name}" of a point differs when it is {when}')


def _check_finite(model: Model, outputs: Mapping[str, Batch]) -> None:
    for name, batch in outputs.items():
        for values in batch:
            array = np.asarray(values)
            if array.dtype.kind in "fc" and not np.isfinite(array).all():
                raise SimulationError(f'{model.name}: the output "{name}" is not finite at these parameter values')
