"""A neuron coloured by its potentials: the right colours at the right time, frames that do not depend on who draws them."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from absent import needed
from PIL import Image

from hpcsim import Coordinate, Output, Study, model, plot
from hpcsim.errors import PluginError, ResultsError
from hpcsim.models.neuron.morphology import geometry
from hpcsim.models.neuron.morphology.segments import Segments
from hpcsim.plot import animation
from hpcsim.plot.film import Film

TIME = np.arange(4.0)


def film() -> Film:
    """A soma, a dendrite of two segments that gets warm from the left to the right, and myelin."""
    ends = np.array([[[0, 0, 0], [0, 0, 10]], [[0, 0, 10], [0, 5, 50]], [[0, 0, 50], [20, 5, 90]], [[0, 0, 0], [0, 0, -900]]])
    values = np.array([[-80, 20, -70, -75], [-80, -70, 0, -75], [-80, -75, -60, -10], [-80, -80, -80, -80]])
    kind = np.array(["soma", "apic", "apic", "myelin"])
    return Film(ends.astype(float), np.array([10.0, 2.0, 1.0, 1.0]), values.astype(float), TIME, kind)


def test_a_picture_at_a_time():
    ax = plot.morphology(film(), time=2.2)
    [lines] = ax.collections
    assert np.asarray(lines.get_array()).tolist() == [-70, 0, -60]
    np.testing.assert_array_equal(lines.get_segments()[2], [[0, 50], [20, 90]])  # type: ignore[attr-defined]
    assert lines.get_clim() == (-80, 20) and ax.get_title(loc="left") == "2 ms"
    # as wide as they are: 10 um of the soma beside 90 um of the neuron
    widths = np.asarray(lines.get_linewidths())
    assert widths[0] / widths[1] == pytest.approx(5)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x (µm)", "z (µm)") and ax.get_aspect() == 1
    # by default when it is most depolarised; with myelin, in another plane
    other = plot.morphology(film(), plane="yz", without=())
    assert np.asarray(other.collections[0].get_array()).tolist() == [20, -70, -75, -80]
    assert other.collections[0].get_segments()[1].tolist() == [[0, 10], [5, 50]]  # type: ignore[attr-defined]
    with pytest.raises(ResultsError, match='no axis "w"'):
        plot.morphology(film(), plane="wz")


def frames(page: str) -> list[bytes]:
    return [base64.b64decode(data) for data in re.findall(r'<img src="data:image/png;base64,([^"]+)"', page)]


def test_one_file_that_asks_for_nothing(tmp_path: Path):
    page = plot.animate(film(), tmp_path / "new/a.html", workers=2, fps=10, dpi=40).read_text(encoding="utf-8")
    found = frames(page)
    assert len(found) == len(set(found)) == 4 and page.count(" hidden>") == 3
    assert re.findall(r'alt="(.*?)"', page) == ["0 ms", "1 ms", "2 ms", "3 ms"]
    assert not re.search(r"https?://|@import|url\(|\son\w+=|style=", page) and 'data-fps="10"' in page
    # the policy names exactly the script and the style of the page
    policy = re.findall(r'Content-Security-Policy" content="(.*?)"', page)[0]
    assert policy.startswith("default-src 'none'; img-src data:;")
    for tag in ("style", "script"):
        [text] = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        assert f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" in policy
    # another process draws the same, to the last bit; and time moves on
    alone = frames(plot.animate(film(), tmp_path / "b.html", workers=1, start=1.0, stop=2.0, dpi=40).read_text(encoding="utf-8"))
    assert len(alone) == 2
    pictures = [np.asarray(Image.open(BytesIO(frame)).convert("RGB"), int) for frame in found]
    assert pictures[0].shape == (180, 240, 3) and all((a != b).any() for a, b in pairwise(pictures))


def test_mp4(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The film of the ffmpeg that a package brings, read again: all frames, at the right pace, with their pictures."""
    needed("imageio_ffmpeg")
    monkeypatch.setattr(animation.shutil, "which", lambda name: None)
    path = plot.animate(film(), tmp_path / "a.mp4", fps=10, dpi=41, workers=1)
    program = animation._ffmpeg(path)
    told = subprocess.run([program, "-hide_banner", "-i", str(path)], capture_output=True, text=True).stderr
    # sizes are even: 246 and 184.5 pixels
    assert re.search(r"Video: h264.* yuv420p\b.* 246x184\b.* 10 fps", told) and "Duration: 00:00:00.40" in told
    line = [program, "-loglevel", "error", "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    seen = np.frombuffer(subprocess.run(line, capture_output=True, check=True).stdout, np.uint8).reshape(4, 184, 246, 3)
    page = plot.animate(film(), tmp_path / "a.html", fps=10, dpi=41, workers=1).read_text(encoding="utf-8")
    drawn = np.array([np.asarray(Image.open(BytesIO(frame)).convert("RGB")) for frame in frames(page)])
    error = np.abs(seen[:, None, : drawn.shape[1]].astype(int) - drawn[None]).mean(axis=(2, 3, 4))
    # each is nearest to its own picture
    assert error.argmin(axis=1).tolist() == [0, 1, 2, 3] and np.diag(error).max() < 5


def test_gif_and_endings_that_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = plot.animate(film(), tmp_path / "a.gif", every=2, fps=10, dpi=40, workers=1)
    with Image.open(path) as image:
        assert (image.n_frames, image.info["duration"], image.size) == (2, 100, (240, 180))  # type: ignore[attr-defined]
    monkeypatch.setattr(animation.shutil, "which", lambda name: None)
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(PluginError, match=r"needs ffmpeg, which is not installed; .* `pip install 'hpcsim\[movie\]'`"):
        plot.animate(film(), tmp_path / "a.mp4")
    with pytest.raises(ResultsError, match=r'no animation with the ending "\.gf"; did you mean "\.gif"'):
        plot.animate(film(), tmp_path / "a.gf")
    with pytest.raises(ResultsError, match="an animation of 0 frames"):
        plot.animate(film(), tmp_path / "a.gif", start=3.0, stop=1.0)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.gif"]


def segments() -> Segments:
    (x, y, z), number = np.moveaxis(film().position, 2, 0), np.arange(4)
    return Segments(film().kind, x, y, z, film().diameter, np.ones(4), number, number)


@model(
    "plot.neuron",
    parameters=[],
    outputs=[Output("segment_v", ("segment", "time"), "mV"), *geometry.outputs()],
    coordinates=lambda values: {"segment": Coordinate(film().kind), "time": Coordinate(TIME, "ms"), **geometry.coordinates()},
)
def neuron(point, context):
    """A model of the user's own that records segments."""
    return {"segment_v": film().values, **geometry.values(segments())}


def test_of_any_model_that_records_segments(tmp_path: Path):
    with Study("own", neuron).run("inline", tmp_path / "a") as results:
        found = Film.of(results)
        for name in ("position", "diameter", "values", "time", "kind"):
            np.testing.assert_array_equal(getattr(found, name), getattr(film(), name))
        assert np.asarray(plot.morphology(results, time=1.0).collections[0].get_array()).tolist() == [20, -70, -75]
        with pytest.raises(ResultsError, match='"segment_diameter" is not over segments and time'):
            plot.morphology(results, output="segment_diameter")
    with Study("own", neuron, outputs={"keep": ["segment_v"]}).run("inline", tmp_path / "b") as results:
        with pytest.raises(ResultsError, match=r'"segment_v" was kept without the places.*kept were: segment_v'):
            plot.morphology(results)
        with pytest.raises(ResultsError, match='the output "segment_w" was not kept'):
            plot.animate(results, tmp_path / "a.html", output="segment_w")
