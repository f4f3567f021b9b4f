"""How figures look: colours, panels, labels with units, histograms; drawn without any global state of matplotlib."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito, Color Universal Design (2008): told apart with any common colour vision
BLUE, VERMILLION, GREY, INK = "#0072B2", "#D55E00", "#8A8A8A", "#222222"
DPI, _NOTEBOOK_DPI = 150, 90
_PANEL = (4.0, 3.5)  # inches
# more points make a figure slower, not clearer; points come sorted by a hash, so every k-th is a random sample
_DRAWN = 5000
#: Points above which their density is drawn.
CROWD = 5000
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def canvas(panels: int, columns: int = 3, size: tuple[float, float] = _PANEL) -> tuple[Figure, list[Axes]]:
    """A figure with that many panels, filled row by row.

    Parameters
    ----------
    panels, columns : int
    size : tuple of float, inches
        Width and height of a panel.
    """
    columns = max(1, min(columns, panels))
    rows = math.ceil(panels / columns)
    figure = _figure(size[0] * columns, size[1] * rows)
    axes = [figure.add_subplot(rows, columns, 1 + i) for i in range(panels)]
    for ax in axes:
        setattr(ax, "_repr_png_", partial(_png, figure))  # noqa: B010 (matplotlib declares no such attribute)
        ax.spines[["top", "right"]].set_visible(False)
        ax.spines[["left", "bottom"]].set_color(GREY)
        ax.tick_params(colors=INK, labelsize=8, color=GREY)
        ax.grid(color="#E6E6E6", linewidth=0.6)
        ax.set_axisbelow(True)
    return figure, axes


def _figure(width: float, height: float) -> Figure:
    """An empty figure of that size in inches; at the end of a notebook's cell it shows itself, as its axes do, without pyplot."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")
    setattr(figure, "_repr_png_", partial(_png, figure))  # noqa: B010
    return figure


def _png(figure: Figure) -> bytes:
    picture = BytesIO()
    figure.savefig(picture, format="png", dpi=_NOTEBOOK_DPI)
    return picture.getvalue()


def panel(ax: Axes | None, size: tuple[float, float] = _PANEL) -> Axes:
    """The axes that were given, or those of a new figure of that size in inches."""
    return canvas(1, size=size)[1][0] if ax is None else ax


def save(figure: Figure, path: Path, dpi: int = DPI) -> Path:
    """Write a figure as PNG of so many dots per inch; makes the folder when it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # without the library's name and version, equal figures are equal files
    figure.savefig(path, format="png", dpi=dpi, metadata={"Software": None})
    return path


def pretty_unit(unit: str) -> str:
    """A unit as it is printed: ``um`` becomes ``µm``.

    Examples
    --------
    >>> pretty_unit("nA um"), pretty_unit("uS/cm**2"), pretty_unit("nA/um^3")
    ('nA µm', 'µS/cm²', 'nA/µm³')
    """
    raised = re.sub(r"(?:\*\*|\^)(-?\d+)", lambda power: power[1].translate(_RAISED), unit)
    return re.sub(r"\bu(?=(m|A|V|S|s|F|W|N)(\b|[⁻⁰¹²³⁴-⁹]))", "µ", raised)


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


def stride(n: int) -> int:
    """Every how many of `n` points one is drawn."""
    return 1 + (n - 1) // _DRAWN


def plain_log(ax: Axes, axis: str) -> None:
    """A logarithmic axis whose labels are plain numbers: 1, 2, 5, 10, or all where these are too few."""
    from matplotlib.ticker import LogLocator

    (ax.set_xscale if axis == "x" else ax.set_yscale)("log")
    own = ax.xaxis if axis == "x" else ax.yaxis
    low, high = own.get_view_interval()
    own.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    own.set_major_formatter("{x:g}")
    own.set_minor_formatter("{x:g}" if high < 3 * low else "")
    own.set_tick_params(which="minor", labelsize=7)


def legend_above(ax: Axes) -> None:
    """A legend above the axes, because data may reach any corner."""
    ax.legend(fontsize=8, frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0.2)


def histogram(ax: Axes, groups: Sequence[tuple[np.ndarray, str, str]], reference: float | None = None) -> None:
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
    n = len(names)
    every = samples if point is None else np.vstack([samples, point])
    # a parameter has the same axis in all of its panels
    ends = list(zip(every.min(axis=0).tolist(), every.max(axis=0).tolist(), strict=True))
    side = max(4.0, 1.1 * n)  # inches
    figure = _figure(side, side)
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
