"""Parameter sweeps of neural simulations, from one text file to inferred parameters."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hpcsim.collector.results import open_results as open
    from hpcsim.errors import HpcsimError
    from hpcsim.models.model import Context, Model, model
    from hpcsim.outputs import Coordinate, Layout, Output
    from hpcsim.space.parameter import Parameter
    from hpcsim.space.points import Point, Points
    from hpcsim.stages.stage import Stage, stage
    from hpcsim.workflow.comparison.comparison import compare
    from hpcsim.workflow.study import Study

__version__ = "0.1.0"

# loaded when first used, so that the command answers at once
_HOMES = {
    "Context": "hpcsim.models.model",
    "Coordinate": "hpcsim.outputs",
    "HpcsimError": "hpcsim.errors",
    "Layout": "hpcsim.outputs",
    "Model": "hpcsim.models.model",
    "Output": "hpcsim.outputs",
    "Parameter": "hpcsim.space.parameter",
    "Point": "hpcsim.space.points",
    "Points": "hpcsim.space.points",
    "Stage": "hpcsim.stages.stage",
    "Study": "hpcsim.workflow.study",
    "compare": "hpcsim.workflow.comparison.comparison",
    "model": "hpcsim.models.model",
    "stage": "hpcsim.stages.stage",
}

__all__ = [
    "Context",
    "Coordinate",
    "HpcsimError",
    "Layout",
    "Model",
    "Output",
    "Parameter",
    "Point",
    "Points",
    "Stage",
    "Study",
    "compare",
    "model",
    "open",
    "stage",
]


def __getattr__(name: str) -> Any:
    if name == "open":
        return import_module("hpcsim.collector.results").open_results
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f'module "hpcsim" has no attribute "{name}"')


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
