"""Pictures one after the other in one file: HTML with a play button, GIF, or MP4."""

from __future__ import annotations

import base64
import hashlib
import io
import shutil
import subprocess
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path

from hpcsim.errors import PluginError, ResultsError, nearest
from hpcsim.files import replacing, write_bytes, write_text

_STYLE = """
body { font: 15px/1.4 system-ui, sans-serif; color: #222; background: #fff; margin: 0 auto; padding: .6rem; max-width: 60rem; }
h1 { font-size: 1rem; margin: 0 0 .4rem; overflow-wrap: anywhere; }
.frames img { max-width: 100%; height: auto; display: block; }
.frames img[hidden] { display: none; }
.controls { display: flex; gap: .6rem; align-items: center; flex-wrap: wrap; margin-top: .4rem; }
.controls input[type=range] { flex: 1 1 12rem; }
button { font: inherit; min-width: 5rem; padding: .2rem .6rem; }
output { font-variant-numeric: tabular-nums; min-width: 6rem; }
"""
_SCRIPT = """
"use strict";
const frames = Array.from(document.querySelectorAll(".frames img"));
const play = document.getElementById("play"), place = document.getElementById("place");
const time = document.getElementById("time"), speed = document.getElementById("speed");
let shown = 0, timer = 0;
function show(k) {
  frames[shown].hidden = true;
  shown = (k + frames.length) % frames.length;
  frames[shown].hidden = false;
  place.value = shown;
  time.textContent = frames[shown].alt;
}
function stop() { clearInterval(timer); timer = 0; play.textContent = "Play"; }
function start() {
  stop();
  timer = setInterval(() => show(shown + 1), 1000 / (Number(document.body.dataset.fps) * Number(speed.value)));
  play.textContent = "Pause";
}
play.addEventListener("click", () => { if (timer) { stop(); } else { start(); } });
place.addEventListener("input", () => { stop(); show(Number(place.value)); });
speed.addEventListener("change", () => { if (timer) { start(); } });
play.disabled = false; place.disabled = false; speed.disabled = false;
"""


def check(path: Path) -> None:
    """Look whether such a file can be written, before frames are drawn.

    Raises
    ------
    ResultsError
        If the ending is of no animation.
    PluginError
        If ffmpeg is needed and not there.
    """
    if path.suffix.lower() not in WRITERS:
        raise ResultsError(f'{path}: there is no animation with the ending "{path.suffix}"; {nearest(path.suffix, WRITERS)}')
    if path.suffix.lower() == ".mp4":
        _ffmpeg(path)


def write(path: Path, pictures: Sequence[Path], times: Sequence[str], fps: int, title: str) -> Path:
    """Write an animation; its ending says which.

    Parameters
    ----------
    path : Path
    pictures : sequence of Path
        PNG files.
    times : sequence of str
        What is said of each.
    fps : int, 1/s
    title : str

    Raises
    ------
    PluginError
        If ffmpeg fails.
    """
    return WRITERS[path.suffix.lower()](path, pictures, times, fps, title)


def _html(path: Path, pictures: Sequence[Path], times: Sequence[str], fps: int, title: str) -> Path:
    images = []
    for k, (picture, time) in enumerate(zip(pictures, times, strict=True)):
        data = base64.b64encode(picture.read_bytes()).decode()
        images.append(f'<img src="data:image/png;base64,{data}" alt="{escape(time)}"{" hidden" if k else ""}>')
    policy = f"default-src 'none'; img-src data:; style-src {_hash(_STYLE)}; script-src {_hash(_SCRIPT)}"
    page = f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{escape(title)}</title><style>{_STYLE}</style></head>
<body data-fps="{fps}"><h1>{escape(title)}</h1>
<div class="frames">{"".join(images)}</div>
<div class="controls"><button id="play" type="button" disabled>Play</button>
<input id="place" type="range" min="0" max="{len(images) - 1}" value="0" aria-label="frame" disabled>
<output id="time">{escape(times[0])}</output>
<label>speed <select id="speed" disabled><option value="0.25">¼</option><option value="0.5">½</option>
<option value="1" selected>1</option><option value="2">2</option></select></label></div>
<script>{_SCRIPT}</script></body></html>
"""
    return write_text(path, page)


def _hash(text: str) -> str:
    """How a content policy names the one text that it allows."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _gif(path: Path, pictures: Sequence[Path], times: Sequence[str], fps: int, title: str) -> Path:
    del times, title
    from PIL import Image

    buffer = io.BytesIO()
    first, *rest = [Image.open(picture) for picture in pictures]
    first.save(buffer, "GIF", save_all=True, append_images=rest, duration=max(20, round(1000 / fps)), loop=0, optimize=False)
    return write_bytes(path, buffer.getvalue())


def _mp4(path: Path, pictures: Sequence[Path], times: Sequence[str], fps: int, title: str) -> Path:
    del times, title
    with replacing(path) as temporary:
        line = [_ffmpeg(path), "-y", "-loglevel", "error", "-framerate", str(fps), "-i", str(pictures[0].parent / "%05d.png")]
        # even sizes, and colours that every player knows
        line += ["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-pix_fmt", "yuv420p", "-f", "mp4", str(temporary)]
        done = subprocess.run(line, capture_output=True, text=True)
        if done.returncode:
            raise PluginError(f"{path}: ffmpeg could not write it: {done.stderr.strip()[-300:]}")
    return path


def _ffmpeg(path: Path) -> str:
    program = shutil.which("ffmpeg")
    if program is not None:
        return program
    try:
        from imageio_ffmpeg import get_ffmpeg_exe

        return str(get_ffmpeg_exe())
    except (ImportError, RuntimeError) as error:
        raise PluginError(
            f"{path}: an .mp4 file needs ffmpeg, which is not installed; install it, or `pip install 'hpcsim[movie]'`, which "
            "brings one, or write .html or .gif"
        ) from error


#: By the ending of the file.
WRITERS: dict[str, Callable[[Path, Sequence[Path], Sequence[str], int, str], Path]] = {
    ".html": _html,
    ".gif": _gif,
    ".mp4": _mp4,
}
