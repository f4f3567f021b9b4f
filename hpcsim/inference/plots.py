"""Figures of a posterior: training, calibration, coverage, pairs of parameters, observations out of reach."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from hpcsim.report.figures import BLUE, DPI, GREY, INK, VERMILLION, canvas, label, with_unit

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

    from hpcsim.inference.diagnostics import Calibration
    from hpcsim.inference.training import History


def losses(history: History) -> Figure:
    """Training and validation loss over epochs."""
    figure, (ax,) = canvas(1, size=(5.6, 3.2))
    epochs = np.arange(1, history.epochs + 1)
    ax.plot(epochs, history.training, color=GREY, label="training")
    ax.plot(epochs, history.validation, color=BLUE, label="validation")
    ax.legend(fontsize=8, frameon=False)
    label(ax, "epoch", "negative log-density (nats)", f"best validation loss {history.best:.3f}")
    return figure


def calibrated(found: Calibration) -> Figure:
    """Expected coverage, and the distribution of the ranks of each parameter with the 99 % band of a right one."""
    figure, (first, second) = canvas(2, columns=2)
    levels = np.linspace(0, 1, 51)
    first.plot([0, 1], [0, 1], color=INK, linewidth=0.9, linestyle="--")
    first.plot(levels, found.covered(levels.tolist())["covered"], color=BLUE)
    label(first, "level of the region", "share of truths inside", "expected coverage")
    n = len(found.coverage)
    second.fill_between(levels, *(levels + sign * _band(n, levels) for sign in (-1, 1)), color=GREY, alpha=0.3, linewidth=0)
    for name in found.ranks.columns:
        ranks = found.ranks[name].to_numpy() / found.samples
        second.plot(levels, [(ranks <= level).mean() for level in levels], linewidth=1, label=name)
    if found.ranks.shape[1] <= 15:
        second.legend(fontsize=6, frameon=False, ncols=2)
    label(second, "rank of the truth", "cumulative share", f"simulation-based calibration, {n} simulations")
    return figure


def _band(n: int, levels: np.ndarray) -> np.ndarray:
    # 2.58 standard errors of a binomial share
    band: np.ndarray = 2.58 * np.sqrt(levels * (1 - levels) / n)
    return band


def pairs(samples: np.ndarray, names: Sequence[str], units: Sequence[str], point: np.ndarray | None, title: str) -> Figure:
    """Marginal distributions of all parameters and of all pairs.

    Parameters
    ----------
    samples : ndarray, shape (n, parameters)
    names, units : sequence of str
    point : ndarray, shape (parameters,), optional
        Marked in every panel, such as the maximum.
    title : str
    """
    from matplotlib.figure import Figure

    n = len(names)
    every = samples if point is None else np.vstack([samples, point])
    # a parameter has the same axis in all of its panels
    ends = list(zip(every.min(axis=0).tolist(), every.max(axis=0).tolist(), strict=True))
    side = max(4.0, 1.1 * n)  # inches
    figure = Figure(figsize=(side, side), dpi=DPI, layout="constrained", facecolor="white")
    for i in range(n):
        for j in range(i + 1):
            ax = figure.add_subplot(n, n, i * n + j + 1)
            if i == j:
                ax.hist(samples[:, i], bins=30, range=ends[i], color=BLUE)
            else:
                ax.hist2d(samples[:, j], samples[:, i], bins=30, range=(ends[j], ends[i]), cmap="Blues")
                ax.set_ylim(*ends[i])
            ax.set_xlim(*ends[j])
            if point is not None:
                ax.axvline(point[j], color=VERMILLION, linewidth=0.8)
                if i != j:
                    ax.axhline(point[i], color=VERMILLION, linewidth=0.8)
            ax.tick_params(labelsize=5, color=GREY)
            ax.locator_params(nbins=3)
            if j or i == j:
                ax.set_yticks([])
            label(ax, with_unit(names[j], units[j]) if i == n - 1 else "", with_unit(names[i], units[i]) if not j else "")
            for text in (ax.xaxis.label, ax.yaxis.label):
                text.set_fontsize(6)
    figure.suptitle(title, fontsize=9, color=INK)
    return figure


def reach(values: np.ndarray, names: Sequence[str], low: np.ndarray, high: np.ndarray) -> Figure:
    """Where observations lie in the range of the simulations: 0 is its lower end, 1 its upper.

    Parameters
    ----------
    values : ndarray, shape (observations, features)
    names : sequence of str
    low, high : ndarray, shape (features,)
    """
    figure, (ax,) = canvas(1, size=(6.0, max(2.5, 0.25 * len(names))))
    share = (values - low) / np.where(high > low, high - low, 1.0)
    rows = np.broadcast_to(np.arange(len(names)), share.shape)
    outside = (share < 0) | (share > 1)
    ax.axvspan(0, 1, color=GREY, alpha=0.2, linewidth=0)
    for chosen, colour in ((~outside, BLUE), (outside, VERMILLION)):
        ax.scatter(share[chosen], rows[chosen], s=8, color=colour, alpha=0.6, linewidths=0)
    ax.set_yticks(range(len(names)), names, fontsize=7)
    ax.invert_yaxis()
    label(ax, "position in the range of the simulations", "", f"{int(outside.any(axis=1).sum())} observations out of range")
    return figure


def unreached(table: DataFrame, observations: int) -> str:
    """A sentence about observations out of the range of the simulations; empty when there are none."""
    if table.empty:
        return ""
    cells = table.index.nunique()
    worst = table.loc[table["beyond (%)"] == table["beyond (%)"].max()].iloc[0]
    return (
        f"{cells} of {observations} observations ({100 * cells / observations:.1f} %) lie outside the range of the "
        f"simulations, where the posterior is a guess; the worst is {worst.name}: {worst['feature']} is {worst['value']:.4g}, "
        f"{worst['beyond (%)']:.0f} % of the range beyond {worst['low']:.4g} to {worst['high']:.4g}."
    )
