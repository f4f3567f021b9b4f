"""A neuron coloured by the potentials of its segments: a picture, and an animation."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcsim.cores import cores
from hpcsim.errors import HpcsimError, ResultsError
from hpcsim.plot.animation import check, write
from hpcsim.plot.film import POTENTIAL, Film, axis_number, of_places
from hpcsim.plotting import GREY, INK, label, panel, pretty_unit, with_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection

    from hpcsim.collector.results import Results

#: Told apart by any colour vision, and in grey.
COLOURS = "viridis"
#: Sections that are not drawn unless somebody says so: myelin is as long as the dendrite, and shows nothing.
HIDDEN = ("myelin",)
_SIZE = (3.6, 5.2)  # inches
#: Frames of an animation that nobody would sit through.
_LONGEST = 2000


def morphology(
    results: Results | Film,
    point: str = "",
    time: float | None = None,
    output: str = POTENTIAL,
    *,
    plane: str = "xz",
    without: Sequence[str] = HIDDEN,
    limits: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """A neuron, each segment as wide as it is and coloured by its potential.

    Parameters
    ----------
    results : Results or Film
        Of a model that gives potentials over segments and their places, such as ``neuron.l5pc_segments``.
    point : str
        Id, of which the first digits do; the first point that succeeded by default.
    time : float, optional
        In the unit of the output's times; by default when the neuron is most depolarised.
    output : str
    plane : str
        The two axes that are seen.
    without : sequence of str
        Kinds of sections that are left out.
    limits : tuple of float, optional
        Values at the ends of the colours.
    ax : Axes, optional

    Raises
    ------
    ResultsError
        If the output or the places of its segments were not kept, or there is no such point.
    """
    film = _film(results, point, output, without)
    at = int(np.nanargmax(film.values.max(axis=0))) if time is None else film.at(time)
    ax = panel(ax, _SIZE)
    drawn = draw(ax, film, at, plane, limits or film.limits())
    bar = ax.figure.colorbar(drawn, ax=ax, aspect=30, shrink=0.6, pad=0.02)
    bar.set_label(with_unit("potential" if film.unit == "mV" else output, film.unit), fontsize=8, color=INK)
    bar.ax.tick_params(labelsize=7, color=GREY)
    ax.set_title(f"{film.time[at]:g} {film.time_unit}", fontsize=9, loc="left", color=INK)
    return ax


def draw(ax: Axes, film: Film, at: int, plane: str, limits: tuple[float, float]) -> LineCollection:
    """Draw the segments of a neuron as lines, whose colours are set by ``set_array``."""
    from matplotlib.collections import LineCollection

    i, j = (axis_number(name) for name in plane)
    ends: Any = film.position[:, :, [i, j]]
    lines = LineCollection(ends, cmap=COLOURS, clim=limits, capstyle="round")
    lines.set_array(film.values[:, at])
    ax.add_collection(lines)
    ax.set_aspect("equal")
    ax.autoscale_view()
    ax.margins(0.03)
    ax.grid(visible=False)
    label(ax, f"{plane[0]} (µm)", f"{plane[1]} (µm)")
    # widths are in points: from um by the scale that the axes have when they are drawn
    figure: Any = ax.figure
    figure.draw_without_rendering()
    points = ax.get_window_extent().height / figure.dpi * 72 / np.ptp(ax.get_ylim())
    lines.set_linewidth(np.maximum(film.diameter * points, 0.6))
    return lines


def animate(
    results: Results | Film,
    path: str | Path,
    point: str = "",
    output: str = POTENTIAL,
    *,
    plane: str = "xz",
    without: Sequence[str] = HIDDEN,
    limits: tuple[float, float] | None = None,
    places: dict[str, int] | None = None,
    start: float | None = None,
    stop: float | None = None,
    every: int = 1,
    fps: int = 20,
    dpi: int = 80,
    workers: int = 0,
) -> Path:
    """An animation of a neuron coloured by its potentials, with traces beside it.

    Frames are drawn by several processes, and are the same for any number of them.

    Parameters
    ----------
    results : Results or Film
        As of :func:`morphology`, like `point`, `output`, `plane`, `without` and `limits`.
    path : path
        ``.html`` (one file with a play button, which asks for nothing), ``.gif``, or ``.mp4`` with the system's ffmpeg
        or that of the extra ``movie``.
    places : mapping of str to int, optional
        Segments whose traces are beside the neuron, by the names that they get; the soma and the highest one by default.
    start, stop : float, optional
        In the unit of the output's times.
    every : int
        Every how many samples there is a frame.
    fps : int, 1/s
        Frames a second.
    dpi : int
        Dots per inch; the figure is 6 inches wide and 4.5 high.
    workers : int
        Processes; one a core by default.

    Returns
    -------
    Path
        Of the file.

    Raises
    ------
    ResultsError
        As of :func:`morphology`; if the ending is another one, or there is no frame, or more than 2000.
    PluginError
        If ffmpeg is needed and not there.
    """
    path = Path(path)
    check(path)
    film = _film(results, point, output, ())
    kept = of_places(film, places)
    traces = {name: film.values[index] for name, index in kept.items()}
    film = film.without(tuple(without))
    first, last = (default if t is None else film.at(t) for t, default in ((start, 0), (stop, len(film.time) - 1)))
    frames = range(first, last + 1, max(1, every))
    if not 0 < len(frames) <= _LONGEST:
        raise ResultsError(
            f"an animation of {len(frames)} frames; expected 1 to {_LONGEST}: choose other times, or a larger every"
        )
    low, high = limits or film.limits()
    style = {"plane": plane, "limits": [low, high], "dpi": dpi, "frames": list(frames)}
    with tempfile.TemporaryDirectory(prefix="hpcsim-frames-") as folder:
        pictures = _rendered(film, traces, style, Path(folder), min(workers or cores(), len(frames)))
        title = f"{with_unit(output, film.unit)}, {film.time[first]:g} to {film.time[last]:g} {film.time_unit}"
        times = [f"{film.time[k]:.4g} {pretty_unit(film.time_unit)}" for k in frames]
        path.parent.mkdir(parents=True, exist_ok=True)
        return write(path, pictures, times, fps, title)


def _film(results: Results | Film, point: str, output: str, without: Sequence[str]) -> Film:
    film = results if isinstance(results, Film) else Film.of(results, point, output)
    return film.without(tuple(without))


def _rendered(film: Film, traces: dict[str, np.ndarray], style: dict[str, Any], folder: Path, workers: int) -> list[Path]:
    """Frames as PNG files, each process a share of them."""
    film.save(folder / "film.npz")
    np.savez(folder / "traces.npz", allow_pickle=False, **traces)
    (folder / "style.json").write_text(json.dumps(style))
    # the same hpcsim as here, wherever it was found
    found = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH", "")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(found), "MPLBACKEND": "agg"}
    line = [sys.executable, "-P", "-m", "hpcsim.plot.frames", str(folder), str(workers)]
    processes = [
        subprocess.Popen([*line, str(k)], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for k in range(workers)
    ]
    said = [process.communicate()[1] for process in processes]
    pictures = [folder / f"{k:05d}.png" for k in range(len(style["frames"]))]
    lost = sum(not picture.exists() for picture in pictures)
    if lost or any(process.returncode for process in processes):
        words = next((text.strip().splitlines()[-1] for text in said if text.strip()), "no word")
        raise FramesError(f"{lost} of {len(pictures)} frames were not drawn: {words}")
    return pictures


class FramesError(HpcsimError, RuntimeError):
    """A process that draws frames ended with an error."""
