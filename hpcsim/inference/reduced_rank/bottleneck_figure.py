"""Figures of regressions through a bottleneck: cells in latent space with vectors of genes and parameters; R2 over genes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcsim.errors import ResultsError
from hpcsim.plotting import BLUE, GREY, INK, canvas, label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame

# Okabe & Ito, Color Universal Design (2008), and two greys where there are more families
PALETTE = (BLUE, "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#B8A800", "#222222", "#8A8A8A")
MARKS = "oosovsD^v"

# nearly all cells lie within 2.6 standard deviations; the unit circle of correlations is drawn as large
_REACH = 2.6
# half width and height of a panel, in radii of the circle: names stand beside it
_WIDE, _HIGH = 1.72, 1.32
# line height of the small text as a share of the panel's height, so that labels do not meet
_LINE = 0.036


def bottleneck(
    latent: np.ndarray,
    genes: DataFrame,
    parameters: DataFrame,
    families: Sequence[str] = (),
    *,
    shown: int = 18,
    title: str = "",
) -> Figure:
    """Two biplots of the cells in the latent space of their genes: with vectors of genes, and of parameters.

    A vector holds the correlations of a gene or parameter with the two axes, which are turned to the principal axes of the
    cells; so its squared length is the share of variance that the latent space explains, and it would reach the circle
    where that is everything.

    Parameters
    ----------
    latent : ndarray, shape (cells, 2 or more)
        The first two principal axes are drawn.
    genes : DataFrame, shape (cells, genes)
        Expression of the selected genes.
    parameters : DataFrame, shape (cells, parameters)
    families : sequence of str
        Of each cell, for the colours; may be empty.
    shown : int
        How many vectors have names; the longest do.
    title : str

    Returns
    -------
    Figure

    Raises
    ------
    ResultsError
        If there are fewer than two latent dimensions or three cells, or the tables differ in length.
    """
    if latent.ndim != 2 or latent.shape[1] < 2 or len(latent) < 3 or {len(genes), len(parameters)} != {len(latent)}:
        raise ResultsError(
            f"found latent cells of shape {latent.shape}, {len(genes)} rows of genes and {len(parameters)} of parameters; "
            "expected at least 3 cells in at least 2 dimensions, and as many rows"
        )
    axes = principal_axes(latent)
    figure, panels = canvas(2, columns=2, size=(6.0, 4.6))
    for ax, table, what in zip(panels, (genes, parameters), ("genes", "parameters"), strict=True):
        _cells(ax, axes, families)
        _vectors(ax, correlations(table, axes), shown)
        ax.set(aspect="equal", xlim=(-_WIDE * _REACH, _WIDE * _REACH), ylim=(-_HIGH * _REACH, _HIGH * _REACH))
        ax.grid(visible=False)
        label(ax, "latent 1 (sd)", "latent 2 (sd)", f"{what}  ·  lines: correlation with the axes, 1 at the circle")
    handles, names = panels[0].get_legend_handles_labels()
    if handles:
        figure.legend(
            handles, names, loc="outside lower center", ncols=min(len(names), 9), fontsize=8, frameon=False, markerscale=1.6,
            handletextpad=0.1, columnspacing=1.2,
        )  # fmt: skip
    if title:
        figure.suptitle(title, fontsize=10, color=INK, parse_math=False)
    return figure


def principal_axes(latent: np.ndarray) -> np.ndarray:
    """The first two principal axes of the cells, uncorrelated and with unit standard deviation.

    Parameters
    ----------
    latent : ndarray, shape (cells, dimensions)

    Returns
    -------
    ndarray, shape (cells, 2)
        Along an axis, the dimension with the largest weight runs upwards.
    """
    centred = latent - latent.mean(axis=0)
    _, _, turn = np.linalg.svd(centred, full_matrices=False)
    signs = np.sign(turn[np.arange(len(turn)), np.abs(turn).argmax(axis=1)])
    turned = (centred @ (turn * signs[:, None]).T)[:, :2]
    sd = turned.std(axis=0)
    axes: np.ndarray = turned / np.where(sd > 0, sd, 1.0)
    return axes


def correlations(table: DataFrame, axes: np.ndarray) -> DataFrame:
    """Correlation of each column with each axis, shape (columns, 2); 0 for a column that is constant."""
    import pandas

    values = table.to_numpy(float)
    sd = np.where(np.ptp(values, axis=0) > 0, values.std(axis=0), np.inf)
    found = ((values - values.mean(axis=0)) / sd).T @ axes / len(axes)
    return pandas.DataFrame(found, index=[str(name) for name in table.columns], columns=["latent 1", "latent 2"])


def _cells(ax: Axes, axes: np.ndarray, families: Sequence[str]) -> None:
    # a cell further out stands on the margin, so that none is cut off
    spread = np.clip(axes, -0.98 * _HIGH * _REACH, 0.98 * _HIGH * _REACH)
    if not len(families):
        ax.scatter(spread[:, 0], spread[:, 1], s=9, color=GREY, alpha=0.5, linewidths=0)
        return
    names, counts = np.unique(np.asarray(families), return_counts=True)
    order = [str(names[k]) for k in np.argsort(-counts, kind="stable")]
    for k, family in enumerate(order):
        x, y = spread[np.asarray(families) == family].T
        colour, mark = PALETTE[k % len(PALETTE)], MARKS[k % len(MARKS)]
        ax.scatter(x, y, s=10, color=colour, marker=mark, alpha=0.55, linewidths=0, label=family)


def _vectors(ax: Axes, vectors: DataFrame, shown: int) -> None:
    """Lines from the centre, with the names of the longest around them."""
    from matplotlib.patches import Circle

    ax.add_patch(Circle((0, 0), _REACH, fill=False, edgecolor=GREY, linewidth=0.8))
    length = np.hypot(*vectors.to_numpy().T)
    named = np.argsort(-length, kind="stable")[:shown]
    for x, y in _REACH * vectors.to_numpy():
        ax.plot((0, x), (0, y), color=INK, linewidth=0.7, zorder=4)
    for side in (-1, 1):
        chosen = [k for k in named if (vectors.iat[k, 0] >= 0) == (side > 0)]
        _names(ax, vectors.iloc[chosen], side)


def _names(ax: Axes, vectors: DataFrame, side: int) -> None:
    """Names in a column beside the circle, in the order of their vectors, each joined to its tip."""
    tips = _REACH * vectors.to_numpy()
    order = np.argsort(tips[:, 1], kind="stable")
    heights = _apart(tips[order, 1], 2 * _HIGH * _REACH * _LINE)
    for k, height in zip(order, heights, strict=True):
        # the column follows the circle, so that the joining lines stay short
        beside = side * np.sqrt(max((1.06 * _REACH) ** 2 - height**2, (0.35 * _REACH) ** 2))
        ax.plot((tips[k, 0], beside), (tips[k, 1], height), color=GREY, linewidth=0.4, zorder=3)
        ax.text(
            beside + side * 0.03, height, str(vectors.index[k]), fontsize=6.5, color=INK, zorder=5, va="center",
            ha="left" if side > 0 else "right", parse_math=False,
            bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.4},
        )  # fmt: skip


def _apart(heights: np.ndarray, least: float) -> np.ndarray:
    """Ascending heights, moved as little as needed to be at least that far apart."""
    moved = heights.astype(float).copy()
    for _ in range(200):
        gaps = np.diff(moved)
        close = gaps < least - 1e-9
        if not close.any():
            break
        push = np.where(close, (least - gaps) / 2, 0.0)
        moved[:-1] -= push
        moved[1:] += push
    return moved


def gene_curves(curves: DataFrame, genes: float, r2: float, spread: float) -> Figure:
    """Cross-validated R2 over the number of selected genes, a line a rank.

    Parameters
    ----------
    curves : DataFrame
        Columns rank, genes, R2, R2 sd.
    genes, r2, spread : float
        Of the fit that is marked: its number of genes, mean and standard deviation of R2.
    """
    figure, (ax,) = canvas(1, size=(5.6, 3.6))
    for k, (rank, rows) in enumerate(curves.groupby("rank")):
        some = rows[rows["genes"] > 0]
        ax.plot(some["genes"], some["R2"], color=PALETTE[k % len(PALETTE)], linewidth=1.5, label=f"rank {rank}")
    mark: dict[str, Any] = {"fmt": "o", "color": INK, "markersize": 4, "elinewidth": 1, "capsize": 3}
    ax.errorbar([genes], [r2], [spread], label="this fit (sd over folds)", **mark)
    ax.set_xlim(left=0)
    ax.legend(fontsize=8, frameon=False, loc="lower right")
    label(ax, "selected genes (mean over folds)", "cross-validated R²")
    return figure
