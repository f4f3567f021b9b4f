"""One point of a study: `hpcsim point`."""

from __future__ import annotations

import json

import numpy as np
import pytest

import hpcsim
from hpcsim.collector.lookup import closest, matching
from hpcsim.errors import ResultsError
from hpcsim.scheduler.foreground import simulate_again
from hpcsim.scheduler.state.one_point import find_point

STUDY = """
[study]
name = "toy"
model = "toys:single"
[space]
x = [1, 2, 3, 5]
[fixed]
guilty = 2
[[stages]]
use = "toys:total"
[outputs]
keep = ["square", "spikes"]
"""


@pytest.fixture
def toy(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "toy.toml").write_text(STUDY)
    study = hpcsim.Study.load("toy.toml")
    study.run(on="inline", infer=False).close()
    return study


def _id(study, index):
    return study.design.ids(index, index + 1)[0].decode()


def test_a_failed_point_with_its_log_and_a_sound_one_simulated_again(toy, typed, capsys):
    shown = typed("point", "toy.toml", _id(toy, 1)[:6])
    assert "failed in attempt 1" in shown and "error: ValueError: this point cannot be simulated" in shown
    assert 'raise ValueError("this point cannot be simulated")' in shown and "guilty     2      mV    fixed" in shown

    # as a debugger and a reader want it: the model's own traceback
    with pytest.raises(SystemExit, match="1"):
        typed("point", "toy.toml", _id(toy, 1)[:6], "--again")
    assert capsys.readouterr().err.strip().endswith("ValueError: this point cannot be simulated")

    point = json.loads(typed("point", "runs/toy", _id(toy, 3)[:6], "--again", "--json"))
    assert (point["id"], point["index"], point["status"]) == (_id(toy, 3), 3, "ok")
    assert point["parameters"]["x"] == {"value": 5.0, "unit": "mV"}
    assert point["outputs"]["square"] == {"value": 25.0, "unit": "mV**2"} and len(point["outputs"]["spikes"]["value"]) == 5
    with hpcsim.open(f"runs/toy/points/{_id(toy, 3)}.h5") as again:
        assert {"noise", "parity", "total"} <= {*again.outputs} and again.records["seed"].iloc[0] == point["seed"]


LOUD = """
import ctypes
from hpcsim import Output, Parameter, model

@model("my.loud", parameters=[Parameter("x", 1.0)], outputs=[Output("twice")])
def loud(point, context):
    print("by Python")
    ctypes.CDLL(None).puts(b"by C")
    return {"twice": 2 * point["x"]}
"""


def test_what_a_model_prints_is_no_part_of_the_json(tmp_path, command):
    """Neither by Python nor by a simulator's own code, which buffers for itself."""
    (tmp_path / "louds.py").write_text(LOUD)
    (tmp_path / "loud.toml").write_text('[study]\nname = "loud"\nmodel = "louds:loud"\n[space]\nx = [1, 2]\n')
    id = _id(hpcsim.Study.load(tmp_path / "loud.toml"), 1)
    done = command("point", "loud.toml", id[:8], "--again", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    point = json.loads(done.stdout)
    assert (point["status"], point["again"]["outputs"]["twice"]["value"]) == ("missing", 4.0)
    assert "by Python" in done.stderr and "by C" in done.stderr


def test_the_same_values_come_again_and_the_results_stay(toy):
    place = toy.directory()
    before = place.results.read_bytes()
    point = find_point(toy, place, _id(toy, 3))
    again = simulate_again(toy, place, point)
    assert (again.equal, again.different) == (("square", "spikes"), ())
    assert np.isclose(again.outputs["total"][0], again.outputs["noise"][0].sum())
    point.outputs["square"][...] += 1
    assert simulate_again(toy, place, point).different == ("square",)
    assert place.results.read_bytes() == before and toy.check().ok


def test_a_point_that_was_not_simulated_yet(toy, tmp_path, monkeypatch):
    more = hpcsim.Study("more", "toys:single", space={"x": [1, 2, 7]})
    point = find_point(more, more.directory(), _id(more, 2)[:10])
    assert (point.status, point.index, point.values["x"], point.seed) == ("missing", 2, 7.0, more.design.point(2).seed)
    again = simulate_again(more, more.directory(), point)
    # a folder that holds no study would be in the way of one
    assert again.path == tmp_path / f"{point.id}.h5" and not (tmp_path / "runs" / "more").exists()


def test_a_point_that_the_design_no_longer_has(toy):
    fewer = hpcsim.Study("toy", "toys:single", space={"x": [1, 2]}, fixed={"guilty": 2})
    point = find_point(fewer, fewer.directory(), _id(toy, 3))
    assert (point.index, point.values["x"], point.values["how"], point.status) == (None, 5.0, "raise", "ok")


def test_the_number_of_a_point_is_answered_with_its_id(toy):
    # a number that no id begins with
    number = next(i for i in range(len(toy.design)) if not any(_id(toy, k).startswith(str(i)) for k in range(len(toy.design))))
    with pytest.raises(ResultsError, match=rf'begins with "{number}".*; point {number} of the study is {_id(toy, number)[:12]}$'):
        find_point(toy, toy.directory(), str(number))
    with pytest.raises(ResultsError, match=r'begins with "9999"') as caught:
        find_point(toy, toy.directory(), "9999")
    assert "of the study is" not in str(caught.value)


def test_the_beginning_of_an_id_that_fits_none_or_several(toy, monkeypatch):
    place, id = toy.directory(), _id(toy, 3)
    wrong = id[:3] + ("0" if id[3] != "0" else "1") + id[4:8]
    with pytest.raises(ResultsError, match=f'begins with "{wrong}"; the nearest is {id[:12]}'):
        find_point(toy, place, wrong)
    with pytest.raises(ResultsError, match=f"the nearest is {id[:12]}"), hpcsim.open(place.path) as results:
        results.point(wrong)
    same = np.array([_id(toy, i).replace(_id(toy, i)[0], "a", 1) for i in range(2)], "S32")
    held = _id(toy, 3)[:4]
    # the first point of the design stands for one that is not simulated yet
    every = np.array([held + "0" * 28, *(_id(toy, i) for i in (1, 2, 3))], "S32")
    monkeypatch.setattr(toy.design, "ids", lambda start, stop: every[start:stop])
    with pytest.raises(ResultsError, match=f'2 points have an id that begins with "{held}"'):
        find_point(toy, place, held)
    monkeypatch.setattr(toy.design, "ids", lambda start, stop: same[start:stop])
    with pytest.raises(ResultsError, match="2 points have an id that begins with"):
        find_point(toy, place, "a")
    with pytest.raises(ResultsError, match="is empty"):
        find_point(toy, place, "")


def test_matching_looks_at_every_digit():
    ids = np.array(["8bd4" * 8, "8bd5" * 8, "ffff" * 8], "S32")
    assert matching(ids, "8bd").tolist() == [0, 1] and matching(ids, "8BD5").tolist() == [1]
    assert matching(ids, "8bd4" * 8).tolist() == [0] and matching(ids, "8bd4" * 9).tolist() == []
    assert closest(ids, "fxff") == (3, "ffff" * 8) and closest(ids[:0], "f") == closest(ids, "zz") == (0, "")
    assert matching(ids, "8é").tolist() == []
