"""The cortical cell of `cortical_hh` under protocols of injected current, and cells of users' own equations likewise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hpcsim.models.brian2 import cortical_hh as cortical
from hpcsim.models.brian2 import injection
from hpcsim.models.brian2.protocol import ALLEN
from hpcsim.models.model import Context, model
from hpcsim.space.parameter import Parameter, Value
from hpcsim.space.points import Points

#: Of the current step that the protocol replaces.
_STEP: dict[str, float] = {"I": 0.0, "step_start": 0.0, "step_stop": 0.0}
PARAMETERS: tuple[Parameter, ...] = (
    *(parameter for parameter in cortical.PARAMETERS if parameter.name not in (*_STEP, "duration")),
    *injection.PARAMETERS,
)
_NAMES = {parameter.name for parameter in PARAMETERS}
#: The cells of the published study at its two temperatures, without their current step.
PRESETS: dict[str, dict[str, Value]] = {
    name: {key: value for key, value in preset.items() if key in _NAMES} for name, preset in cortical.PRESETS.items()
}


@model(
    "brian2.current_injection",
    parameters=PARAMETERS,
    outputs=injection.OUTPUTS,
    coordinates=injection.coordinates,
    check=injection.check,
    batch=injection.BATCH,
    engine="brian2",
    extra="brian2",
    requires=("brian2",),
    identity=cortical.identity,
    prepare=cortical.prepare,
    presets=PRESETS,
    source=f"{cortical.BERNAERTS}; {ALLEN}",
)
def current_injection(points: Points, context: Context) -> Mapping[str, Any]:
    """One-compartment Hodgkin-Huxley cells of mouse cortex under frozen noise, steps, ramps or a current from a file."""
    n = len(points)
    columns = {**points.columns, **{name: np.full(n, value) for name, value in _STEP.items()}}
    cells = {**cortical.cell_variables(columns), "sd_noise": np.zeros(n)}
    return injection.simulate(cortical.program(context.cache), cells, points.columns, points.seeds, context.progress)
