"""Figures of a multi-objective search: objectives over generations, the front, and features beside their targets."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from hpcsim.plotting import BLUE, GREY, INK, VERMILLION, canvas, label, with_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame

#: Pairs of objectives that are drawn, at most.
_PAIRS = 15


def generations(values: Sequence[np.ndarray], alive: Sequence[np.ndarray], words: Sequence[tuple[str, str]]) -> Figure:
    """Each objective over generations: what was tried, the middle of what survives, and the least so far.

    Parameters
    ----------
    values, alive : sequence of ndarray, shape (n, objectives)
        Of what was tried and of what survives, an entry a generation.
    words : sequence of (name, unit)
        Of the objectives.
    """
    from matplotlib.ticker import MaxNLocator

    figure, axes = canvas(len(words), columns=2)
    number = np.arange(1, len(values) + 1)
    for k, (ax, (name, unit)) in enumerate(zip(axes, words, strict=True)):
        for x, tried in zip(number, values, strict=True):
            ax.scatter(np.full(len(tried), x), tried[:, k], s=6, color=GREY, alpha=0.5, linewidths=0)
        middle = [np.median(part[:, k]) if len(part) else np.nan for part in alive]
        least = np.fmin.accumulate([np.nanmin(part[:, k]) if np.isfinite(part[:, k]).any() else np.nan for part in values])
        ax.plot(number, middle, color=BLUE, label="median of the survivors")
        ax.plot(number, least, color=VERMILLION, label="least so far")
        _logarithmic(ax, np.concatenate([part[:, k] for part in values]), "y")
        ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
        label(ax, "generation", with_unit(name, unit))
    axes[0].legend(fontsize=7, frameon=False)
    return figure


def fronts(values: np.ndarray, on_front: np.ndarray, chosen: int, words: Sequence[tuple[str, str]]) -> Figure:
    """Every pair of objectives: all points, those of the front, and the chosen one.

    Parameters
    ----------
    values : ndarray, shape (points, objectives)
    on_front : ndarray of int
        Numbers of the points of the front.
    chosen : int
        Number of the chosen point.
    words : sequence of (name, unit)
        Of the objectives.
    """
    pairs = list(combinations(range(len(words)), 2))[:_PAIRS]
    figure, axes = canvas(len(pairs))
    for ax, (i, j) in zip(axes, pairs, strict=True):
        ax.scatter(values[:, i], values[:, j], s=6, color=GREY, alpha=0.5, linewidths=0, label="simulated")
        ax.scatter(values[on_front, i], values[on_front, j], s=12, color=BLUE, linewidths=0, label="front")
        ax.scatter(values[chosen, i], values[chosen, j], s=60, color=VERMILLION, marker="*", linewidths=0, label="choice")
        for k, axis in ((i, "x"), (j, "y")):
            _logarithmic(ax, values[:, k], axis)
        label(ax, with_unit(*words[i]), with_unit(*words[j]))
    axes[0].legend(fontsize=7, frameon=False)
    return figure


def targets(features: DataFrame, panels: Sequence[tuple[str, str, str, str, tuple[str, ...]]]) -> Figure:
    """Features that belong together, such as a spectrum: the target, and the choice with its standard deviation.

    Parameters
    ----------
    features : DataFrame
        Index: columns of features; columns ``target``, ``choice`` and ``sd``.
    panels : sequence of (name, unit, dimension, its unit, columns)
    """
    figure, axes = canvas(len(panels), columns=2)
    for ax, (name, unit, dim, dim_unit, columns) in zip(axes, panels, strict=True):
        table = features.loc[list(columns)]
        x = _positions([column.partition(".")[2] for column in columns])
        ax.plot(x, table["target"], color=INK, label="target")
        ax.errorbar(x, table["choice"], table["sd"], color=VERMILLION, elinewidth=0.8, label="choice")
        _logarithmic(ax, table["target"].to_numpy(), "y")
        label(ax, with_unit(dim.replace("_", " "), dim_unit), with_unit(name, unit))
    axes[0].legend(fontsize=7, frameon=False)
    return figure


def _positions(labels: Sequence[str]) -> np.ndarray:
    """Labels as numbers where they are, or else as places in a row."""
    try:
        return np.array([float(text) for text in labels])
    except ValueError:
        return np.arange(len(labels), dtype=float)


def _logarithmic(ax: Axes, values: np.ndarray, axis: str) -> None:
    """A logarithmic axis where positive values span more than a factor of 20."""
    good = values[np.isfinite(values)]
    if len(good) and good.min() > 0 and good.max() / good.min() > 20:
        (ax.set_xscale if axis == "x" else ax.set_yscale)("log")
