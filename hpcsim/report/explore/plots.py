"""Plots and controls of the second page as Bokeh models; what moves them is in ``assets/explore.js``."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from bokeh.models import (
    BasicTicker,
    BasicTickFormatter,
    BoxSelectTool,
    CDSView,
    CheckboxGroup,
    ColorBar,
    ColumnDataSource,
    DataTable,
    FixedTicker,
    HoverTool,
    IndexFilter,
    LassoSelectTool,
    LinearColorMapper,
    LinearScale,
    LogScale,
    LogTicker,
    Model,
    NumberFormatter,
    PanTool,
    ResetTool,
    ScientificFormatter,
    Select,
    Slider,
    StringFormatter,
    TableColumn,
    TapTool,
    WheelZoomTool,
)
from bokeh.palettes import Cividis256
from bokeh.plotting import figure

from hpcsim.plotting import BLUE, GREY, INK, VERMILLION
from hpcsim.report.explore.recorded import Recorded
from hpcsim.report.explore.table import MISSING, Column, PointTable

#: Rows of the table that are seen, and numbers that are written without an exponent.
_ROWS, _PLAIN = 10, (1e-3, 1e6)
#: Below it, floats hold each whole number.
_WHOLE = 2**53
#: Points from which on dots are small.
_MANY = 1000
_LIGHT, _FAINT = "#D9D9D9", "#BBBBBB"


def plots(table: PointTable, records: Sequence[Recorded]) -> dict[str, Model]:
    """The parts of the page by the names of their places."""
    source = _source(table)
    kept = IndexFilter(np.arange(len(table)), name="kept")
    groups = {
        "ok": table.status == "ok",
        "failed": (table.status != "ok") & (table.status != MISSING),
        MISSING: table.status == MISSING,
    }
    views = {name: CDSView(filter=IndexFilter(np.flatnonzero(mask)) & kept) for name, mask in groups.items()}
    colors = LinearColorMapper(Cividis256, low=0, high=1, nan_color=_FAINT, name="colors")
    names = [(f"c{k}", plain(column.label)) for k, column in enumerate(table.columns)]
    parts: dict[str, Model] = {
        "parallel": _parallel(source, views, colors),
        "scatter": _scatter(source, views, colors),
        "table": _table(source, table.columns, kept),
    }
    wrap = [".bk-input-group { flex-wrap: wrap; } label { overflow-wrap: anywhere; }"]
    more: dict[str, Any] = {"inline": True, "sizing_mode": "stretch_width", "stylesheets": wrap}
    parts["axes"] = CheckboxGroup(labels=[label for _, label in names], active=[], name="axes", **more)
    for slot, title in (("x", "horizontal axis"), ("y", "vertical axis"), ("color", "colour")):
        parts[slot] = Select(title=title, options=names, value=names[0][0], name=slot, sizing_mode="stretch_width")
    ordered = [("", "none"), *(pair for pair, column in zip(names, table.columns, strict=True) if column.values.dtype != object)]
    parts["best"] = Select(title="best by", options=ordered, value="", name="best", sizing_mode="stretch_width")
    ends = [("low", "smallest"), ("high", "largest")]
    parts["end"] = Select(title="best is", options=ends, value="low", name="end", sizing_mode="stretch_width")
    parts["share"] = Slider(title="best k %", start=1, end=100, value=100, step=1, name="share", sizing_mode="stretch_width")
    return parts | {f"recorded{k}": _recorded(one, k) for k, one in enumerate(records)}


def _source(table: PointTable) -> ColumnDataSource:
    nothing = np.full(len(table), np.nan)
    data: dict[str, Any] = {f"c{k}": column.values for k, column in enumerate(table.columns)}
    data = {name: values.tolist() if values.dtype == object else values for name, values in data.items()}
    data |= {"id": [id[:12] for id in table.ids.tolist()], "words": [""] * len(table)}
    # places of dots and lines follow from what is chosen
    data |= {name: nothing for name in ("x", "y", "color")} | {name: [[] for _ in nothing] for name in ("xs", "ys")}
    return ColumnDataSource(data, name="points")


def _plain(name: str, tools: list[Any], height: int, **more: Any) -> Any:
    plot = figure(name=name, tools=tools, height=height, sizing_mode="stretch_width", toolbar_location="above", **more)
    plot.toolbar.logo = None
    plot.min_border_right = 12
    plot.grid.grid_line_color = "#EEEEEE"
    plot.outline_line_color = None
    return plot


def _parallel(source: ColumnDataSource, views: dict[str, CDSView], colors: LinearColorMapper) -> Any:
    """A line a point through an axis a column; boxes over axes keep the points in them."""
    plot = _plain("parallel", [], 380, x_range=(-0.5, 0.5), y_range=(-0.2, 1.08))
    plot.grid.visible = plot.yaxis.visible = False
    plot.xaxis.ticker = FixedTicker(ticks=[0])
    plot.xaxis.major_label_orientation = 0.4
    plot.xaxis.axis_line_color = plot.xaxis.major_tick_line_color = None
    plot.multi_line("xs", "ys", source=source, line_color=_LIGHT, line_alpha=0.35, nonselection_line_alpha=0.35)
    dim: dict[str, Any] = {"nonselection_line_alpha": 0.25, "selection_line_width": 3, "selection_line_alpha": 1}
    mapped = {"field": "color", "transform": colors}
    looks: dict[str, Any] = {
        "ok": {"line_color": mapped, "line_alpha": max(0.1, min(0.6, 12 / max(1, len(source.data["id"])) ** 0.5))},
        "failed": {"line_color": VERMILLION, "line_alpha": 0.7},
        MISSING: {"line_color": GREY, "line_alpha": 0.6, "line_dash": "dashed"},
    }
    lines = [plot.multi_line("xs", "ys", source=source, view=views[name], **look, **dim) for name, look in looks.items()]
    axes = ColumnDataSource({"x": []}, name="lines")
    plot.segment("x", 0, "x", 1, source=axes, line_color=INK)
    plot.segment("x", -0.16, "x", -0.08, source=axes, line_color=GREY, line_dash="dotted")
    ticks = ColumnDataSource({name: [] for name in ("x", "y", "text")}, name="ticks")
    words: dict[str, Any] = {"text_font_size": "0.7rem", "text_color": INK, "text_baseline": "middle", "x_offset": 5}
    plot.text("x", "y", "text", source=ticks, background_fill_color="white", background_fill_alpha=0.75, **words)
    boxes = ColumnDataSource({name: [] for name in ("left", "right", "bottom", "top")}, name="brushes")
    plot.quad("left", "right", "bottom", "top", source=boxes, fill_color=BLUE, fill_alpha=0.2, line_color=BLUE)
    brush = BoxSelectTool(renderers=[], description="keep a stretch of an axis")
    plot.add_tools(brush, TapTool(renderers=lines))
    plot.toolbar.active_drag = brush
    return plot


def _scatter(source: ColumnDataSource, views: dict[str, CDSView], colors: LinearColorMapper) -> Any:
    """Two columns against each other, coloured by a third."""
    reset, wheel = ResetTool(), WheelZoomTool()
    tools = [PanTool(), wheel, BoxSelectTool(), LassoSelectTool(), TapTool(), reset]
    plot = _plain("scatter", tools, 420, x_range=(0, 1), y_range=(0, 1))
    plot.scatter("x", "y", source=source, size=4, color=_LIGHT, alpha=0.5, nonselection_alpha=0.5)
    dim: dict[str, Any] = {"nonselection_alpha": 0.25, "selection_line_color": INK, "selection_line_width": 2.5}
    looks: dict[str, Any] = {
        "ok": {
            "color": {"field": "color", "transform": colors},
            "size": 8 if len(source.data["id"]) <= _MANY else 5,
            "alpha": 0.85,
        },
        "failed": {"marker": "x", "line_color": VERMILLION, "line_width": 2, "size": 9},
        MISSING: {"marker": "cross", "line_color": GREY, "line_width": 1.5, "size": 9},
    }
    drawn = []
    for name, look in looks.items():
        more = dim if name == "ok" else {"nonselection_alpha": 0.4, "selection_line_width": 3}
        drawn.append(plot.scatter("x", "y", source=source, view=views[name], **look, **more))
    for tool in plot.tools:
        if hasattr(tool, "renderers"):
            tool.renderers = drawn
    # texts are put in place as text, never as markup
    plot.add_tools(HoverTool(renderers=drawn, tooltips=[("point", "@id"), ("", "@words")]))
    plot.toolbar.active_drag = plot.select_one(BoxSelectTool)
    slim: dict[str, Any] = {"width": 10, "title": "", "padding": 4, "title_text_font_style": "normal"}
    bar = ColorBar(color_mapper=colors, ticker=FixedTicker(ticks=[]), name="bar", **slim)
    plot.add_layout(bar, "right")
    for axis in (plot.xaxis[0], plot.yaxis[0]):
        axis.axis_label_text_font_style = "normal"
    # what the script puts in their place where a column is spread over orders of magnitude
    plot.tags = [LinearScale(), LogScale(), LinearScale(), LogScale(), BasicTicker(), LogTicker(), BasicTickFormatter()]
    plot.tags += [FixedTicker(ticks=[]) for _ in range(2)]
    return plot


def _table(source: ColumnDataSource, columns: Sequence[Column], kept: IndexFilter) -> DataTable:
    shown = [TableColumn(field="id", title="point", width=120)]
    for k, column in enumerate(columns):
        # the head of a table is markup
        title = html.escape(column.label)
        shown.append(TableColumn(field=f"c{k}", title=title, formatter=_formatter(column), width=max(80, 9 * len(column.label))))
    height = 30 + 26 * _ROWS
    return DataTable(
        source=source, view=CDSView(filter=kept), columns=shown, name="table", height=height, sizing_mode="stretch_width",
        autosize_mode="none", index_position=None, selectable=True, reorderable=False, row_height=26,
    )  # fmt: skip


def _formatter(column: Column) -> StringFormatter:
    if column.values.dtype == object:
        # earlier versions of Bokeh leave the cell empty
        return StringFormatter(**({"null_format": "-"} if "null_format" in StringFormatter.properties() else {}))
    finite = column.values[np.isfinite(column.values)]
    if len(finite) and np.abs(finite).max() < _WHOLE and (finite == np.round(finite)).all():
        return NumberFormatter(format="0", nan_format="-", text_align="right")
    size = np.abs(column.values[np.isfinite(column.values) & (column.values != 0)])
    if len(size) and (size.min() < _PLAIN[0] or size.max() >= _PLAIN[1]):
        return ScientificFormatter(precision=4, power_limit_low=-3, power_limit_high=6)
    return NumberFormatter(format="0.[0000]", nan_format="-", text_align="right")


def _recorded(one: Recorded, number: int) -> Any:
    """One output of the points that are chosen."""
    logarithmic = one.kind == "spectrum"
    values = np.concatenate(one.parts)
    up, across = (np.concatenate(one.cells), values) if one.kind == "spikes" else (values, one.x)
    plot = _plain(
        f"recorded{number}",
        [PanTool(), WheelZoomTool(), ResetTool()],
        240,
        x_range=_range(across, logarithmic, 0.01),
        y_range=_range(up, logarithmic, 0.06),
        **dict.fromkeys(("x_axis_type", "y_axis_type"), "log" if logarithmic else "linear"),
    )
    plot.xaxis.axis_label, plot.yaxis.axis_label = plain(one.x_label), plain(one.y_label)
    plot.xaxis.axis_label_text_font_style = plot.yaxis.axis_label_text_font_style = "normal"
    name = f"drawn{number}"
    if one.kind == "spikes":
        plot.scatter("x", "y", source=ColumnDataSource({"x": [], "y": []}, name=name), size=3, color=INK)
    else:
        lines = ColumnDataSource({key: [] for key in ("xs", "ys", "color", "width")}, name=name)
        plot.multi_line("xs", "ys", source=lines, line_color="color", line_width="width")
    held = {"y": values} | ({"cell": up} if one.kind == "spikes" else {})
    # the numbers of all points, one after the other; where each begins is in the settings of the page
    plot.tags = [ColumnDataSource({key: values.astype(np.float32) for key, values in held.items()}, name=f"held{number}")]
    return plot


def _range(values: np.ndarray, logarithmic: bool, margin: float) -> tuple[float, float]:
    """Ends of an axis on which all values have a place, the same for every point."""
    known = np.asarray(values, float)[np.isfinite(values)]
    known = np.log10(known[known > 0]) if logarithmic else known
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    wide = margin * (high - low) or 0.5
    return (10 ** (low - wide), 10 ** (high + wide)) if logarithmic else (low - wide, high + wide)


def plain(text: str) -> str:
    r"""A text that Bokeh takes for no formula.

    Examples
    --------
    >>> "$$" in plain("$$$x$$$"), plain("J (nA)")
    (False, 'J (nA)')
    """
    # a space of no width between the two
    return re.sub(r"\$(?=\$)|\\(?=[\[(])", lambda mark: f"{mark[0]}\u200b", text)
