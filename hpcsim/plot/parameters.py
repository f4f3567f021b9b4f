"""Figures of features over parameters: maps of grids, small multiples, pairs, importance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcsim import plotting
from hpcsim.errors import PluginError, ResultsError, nearest
from hpcsim.inference.inputs import unit_of, varying
from hpcsim.plot.kept import output as kept_output
from hpcsim.plot.kept import with_points
from hpcsim.plotting import BLUE, CROWD, GREY, INK, VERMILLION, canvas, label, panel, with_unit
from hpcsim.plugin import not_installed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame

    from hpcsim.collector.results import Results

#: Rows and columns of small multiples, at most.
_MOST = 6
_FACETS = 12


def map(results: Results, x: str, y: str, color: str, facet: str = "", at: Mapping[str, Any] | None = None) -> Figure:
    """A feature over two parameters of a grid, a panel for each value of a third one; what is missing is crossed.

    Parameters
    ----------
    results : Results
        Of a study with a grid.
    x, y : str
        Parameters.
    color : str
        An output that is one number, or one column of an output, such as ``"catch22.CO_trev_1_num"``.
    facet : str, optional
        A parameter, or ``replicate``, of at most twelve values; over replicates that are no facet the mean is taken.
    at : mapping, optional
        Values of further parameters; of numbers the nearest ones of the grid are taken.

    Raises
    ------
    ResultsError
        If there is no grid, the output was not kept, a further parameter varies and has no value, or a facet has too many.
    """
    with_points(results)
    values, good = _on_grid(results, color, x, y, facet, at or {})
    panels = values[facet].values.tolist() if facet else [None]
    if len(panels) > _FACETS:
        raise ResultsError(
            f'{results.path}: "{facet}" has {len(panels)} values, expected at most {_FACETS} panels; '
            f'draw single ones with at={{"{facet}": ...}} in place of the facet'
        )
    figure, axes = canvas(len(panels), columns=min(4, len(panels)), size=(3.6, 2.9))
    finite = values.values[np.isfinite(values.values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    drawn: Any = None
    for ax, value in zip(axes, panels, strict=True):
        chosen = {} if value is None else {facet: value}
        one, there = values.sel(chosen).transpose(y, x), good.sel(chosen).transpose(y, x)
        across, up = _positions(ax.xaxis, one[x].values), _positions(ax.yaxis, one[y].values)
        drawn = ax.pcolormesh(_edges(across), _edges(up), one.values, cmap="cividis", vmin=low, vmax=high)
        row, column = np.nonzero(~there.values)
        if len(row):
            ax.scatter(across[column], up[row], s=26, marker="x", color=VERMILLION, linewidths=1.4, label="missing")
        ax.grid(visible=False)
        title = "" if value is None else f"{facet} = {value:g}" if isinstance(value, int | float) else f"{facet} = {value}"
        label(ax, with_unit(x, unit_of(results, x)), with_unit(y, unit_of(results, y)), title)
    bar = figure.colorbar(drawn, ax=axes, aspect=24, pad=0.03)
    bar.set_label(with_unit(color, unit_of(results, color)), fontsize=8, color=INK)
    bar.ax.tick_params(labelsize=7, color=GREY)
    return figure


def _on_grid(results: Results, color: str, x: str, y: str, facet: str, at: Mapping[str, Any]) -> tuple[Any, Any]:
    """A feature on the grid of two or three parameters, and where it succeeded."""
    name, places = _feature(results, color)
    dims = kept_output(results, name).dims
    grid = results.grid([name])
    axes = [str(dim) for dim in grid.dims if dim not in dims]
    for slot in filter(None, (x, y, facet, *at)):
        if slot not in axes:
            along = [dim for dim in grid[slot].dims if dim in axes] if slot in grid.coords else []
            hint = f'it goes along "{along[0]}"' if along else nearest(slot, axes)
            raise ResultsError(f'{results.path}: "{slot}" is no dimension of the grid; {hint}')
    grid = grid.isel({slot: _nearest(results, slot, grid[slot].values, value) for slot, value in at.items()})
    values, good = grid[name], grid["status"] == "ok"
    if dims and len(places) == 1:
        values = values.isel({dims[-1]: places[0]})
    slots = {x, y, facet}
    if "replicate" in values.dims and "replicate" not in slots:
        values, good = values.mean("replicate"), good.any("replicate")
    further = [str(dim) for dim in values.dims if dim not in slots and values.sizes[dim] > 1]
    if further:
        raise ResultsError(
            f"{results.path}: {', '.join(further)} vary, too; name values with at={{...}}, a facet, or a column of the output"
        )
    single = {dim: 0 for dim in values.dims if dim not in slots}
    return values.isel(single), good.isel({dim: 0 for dim in single if dim in good.dims})


def _nearest(results: Results, name: str, values: np.ndarray, wanted: Any) -> int:
    """Where a value stands, of numbers the nearest one."""
    if values.dtype.kind in "iuf" and isinstance(wanted, int | float | np.number):
        return int(np.abs(values - wanted).argmin())
    there: list[Any] = values.tolist()
    if wanted not in there:
        raise ResultsError(f'{results.path}: {name} has no "{wanted}"; {nearest(str(wanted), [str(word) for word in there])}')
    return there.index(wanted)


def _edges(places: np.ndarray) -> np.ndarray:
    """Borders of cells around their places; a single one is as wide as 1."""
    if len(places) == 1:
        return np.array([places[0] - 0.5, places[0] + 0.5])
    middle = (places[1:] + places[:-1]) / 2
    return np.array([2 * places[0] - middle[0], *middle, 2 * places[-1] - middle[-1]])


def _positions(axis: Any, values: np.ndarray) -> np.ndarray:
    """Numbers as they are; words side by side, with their names on the axis."""
    if values.dtype.kind in "iuf":
        if len(values) == 1:
            axis.set_ticks(values, [f"{values[0]:g}"])
        return values
    axis.set_ticks(range(len(values)), [str(word) for word in values])
    return np.arange(len(values))


def features(results: Results, outputs: Sequence[str] | None = None, parameters: Sequence[str] | None = None) -> Figure:
    """Small multiples: each feature against each parameter that varies, at most six of both; densities of many points.

    Parameters
    ----------
    results : Results
    outputs : sequence of str, optional
        Columns or outputs, such as ``"rate"`` or ``"catch22"``; the first six columns that vary by default.
    parameters : sequence of str, optional
        The first six that vary by default.

    Raises
    ------
    ResultsError
        If an output was not kept, or nothing varies.
    """
    table = _columns(results, outputs).iloc[:, :_MOST]
    theta = _theta(results, parameters).iloc[:, :_MOST]
    figure, axes = canvas(table.shape[1] * theta.shape[1], columns=theta.shape[1], size=(2.6, 2.1))
    for k, ax in enumerate(axes):
        row, column = divmod(k, theta.shape[1])
        name, feature = str(theta.columns[column]), str(table.columns[row])
        across, up = theta[name].to_numpy(float), table[feature].to_numpy(float)
        good = np.isfinite(across) & np.isfinite(up)
        if good.sum() > CROWD:
            ax.hist2d(across[good], up[good], bins=60, cmap="Blues", cmin=1, rasterized=True)
        else:
            ax.scatter(across[good], up[good], s=8, color=BLUE, alpha=0.5, linewidths=0)
        below, side = with_unit(name, unit_of(results, name)), with_unit(feature, unit_of(results, feature))
        label(ax, below if row == table.shape[1] - 1 else "", "" if column else side)
    return figure


def pairs(results: Results, columns: Sequence[str] | None = None, outputs: Sequence[str] = ()) -> Figure:
    """Distributions of parameters, and of features beside them, and of all their pairs.

    Parameters
    ----------
    results : Results
    columns : sequence of str, optional
        Parameters; all that vary by default.
    outputs : sequence of str
        Columns or outputs that are features.

    Raises
    ------
    ResultsError
        If a name is not there, or nothing varies.
    """
    table = _theta(results, columns)
    if outputs:
        table = table.join(_columns(results, outputs))
    table = table[np.isfinite(table.to_numpy(float)).all(axis=1)]
    if len(table) < 2:
        raise ResultsError(f"{results.path}: {len(table)} points have numbers in all of {', '.join(table)}: there are no pairs")
    names = [str(name) for name in table]
    title = f"{len(table)} points"
    return plotting.pairs(table.to_numpy(float), names, [unit_of(results, name) for name in names], None, title)


def importance(results: Results, feature: str, parameters: Sequence[str] | None = None, ax: Axes | None = None) -> Axes:
    """How much each parameter matters to a feature: what a forest of trees loses where its values are shuffled.

    The forest (`scikit-learn`, 100 extremely randomised trees, the same at every call) is fitted to two thirds of the points.
    On the rest, the share of variance that it explains (R2, in the title) falls by the length of a bar; its line is the
    standard deviation of ten shuffles. Where R2 is small, bars mean little.

    Parameters
    ----------
    results : Results
    feature : str
        An output that is one number, or one column of an output.
    parameters : sequence of str, optional
        All that vary by default.
    ax : Axes, optional

    Raises
    ------
    ResultsError
        If it was not kept or has several columns, nothing varies, or there are fewer than 20 points.
    PluginError
        If scikit-learn is not installed.
    """
    if find_spec("sklearn") is None:
        raise PluginError(not_installed("hpcsim.plot.importance", "scikit-learn", "inference"))
    from sklearn.ensemble import ExtraTreesRegressor
    from sklearn.inspection import permutation_importance

    theta, table = _theta(results, parameters), _columns(results, [feature])
    if table.shape[1] > 1:
        raise ResultsError(f'{results.path}: "{feature}" has {table.shape[1]} columns; name one, such as "{table.columns[0]}"')
    values = table.iloc[:, 0].to_numpy(float)
    good = np.isfinite(values) & np.isfinite(theta.to_numpy(float)).all(axis=1)
    if good.sum() < 20:
        raise ResultsError(f'{results.path}: "{feature}" is a number in {good.sum()} points; importance needs at least 20')
    x, y = theta.to_numpy(float)[good], values[good]
    order = np.random.default_rng(0).permutation(len(y))
    learnt, held = np.split(order, [2 * len(y) // 3])
    forest = ExtraTreesRegressor(100, random_state=0).fit(x[learnt], y[learnt])
    found = permutation_importance(forest, x[held], y[held], n_repeats=10, random_state=0)
    rank = np.argsort(found.importances_mean)
    ax = panel(ax, (5.6, max(2.2, 1.0 + 0.3 * len(rank))))
    ax.barh(range(len(rank)), found.importances_mean[rank], xerr=found.importances_std[rank], color=BLUE, ecolor=INK, height=0.65)
    ax.set_yticks(range(len(rank)), [str(theta.columns[k]) for k in rank], fontsize=8)
    for name in ax.get_yticklabels():
        name.set_parse_math(False)
    ax.grid(visible=False, axis="y")
    title = f"{feature}: R² {forest.score(x[held], y[held]):.2f} on {len(held)} points that were left out"
    label(ax, "R² that is lost where its values are shuffled", "", title)
    return ax


def _theta(results: Results, names: Sequence[str] | None) -> DataFrame:
    """Parameters of the points that succeeded."""
    with_points(results)
    chosen = varying(results) if names is None else list(names)
    if not chosen:
        raise ResultsError(f"{results.path}: no parameter varies: there is nothing to draw against")
    return results.theta(chosen) if names is not None else results.theta()[chosen]


def _columns(results: Results, names: Sequence[str] | None) -> DataFrame:
    """Features of the points that succeeded: outputs, or single columns of them; without names, all that vary."""
    with_points(results)
    if names is None:
        table = results.features()
        table = table[[name for name in table if table[name].nunique() > 1]]
        if not table.shape[1]:
            kept = ", ".join(results.table.layout.outputs)
            raise ResultsError(f"{results.path}: no output that was kept is a feature that varies; kept were: {kept}")
        return table
    for name in names:
        _feature(results, name)
    return results.features(names)


def _feature(results: Results, name: str) -> tuple[str, list[int]]:
    """The output that a name of features means, and its places; an output with more dimensions than one has none.

    Raises
    ------
    ResultsError
        If it was not kept, with what was.
    """
    layout = results.table.layout
    if name in layout:
        return name, list(layout.columns(name).places.values()) if name in layout.tabular else []
    try:
        found = layout.columns(name)
    except ResultsError as error:
        if not str(error).startswith("there is no output"):
            raise ResultsError(f"{results.path}: {error}") from None
        # says what was kept
        kept_output(results, name)
        raise
    return found.output, list(found.places.values())
