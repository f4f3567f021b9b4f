"""Figures of results, as plain functions: ``hpcsim.plot.objectives(results)`` gives matplotlib Axes, or a Figure."""

from __future__ import annotations

from hpcsim.plot.coverage import coverage
from hpcsim.plot.neuron import animate, morphology
from hpcsim.plot.parameters import features, importance, map, pairs
from hpcsim.plot.search import convergence, exploration, objectives, parallel_coordinates
from hpcsim.plot.searched import accepted
from hpcsim.plot.signals import raster, rates, spectrum, traces

__all__ = [
    "accepted",
    "animate",
    "convergence",
    "coverage",
    "exploration",
    "features",
    "importance",
    "map",
    "morphology",
    "objectives",
    "pairs",
    "parallel_coordinates",
    "raster",
    "rates",
    "spectrum",
    "traces",
]
