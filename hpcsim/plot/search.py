"""Figures of a search: its objectives, where it went, how it converged, its best points side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from hpcsim.errors import ResultsError
from hpcsim.plot.kept import output as kept_output
from hpcsim.plot.kept import with_points
from hpcsim.plot.searched import IN_SD, Searched
from hpcsim.plotting import BLUE, GREY, INK, VERMILLION, canvas, label, legend_above, panel, plain_log, stride, with_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from hpcsim.collector.results import Results
    from hpcsim.samplers.problem import Variable

#: inches: of a row of a figure with names along its side.
_ROW, _LEAST = 0.32, 2.4
#: Evaluations at which the hypervolume is computed, and objectives from which on it is approximated.
_PLACES, _EXACT = 40, 5
#: Lines that can be told apart.
_LINES = 300


def objectives(results: Results, of: str = "", ax: Axes | None = None) -> Axes:
    """Each objective of all evaluations, with its cutoff; linear up to 1, logarithmic above.

    Parameters
    ----------
    results : Results
        Of a study with a sampler; of any study where `of` is given.
    of : str, optional
        An output with a column an objective, such as ``objective_sd`` of the stage ``features.objectives``, in place of the
        objectives of the search.
    ax : Axes, optional
        Where to draw; a new figure by default.

    Raises
    ------
    ResultsError
        If it is no search, no point succeeded, or the output was not kept.
    """
    found = Searched.of(results) if not of or results.study.get("sampler") else None
    if of:
        names, values, in_sd = *_scores(results, of), of in IN_SD
        none = np.zeros(len(values), bool)
        accepted = none if found is None else np.isin(results.table.ids().astype(str), found.ids[found.accepted])
        best = int(np.where(np.isfinite(values).all(axis=1), values.max(axis=1), np.inf).argmin())
        cutoffs: Mapping[str, float] = {}
    else:
        assert found is not None
        names, values, in_sd = (
            [_with_own_unit(results, found, i) for i in range(len(found.wanted))],
            found.objectives,
            found.in_sd,
        )
        accepted, best = found.accepted, found.best
        cutoffs = {names[found.problem.objectives.index(name)]: limit for name, limit in found.problem.cutoffs.items()}
    ax = panel(ax, (6.4, max(_LEAST, 1.0 + _ROW * len(names))))
    place = np.arange(len(names))
    rows = place + _jitter(len(values))[:, None]
    drawn = ~accepted & (np.arange(len(values)) % stride(values.size) == 0)
    for chosen, colour, size, text in ((drawn, GREY, 6, "evaluated"), (accepted, BLUE, 14, "accepted")):
        if chosen.any():
            ax.scatter(values[chosen], rows[chosen], s=size, color=colour, alpha=0.6, linewidths=0, label=text, zorder=2)
    ax.scatter(values[best], place, s=70, marker="*", color=VERMILLION, linewidths=0, label="best", zorder=4)
    if cutoffs:
        at = np.array([names.index(name) for name in cutoffs])
        limits = np.array(list(cutoffs.values()))
        ax.vlines(limits, at - 0.42, at + 0.42, color=INK, linewidth=1.6, label="cutoff", zorder=3)
    ax.set_xscale("symlog", linthresh=1.0)
    ax.xaxis.set_major_formatter("{x:g}")
    if np.nanmin(values) >= 0:
        ax.set_xlim(left=0)
    _named_rows(ax, names)
    label(ax, "objective (standard deviations)" if in_sd else with_unit("objective", results.units.get(of, "")), "")
    legend_above(ax)
    return ax


def _scores(results: Results, of: str) -> tuple[list[str], np.ndarray]:
    """Names of the columns of an output, and its values for all points, NaN where one failed."""
    with_points(results)
    declared = kept_output(results, of)
    if declared.ragged or len(declared.dims) != 1:
        over = f"over {', '.join(declared.dims)}" if declared.dims else "one number"
        raise ResultsError(f'{results.path}: the output "{of}" is {over}; expected one with a column an objective')
    values = np.array(results.table.array(of), float)
    values[~results.table.good] = np.nan
    return results.table.coordinate(declared.dims[0]).values.astype(str).tolist(), values


def exploration(results: Results, ax: Axes | None = None) -> Axes:
    """Where each parameter was tried within its bounds, and which range accepted points have.

    Parameters
    ----------
    results : Results
        Of a study with a sampler.
    ax : Axes, optional

    Raises
    ------
    ResultsError
        If it is no search, or no point succeeded.
    """
    found = Searched.of(results)
    variables = found.problem.variables
    ax = panel(ax, (6.4, max(_LEAST, 1.0 + _ROW * len(variables))))
    share = found.problem.position(found.values)
    shift, place = _jitter(len(share)), np.arange(len(variables))
    ax.hlines(place, 0, 1, color="#E0E0E0", linewidth=7, zorder=1)
    every = slice(None, None, stride(share.size))
    ax.scatter(share[every], (place + shift[:, None])[every], s=4, color=GREY, alpha=0.35, linewidths=0, label="tried", zorder=2)
    if found.accepted.any():
        good = share[found.accepted]
        ax.hlines(
            place, good.min(axis=0), good.max(axis=0), color=BLUE, linewidth=2.2, alpha=0.6, label="range of accepted", zorder=3
        )
        ax.scatter(good, place + shift[found.accepted, None], s=12, color=BLUE, linewidths=0, label="accepted", zorder=4)
    ax.scatter(share[found.best], place, s=70, marker="*", color=VERMILLION, linewidths=0, label="best", zorder=5)
    for i, variable in enumerate(variables):
        low, high = _bounds(variable)
        ax.text(-0.03, i, low, ha="right", va="center", fontsize=7, color=INK)
        ax.text(1.03, i, high, ha="left", va="center", fontsize=7, color=INK)
    ax.set_xlim(-0.14, 1.2)
    ax.set_xticks(np.linspace(0, 1, 5))
    _named_rows(ax, [_word(results, variable) for variable in variables])
    label(ax, "place between the bounds (0: lower, 1: upper)", "")
    legend_above(ax)
    return ax


def convergence(results: Results) -> Figure:
    """The least largest objective and the hypervolume, over evaluations and over CPU time.

    The hypervolume is the share of a box that some evaluation is better than. The box reaches from 0 (or the least value, if
    it is below) to what nine of ten evaluations are below. From six objectives on it is approximated (`moocore`). It is left
    out where `moocore` is not installed.

    Parameters
    ----------
    results : Results
        Of a study with a sampler.

    Raises
    ------
    ResultsError
        If it is no search, or no point succeeded.
    """
    found = Searched.of(results)
    least = np.minimum.accumulate(found.largest)
    volume = hypervolume(found.objectives)
    number, hours = np.arange(1, len(least) + 1), np.cumsum(np.nan_to_num(found.cpu)) / 3600
    cpu, unit = (hours, "h") if hours[-1] >= 1 else (hours * 60, "min")
    figure, axes = canvas(4 if volume else 2, columns=2, size=(4.0, 2.8))
    for ax, x, text in zip(axes, (number, cpu), ("evaluations", f"CPU time ({unit})"), strict=False):
        ax.scatter(
            x,
            np.where(np.isfinite(found.largest), found.largest, np.nan),
            s=4,
            color=GREY,
            alpha=0.4,
            linewidths=0,
            label="evaluated",
        )
        ax.plot(x, np.where(np.isfinite(least), least, np.nan), color=BLUE, drawstyle="steps-post", label="best so far")
        if found.limit is not None:
            ax.axhline(found.limit, color=VERMILLION, linewidth=1, linestyle="--", label="cutoff")
        if np.nanmin(least) > 0:
            plain_log(ax, "y")
        label(ax, text, found.largest_label)
    if volume:
        places, share = volume
        for ax, x, text in zip(axes[2:], (number, cpu), ("evaluations", f"CPU time ({unit})"), strict=True):
            ax.plot(x[places], share, color=BLUE, drawstyle="steps-post")
            ax.set_ylim(bottom=0)
            label(ax, text, "hypervolume (share of the box)")
    legend_above(axes[0])
    return figure


def hypervolume(objectives: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Hypervolume after so many evaluations; see :func:`convergence`.

    Parameters
    ----------
    objectives : ndarray, shape (n, objectives)
        Should be small; NaN where a point failed.

    Returns
    -------
    tuple of ndarray
        Indices of evaluations, at most 40, and the share after each of them; None without `moocore`, or a box.
    """
    try:
        import moocore
    except ModuleNotFoundError:
        return None
    good = np.isfinite(objectives).all(axis=1)
    if not good.any():
        return None
    ideal = np.minimum(objectives[good].min(axis=0), 0.0)
    side = np.quantile(objectives[good], 0.9, axis=0) - ideal
    if not (side > 0).all():
        return None
    scaled = (objectives - ideal) / side
    places = np.unique(np.linspace(0, len(scaled) - 1, _PLACES).astype(int))
    front, shares, start = np.empty((0, scaled.shape[1])), [], 0
    for place in places.tolist():
        new = scaled[start : place + 1]
        # what is not inside of the box adds nothing to it
        front = np.concatenate([front, new[(new < 1).all(axis=1)]])
        front, start = front[moocore.is_nondominated(front)] if len(front) else front, place + 1
        exact = scaled.shape[1] <= _EXACT
        volume = moocore.hypervolume(front, ref=1.0) if exact else moocore.hv_approx(front, ref=1.0, nsamples=2**14)
        shares.append(float(volume) if len(front) else 0.0)
    return places, np.array(shares)


def parallel_coordinates(results: Results, ax: Axes | None = None) -> Axes:
    """A line a point through all parameters, each between its bounds, and through the largest objective.

    Accepted points are coloured by their largest objective, or the best tenth where none is accepted.

    Parameters
    ----------
    results : Results
        Of a study with a sampler.
    ax : Axes, optional

    Raises
    ------
    ResultsError
        If it is no search, or no point succeeded.
    """
    from matplotlib.collections import LineCollection

    found = Searched.of(results)
    variables = found.problem.variables
    ax = panel(ax, (max(6.4, 0.42 * len(variables) + 2.2), 4.2))
    order = np.argsort(found.largest, kind="stable")
    order = order[np.isfinite(found.largest[order])]
    accepted = bool(found.accepted.any())
    chosen = order[found.accepted[order]] if accepted else order[: max(1, len(order) // 10)]
    chosen = chosen[:_LINES]
    rest = np.setdiff1d(order, chosen)
    rest = rest[:: 1 + (len(rest) - 1) // _LINES] if len(rest) else rest
    share = found.problem.position(found.values)
    place = np.arange(len(variables))
    lines = [np.column_stack([place, share[i]]) for i in rest]
    ax.add_collection(LineCollection(lines, colors=GREY, linewidths=0.5, alpha=0.18, zorder=1))
    # the best comes last, on top
    coloured = LineCollection(
        [np.column_stack([place, share[i]]) for i in chosen[::-1]], cmap="cividis_r", linewidths=1.1, alpha=0.9, zorder=2
    )
    coloured.set_array(found.largest[chosen[::-1]])
    ax.add_collection(coloured)
    ax.plot(place, share[found.best], color=VERMILLION, linewidth=2, zorder=3, label="best")
    ax.set_xlim(-0.2, len(variables) - 0.8)
    ax.set_ylim(-0.02, 1.02)
    for i, variable in enumerate(variables):
        low, high = _bounds(variable)
        for y, text, va in ((-0.03, low, "top"), (1.03, high, "bottom")):
            ax.text(i, y, text, ha="center", va=va, fontsize=6, color=INK)
    ax.vlines(place, 0, 1, color=GREY, linewidth=0.6, zorder=0)
    ax.grid(visible=False)
    ax.set_xticks(place, [_word(results, variable) for variable in variables], rotation=45, ha="right", fontsize=7)
    ax.tick_params(axis="x", length=0, pad=10)
    for name in ax.get_xticklabels():
        name.set_parse_math(False)
    bar = ax.figure.colorbar(coloured, ax=ax, aspect=30, pad=0.02)
    bar.set_label(found.largest_label, fontsize=8, color=INK)
    bar.ax.tick_params(labelsize=7, color=GREY)
    what = f"{len(chosen)} accepted" if accepted else f"the best {len(chosen)}"
    label(ax, "", "place between the bounds")
    title = f"coloured: {what} of {len(found.values)} evaluations; red: the best"
    ax.set_title(title, fontsize=9, loc="left", color=INK, pad=20)
    return ax


def _jitter(n: int) -> np.ndarray:
    """How far points of a row are moved up or down, so that all are seen; the same in every figure."""
    return np.random.default_rng(0).uniform(-0.28, 0.28, n)


def _named_rows(ax: Axes, names: list[str]) -> None:
    """Names along the side, the first one on top."""
    ax.set_yticks(range(len(names)), names, fontsize=8)
    for text in ax.get_yticklabels():
        text.set_parse_math(False)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.grid(visible=False, axis="y")


def _with_own_unit(results: Results, found: Searched, i: int) -> str:
    """Name of an objective, with the unit of its output where it is no distance in standard deviations."""
    wanted = found.wanted[i]
    return wanted.name if wanted.target is not None else with_unit(wanted.name, results.units.get(wanted.output, ""))


def _word(results: Results, variable: Variable) -> str:
    return with_unit(variable.name, results.units[variable.name])


def _bounds(variable: Variable) -> tuple[str, str]:
    return f"{variable.low:.4g}", f"{variable.high:.4g}" + (" (log)" if variable.log else "")
