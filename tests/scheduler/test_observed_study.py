"""Another study's points as observations: computed by this study's stages, with units, and refused where they differ."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import hpcsim
from hpcsim.errors import AllFailedError, ResultsError
from hpcsim.inference.observations import read_observations
from hpcsim.scheduler.observed_study import observe

STAGES = [{"use": "features.spectrum", "segment": 256, "highest": 400, "bands": 4}]
#: Parents and fits: the toy network of this folder.
PARENT = """
[study]
name = "parent"
model = "fit_toys:network"
seed = 5
[space]
gain = [1.0, 2.0, 3.0]
[outputs]
keep = ["rate", "spike_counts"]
"""


def _fit(**changes) -> hpcsim.Study:
    return hpcsim.Study(
        "fit",
        "fit_toys:network",
        space={"gain": {"uniform": [0.5, 4]}, "tau": {"loguniform": [1, 10]}},
        design={"method": "random", "n": 4},
        stages=changes.pop("stages", STAGES),
        outputs={"keep": changes.pop("keep", ["rate", "psd_E", "psd_I", "log_psd_E"])},
        inference=[{"use": "inference.nsga2", "objectives": {"E": "rate.E"}, "observations": "study:parent"}],
        **changes,
    )


@pytest.fixture
def parent(tmp_path):
    (tmp_path / "parent.toml").write_text(PARENT)
    with hpcsim.Study.load("parent.toml").run("inline", tmp_path / "runs" / "parent") as results:
        yield results


def test_features_of_its_points_are_those_of_this_studys_stages(parent, tmp_path):
    fit = _fit()
    path = observe(fit, fit.directory(), "parent", tmp_path / "there" / "observations.csv")
    features = ["rate.E", *(f"psd_I.{x}" for x in fit.layout.coordinate("psd_I").values), "log_psd_E.156.25"]
    found = read_observations(path, features, {"rate": "1/ms", "psd_I": "1/Hz", "log_psd_E": ""})
    counts = {label: row for label, row in zip(parent.parameters["gain"], parent.outputs["spike_counts"].values, strict=True)}
    rates = dict(zip(parent.parameters["gain"], parent.outputs["rate"].values[:, 0], strict=True))
    assert set(found.index) == {f"parent, gain = {gain:g}" for gain in (1, 2, 3)}
    for gain in (1.0, 2.0, 3.0):
        row = found.loc[f"parent, gain = {gain:g}"]
        assert row["rate.E"] == pytest.approx(rates[gain] / 1000)
        stage = fit.stages[0]
        context = hpcsim.models.model.Context(layout=fit.all_outputs)
        made = stage.stage.apply({"spike_counts": counts[gain][None]}, stage.options, context)
        np.testing.assert_allclose(row[features[1:-1]].to_numpy(float), made["psd_I"][0], rtol=1e-12)
        assert row["log_psd_E.156.25"] == pytest.approx(made["log_psd_E"][0, 1])
    about = json.loads(path.with_suffix(".json").read_text())
    assert about["extractor"] == {"features.spectrum": "1"} and about["study"] == "parent" and about["fingerprint"]


def test_its_parameters_choose_the_point(parent, tmp_path):
    fit = _fit()
    path = observe(fit, fit.directory(), "parent", tmp_path / "observations.csv")
    assert read_observations(path, ["rate.E"], {"rate": "Hz"}, where="gain == 2").index.tolist() == ["parent, gain = 2"]
    assert len(read_observations(path, ["rate.E"], {"rate": "Hz"}, where="gain >= 2 and tau == 5")) == 2
    with pytest.raises(ResultsError, match=r"where = 'gain == 7' holds in none of 3 rows: gain is (\d\.0(, )?){3}"):
        read_observations(path, ["rate.E"], {"rate": "Hz"}, where="gain == 7")
    with pytest.raises(ResultsError, match=r'there is no number "gian".*did you mean "gain"'):
        read_observations(path, ["rate.E"], {"rate": "Hz"}, where="gian == 2")


def test_what_the_other_study_computed_itself_is_computed_again(parent, tmp_path):
    """Its spectrum has other segments."""
    text = PARENT.replace('"parent"', '"other"').replace('"spike_counts"]', '"spike_counts", "psd_E"]')
    (tmp_path / "other.toml").write_text(text + '[[stages]]\nuse = "features.spectrum"\nsegment = 1024\n')
    hpcsim.Study.load("other.toml").run("inline", tmp_path / "runs" / "other").close()
    paths = [observe(_fit(), _fit().directory(), name, tmp_path / f"{name}.csv") for name in ("parent", "other")]
    one, other = (pd.read_csv(path, index_col=0) for path in paths)
    assert one.columns.tolist() == other.columns.tolist()
    np.testing.assert_array_equal(one, other)


def test_a_failed_point_is_no_observation(tmp_path):
    (tmp_path / "parent.toml").write_text(PARENT.replace("[1.0, 2.0, 3.0]", "[1.0, 9.0]"))
    hpcsim.Study.load("parent.toml").run("inline", tmp_path / "runs" / "parent").close()
    fit = _fit()
    path = observe(fit, fit.directory(), "parent", tmp_path / "observations.csv")
    assert pd.read_csv(path, index_col=0).index.tolist() == ["parent"]
    (tmp_path / "parent.toml").write_text(PARENT.replace("[1.0, 2.0, 3.0]", "[9.0]").replace('"parent"', '"failed"'))
    with pytest.raises(AllFailedError):
        hpcsim.Study.load("parent.toml").run("inline", tmp_path / "runs" / "failed")
    with pytest.raises(ResultsError, match="failed has no point that succeeded to observe"):
        observe(fit, fit.directory(), "failed", tmp_path / "observations.csv")


def test_what_cannot_be_compared_is_refused(parent, tmp_path):
    target = tmp_path / "observations.csv"
    with pytest.raises(ResultsError, match=r"results of the study nobody, but there is no .*run nobody first"):
        observe(_fit(), _fit().directory(), "nobody", target)
    other = _fit(fixed={"dt": 0.25})
    with pytest.raises(ResultsError, match=r"psd_E has 52 values there, 0\.0 to 398\.4375 Hz, and 26 here"):
        observe(other, other.directory(), "parent", target)
    dipole = _fit(stages=[{"use": "signals.compare", "of": "field", "prediction": "field"}], keep=["rate"])
    with pytest.raises(ResultsError, match=r"compare cannot be applied to it: .*\"field\".*keeps rate, spike_counts"):
        observe(dipole, dipole.directory(), "parent", target)


def test_a_run_simulates_the_observed_study_first_at_its_scale(tmp_path):
    (tmp_path / "parent.toml").write_text(PARENT + "[scales.ci]\nspace.gain = [2.0]\n")
    text = """
[study]
name = "fit"
model = "fit_toys:network"
[space]
gain = { uniform = [0.5, 4] }
[design]
method = "random"
n = 4
[[stages]]
use = "features.spectrum"
segment = 256
[[inference]]
use = "inference.nsga2"
observations = "study:parent"
objectives = { E = "rate.E" }
generations = 1
checks = 0
[scales.ci]
design.n = 3
"""
    (tmp_path / "fit.toml").write_text(text)
    study = hpcsim.Study.load("fit.toml", "ci")
    assert study.needs == ("parent",) and study.inputs == ()
    # what is observed does not make the numbers of the sweep
    assert "parent" not in study.recipe["inputs"]
    study.run("inline").close()
    with hpcsim.open("runs/parent") as results:
        assert results.parameters["gain"].tolist() == [2.0]
    assert (tmp_path / "runs" / "fit" / "inference" / "0_nsga2" / "observations.csv").exists()
