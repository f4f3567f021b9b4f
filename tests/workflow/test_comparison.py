"""Studies against each other."""

from __future__ import annotations

import json

import numpy as np
import pandas
import pytest

import hpcsim
from hpcsim.errors import ResultsError, StudyError
from hpcsim.workflow.comparison.settings import differing

KEEP = {"keep": ["square", "noise", "spikes"]}


def study(name, space, **more):
    return hpcsim.Study(name, "toys:single", space=space, **{"outputs": KEEP, **more})


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Two seeds, of which one has more points; one point fails."""
    monkeypatch.chdir(tmp_path)
    for made in (
        study("a", {"x": [1, 2, 3, 5]}, fixed={"guilty": 2}),
        study("b", {"x": [1, 2, 3, 5, 6]}, fixed={"guilty": 2}, seed=7),
    ):
        made.run(on="inline", infer=False).close()
    return tmp_path


def test_settings_points_and_outputs(runs, typed, monkeypatch):
    # sums go on from block to block
    monkeypatch.setattr("hpcsim.workflow.comparison.outputs._TOGETHER", 1)
    found = hpcsim.compare("runs/a", "runs/b")
    settings = {(one.section, one.name): one.values for one in found.differences}
    assert settings == {("parameters", "x"): ([1.0, 2.0, 3.0, 5.0], [1.0, 2.0, 3.0, 5.0, 6.0]), ("study", "seed"): (0.0, 7.0)}
    [points] = found.points
    assert (points.n_first, points.n_other, points.common, points.compared, points.by) == (4, 5, 4, 3, "id")
    square, noise, spikes = points.outputs
    assert (square.points, square.equal, square.largest, square.unit) == (3, 3, 0.0, "mV**2") and np.isclose(
        square.correlation, 1
    )
    with hpcsim.open("runs/a") as a, hpcsim.open("runs/b") as b:
        one, two = a.outputs["noise"].values[[0, 2, 3]], b.outputs["noise"].values[[0, 2, 3]]
    assert noise.equal == 0 and noise.largest == np.abs(one - two).max()
    assert np.isclose(noise.correlation, np.corrcoef(one.ravel(), two.ravel())[0, 1])
    assert np.isclose(noise.relative, (np.abs(one - two) / np.maximum(np.abs(one), np.abs(two))).max())
    assert spikes.points == 3 and spikes.note == "" and spikes.largest > 0
    text = found.text(80)
    assert (
        "settings that differ: 2" in text
        and "4 in common by the same id; 3 ok in both" in text
        and max(map(len, text.split("\n"))) < 90
    )
    again = json.loads(typed("compare", "runs/a", "runs/b/results.h5", "--json"))
    assert again["points"][0]["outputs"][0]["equal"] == 3 and again["names"] == ["runs/a", "runs/b/results.h5"]


def test_a_fixed_value_that_differs_leaves_points_to_their_varying_values(runs):
    study("c", {"x": [3, 2, 1]}, fixed={"guilty": 9}).run(on="inline", infer=False).close()
    [points] = hpcsim.compare("runs/a", "runs/c").points
    assert (points.by, points.common, points.compared) == ("x", 3, 2)
    assert points.outputs[0].equal == 2
    assert "no id is in both" in str(hpcsim.compare("runs/a", "runs/c"))


def test_three_studies_of_which_one_has_not_run(runs):
    stages = '[[stages]]\nuse = "toys:total"\n[scales.ci]\nspace.x = [2]\n'
    (runs / "d.toml").write_text(f'[study]\nname = "d"\nmodel = "toys:single"\n[space]\nx = [1]\n{stages}')
    found = hpcsim.compare("runs/a", "runs/b", "d.toml@ci")
    assert found.without_results == ("d.toml@ci",) and len(found.points) == 1
    settings = {(one.section, one.name): one.values for one in found.differences}
    # one value of a list is as good as a fixed one
    assert settings["parameters", "x"][2] == 2
    assert settings["stages", "0.use"] == (None, None, "toys:total")
    assert settings["parameters", "guilty"] == (2.0, 2.0, -1.0)


def test_outputs_that_cannot_be_compared(runs):
    short = study("e", {"x": [1, 2, 3]}, fixed={"guilty": 2}, seed=3)
    short.run(on="inline", infer=False).close()
    with hpcsim.open("runs/a") as a, hpcsim.open("runs/e") as e:
        layout = e.table.layout
        object.__setattr__(layout.outputs["square"], "unit", "V**2")
        from hpcsim.workflow.comparison.outputs import compare_outputs

        square = compare_outputs("a", a, "e", e).outputs[0]
    assert (square.points, square.note) == (0, "the other has the unit V**2")


def test_posteriors(runs):
    for name, mean in (("a", 1.0), ("b", 1.5)):
        folder = runs / "runs" / name / "inference" / "0_npe"
        folder.mkdir(parents=True)
        table = pandas.DataFrame({"mean x": [mean, 2.0], "sd x": [0.25, 0.5]}, index=["cell1", f"cell{name}"])
        table.to_csv(folder / "posterior.csv")
    [found] = hpcsim.compare("runs/a", "runs/b").posteriors
    assert (found.parameter, found.observations, found.mean, found.other_mean, found.shift) == ("x", 1, 1.0, 1.5, 2.0)
    assert "posteriors" in str(hpcsim.compare("runs/a", "runs/b"))


def test_two_posteriors_of_one_method_are_compared_each_with_its_own(runs):
    for name, places in (("a", ("0_npe", "1_npe", "2_npe")), ("b", ("0_npe", "3_npe"))):
        for mean, place in enumerate(places):
            folder = runs / "runs" / name / "inference" / place
            folder.mkdir(parents=True)
            pandas.DataFrame({"mean x": [float(mean)], "sd x": [0.5]}, index=["cell"]).to_csv(folder / "posterior.csv")
    found = hpcsim.compare("runs/a", "runs/b").posteriors
    assert [(each.mean, each.other_mean) for each in found] == [(0.0, 0.0), (1.0, 1.0)]


def test_what_cannot_be_compared(runs):
    with pytest.raises(ResultsError, match="expected two or more"):
        hpcsim.compare("runs/a")
    with pytest.raises(StudyError, match="no such file"):
        hpcsim.compare("runs/a", "runs/z")


def test_equal_studies_differ_in_nothing():
    tables = {
        "study": {"name": "a", "seed": 1},
        "fixed": {"x": 1},
        "stages": [{"use": "s"}],
        "recipe": {"versions": {"nest": "3"}},
    }
    other = {**tables, "study": {"name": "b", "seed": 1.0}, "fixed": {}, "space": {"x": [1.0]}}
    assert differing([tables, other]) == ()
    assert [d.name for d in differing([tables, {**tables, "recipe": {"versions": {"nest": "4"}}}])] == ["versions.nest"]
