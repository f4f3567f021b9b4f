"""Models of cells with users' own equations under protocols of injected current."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hpcsim.errors import PluginError
from hpcsim.models.brian2 import injection, standalone
from hpcsim.models.brian2.own_equations import CellEquations
from hpcsim.models.model import Context, Model
from hpcsim.space.parameter import Parameter, Value
from hpcsim.space.points import Points
from hpcsim.space.units import base_units

#: Of every cell, whatever its equations.
COMMON = (
    Parameter("dt", 0.05, "ms", (1e-3, 1.0), description="time step"),
    Parameter("noise_sd", 0.0, "pA", (0.0, None), description="standard deviation of the intrinsic noise current in a time step"),
)


def injected_cell(
    name: str,
    cell: CellEquations,
    parameters: Sequence[Parameter],
    *,
    version: str = "1",
    presets: Mapping[str, Mapping[str, Value]] | None = None,
    source: str = "",
) -> Model:
    r"""A model like `brian2.current_injection`, of other equations.

    Parameters
    ----------
    name : str
        Of the model, such as ``my.cell``.
    cell : CellEquations
    parameters : sequence of Parameter
        Named as in the equations; they are converted to SI units. Those of the protocol are added.
    version, presets, source
        As of a model.

    Returns
    -------
    Model
        To be named in a study as ``module:variable``.

    Raises
    ------
    PluginError
        If a parameter has a name of the protocol's, or a unit with an offset.

    Examples
    --------
    >>> passive = injected_cell(
    ...     "my.passive",
    ...     CellEquations("dv/dt = (E - v)/tau + I_injected/C : volt\nE : volt (constant)\ntau : second (constant)\n"
    ...                   "C : farad (constant)", {"v": "E"}),
    ...     [Parameter("E", -70.0, "mV"), Parameter("tau", 20.0, "ms"), Parameter("C", 100.0, "pF")],
    ... )
    >>> passive.defaults()["sweeps"]
    ('noise1', 'noise1', 'noise2', 'noise2')
    """
    taken = {parameter.name for parameter in (*COMMON, *injection.PARAMETERS)}
    for parameter in parameters:
        if parameter.name in taken:
            raise PluginError(f'{name}: the parameter "{parameter.name}" is one of the protocol; give it another name')
    factors = {parameter.name: float(base_units(parameter.unit)) for parameter in parameters}

    def simulate(points: Points, context: Context) -> Mapping[str, Any]:
        n = len(points)
        cells = {key: factor * np.asarray(points[key], float) for key, factor in factors.items()}
        # what the program asks for where it draws noise itself
        cells["sd_noise"] = np.zeros(n)
        return injection.simulate(cell.program(context.cache), cells, points.columns, points.seeds, context.progress)

    def prepare(context: Context) -> None:
        cell.program(context.cache)

    def identity() -> Mapping[str, str]:
        return {"equations": hashlib.sha256(cell.source.encode()).hexdigest(), "flags": " ".join(standalone.FAST)}

    return Model(
        name,
        version,
        (*parameters, *COMMON, *injection.PARAMETERS),
        injection.OUTPUTS,
        simulate,
        coordinates=injection.coordinates,
        check=injection.check,
        batch=injection.BATCH,
        engine="brian2",
        extra="brian2",
        requires=("brian2",),
        identity=identity,
        prepare=prepare,
        presets=presets or {},
        source=source,
        description=f"One-compartment cells of own equations under injected current: {name}",
    )
