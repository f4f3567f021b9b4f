"""Figures of a posterior: training, calibration, coverage, pairs of parameters, observations out of reach."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from hpcsim.plotting import BLUE, GREY, INK, VERMILLION, canvas, label

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from hpcsim.inference.npe.diagnostics import Calibration
    from hpcsim.inference.npe.training import History


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
