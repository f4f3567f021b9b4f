"""Outputs at a glance: each drawn as its declaration says, features against parameters, and what matters to them."""

from __future__ import annotations

import math
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

from hpcsim.errors import ResultsError
from hpcsim.inference.inputs import varying
from hpcsim.plot.parameters import features as features_figure
from hpcsim.plot.parameters import importance
from hpcsim.plot.parameters import map as map_figure
from hpcsim.plot.search import convergence, exploration, objectives, parallel_coordinates
from hpcsim.plot.signals import raster, rates, spectrum, traces
from hpcsim.plot.sweep import sweep_overview
from hpcsim.plotting import canvas
from hpcsim.report.contents import Block, Section, Words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.figure import Figure
    from pandas import DataFrame

    from hpcsim.collector.results import Results
    from hpcsim.report.figures import Gallery

#: Panels of features, and columns of one output above which it is no row of features.
_PANELS = 24
#: Outputs of one kind, maps and importances that are drawn.
_EACH, _MAPS, _IMPORTANT = 2, 4, 3
#: Points that a map is drawn of, and that a forest of trees learns from, at most.
_CELLS, _LEARNT = 20_000, 1000
#: Points whose traces and spectra are drawn.
_TRACES = 20


def glance_section(few: Results, whole: int, gallery: Gallery) -> Section:
    """Figures of the outputs that were kept, and which ones are not drawn."""
    layout = few.table.layout
    if not few.counts["ok"]:
        return Section("Outputs at a glance", [Words("No point succeeded: there is no output to draw.", "bad")])
    sample = "" if len(few) == whole else f" Of {whole:,} points, a sample of {len(few):,} is drawn."
    kinds = {name: layout.drawn_as(name) for name in layout.outputs}
    table, hidden = feature_columns(few, [name for name, kind in kinds.items() if kind == "feature"])
    blocks: list[Block] = list(_features(few, whole, table, sample, gallery))
    signals = {kind: [name for name in kinds if kinds[name] == kind] for kind in ("trace", "spectrum", "spikes")}
    for name in signals["trace"][:_EACH]:
        caption = f"The output {name} over time, of {_TRACES} points at most, one of them in front."
        blocks.append(gallery.draw(_file("trace", name), caption, partial(traces, few, name, _ids(few))))
    for name in (signals["spectrum"] or signals["trace"])[:_EACH]:
        caption = f"Power spectral density of {name}, of {_TRACES} points at most, one of them in front."
        blocks.append(gallery.draw(_file("spectrum", name), caption, partial(spectrum, few, name, _ids(few))))
    for name in signals["spikes"][:_EACH]:
        caption = f"Spikes of one point ({name}): a dot a spike above, and the rate over time below."
        blocks.append(gallery.draw(_file("spikes", name), caption, partial(_activity, few, name)))
    hidden += [name for names in signals.values() for name in names[_EACH:]]
    hidden += [name for name, kind in kinds.items() if kind == "nothing"]
    if hidden:
        blocks.append(Words(f"Not drawn: {', '.join(hidden)}. `hpcsim.plot` draws single ones.", "soft"))
    return Section("Outputs at a glance", blocks)


def search_section(results: Results, gallery: Gallery) -> Section:
    """How a search went."""
    drawn = [
        gallery.draw("objectives", "Objectives of the evaluations, with their cutoffs.", lambda: objectives(results)),
        gallery.draw("convergence", "The best point so far, over evaluations and CPU time.", lambda: convergence(results)),
        gallery.draw("exploration", "Where the search has looked, within the bounds.", lambda: exploration(results)),
        gallery.draw(
            "parallel_coordinates", "Each line is a point; accepted ones stand in front.", lambda: parallel_coordinates(results)
        ),
        gallery.draw("traces", "Traces of accepted points, the best one in front.", lambda: traces(results)),
    ]
    return Section("The search", drawn)


def _features(few: Results, whole: int, table: DataFrame, sample: str, gallery: Gallery) -> Iterator[Block]:
    """Features over what varies: maps of a grid of two parameters, or small multiples."""
    names = varying(few)
    if table.empty or not names:
        return
    maps = list(_maps(few, table, names, gallery)) if len(names) == 2 and len(few) == whole <= _CELLS else []
    yield from maps
    if not maps and len(names) <= 2:
        caption = f"Each feature over {' and '.join(names)}.{sample}"
        yield gallery.draw("features", caption, lambda: sweep_overview(few, table))
    elif not maps:
        shown = [str(name) for name in table.columns[table.nunique() > 1]]
        more = f" The first six of {len(shown)} features are drawn." if len(shown) > 6 else ""
        caption = (
            f"Features against the parameters that vary, the first six of them; densities where points are many.{more}{sample}"
        )
        yield gallery.draw("features", caption, lambda: features_figure(few, shown[:6]))
    if len(names) > 1 and find_spec("sklearn") is not None and len(table) >= 20:
        caption = (
            "How much each parameter matters to a feature: what a forest of trees loses where its values are shuffled. Where "
            "the R² of a title is small, bars mean little."
        )
        yield gallery.draw("importance", caption, lambda: _importance(few, table))


def _maps(few: Results, table: DataFrame, names: list[str], gallery: Gallery) -> Iterator[Block]:
    try:
        few.grid([])
    except ResultsError:  # drawn by chance
        return
    for name in map(str, table.columns[:_MAPS]):
        caption = f"{name} over {names[0]} and {names[1]}; a cross marks a point that failed or is missing."
        yield gallery.draw(_file("map", name), caption, partial(map_figure, few, names[0], names[1], name))


def _importance(few: Results, table: DataFrame) -> Figure:
    from hpcsim.collector.selection import sample

    shown = [str(name) for name in table.columns[table.nunique() > 1]][:_IMPORTANT]
    figure, axes = canvas(max(1, len(shown)), size=(4.2, max(2.2, 1.0 + 0.3 * len(varying(few)))))
    learnt = sample(few, _LEARNT)
    for ax, name in zip(axes, shown, strict=False):
        importance(learnt, name, varying(few), ax=ax)
    return figure


def _activity(few: Results, name: str) -> Figure:
    """A raster above, the rate below, with one axis of time."""
    figure, (above, below) = canvas(2, columns=1, size=(6.4, 2.4))
    raster(few, name, ax=above)
    rates(few, name, ax=below)
    below.sharex(above)
    return figure


def feature_columns(few: Results, names: list[str]) -> tuple[DataFrame, list[str]]:
    """Columns of the outputs that are features, scalars first, and the names of what is left out.

    Parameters
    ----------
    few : Results
    names : list of str
        Outputs that are drawn as features.
    """
    import pandas

    layout = few.table.layout
    # the shape is looked at first: a signal may be large
    small = [name for name in names if math.prod(layout.shape(name)) <= _PANELS and len(layout[name].dims) < 2]
    small.sort(key=lambda name: math.prod(layout.shape(name)))
    table = few.features(small) if small else pandas.DataFrame()
    hidden = [name for name in names if name not in small]
    if table.shape[1] > _PANELS:
        hidden.append(f"{table.shape[1] - _PANELS} more features")
    return table.iloc[:, :_PANELS], hidden


def _ids(few: Results) -> list[str]:
    """Points that are drawn, evenly over the rows."""
    import numpy as np

    good = np.flatnonzero(few.table.good)
    chosen = good[:: 1 + (len(good) - 1) // _TRACES]
    return [str(few.table.ids(int(row), int(row) + 1)[0].decode()) for row in chosen]


def _file(kind: str, name: str) -> str:
    """A name for files, whatever an output is called."""
    plain = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "_-.") else "_" for letter in name)
    return f"{kind}_{plain}"
