"""Figures of a sweep: features over parameters, and what the points took."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hpcsim.errors import ResultsError
from hpcsim.inference.inputs import ResultsLike, unit_of, varying
from hpcsim.plotting import BLUE, GREY, INK, VERMILLION, canvas, histogram, label, legend_above, pretty_unit, stride, with_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame


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
    features = features.iloc[:: stride(every)]
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
    histogram(ax, groups)
    finite = wall[np.isfinite(wall)]
    label(ax, "wall time of a point (s)", "points", f"median {np.median(finite):.3g} s  ·  sum {finite.sum():.3g} s")
    if len(groups) > 1:
        legend_above(ax)
    return figure
