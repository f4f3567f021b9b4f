"""Figures of a page: each embedded, and beside the page as PNG, as PDF, and its numbers as CSV."""

from __future__ import annotations

import base64
import gc
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcsim.errors import ResultsError
from hpcsim.files import regular, write_text
from hpcsim.plotting import save
from hpcsim.report.contents import Picture, Words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Numbers of a figure that its CSV file holds, at most; of more, every k-th.
_NUMBERS = 100_000
#: Inches above which panels would be too small to read on a narrow screen.
_WIDE = 7.0
_SUFFIXES = (".png", ".pdf", ".csv")
#: Names of the figures that a page has made, so that those of an earlier one can go, and nothing else.
_MADE = ".figures"
#: Bytes of that list, at most.
_LISTED = 2**20


class Gallery:
    """Draws figures and keeps them in a folder beside a page.

    Parameters
    ----------
    page : Path
        Such as ``report.html``, whose figures are in ``report/figures``.
    """

    def __init__(self, page: Path) -> None:
        self.folder = page.with_suffix("") / "figures"
        self.address = f"{page.stem}/figures"
        self._made: set[str] = set()

    def draw(self, name: str, caption: str, draw: Callable[[], Figure | Axes]) -> Picture | Words:
        """A figure for the page, or the sentence that says why there is none.

        Parameters
        ----------
        name : str
            Of the files, without suffix.
        caption : str
            One or more sentences.
        draw : callable
        """
        try:
            return self._kept(name, caption, draw())
        # numbers that nobody has foreseen break any library that draws; the rest of the page stands
        except Exception as error:
            return Words(f"No figure of the {name.replace('_', ' ')}: {error}", "soft")
        finally:
            # a figure knows itself in circles, and is large
            gc.collect()

    def _kept(self, name: str, caption: str, drawn: Any) -> Picture:
        figure = drawn if hasattr(drawn, "savefig") else drawn.get_figure(root=True)
        png, pdf, csv = (self.folder / f"{name}{suffix}" for suffix in _SUFFIXES)
        save(figure, png)
        # the places of all panels are known by now, and take long to find
        figure.set_layout_engine("none")
        figure.savefig(pdf, format="pdf", metadata={"CreationDate": None, "Creator": None, "Producer": None})
        if thinned := _write_numbers(figure, csv):
            caption += f" The CSV file has every {thinned}th of its numbers."
        self._made |= {png.name, pdf.name, csv.name}
        links = [(file.suffix[1:].upper(), f"{self.address}/{file.name}") for file in (png, pdf, csv)]
        return Picture(name.replace("_", " "), caption, embedded(png), links, wide=figure.get_figwidth() > _WIDE)

    def tidy(self) -> None:
        """Remove the figures of an earlier page that this one does not have; other files of the folder stay."""
        for name, file in made(self.folder).items():
            if name not in self._made:
                file.unlink(missing_ok=True)
        if self.folder.is_dir():
            write_text(self.folder / _MADE, "\n".join(sorted(self._made)))


def linked(page: Path) -> dict[str, Path]:
    """Files that a page leads to, by the addresses in its links, such as ``report/figures/cost.png``."""
    gallery = Gallery(page)
    return {f"{gallery.address}/{name}": file for name, file in made(gallery.folder).items()}


def made(folder: Path) -> dict[str, Path]:
    """Figures in a folder that a page has made, by their names; whatever else is there belongs to somebody."""
    try:
        names = regular(folder / _MADE, _LISTED).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    return {name: folder / name for name in names if Path(name).name == name and Path(name).suffix in _SUFFIXES}


def embedded(file: Path) -> str:
    """A picture as the text of an address.

    Raises
    ------
    ResultsError
        If it cannot be read.
    """
    try:
        return base64.b64encode(regular(file).read_bytes()).decode("ascii")
    except OSError as error:
        raise ResultsError(f"{file}: the figure cannot be read ({error.strerror}); run the method again") from error


def numbers(figure: Figure) -> Iterator[tuple[str, str, np.ndarray, np.ndarray, np.ndarray]]:
    """Panel, name, x, y and value (NaN without any) of everything that is drawn in a figure.

    Points and lines give their places, bars their middle and length, cells of a map or density their middle and value.
    """
    panels = [ax for ax in figure.axes if ax.get_label() != "<colorbar>"]
    for number, ax in enumerate(panels, 1):
        title = ax.get_title(loc="left") or ax.get_ylabel()
        panel = f"{number} {title} / {ax.get_xlabel()}".strip(" /")
        for name, x, y, value in _drawn(ax):
            yield panel, name, x, y, value


def _drawn(ax: Axes) -> Iterator[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    for line in ax.lines:
        # lines across the whole panel, which mark a value, have an axis of their own
        if line.get_transform() == ax.transData:
            x, y = (np.asarray(part, float) for part in (line.get_xdata(), line.get_ydata()))
            yield str(line.get_label()), x, y, np.full(len(x), np.nan)
    for drawn in ax.collections:
        held: Any = drawn
        if type(held).__name__ == "QuadMesh":
            corners = held.get_coordinates()
            middle = (corners[:-1, :-1] + corners[1:, 1:]) / 2
            value = np.asarray(np.ma.filled(held.get_array(), np.nan), float).ravel()
            seen = np.isfinite(value)
            yield str(held.get_label()), middle[..., 0].ravel()[seen], middle[..., 1].ravel()[seen], value[seen]
        elif type(held).__name__ == "PathCollection":
            x, y = np.asarray(np.ma.filled(held.get_offsets(), np.nan), float).T
            array = held.get_array()
            yield str(held.get_label()), x, y, np.full(len(x), np.nan) if array is None else np.asarray(array, float).ravel()
    for group in ax.containers:
        bars: Any = group
        if hasattr(bars, "patches"):
            boxes = np.array([[*bar.get_xy(), bar.get_width(), bar.get_height()] for bar in bars.patches]).reshape(-1, 4)
            upright = bars.orientation != "horizontal"
            middle_x, middle_y = boxes[:, 0] + boxes[:, 2] / 2, boxes[:, 1] + boxes[:, 3] / 2
            x, y = (middle_x, boxes[:, 3]) if upright else (boxes[:, 2], middle_y)
            label = str(bars.get_label())
            yield label if not label.startswith("_") else str(bars.patches[0].get_label()), x, y, np.full(len(x), np.nan)
    for patch in ax.patches:
        steps: Any = patch
        if type(steps).__name__ == "StepPatch":
            data = steps.get_data()
            middle = (data.edges[1:] + data.edges[:-1]) / 2
            yield str(steps.get_label()), middle, np.asarray(data.values, float), np.full(len(middle), np.nan)


def _write_numbers(figure: Figure, path: Path) -> int:
    """Write the numbers of a figure; returns k where it is every k-th of them, otherwise 0."""
    import csv

    parts = list(numbers(figure))
    total = sum(len(part[2]) for part in parts)
    step = max(1, -(-total // _NUMBERS))
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["panel", "series", "x", "y", "value"])
    for panel, name, *columns in parts:
        series = "" if name.startswith("_") else name
        for x, y, value in zip(*(column[::step].tolist() for column in columns), strict=True):
            writer.writerow([panel, series, f"{x:.8g}", f"{y:.8g}", "" if value != value else f"{value:.8g}"])
    write_text(path, file.getvalue())
    return step if step > 1 else 0
