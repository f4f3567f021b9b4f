"""Figures of a regression: predicted against true values, and the errors of all splits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from hpcsim.plotting import BLUE, INK, VERMILLION, canvas, histogram, label, legend_above, squared, stride, with_unit

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def predicted_against_true(
    true: np.ndarray,
    predicted: np.ndarray,
    spread: np.ndarray,
    names: Sequence[str],
    units: Sequence[str],
    mse: Sequence[float],
    baseline: Sequence[float],
) -> Figure:
    """One panel a target: out-of-sample predictions over true values, with the diagonal.

    Parameters
    ----------
    true, predicted, spread : ndarray, shape (points, targets)
        Spread is drawn as an error bar to either side. NaN predictions (never tested) are left out.
    names, units : sequence of str
        Of the targets.
    mse, baseline : sequence of float
        For the titles.
    """
    figure, axes = canvas(len(names))
    for k, ax in enumerate(axes):
        shown = np.flatnonzero(np.isfinite(predicted[:, k]))[:: stride(len(true))]
        x, y, bar = true[shown, k], predicted[shown, k], spread[shown, k]
        low, high = float(min(x.min(), (y - bar).min())), float(max(x.max(), (y + bar).max()))
        pad = 0.04 * (high - low or 1.0)
        limits = (low - pad, high + pad)
        ax.plot(limits, limits, color=INK, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
        # many points: smaller and fainter, so that density can be seen
        crowd = min(1.0, math.sqrt(60 / max(len(x), 1)))
        ax.errorbar(x, y, bar, fmt="none", ecolor=BLUE, elinewidth=0.8, alpha=0.45 * crowd, zorder=2)
        ax.scatter(x, y, s=6 + 14 * crowd, color=BLUE, alpha=0.35 + 0.5 * crowd, linewidths=0, zorder=3)
        ax.set(xlim=limits, ylim=limits, aspect="equal")
        ax.locator_params(nbins=6)
        title = f"MSE {mse[k]:.3g}  ·  predicting the mean {baseline[k]:.3g} {squared(units[k])}".rstrip()
        label(ax, with_unit(f"true {names[k]}", units[k]), with_unit(f"predicted {names[k]}", units[k]), title)
    return figure


def mse_distribution(errors: np.ndarray, baseline: np.ndarray, names: Sequence[str], units: Sequence[str]) -> Figure:
    """One panel a target: the test errors of all splits, and the mean error of the baseline.

    Parameters
    ----------
    errors, baseline : ndarray, shape (splits, targets)
        Test MSE in the squared unit of the target.
    names, units : sequence of str
        Of the targets.
    """
    figure, axes = canvas(len(names))
    for k, ax in enumerate(axes):
        values, reference = errors[:, k], float(baseline[:, k].mean())
        histogram(ax, [(values, BLUE, "")], reference)
        marks = ((float(values.mean()), INK, "mean", "-"), (reference, VERMILLION, "predicting the mean", "--"))
        for value, colour, text, line in marks:
            ax.axvline(value, color=colour, linestyle=line, linewidth=1.4, label=f"{text}: {value:.3g}")
        legend_above(ax)
        label(ax, with_unit(f"test MSE of {names[k]}", squared(units[k])), "splits")
    return figure
