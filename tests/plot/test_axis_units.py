"""Every axis with a physical quantity names its unit, as it was declared; those of pure numbers name none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hpcsim import plot
from hpcsim.collector.results import Results
from hpcsim.inference.inputs import unit_of
from hpcsim.plotting import with_unit

#: Functions with what they draw here, and quantities that their axes must name.
OF_A_GRID: dict[str, tuple[Callable[[Results], Any], set[str]]] = {
    "map": (lambda results: plot.map(results, "a", "b", "rate"), {"a (nA)", "b (mV)", "rate (Hz)"}),
    "features": (lambda results: plot.features(results, ["rate"]), {"a (nA)", "b (mV)", "rate (Hz)"}),
    "pairs": (lambda results: plot.pairs(results, outputs=["rate"]), {"a (nA)", "b (mV)", "rate (Hz)"}),
    "coverage": (plot.coverage, {"a (nA)", "b (mV)", "points"}),
    "traces": (lambda results: plot.traces(results, "v"), {"time (ms)", "v (mV)"}),
    "spectrum": (lambda results: plot.spectrum(results, "v"), {"frequency (Hz)"}),
    "raster": (lambda results: plot.raster(results, "spikes"), {"time (ms)"}),
    "rates": (lambda results: plot.rates(results, "spikes"), {"time (ms)", "rate (Hz)"}),
}
OF_A_SEARCH: dict[str, tuple[Callable[[Results], Any], set[str]]] = {
    "parallel_coordinates": (plot.parallel_coordinates, {"place between the bounds"}),
    "convergence": (plot.convergence, set()),
    "exploration": (plot.exploration, {"place between the bounds (0: lower, 1: upper)"}),
}


#: No figure; those of a neuron, whose axes tests/plot/test_neuron.py sees; a share of variance alone on its axis.
ELSEWHERE = {"accepted", "animate", "morphology", "importance"}


def test_no_function_is_left_out():
    assert set(plot.__all__) == {*OF_A_GRID, *OF_A_SEARCH, "objectives"} | ELSEWHERE


def words(drawn: Any) -> set[str]:
    """What stands along the axes and colour bars of a figure, their ticks included."""
    figure = drawn if hasattr(drawn, "savefig") else drawn.get_figure(root=True)
    found = {text for ax in figure.axes for text in (ax.get_xlabel(), ax.get_ylabel())}
    ticks = {tick.get_text() for ax in figure.axes for tick in (*ax.get_xticklabels(), *ax.get_yticklabels())}
    return (found | ticks) - {""}


def check(results: Results, drawn: Any, expected: set[str]) -> None:
    """All that is expected stands there, and each name of a quantity stands with its unit."""
    there = words(drawn)
    assert expected <= there
    named = {text: text.partition(" (")[0] for text in there}
    known = {text: name for text, name in named.items() if name in results.units or name.partition(".")[0] in results.units}
    assert {text: text for text in known} == {text: with_unit(name, unit_of(results, name)) for text, name in known.items()}


@pytest.mark.parametrize("name", OF_A_GRID)
def test_axes_of_a_grid(grid: Results, name: str):
    draw, expected = OF_A_GRID[name]
    check(grid, draw(grid), expected)


@pytest.mark.parametrize("name", OF_A_SEARCH)
def test_axes_of_a_search(searched: Results, name: str):
    draw, expected = OF_A_SEARCH[name]
    check(searched, draw(searched), expected)


def test_objectives_in_standard_deviations_have_no_unit(searched: Results):
    # `rate` is how far the rate is from its target, in standard deviations; `raw` is the rate itself
    assert {"rate", "raw (Hz)"} <= words(plot.objectives(searched))
