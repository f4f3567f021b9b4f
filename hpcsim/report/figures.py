"""Figures of results and findings, drawn without any global state of matplotlib."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcsim.errors import ResultsError
from hpcsim.inference.method import ResultsLike, unit_of, varying

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame

# Okabe & Ito, Color Universal Design (2008): told apart with any common colour vision
BLUE, VERMILLION, GREY, INK = "#0072B2", "#D55E00", "#8A8A8A", "#222222"
DPI = 150
_PANEL = (4.0, 3.5)  # inches
# more points make a figure slower, not clearer; points come sorted by a hash, so every k-th is a random sample
_DRAWN = 5000


def canvas(panels: int, columns: int = 3, size: tuple[float, float] = _PANEL) -> tuple[Figure, list[Axes]]:
    """A figure with that many panels, filled row by row.

    Parameters
    ----------
    panels, columns : int
    size : tuple of float, inches
        Width and height of a panel.
    """
    from matplotlib.figure import Figure

    columns = max(1, min(columns, panels))
    rows = math.ceil(panels / columns)
    figure = Figure(figsize=(size[0] * columns, size[1] * rows), dpi=DPI, layout="constrained", facecolor="white")
    axes = [figure.add_subplot(rows, columns, 1 + i) for i in range(panels)]
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.spines[["left", "bottom"]].set_color(GREY)
        ax.tick_params(colors=INK, labelsize=8, color=GREY)
        ax.grid(color="#E6E6E6", linewidth=0.6)
        ax.set_axisbelow(True)
    return figure, axes


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG of 150 dots per inch; makes the folder when it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # without the library's name and version, equal figures are equal files
    figure.savefig(path, format="png", dpi=DPI, metadata={"Software": None})
    return path


def pretty_unit(unit: str) -> str:
    """A unit as it is printed: ``um`` becomes ``µm``.

    Examples
    --------
    >>> pretty_unit("nA um")
    'nA µm'
    """
    return re.sub(r"\bu(?=(m|A|V|S|s|F|W|N)\b)", "µ", unit)


def with_unit(name: str, unit: str = "") -> str:
    """An axis label.

    Examples
    --------
    >>> with_unit("J_ext", "nA"), with_unit("n")
    ('J_ext (nA)', 'n')
    """
    return f"{name} ({pretty_unit(unit)})" if unit else name


def squared(unit: str) -> str:
    """The unit of a mean squared error.

    Examples
    --------
    >>> squared("nA"), squared("nA um"), squared("")
    ('nA²', '(nA µm)²', '')
    """
    pretty = pretty_unit(unit)
    return "" if not unit else f"{pretty}²" if unit.isalpha() else f"({pretty})²"


def label(ax: Axes, x: str, y: str, title: str = "") -> None:
    """Axis labels and title, as plain text (a name may hold a dollar sign)."""
    for text in (ax.set_xlabel(x, fontsize=9), ax.set_ylabel(y, fontsize=9)):
        text.set(color=INK, parse_math=False)
    if title:
        ax.set_title(title, fontsize=9, loc="left", color=INK, pad=8).set_parse_math(False)


def _stride(n: int) -> int:
    return 1 + (n - 1) // _DRAWN


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
        shown = np.flatnonzero(np.isfinite(predicted[:, k]))[:: _stride(len(true))]
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
        _histogram(ax, [(values, BLUE, "")], reference)
        marks = ((float(values.mean()), INK, "mean", "-"), (reference, VERMILLION, "predicting the mean", "--"))
        for value, colour, text, line in marks:
            ax.axvline(value, color=colour, linestyle=line, linewidth=1.4, label=f"{text}: {value:.3g}")
        _legend_above(ax)
        label(ax, with_unit(f"test MSE of {names[k]}", squared(units[k])), "splits")
    return figure


def _legend_above(ax: Axes) -> None:
    # above the axes, because data may reach any corner
    ax.legend(fontsize=8, frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0.2)


def _histogram(ax: Axes, groups: Sequence[tuple[np.ndarray, str, str]], reference: float | None = None) -> None:
    """Stacked histograms of positive numbers; logarithmic when the axis spans more than a factor of 20."""
    from matplotlib.ticker import MaxNLocator

    values = np.concatenate([group for group, _, _ in groups])
    low, high = float(values.min()), float(values.max())
    seen = [low, high] if reference is None else [low, high, reference]
    logarithmic = min(seen) > 0 and max(seen) / min(seen) > 20
    # bars stay wide enough to be seen where the reference is far away
    scale = np.log if logarithmic else np.asarray
    share = np.ptp(scale([low, high])) / (np.ptp(scale(seen)) or 1)
    bins = int(np.clip(round(math.sqrt(len(values)) * 1.4), 5, max(5, 50 * share)))
    if logarithmic:
        ax.set_xscale("log")
    if low == high:
        low, high = 0.95 * low, 1.05 * high or 0.05
    edges = np.geomspace(low, high, bins + 1) if logarithmic else np.linspace(low, high, bins + 1)
    edges[0], edges[-1] = low, high  # no value is lost to rounding
    ax.hist(
        [group for group, _, _ in groups],
        bins=list(edges),
        stacked=True,
        color=[colour for _, colour, _ in groups],
        label=[text for _, _, text in groups],
        alpha=0.75,
        edgecolor="white",
        linewidth=0.4,
    )
    ax.yaxis.set_major_locator(MaxNLocator("auto", integer=True))
    ax.grid(visible=False, axis="x")


def sweep_overview(results: ResultsLike, features: DataFrame) -> Figure:
    """Small multiples: each feature over the one or two parameters that vary, failed points marked.

    Parameters
    ----------
    results : ResultsLike
    features : DataFrame
        Rows are points that are ok, columns are drawn, a panel each.

    Raises
    ------
    ResultsError
        If no or more than two parameters vary, or if there is nothing to draw.
    """
    names = varying(results)
    if not 1 <= len(names) <= 2 or features.empty:
        raise ResultsError(
            f"an overview needs one or two varying parameters and at least one feature; found {len(names)} ({names}) "
            f"and {features.shape[1]} features of {features.shape[0]} points"
        )
    every = len(features)
    features = features.iloc[:: _stride(every)]
    theta = results.theta().loc[features.index, names].to_numpy(float)
    failures = results.failures
    known = all(name in failures.columns for name in names)
    failed = failures[names].to_numpy(float) if known else np.empty((0, len(names)))
    figure, axes = canvas(features.shape[1], columns=min(4, features.shape[1]), size=(3.4, 2.9))
    draw = _over_one if len(names) == 1 else _over_two
    for ax, column in zip(axes, features.columns, strict=True):
        unit = unit_of(results, str(column))
        draw(ax, theta, failed, features[column].to_numpy(float), str(column), unit)
        label(ax, with_unit(names[0], unit_of(results, names[0])), "", str(column))
        second = with_unit(names[1], unit_of(results, names[1])) if len(names) == 2 else pretty_unit(unit)
        label(ax, ax.get_xlabel(), second)
    if len(features) < every:
        figure.supxlabel(f"{len(features)} of {every} points drawn", fontsize=8, color=INK)
    if len(failed):
        figure.legend(*axes[0].get_legend_handles_labels(), fontsize=8, frameon=False, loc="outside upper right")
    return figure


def _over_one(ax: Axes, theta: np.ndarray, failed: np.ndarray, values: np.ndarray, name: str, unit: str) -> None:
    del name, unit
    ax.scatter(theta[:, 0], values, s=12, color=BLUE, alpha=0.8, linewidths=0)
    if len(failed):  # a failed point has no value: it stands on the axis
        ax.scatter(
            failed[:, 0], np.zeros(len(failed)), s=34, marker="x", color=VERMILLION, linewidths=1.4, clip_on=False,
            transform=ax.get_xaxis_transform(), label="failed", zorder=5,
        )  # fmt: skip


def _over_two(ax: Axes, theta: np.ndarray, failed: np.ndarray, values: np.ndarray, name: str, unit: str) -> None:
    del name
    drawn: Any = ax.scatter(theta[:, 0], theta[:, 1], c=values, s=26, cmap="cividis", linewidths=0)
    bar: Any = ax.figure.colorbar(drawn, ax=ax, aspect=24, pad=0.03)
    bar.ax.tick_params(labelsize=7, color=GREY)
    bar.outline.set_visible(False)
    bar.ax.set_title(pretty_unit(unit), fontsize=7, color=INK)
    if len(failed):
        ax.scatter(failed[:, 0], failed[:, 1], s=34, marker="x", color=VERMILLION, linewidths=1.4, label="failed")


def timing(results: ResultsLike) -> Figure:
    """Histogram of the wall times of the points, failed ones apart.

    Parameters
    ----------
    results : ResultsLike
        `records` has ``wall_time`` (s), and may have ``status``.

    Raises
    ------
    ResultsError
        If no point has a wall time.
    """
    records = results.records
    if "wall_time" not in records.columns or not np.isfinite(records["wall_time"].to_numpy(float)).any():
        raise ResultsError(f"{results.path}: no point has a wall_time; the records have {list(records.columns)}")
    wall = records["wall_time"].to_numpy(float)
    ok = records["status"].to_numpy() == "ok" if "status" in records.columns else np.ones(len(wall), bool)
    groups = [
        (wall[chosen & np.isfinite(wall)], colour, text)
        for chosen, colour, text in ((ok, BLUE, "ok"), (~ok, VERMILLION, "failed"))
    ]
    groups = [group for group in groups if len(group[0])]
    figure, (ax,) = canvas(1, size=(5.6, 3.2))
    _histogram(ax, groups)
    finite = wall[np.isfinite(wall)]
    label(ax, "wall time of a point (s)", "points", f"median {np.median(finite):.3g} s  ·  sum {finite.sum():.3g} s")
    if len(groups) > 1:
        _legend_above(ax)
    return figure
