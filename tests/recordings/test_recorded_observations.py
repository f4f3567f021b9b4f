from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from hpcsim.errors import ResultsError
from hpcsim.inference.observations import read_observations
from hpcsim.recordings.observations import describe, load_observations, public_observations, save_observations
from hpcsim.stages.features.ephys import STATISTICS

NAMES = list(STATISTICS)
PUBLIC = "bernaerts2025/m1_observed_features.csv"


@pytest.fixture
def table():
    values = np.random.default_rng(0).normal(size=(4, 23))
    found = pd.DataFrame(values, index=pd.Index(["a", "b", "c", "d"], name="cell"), columns=NAMES)
    found.attrs.update(describe("default", rest_after=False, junction_potential=14.0))
    return found


def test_a_table_comes_back_as_it_was(tmp_path, table):
    found = load_observations(save_observations(table, tmp_path / "t.csv"))
    pd.testing.assert_frame_equal(found, table, rtol=1e-15)
    assert found.attrs["definition"] == "default" and found.attrs["junction_potential"] == 14.0


def test_features_and_other_columns_are_chosen_by_name(tmp_path, table):
    table["layer"] = ["2", "3", "4", "5"]
    path = save_observations(table, tmp_path / "t.csv")
    assert list(load_observations(path, ["v_rest", "ap_width"], keep=["layer"]).columns) == ["v_rest", "ap_width", "layer"]
    with pytest.raises(ResultsError, match='did you mean "ap_width"'):
        load_observations(path, ["ap_widt"])
    with pytest.raises(ResultsError, match='no column "type"'):
        load_observations(path, keep=["type"])


def test_features_that_are_not_finite(tmp_path, table):
    table.loc["b", "ap_width"] = np.nan
    table.loc["d", "v_rest"] = np.inf
    path = save_observations(table, tmp_path / "t.csv")
    with pytest.raises(ResultsError, match=r"b: ap_width is nan; d: v_rest is inf"):
        load_observations(path)
    found = load_observations(path, incomplete="drop")
    assert list(found.index) == ["a", "c"] and found.attrs["dropped"] == ["b", "d"]
    assert list(load_observations(path, ["v_mean"]).index) == list(table.index)
    with pytest.raises(ResultsError, match="raise or drop"):
        load_observations(path, incomplete="ignore")


@pytest.mark.parametrize("extractor", [{"features.ephys": "0"}, {"features.efel": "1"}])
def test_another_extractor_is_refused(tmp_path, table, extractor):
    path = save_observations(table, tmp_path / "t.csv")
    (tmp_path / "t.json").write_text(json.dumps({"extractor": extractor}))
    with pytest.raises(ResultsError, match="equal names may mean other values"):
        load_observations(path)


def test_another_definition_is_refused(tmp_path, table):
    path = save_observations(table, tmp_path / "t.csv")
    assert len(load_observations(path, definition="default")) == 4
    with pytest.raises(ResultsError, match='definition "default", expected "bernaerts2025"'):
        load_observations(path, definition="bernaerts2025")


def test_a_table_that_does_not_say_what_made_it(tmp_path, table):
    path = save_observations(table, tmp_path / "t.csv")
    (tmp_path / "t.json").unlink()
    with pytest.raises(ResultsError, match=r"t\.json: expected a JSON file"):
        load_observations(path)
    with pytest.raises(ResultsError, match="what made it"):
        save_observations(pd.DataFrame({"ap_width": [1.0]}), tmp_path / "u.csv")
    with pytest.raises(ResultsError, match=r"ends in \.csv"):
        save_observations(table, tmp_path / "u.txt")


def test_the_published_observations(bernaerts_data):
    found = load_observations(PUBLIC, keep=["in_955", "rna_family"], incomplete="drop", definition="bernaerts2025")
    raw = pd.read_csv(bernaerts_data / "m1_observed_features.csv", index_col=0)
    assert list(found.columns[:23]) == NAMES
    np.testing.assert_array_equal(found["v_rest"], raw.loc[found.index, "rest_vm_mean_mV"])
    np.testing.assert_array_equal(found["ap3_ahp"], raw.loc[found.index, "ap3_ahp_mV"])
    assert len(found) + len(found.attrs["dropped"]) == 1033
    assert found.attrs["rest_after"] is True and found.attrs["junction_potential"] == 15.4


def test_public_observations_are_a_file_as_inference_reads_it(bernaerts_data, tmp_path):
    path = public_observations(PUBLIC, tmp_path / "place" / "cells.csv")
    features = [f"ephys.{name}" for name in NAMES]
    read = read_observations(path, features, where="in_955")
    assert read.shape == (955, 23) and read.attrs["definition"] == "bernaerts2025"
    raw = pd.read_csv(bernaerts_data / "m1_observed_features.csv", index_col=0).loc[read.index]
    np.testing.assert_array_equal(read["ephys.v_rest"], raw["rest_vm_mean_mV"])
    with pytest.raises(ResultsError, match=r'no public table of observations "bernaerts2025/m1\.csv"; did you mean'):
        public_observations("bernaerts2025/m1.csv", tmp_path / "cells.csv")


def test_a_study_says_before_it_runs_that_its_observations_are_missing(tmp_path, monkeypatch, command):
    monkeypatch.setenv("HPCSIM_DATA", str(tmp_path))
    # nor can they be fetched
    monkeypatch.setenv("HPCSIM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    said = command("run", "bernaerts_m1", "--scale", "trial")
    assert said.returncode != 0 and "m1_observed_features.csv is not there" in said.stderr
    assert not (tmp_path / "runs").exists()
