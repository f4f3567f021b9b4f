"""Parameters with units, the values that they may take, and designs: spaces put in order."""

from __future__ import annotations

from hpcsim.space.constraint import Constraint
from hpcsim.space.design import Design
from hpcsim.space.distribution import (
    Choice,
    Enumerated,
    Fixed,
    Linspace,
    Logspace,
    Loguniform,
    Normal,
    Sampled,
    Truncnormal,
    Uniform,
    Values,
)
from hpcsim.space.identity import point_id, point_ids, point_seed, point_seeds
from hpcsim.space.parameter import Parameter, Value
from hpcsim.space.space import Axis, Space
from hpcsim.space.units import check_unit, convert, quantity

__all__ = [
    "Axis",
    "Choice",
    "Constraint",
    "Design",
    "Enumerated",
    "Fixed",
    "Linspace",
    "Logspace",
    "Loguniform",
    "Normal",
    "Parameter",
    "Sampled",
    "Space",
    "Truncnormal",
    "Uniform",
    "Value",
    "Values",
    "check_unit",
    "convert",
    "point_id",
    "point_ids",
    "point_seed",
    "point_seeds",
    "quantity",
]
