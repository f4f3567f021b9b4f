"""Inference that cannot work is refused before anything is simulated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fake_results import gaussian
from npe_toys import linear

import hpcsim
from hpcsim.errors import InferenceError, ResultsError, StudyError
from hpcsim.inference.finding import Finding
from hpcsim.inference.method import get_method, method
from hpcsim.inference.note import is_warning
from hpcsim.workflow.analysis import check_inference, stand_on

DRAWN = {"a": {"uniform": [-2, 2]}, "b": {"normal": [0, 1]}}


def study(n: int = 200, space=None, keep=(), **table) -> hpcsim.Study:
    design = {"method": "random", "n": n} if space is None else {}
    return hpcsim.Study(
        "toy", linear, space=space or DRAWN, design=design, outputs={"keep": list(keep)}, seed=7, inference=[table]
    )


def refused(found: hpcsim.Study) -> str:
    with pytest.raises(StudyError) as caught:
        found.run("inline", "toy")
    assert not Path("toy").exists(), "something was simulated"
    return str(caught.value)


def regression(**options) -> dict:
    return {"use": "inference.regression", "of": ["x"], "splits": 3, **options}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"estimator": "KNeighborsRegressor", "estimator_options": {"n_neighbors": 190}}, "cannot predict 20 points: Expected"),
        ({"estimator": "StandardScaler"}, 'scikit-learn has no regressor "StandardScaler"'),
        ({"estimator": "KMeans"}, 'scikit-learn has no regressor "KMeans"'),
        ({"estimator": "LogisticRegression"}, "scikit-learn has no regressor"),
        ({"estimator": "PLSRegression", "estimator_options": {"n_components": 9}}, "PLSRegression cannot be fitted"),
        ({"estimator": "Ridge", "estimator_options": {"alpha": -1.0}}, "Ridge cannot be fitted to 180 points"),
        ({"estimator": "SVR", "estimator_options": {"C": -1.0}}, "SVR cannot be fitted"),
        ({"of": []}, "of: it is empty"),
        ({"of": ["y"]}, 'there is no kept output "y"'),
        ({"of": ["x", "x"]}, '"x" is there twice'),
        ({"targets": ["current"]}, '"current" has one value in all points, so there is nothing to infer; the study varies a, b'),
        ({"targets": ["c"]}, 'the model has no parameter "c"'),
    ],
)
def test_a_regression(options, message):
    text = refused(study(**regression(**options)))
    assert "toy: inference[0]." in text and message in text


def test_a_regression_of_a_study_in_which_nothing_varies():
    assert "no parameter varies" in refused(study(space={"a": [1.0]}, **regression()))


def test_a_regression_of_a_handful_of_points():
    assert "at least 10 points are needed; the design has 4" in refused(study(4, **regression()))


def test_features_whose_squares_are_no_numbers(tmp_path):
    results = gaussian(30, 2)
    results.outputs["x"]["x.1"] *= 1e200
    with pytest.raises(ResultsError, match=r"x\.1 has values beyond 1e\+150.*a larger unit"):
        get_method("inference.regression")(results, tmp_path, of=["x"], splits=3)


def test_regressors_that_work_are_let_through():
    for options in ({}, {"estimator": "RandomForestRegressor", "estimator_options": {"n_estimators": 2}}, {"estimator": "SVR"}):
        check_inference(study(**regression(**options)))
    check_inference(study(**regression(estimator="GammaRegressor", targets=["a"])))
    check_inference(study(**regression(estimator="RadiusNeighborsRegressor")))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("A,1,2,3\nA,1,2,3\n", "A in lines 2, 3"),
        ("A,1,,3\n", "A: x.two is nan"),
        ("", "there is no observation"),
        ("A,1,two,3\n", "expected numbers, found 'two'"),
    ],
)
def test_observations(tmp_path, rows, message):
    (tmp_path / "o.csv").write_text(f"cell,one,two,three\n{rows}")
    text = refused(study(use="inference.npe", of=["x"], observations="o.csv"))
    assert "inference[0].observations: " in text and message in text


def test_a_posterior():
    assert "design has 20" in refused(study(20, use="inference.npe", of=["x"]))
    assert "no such file" in refused(study(use="inference.npe", of=["x"], observations="none.csv")).lower()
    assert "so there is no prior" in refused(study(space={"a": [1.0, 2.0]}, use="inference.npe", of=["x"]))
    text = refused(study(use="inference.npe", of=["x"], parameters=["current"], schedule=2))
    assert "the schedule adds noise" in text and "schedule 2 needs them" in text and '"current" has one value' in text


def test_a_search():
    text = refused(study(use="inference.nsga2", objectives={"one": "x.four", "two": {"of": "z", "target": 0}}))
    assert (
        '"x" has no column "x.four"; allowed: x.one, ' in text
        and 'there is no kept output "z"' in text
        and "one has no target" in text
    )


def test_genes():
    assert "there is no file counts.csv" in refused(study(use="inference.reduced_rank", genes="counts.csv"))


def test_a_sweep_without_inference():
    with study(**regression(targets=["current"])).run("inline", "toy", infer=False) as results:
        assert len(results) == 200
    assert not Path("toy", "inference").exists() and not Path("toy", "report.html").exists()


def test_a_finding_says_on_how_many_points_it_stands():
    found = study(space={"a": {"values": list(np.linspace(0, 1, 40))}}, **regression())
    found.run("inline", "toy").close()
    finding = Finding.load(Path("toy", "inference", "0_regression"))
    assert finding.metrics["points of the design"] == finding.metrics["points in the results"] == 40
    assert "It stands on 40 of 40 points of the design; rows of the results: 40 used." in finding.notes
    assert "40 of 40 points of the design" in Path("toy", "report.html").read_text()


def test_points_that_are_failed_left_out_missing_or_of_an_earlier_design_are_told():
    results = gaussian(20, 2)
    results.status = ["failed"] * 3 + ["ok"] * 17

    def said(design: int, used: int) -> str:
        finding = Finding("m", "t", {"points used": used})
        stand_on(finding, results, design)
        assert is_warning(finding.notes[-1]) == (design > 20)
        return finding.notes[-1]

    assert said(20, 17) == "It stands on 17 of 20 points of the design; rows of the results: 17 used, 3 failed."
    assert "15 used, 3 failed, 2 ok, but with features that are not finite." in said(20, 15)
    assert "It stands on 17 of 30 points" in said(30, 17) and "10 are missing. `hpcsim run` simulates them." in said(30, 17)
    assert "17 points, where the design has 12: 8 that it had before count too" in said(12, 17)


def test_whatever_a_library_raises_is_one_line(tmp_path):
    @method("inference.broken")
    def broken(results, options, directory, seed):
        """Fail as a library does."""
        raise RuntimeError("mat1 and mat2 shapes\ncannot be multiplied (2x3 and 4x5)")

    with pytest.raises(InferenceError) as caught:
        broken(gaussian(12), tmp_path)
    assert "inference.broken: RuntimeError: mat1 and mat2 shapes cannot be multiplied" in str(caught.value)
    assert "\n" not in str(caught.value) and isinstance(caught.value.__cause__, RuntimeError)


def test_a_target_that_is_constant_where_points_are_ok(tmp_path):
    results = gaussian(30, 2)
    results.parameters["theta_0"] = 1.0
    with pytest.raises(ResultsError, match=r"theta_0 has one value in all 30 points .*name other targets: theta_1"):
        get_method("inference.regression")(results, tmp_path, of=["x"], targets=["theta_0"], splits=3)


def test_points_that_share_one_target_of_two_are_no_replicates(tmp_path):
    results = gaussian(30, 2)
    results.parameters["theta_0"] = results.parameters["theta_0"].round()
    finding = get_method("inference.regression")(results, tmp_path, of=["x"], targets=["theta_0"], splits=3)
    assert not [note for note in finding.notes if "replicates" in note]


def test_a_target_that_is_constant_in_most_splits_leaves_no_ratio_by_zero(tmp_path):
    results = gaussian(30, 1)
    results.parameters["theta_0"] = [1.0] + [0.0] * 29
    finding = get_method("inference.regression")(results, tmp_path, of=["x"], splits=2)
    assert all(np.isfinite(value) for name, value in finding.metrics["theta_0"].items() if name not in ("ratio", "R2"))


def test_an_estimator_that_predicts_nan_is_told(tmp_path):
    options = {"estimator": "RadiusNeighborsRegressor", "estimator_options": {"radius": 1e-9}, "splits": 2}
    with pytest.raises(ResultsError, match="RadiusNeighborsRegressor predicts no finite number for 3 of 3 points"):
        get_method("inference.regression")(gaussian(30, 1), tmp_path, of=["x"], **options)
