"""The Python of docs/tutorials/glm.md runs and shows what it says, under a shorter stimulus; and on a file of another layout."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest
from absent import needed

import hpcsim
from hpcsim.data.public import fetch
from hpcsim.errors import StorageError

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::RuntimeWarning"),
]
SCRIPT = Path(hpcsim.__file__).parents[1] / "docs" / "figures" / "glm.py"
SHORT = {'"500 ms"': '"100 ms"', '"gap": "1 s"': '"gap": "100 ms", "pulse": "1 s"'}
MODELS = ("instantaneous", "current", "history")


@pytest.fixture(scope="module")
def script():
    # the extra glm: the README's environment has none
    needed("nemos")
    needed("pynapple")
    spec = importlib.util.spec_from_file_location("glm_page", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


@pytest.fixture(scope="module")
def page(script, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    names = script.run(folder, SHORT)
    yield folder, names
    names["results"].close()


def test_each_step_has_its_picture(script, page):
    folder, _ = page
    named = set(re.findall(r"images/(\S+\.png)", script.PAGE.read_text()))
    assert {picture.name for picture in folder.glob("*.png")} == named and len(named) == 9


def test_history_predicts_held_out_spikes_best_by_both(page):
    _, names = page
    for held in ({name: names["scores"]["test", name] for name in MODELS}, scores(names["row"], "test")):
        assert held["history"] > held["instantaneous"] > 0


def scores(row, part):
    return {name: row[f"glm_mcfadden.{name}.{part}"] for name in MODELS}


@pytest.mark.parametrize("part", ["train", "test"])
def test_nemos_and_hpcsim_agree_on_the_scores(page, part):
    """But for the ridge, the first bins, and the bin itself, which NeMoS' filters do not see."""
    _, names = page
    theirs = {name: names["scores"][part, name] for name in MODELS}
    assert theirs == pytest.approx(scores(names["row"], part), abs=0.04)


def test_the_exported_file_gives_the_number_of_the_stage(page):
    folder, names = page
    with hpcsim.open(folder / "glm_cell") as results:
        stored = float(results.outputs["glm_bits_per_spike"].values[0, 1, 1])
    # the page's study chooses among ridges, the table has the default one
    assert names["row"]["glm_bits_per_spike.current.test"] == pytest.approx(stored, abs=0.2)
    assert names["table"].attrs["sources"][names["table"].index[0]]["tags"] == "epochs"


def test_the_tuning_curve_rises(page):
    _, names = page
    assert int(names["tuning"][0].argmax()) > 5


def test_the_simulated_model_fires_as_the_cell(page):
    _, names = page
    observed = len(names["spikes"].restrict(names["held"]))
    assert np.mean([len(run.spikes) for run in names["simulated"]]) == pytest.approx(observed, rel=0.3)


@pytest.mark.data
def test_the_same_code_runs_on_the_cell_of_the_tutorial(script, tmp_path):
    """Where it can be fetched, or is in HPCSIM_DATA."""
    try:
        file = fetch("allen/478498617.nwb")
    except StorageError as error:
        pytest.skip(str(error))
    names = script.run(tmp_path, script.on_file(file.absolute()))
    held = scores(names["row"], "test")
    assert held["history"] > held["instantaneous"]
