"""Where in the space of its parameters a study has points, and where they failed."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcsim.collector.results import Results
from hpcsim.errors import ResultsError
from hpcsim.inference.inputs import unit_of
from hpcsim.plotting import BLUE, CROWD, VERMILLION, canvas, histogram, label, plain_log, with_unit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame

#: Panels of one parameter at most, and parameters up to which pairs are drawn as well.
_SINGLE, _PAIRED = 12, 4
#: Different values up to which each has a bar of its own.
_VALUES = 40


def coverage(results: Results) -> Figure:
    """How many points there are along each parameter that varies, and over each pair of few parameters; failures apart.

    Parameters
    ----------
    results : Results

    Raises
    ------
    ResultsError
        If no number varies between the points.
    """
    theta = results.parameters
    names = [str(name) for name in theta if theta[name].dtype.kind in "iuf" and theta[name].nunique() > 1]
    if not names:
        raise ResultsError(f"{results.path}: no number varies between its {len(results)} points: there is no space to cover")
    shown = names[:_SINGLE]
    pairs = list(combinations(shown, 2)) if len(shown) <= _PAIRED else []
    good = results.table.good
    space = results.study.get("space", {})
    figure, axes = canvas(len(shown) + len(pairs), size=(3.4, 2.6))
    for ax, name in zip(axes, shown, strict=False):
        _along(ax, theta[name].to_numpy(float), good, logarithmic(space, name))
        label(ax, with_unit(name, unit_of(results, name)), "points")
    for ax, (x, y) in zip(axes[len(shown) :], pairs, strict=True):
        _over(ax, theta, x, y, good)
        for axis, name in (("x", x), ("y", y)):
            if logarithmic(space, name):
                plain_log(ax, axis)
        label(ax, with_unit(x, unit_of(results, x)), with_unit(y, unit_of(results, y)))
    if not good.all():
        handles: dict[str, Any] = {}
        for ax in axes:
            handles |= {text: handle for handle, text in zip(*ax.get_legend_handles_labels(), strict=True)}
        figure.legend(list(handles.values()), list(handles), fontsize=8, frameon=False, loc="outside upper right", ncols=2)
    if len(names) > len(shown):
        figure.supxlabel(f"{len(names) - len(shown)} more parameters vary", fontsize=8)
    return figure


def _along(ax: Axes, values: np.ndarray, good: np.ndarray, logarithmic: bool) -> None:
    """Points along one parameter: a bar a value of a grid, or a histogram."""
    distinct = np.unique(values)
    if len(distinct) > _VALUES:
        groups = [(values[good], BLUE, "ok"), (values[~good], VERMILLION, "failed")]
        histogram(ax, [group for group in groups if len(group[0])])
        return
    place = np.searchsorted(distinct, values)
    counts = [np.bincount(place[chosen], minlength=len(distinct)) for chosen in (good, ~good)]
    scale = np.log(distinct) if logarithmic and distinct[0] > 0 else distinct
    width = 0.8 * float(np.diff(scale).min())
    edges = [scale - width / 2, scale + width / 2]
    left, right = (np.exp(edge) if scale is not distinct else edge for edge in edges)
    ax.bar(left, counts[0], right - left, align="edge", color=BLUE, alpha=0.75, label="ok")
    if counts[1].any():
        ax.bar(left, counts[1], right - left, counts[0], align="edge", color=VERMILLION, alpha=0.75, label="failed")
    if scale is not distinct:
        plain_log(ax, "x")
    ax.grid(visible=False, axis="x")


def _over(ax: Axes, theta: DataFrame, x: str, y: str, good: np.ndarray) -> None:
    """Points over two parameters, or their density where they are many."""
    across, up = theta[x].to_numpy(float), theta[y].to_numpy(float)
    if good.sum() > CROWD:
        ax.hist2d(across[good], up[good], bins=60, cmap="Blues", cmin=1, rasterized=True)
    else:
        ax.scatter(across[good], up[good], s=8, color=BLUE, alpha=0.6, linewidths=0)
    if not good.all():
        few = np.flatnonzero(~good)[:CROWD]
        ax.scatter(across[few], up[few], s=16, marker="x", color=VERMILLION, linewidths=1.0)


def logarithmic(space: Mapping[str, Any], name: str) -> bool:
    """Whether a study spreads a parameter over orders of magnitude.

    Parameters
    ----------
    space : mapping
        ``[space]`` of the study.
    name : str
    """
    entry = space.get(name, {})
    return isinstance(entry, dict) and bool({"loguniform", "logspace"} & {*entry})
