"""Figures of what points recorded over time: traces, rasters, spectra."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcsim.errors import ResultsError, nearest
from hpcsim.outputs import MILLISECONDS, Layout, Output
from hpcsim.plot.kept import output as kept_output
from hpcsim.plot.kept import rows, with_points
from hpcsim.plot.searched import Searched
from hpcsim.plotting import GREY, INK, VERMILLION, label, legend_above, panel, squared, with_unit
from hpcsim.stages.spectra import SEGMENT, density, frequencies

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hpcsim.collector.results import Results

_SIZE = (6.4, 3.2)  # inches
_TIMES = tuple(MILLISECONDS)
#: Bins of a rate over time.
_BINS = 100
#: Traces that are drawn at most.
_MOST = 50


def traces(
    results: Results,
    output: str = "",
    points: Iterable[str] | None = None,
    highlight: str = "",
    at: Mapping[str, Any] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """An output over time of several points, one of them highlighted.

    Parameters
    ----------
    results : Results
    output : str, optional
        The first one over time that was kept, by default.
    points : iterable of str, optional
        Ids, of which the first digits do. By default the accepted points of a search, the best first, or those that succeeded;
        50 at most.
    highlight : str, optional
        Id of the one in front: the best of a search, or the first, by default.
    at : mapping, optional
        Positions along the other dimensions of the output, such as ``{"site_bAP": "site_1"}``; the first ones by default.
    ax : Axes, optional

    Raises
    ------
    ResultsError
        If the output was not kept or is not over time, or there is no such point.
    """
    with_points(results)
    layout = results.table.layout
    declared = kept_output(results, output) if output else _first_over_time(results)
    time = _time(results, layout, declared)
    chosen, front = _chosen(results, points, highlight)
    place = _place(results, layout, declared, at or {})
    ax = panel(ax, _SIZE)
    for row in [*(row for row in chosen.tolist() if row != front), front]:
        values = results.table.array(declared.name, slice(row, row + 1))[0][place]
        ax.plot(layout.coordinates[time].values, values, **_style(results, row, row == front))
    name = declared.description or declared.name
    where = ", ".join(str(layout.coordinates[dim].values[i]) for dim, i in zip(declared.dims, place, strict=False))
    what = f"{len(set(chosen.tolist()) | {front})} points" + (f", {where}" if where else "")
    label(ax, with_unit("time", layout.coordinates[time].unit), with_unit(declared.name, declared.unit), f"{name}: {what}")
    legend_above(ax)
    return ax


def raster(results: Results, times: str = "", senders: str = "", point: str = "", ax: Axes | None = None) -> Axes:
    """A dot a spike: time against the number of the cell, of one point.

    Parameters
    ----------
    results : Results
    times : str, optional
        A ragged output of times; the first one that was kept by default.
    senders : str, optional
        A ragged output with the cell of each; by default the whole numbers of the same length, or one row without any.
    point : str, optional
        Id, of which the first digits do; the first point that succeeded by default.
    ax : Axes, optional

    Raises
    ------
    ResultsError
        If the output was not kept or holds no times, or there is no such point.
    """
    declared, row, spikes, cell = _spikes(results, times, senders, point)
    ax = panel(ax, _SIZE)
    ax.scatter(spikes, cell, s=max(0.5, min(8.0, 4e4 / max(1, len(spikes)))), color=INK, linewidths=0)
    ax.grid(visible=False)
    words = results.table.ids(row, row + 1)[0].decode()[:8]
    title = f"{declared.name}, point {words}: {len(spikes)} spikes"
    label(ax, with_unit("time", declared.unit), "neuron" if cell.any() else "", title)
    return ax


def rates(results: Results, times: str = "", senders: str = "", point: str = "", ax: Axes | None = None) -> Axes:
    """Spikes a second over time, in 100 bins, of one point: the mean of its neurons that have a spike, or of all together.

    Parameters
    ----------
    results, times, senders, point, ax
        As of :func:`raster`; without senders the rate is that of all neurons together.

    Raises
    ------
    ResultsError
        As :func:`raster`.
    """
    declared, _, spikes, cell = _spikes(results, times, senders, point)
    neurons = len(np.unique(cell)) if cell.any() else 1
    low, high = (float(spikes.min()), float(spikes.max())) if len(spikes) else (0.0, 1.0)
    counts, edges = np.histogram(spikes, _BINS, (low, high if high > low else low + 1.0))
    seconds = (edges[1] - edges[0]) * MILLISECONDS[declared.unit] / 1e3
    ax = panel(ax, (_SIZE[0], 1.8))
    ax.stairs(counts / seconds / max(1, neurons), edges, color=VERMILLION, linewidth=1.2, label="rate")
    what = f"mean of {neurons} neurons with spikes" if cell.any() else "all neurons together"
    label(ax, with_unit("time", declared.unit), with_unit("rate", "Hz"), f"{declared.name}: {what}")
    return ax


def _spikes(results: Results, times: str, senders: str, point: str) -> tuple[Output, int, np.ndarray, np.ndarray]:
    """The output with the spikes of a point, its row, their times, and the neuron of each, 0 where nobody knows."""
    with_points(results)
    layout = results.table.layout
    ragged = [output for output in layout.outputs.values() if output.ragged]
    if times:
        declared = kept_output(results, times)
    else:
        found = [output for output in ragged if output.unit in _TIMES]
        if not found:
            kept = ", ".join(layout.outputs) or "none"
            raise ResultsError(f"{results.path}: no spike times were kept; kept were: {kept}. Name them in [outputs] keep")
        declared = found[0]
    if not declared.ragged or declared.unit not in _TIMES:
        raise ResultsError(f'{results.path}: the output "{declared.name}" holds no times of spikes (ragged, in ms)')
    cells = senders_of(layout, declared) if not senders else [kept_output(results, senders).name]
    row = int(rows(results, point)[0]) if point else int(rows(results)[0])
    spikes = results.table.ragged(declared.name, row)
    return declared, row, spikes, results.table.ragged(cells[0], row) if cells else np.zeros(len(spikes))


def senders_of(layout: Layout, times: Output) -> list[str]:
    """Outputs that may hold the cell of each spike: ragged whole numbers of the same length as their times."""
    return [
        output.name
        for output in layout.outputs.values()
        if output.ragged and output.dims == times.dims and output.dtype.startswith(("int", "uint"))
    ]


def spectrum(
    results: Results,
    output: str,
    points: Iterable[str] | None = None,
    highlight: str = "",
    at: Mapping[str, Any] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Power spectral density of several points, one of them highlighted.

    Parameters
    ----------
    results : Results
    output : str
        One over frequencies, or one over time, of which Welch's spectrum is computed as the stages do.
    points, highlight, at, ax
        As of :func:`traces`.

    Raises
    ------
    ResultsError
        If the output was not kept, or is over neither.
    """
    with_points(results)
    layout, declared = results.table.layout, kept_output(results, output)
    given = bool(declared.dims) and not declared.ragged and layout.coordinates[declared.dims[-1]].unit == "Hz"
    if given:
        x, unit = layout.coordinates[declared.dims[-1]].values, declared.unit
    else:
        clock = layout.coordinates[_time(results, layout, declared)]
        step = float(np.diff(clock.values).mean()) * MILLISECONDS[clock.unit]
        x, unit = frequencies(len(clock), step, SEGMENT), f"{squared(declared.unit)}/Hz" if declared.unit else "1/Hz"
    chosen, front = _chosen(results, points, highlight)
    place = _place(results, layout, declared, at or {})
    ax = panel(ax, _SIZE)
    for row in [*(row for row in chosen.tolist() if row != front), front]:
        values = results.table.array(declared.name, slice(row, row + 1))[0][place]
        y = values if given else density(values, step, SEGMENT)
        # a logarithmic axis has no 0 Hz
        ax.plot(x[x > 0], y[x > 0], **_style(results, row, row == front))
    ax.set_xscale("log")
    ax.set_yscale("log")
    label(ax, "frequency (Hz)", with_unit(f"density of {declared.name}", unit), f"{len(set(chosen.tolist()) | {front})} points")
    legend_above(ax)
    return ax


def _chosen(results: Results, points: Iterable[str] | None, highlight: str) -> tuple[np.ndarray, int]:
    """Rows that are drawn, and the one in front."""
    chosen = rows(results, points) if points is not None else _usual(results)
    return chosen, int(rows(results, highlight)[0]) if highlight else int(chosen[0])


def _style(results: Results, row: int, first: bool) -> dict[str, Any]:
    """How the line of a point looks."""
    name = results.table.ids(row, row + 1)[0].decode()[:8]
    style = {"color": VERMILLION, "linewidth": 1.2, "zorder": 3, "label": name}
    return style if first else {"color": GREY, "linewidth": 0.6, "alpha": 0.5, "zorder": 2}


def _usual(results: Results) -> np.ndarray:
    """Rows that are drawn unless somebody says others."""
    if results.study.get("sampler"):
        found = Searched.of(results)
        order = np.argsort(found.largest, kind="stable")
        chosen = order[found.accepted[order]] if found.accepted.any() else order[:1]
        return rows(results, found.ids[chosen[:_MOST]].tolist())
    good = rows(results)
    return good[:: 1 + (len(good) - 1) // _MOST]


def _first_over_time(results: Results) -> Output:
    layout = results.table.layout
    for declared in layout.outputs.values():
        if not declared.ragged and declared.dims and layout.coordinates[declared.dims[-1]].unit in _TIMES:
            return declared
    raise ResultsError(
        f"{results.path}: no output over time was kept; kept were: {', '.join(layout.outputs) or 'none'}. Name one in [outputs] "
        "keep, for instance in a study of the points of interest"
    )


def _time(results: Results, layout: Layout, declared: Output) -> str:
    """The dimension that is time, the last one."""
    if declared.ragged or not declared.dims or layout.coordinates[declared.dims[-1]].unit not in _TIMES:
        over = f"over {', '.join(declared.dims)}" if declared.dims else "one number"
        raise ResultsError(f'{results.path}: the output "{declared.name}" is {over}, not over time')
    return declared.dims[-1]


def _place(results: Results, layout: Layout, declared: Output, at: Mapping[str, Any]) -> tuple[int, ...]:
    """Index along each dimension before time."""
    dims = declared.dims[:-1]
    for name in at:
        if name not in dims:
            raise ResultsError(f'{results.path}: "{declared.name}" has no dimension "{name}"; {nearest(name, dims)}')
    found = []
    for dim in dims:
        values = layout.coordinates[dim].values
        there = np.flatnonzero(values == at[dim]) if dim in at else np.array([0])
        if not len(there):
            raise ResultsError(f'{results.path}: {dim} has no "{at[dim]}"; {nearest(str(at[dim]), map(str, values.tolist()))}')
        found.append(int(there[0]))
    return tuple(found)
