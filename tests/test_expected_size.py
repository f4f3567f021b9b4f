"""What outputs will take, and a disk that has no room for them."""

from __future__ import annotations

import shutil
from collections import namedtuple

import numpy as np
import pytest

import hpcsim
from hpcsim import Coordinate, Output, Parameter, model
from hpcsim.scheduler.sweep import Listener, sweep
from hpcsim.scheduler.target import Target
from hpcsim.study.expected_size import describe_size, disk_warning, point_bytes

Usage = namedtuple("Usage", "total used free")

#: Nine values of a parameter; a point has 1000 samples in float64.
STUDY = """
[study]
name = "wide"
model = "wide:wide"
replicates = REPLICATES
[space]
x = { linspace = [1, 9, 9] }
"""
MODEL = """
import numpy as np
from hpcsim import Coordinate, Output, Parameter, model

@model(
    "wide",
    parameters=[Parameter("x", 1.0)],
    outputs=[Output("lfp", ("time",), "mV")],
    coordinates=lambda values: {"time": Coordinate(np.arange(1000.0), "ms")},
)
def wide(point, context):
    return {"lfp": np.zeros(1000)}
"""


def study(*outputs: Output, length: int = 1000, n: int = 4, **more) -> hpcsim.Study:
    def coordinates(values):
        return {"time": Coordinate(np.arange(float(length)), "ms")}

    def simulate(point, context):
        return {output.name: np.zeros(3 if output.ragged else length) for output in outputs}

    toy = model("toys.sized", parameters=[Parameter("x", 1.0)], outputs=list(outputs), coordinates=coordinates)(simulate)
    return hpcsim.Study("sized", toy, space={"x": [float(x) for x in range(n)]}, **more)


LFP, COUNTS = Output("lfp", ("time",), "mV"), Output("counts", ("time",), "", "int16")
SPIKES = Output("spikes", ("spike",), "ms", ragged=True)


@pytest.fixture
def free(monkeypatch):
    """A disk with so many bytes free."""
    asked = []

    def limit(size: int) -> list:
        monkeypatch.setattr(shutil, "disk_usage", lambda path: asked.append(path) or Usage(10 * size, 9 * size, size))
        return asked

    return limit


def test_sizes_are_those_that_are_written():
    assert point_bytes(study(LFP, COUNTS, SPIKES)) == {"lfp": 8000, "counts": 2000, "spikes": 0}
    single = study(LFP, COUNTS, outputs={"precision": "float32"})
    assert point_bytes(single) == {"lfp": 4000, "counts": 2000}
    assert point_bytes(study(LFP, COUNTS, outputs={"keep": ["counts"]})) == {"counts": 2000}
    assert describe_size(study(LFP), 10) == "80 kB"
    assert describe_size(study(LFP, SPIKES), 10) == "at least 80 kB"


def test_a_disk_that_is_too_small_is_told(tmp_path, free):
    asked = free(31_999)
    wanted = study(LFP)
    words = disk_warning(wanted, wanted.directory(tmp_path / "not" / "there"), 4)
    assert asked == [tmp_path]
    for part in ("warning: 32 kB", "32 kB free", "keep", 'precision = "float32"', "--dir"):
        assert part in words
    assert "at least" not in words
    free(32_000)
    assert disk_warning(wanted, wanted.directory(tmp_path), 4) == ""
    assert disk_warning(wanted, wanted.directory(tmp_path), 5)


def test_lengths_that_nobody_knows_are_told(tmp_path, free):
    free(1000)
    wanted, alone = study(LFP, SPIKES), study(SPIKES)
    words = disk_warning(wanted, wanted.directory(tmp_path), 4)
    assert "at least 32 kB" in words
    assert "how long spikes will be is not known before" in words
    assert disk_warning(alone, alone.directory(tmp_path), 10**9) == ""


def test_single_precision_is_no_advice_where_it_is_taken(tmp_path, free):
    free(1000)
    wanted = study(LFP, outputs={"precision": "float32"})
    assert 'float32"' not in disk_warning(wanted, wanted.directory(tmp_path), 4)


def test_a_sweep_tells_it_before_it_starts_and_runs(tmp_path, free):
    free(10_000)
    wanted = study(LFP)
    heard = []
    listener = Listener(started=lambda study, plan: heard.append("started"), notify=heard.append)
    sweep(wanted, wanted.directory(tmp_path / "run"), Target("inline"), listener=listener)
    (warning,) = [words for words in heard if words.startswith("warning:")]
    assert "32 kB" in warning
    assert heard.index(warning) < heard.index("started")
    # nothing is left that would need room
    heard.clear()
    sweep(wanted, wanted.directory(tmp_path / "run"), Target("inline"), listener=listener)
    assert not [words for words in heard if words.startswith("warning:")]


def test_plan_warns_of_the_disk(tmp_path, command):
    (tmp_path / "wide.py").write_text(MODEL)
    path = tmp_path / "wide.toml"
    path.write_text(STUDY.replace("REPLICATES", "1"))
    assert "warning" not in command("plan", path).stdout
    path.write_text(STUDY.replace("REPLICATES", "100_000_000_000"))
    done = command("plan", path)
    assert done.returncode == 0
    assert "warning: 7,200 TB of outputs are expected before compression" in done.stdout
    assert "--dir" in done.stdout
