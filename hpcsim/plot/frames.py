"""One of the processes that draw the frames of an animation: ``python -m hpcsim.plot.frames FOLDER WORKERS NUMBER``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from hpcsim.plot.film import Film
from hpcsim.plot.neuron import COLOURS, draw
from hpcsim.plotting import BLUE, GREY, INK, VERMILLION, label, legend_above, with_unit

#: inches; and colours of traces.
_SIZE = (6.0, 4.5)
_LINES = (INK, VERMILLION, BLUE, GREY)


def main(folder: Path, workers: int, number: int) -> None:
    """Draw each frame whose number leaves this remainder."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    film = Film.load(folder / "film.npz")
    style = json.loads((folder / "style.json").read_text())
    with np.load(folder / "traces.npz", allow_pickle=False) as held:
        traces = {name: held[name] for name in held}
    frames: list[int] = style["frames"]
    figure = Figure(figsize=_SIZE, dpi=style["dpi"], layout="constrained", facecolor="white")
    cell, trace = figure.subplots(1, 2, width_ratios=(1.0, 1.1))
    for ax in (cell, trace):
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(labelsize=7, color=GREY)
    low, high = style["limits"]
    shown = slice(frames[0], frames[-1] + 1)
    for colour, (name, values) in zip(_LINES * len(traces), traces.items(), strict=False):
        trace.plot(film.time[shown], values[shown], color=colour, linewidth=1, label=name)
    cursor = trace.axvline(film.time[frames[0]], color=GREY, linewidth=0.8)
    label(trace, with_unit("time", film.time_unit), with_unit("potential" if film.unit == "mV" else "value", film.unit))
    if traces:
        legend_above(trace)
    lines = draw(cell, film, frames[0], style["plane"], (low, high))
    bar = figure.colorbar(lines, ax=cell, aspect=30, shrink=0.6, pad=0.02)
    bar.ax.tick_params(labelsize=7, color=GREY)
    bar.ax.set_title(film.unit, fontsize=7, color=INK)
    canvas: Any = FigureCanvasAgg(figure)
    clock = cell.set_title("", fontsize=9, loc="left", color=INK)
    # the places of all parts are found once: frames must not jump, and what does not move is drawn once
    moving = (lines, cursor, clock)
    clock.set_text(f"{film.time[frames[0]]:.2f} {film.time_unit}")
    canvas.draw()
    figure.set_layout_engine("none")
    for artist in moving:
        artist.set_animated(True)
    canvas.draw()
    still, colours = canvas.copy_from_bbox(figure.bbox), _palette()
    for k in range(number, len(frames), workers):
        at = frames[k]
        lines.set_array(film.values[:, at])
        cursor.set_xdata([film.time[at]] * 2)
        clock.set_text(f"{film.time[at]:.2f} {film.time_unit}")
        canvas.restore_region(still)
        for artist in moving:
            figure.draw_artist(artist)
        picture = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())
        picture.quantize(palette=colours, dither=Image.Dither.NONE).save(folder / f"{k:05d}.png", optimize=True)


def _palette() -> Image.Image:
    """The colours of all frames: those of potentials and lines, pure and thinned by white, and greys."""
    from matplotlib import colormaps
    from matplotlib.colors import to_rgb

    pure = np.concatenate([colormaps[COLOURS](np.linspace(0, 1, 56))[:, :3], [to_rgb(colour) for colour in _LINES]])
    greys = np.linspace(0, 1, 16)[:, None].repeat(3, axis=1)
    every = np.concatenate([greys, *(1 - share * (1 - pure) for share in (1.0, 0.75, 0.5, 0.25))])
    image = Image.new("P", (1, 1))
    image.putpalette((every * 255).round().astype(np.uint8).ravel().tolist())
    return image


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
