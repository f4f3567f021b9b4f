from __future__ import annotations

import hashlib
import json
import pickletools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fake_results import FakeResults, gaussian

from hpcsim.errors import ResultsError, StudyError
from hpcsim.inference import get_method, load_regression
from hpcsim.inference.finding import Finding

regression = get_method("inference.regression")


def run(results: FakeResults, directory: Path, **options: object) -> Finding:
    return regression(results, directory, **{"of": ["x"], "splits": 10, **options})  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures take most of the time; the toy below, which is made once, has real ones."""
    monkeypatch.setattr("hpcsim.inference.regression.regression._figures", lambda *_: {})


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> tuple[Finding, Path, FakeResults]:
    directory, results = tmp_path_factory.mktemp("toy"), gaussian()
    return run(results, directory, splits=100), directory, results


def test_linear_gaussian_toy_reaches_the_noise_bound(toy: tuple[Finding, Path, FakeResults]) -> None:
    # x = theta + 1 + 0.1 N(0, 1): the noise variance, 0.01, bounds the MSE from below;
    # predicting the mean costs the variance of U(-2, 2), 16 / 12
    overall = toy[0].metrics["all targets"]
    assert overall["MSE mean"] == pytest.approx(0.01, rel=0.2)
    assert overall["baseline MSE"] == pytest.approx(16 / 12, rel=0.1)
    assert overall["ratio"] == pytest.approx(0.01 / (16 / 12), rel=0.25)
    assert overall["R2"] > 0.99
    for k in range(3):
        one = toy[0].metrics[f"theta_{k}"]
        assert one["MSE 5 %"] < one["MSE median"] < one["MSE 95 %"]
        assert one["MSE mean"] == pytest.approx(0.01, rel=0.35)


def test_statistics_are_those_of_the_splits(toy: tuple[Finding, Path, FakeResults]) -> None:
    one, splits = toy[0].metrics["theta_1"], toy[0].tables["splits"]["MSE theta_1"]
    assert len(splits) == 100
    assert one["MSE mean"] == pytest.approx(splits.mean())
    assert one["MSE median"] == pytest.approx(splits.median())
    assert one["MSE sd"] == pytest.approx(splits.std())
    assert one["MSE 95 %"] == pytest.approx(splits.quantile(0.95))


def test_predictions_are_out_of_sample(tmp_path: Path) -> None:
    # one nearest neighbour knows its train part by heart: in sample its error would be 0
    neighbour = {"estimator": "KNeighborsRegressor", "estimator_options": {"n_neighbors": 1}}
    finding = run(gaussian(40, 1), tmp_path, splits=60, **neighbour)
    table = finding.tables["predictions"]
    assert (abs(table["true theta_0"] - table["predicted theta_0"]) > 1e-6).all()
    assert table["splits"].sum() == 60 * 4


def test_points_that_were_never_tested_are_told(tmp_path: Path) -> None:
    finding = run(gaussian(40, 1), tmp_path, splits=2)
    untested = int((finding.tables["predictions"]["splits"] == 0).sum())
    assert untested >= 32
    assert any(note.startswith(f"{untested} points were in no test part") for note in finding.notes)
    assert finding.tables["predictions"]["predicted theta_0"].isna().sum() == untested
    assert finding.metrics["theta_0"]["R2"] > 0.9  # of those that were tested


def test_only_what_varies_is_inferred_unless_named(tmp_path: Path) -> None:
    finding = run(gaussian(60), tmp_path, targets=["theta_2"])
    assert [name for name in finding.metrics if name.startswith("theta")] == ["theta_2"]
    assert "all targets" not in finding.metrics
    with pytest.raises(ResultsError, match="solver"):
        run(gaussian(60), tmp_path, targets=["solver"])


def test_a_list_is_a_target_an_entry(tmp_path: Path) -> None:
    results = gaussian(40, 2)
    results.parameters = results.parameters.rename(columns={"theta_0": "pair.0", "theta_1": "pair.1"})
    results.units = {"pair": "mV"}
    for targets in ([], ["pair"]):
        run(results, tmp_path, targets=targets)
        assert load_regression(tmp_path).units == {"pair.0": "mV", "pair.1": "mV"}


def test_targets_of_different_units_have_no_common_error(tmp_path: Path) -> None:
    results = gaussian(60, 2)
    results.units = {"theta_0": "nA", "theta_1": "ms"}
    assert set(run(results, tmp_path).metrics["all targets"]) == {"ratio", "R2"}


def test_failed_and_nan_points_are_left_out_and_counted(tmp_path: Path) -> None:
    results = gaussian(50)
    results.status = ["failed", "timeout", *["ok"] * 48]
    results.outputs["x"].iloc[0, 0] = np.nan  # of a failed point: not counted twice
    results.outputs["x"].iloc[10, 1] = np.nan
    results.outputs["x"].iloc[11, 1:] = np.inf
    finding = run(results, tmp_path)
    assert finding.metrics["points used"] == 46
    assert finding.metrics["points failed"] == 2
    assert finding.metrics["points with features that are not finite"] == 2
    assert finding.tables["excluded"]["points"].to_dict() == {"x.1": 2, "x.2": 1}
    assert "1 points left out: failed." in finding.notes
    assert any("x.1 (2), x.2 (1)" in note for note in finding.notes)
    assert len(finding.tables["predictions"]) == 46


def test_scaler_sees_the_train_part_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.preprocessing import StandardScaler

    seen: list[int] = []
    fit = StandardScaler.fit

    def spy(self: StandardScaler, x: np.ndarray, *more: object, **words: object) -> StandardScaler:
        seen.append(len(x))
        return fit(self, x, *more, **words)

    monkeypatch.setattr(StandardScaler, "fit", spy)
    run(gaussian(50), tmp_path, splits=5)
    assert seen == [45] * 5 + [50]


def test_no_scaler_is_another_result(tmp_path: Path) -> None:
    results = gaussian(50)
    results.outputs["x"]["x.0"] *= 1e-3  # Ridge punishes the large weight that a small feature needs
    scaled = run(results, tmp_path / "a").metrics["theta_0"]["MSE mean"]
    plain = run(results, tmp_path / "b", scaler="").metrics["theta_0"]["MSE mean"]
    assert plain > 20 * scaled


@pytest.mark.parametrize("estimator", ["Ridge", "RandomForestRegressor"])
def test_a_seed_gives_the_same_numbers(tmp_path: Path, estimator: str) -> None:
    def errors(seed: int, name: str) -> list[float]:
        small = {"n_estimators": 3} if estimator != "Ridge" else None
        options = {"of": ["x"], "splits": 5, "estimator": estimator, "estimator_options": small}
        finding = regression(gaussian(40, 1), tmp_path / name, seed=seed, **options)
        return list(finding.tables["splits"]["MSE theta_0"])

    assert errors(2**63 + 5, "a") == errors(2**63 + 5, "b")
    assert errors(1, "c") != errors(2, "d")


@pytest.mark.parametrize("estimator", ["MultiTaskLasso", "SVR", "PLSRegression"])
@pytest.mark.parametrize("dims", [1, 3])
def test_any_regressor_takes_one_target_or_more(tmp_path: Path, estimator: str, dims: int) -> None:
    options = {"n_components": 1} if estimator == "PLSRegression" else None
    finding = run(gaussian(40, dims), tmp_path, estimator=estimator, estimator_options=options, splits=3)
    assert finding.tables["splits"].shape == (3, 2 * dims)
    assert load_regression(tmp_path).predict(gaussian(40, dims).features(["x"])).shape == (40, dims)


def test_mistakes_are_named_with_what_is_allowed(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match='no regressor "Rigde"; did you mean "Ridge"'):
        run(gaussian(50), tmp_path, estimator="Rigde")
    with pytest.raises(StudyError, match=r"estimator_options.alhpa: Ridge has no such option; allowed: alpha, copy_X"):
        run(gaussian(50), tmp_path, estimator_options={"alhpa": 1})
    with pytest.raises(StudyError, match="splits: found 1, allowed at least 2") as caught:
        run(gaussian(50), tmp_path, splits=1, test_fracton=0.1)
    assert [problem.key for problem in caught.value.problems] == ["splits", "test_fracton"]
    with pytest.raises(ResultsError, match=r"Ridge cannot be fitted to 45 points with 3 features.*alpha"):
        run(gaussian(50), tmp_path, estimator_options={"alpha": -1.0})
    with pytest.raises(ResultsError, match='"of" is empty'):
        run(gaussian(50), tmp_path, of=[])


def test_too_few_points_says_how_many_are_needed(tmp_path: Path) -> None:
    results = gaussian(12)
    results.status = ["crashed"] * 3 + ["ok"] * 9
    with pytest.raises(ResultsError, match=r"9 points can be used; at least 10 are needed. 3 points left out: crashed"):
        run(results, tmp_path)


def test_warnings_of_libraries_become_notes(tmp_path: Path) -> None:
    finding = run(gaussian(30, 1), tmp_path, estimator="MLPRegressor", estimator_options={"max_iter": 2}, splits=2)
    assert any(note.startswith("3 times ConvergenceWarning") for note in finding.notes)


def test_twins_are_told(tmp_path: Path) -> None:
    results = gaussian(30, 1)
    results.parameters.iloc[1] = results.parameters.iloc[0]
    assert any(note.startswith("2 points share their targets") for note in run(results, tmp_path).notes)


def test_the_model_predicts_by_name(toy: tuple[Finding, Path, FakeResults]) -> None:
    _, directory, results = toy
    model, features = load_regression(directory), results.features(["x"])
    assert model.units == {"theta_0": "nA", "theta_1": "nA", "theta_2": "nA"}
    predicted = model.predict(features)
    assert ((predicted - results.theta(["theta_0", "theta_1", "theta_2"])) ** 2).to_numpy().mean() < 0.012
    pd.testing.assert_frame_equal(model.predict(features[["x.2", "x.0", "x.1"]]), predicted)
    assert model.predict(features.iloc[:0]).shape == (0, 3)


def test_the_model_refuses_other_features(toy: tuple[Finding, Path, FakeResults]) -> None:
    model, features = load_regression(toy[1]), toy[2].features(["x"])
    with pytest.raises(ResultsError, match=r"missing: x.1; not expected: y"):
        model.predict(features.rename(columns={"x.1": "y"}))
    with pytest.raises(ResultsError, match=r"there twice: x.0"):
        model.predict(features[["x.0", "x.0", "x.1", "x.2"]])
    for value in (np.nan, np.inf):
        bad = features.copy()
        bad.loc[bad.index[7], "x.2"] = value
        with pytest.raises(ResultsError, match=f'row "{bad.index[7]}", column "x.2" is {value}'):
            model.predict(bad)
    with pytest.raises(ResultsError, match=r"found something else in x.0"):
        model.predict(features.assign(**{"x.0": "one"}))


def test_loading_refuses_what_differs(toy: tuple[Finding, Path, FakeResults], tmp_path: Path) -> None:
    def changed(**entries: object) -> Path:
        about = json.loads((toy[1] / "model.json").read_text())
        (tmp_path / "model.json").write_text(json.dumps({**about, **entries}))
        (tmp_path / "model.skops").write_bytes((toy[1] / "model.skops").read_bytes())
        return tmp_path

    stored = load_regression(changed()).versions
    assert stored["pycatch22"] == "1.0.2"
    assert "scikit-learn" in stored
    assert load_regression(tmp_path, features=["x.2", "x.1", "x.0"]).features == ("x.0", "x.1", "x.2")
    with pytest.raises(ResultsError, match=r"missing: x.2; not expected: z"):
        load_regression(tmp_path, features=["x.0", "x.1", "z"])
    with pytest.raises(ResultsError, match=r"pycatch22 1.0.2, found 0.4.5; install pycatch22==1.0.2"):
        load_regression(tmp_path, versions={"pycatch22": "0.4.5"})
    with pytest.raises(ResultsError, match=r"scikit-learn 0.1, found"):
        load_regression(changed(versions={**stored, "scikit-learn": "0.1"}))
    with pytest.raises(ResultsError, match=r"not the file that model.json describes"):
        load_regression(changed(sha256="0"))
    with pytest.raises(ResultsError, match="no regression can be read"):
        load_regression(tmp_path / "nowhere")
    for entries in ({"features": 0}, {"targets": "theta"}, {"units": 1.5}, {"versions": ["numpy"]}):
        with pytest.raises(ResultsError, match="no regression can be read"):
            load_regression(changed(**entries))


@pytest.mark.parametrize("change", [lambda blob: b"not an archive", lambda blob: blob[:-9]])
def test_a_damaged_model_whose_checksum_was_made_anew(
    toy: tuple[Finding, Path, FakeResults], tmp_path: Path, change: Any
) -> None:
    blob = change((toy[1] / "model.skops").read_bytes())
    about = {**json.loads((toy[1] / "model.json").read_text()), "sha256": hashlib.sha256(blob).hexdigest()}
    (tmp_path / "model.skops").write_bytes(blob)
    (tmp_path / "model.json").write_text(json.dumps(about))
    with pytest.raises(ResultsError, match=r"model\.skops cannot be read"):
        load_regression(tmp_path)


def test_a_model_of_other_columns_is_refused_when_it_is_read(toy: tuple[Finding, Path, FakeResults], tmp_path: Path) -> None:
    about = json.loads((toy[1] / "model.json").read_text())
    (tmp_path / "model.skops").write_bytes((toy[1] / "model.skops").read_bytes())
    for key in ("features", "targets"):
        (tmp_path / "model.json").write_text(json.dumps({**about, key: about[key][1:]}))
        with pytest.raises(ResultsError, match=r"model\.skops cannot be read"):
            load_regression(tmp_path)


def test_nothing_on_disk_is_a_pickle(toy: tuple[Finding, Path, FakeResults]) -> None:
    import zipfile

    blobs = {path.name: path.read_bytes() for path in toy[1].rglob("*") if path.is_file()}
    with zipfile.ZipFile(toy[1] / "model.skops") as archive:
        blobs |= {name: archive.read(name) for name in archive.namelist()}
    assert {"model.skops", "model.json", "summary.json", "schema.json"} <= set(blobs)
    for name, blob in blobs.items():
        assert not blob.startswith(b"\x80"), name  # the mark of pickle protocols 2 and later
        if name.endswith(".npy"):
            assert b"|O" not in blob[:128], name  # an object array is a pickle inside
        with pytest.raises(ValueError, match=r"."):
            list(pickletools.genops(blob))


def test_a_type_that_is_not_trusted_is_neither_written_nor_read(toy: tuple[Finding, Path, FakeResults]) -> None:
    from hashlib import sha256

    import skops.io
    from sklearn.gaussian_process.kernels import ExpSineSquared

    from hpcsim.inference.regression.fitted import Regression

    directory = toy[1].parent / "strange"
    with pytest.raises(ResultsError, match="ExpSineSquared cannot be read back safely"):
        Regression(ExpSineSquared(), (), ()).save(directory)
    directory.mkdir()
    about = json.loads((toy[1] / "model.json").read_text())
    blob = skops.io.dumps(ExpSineSquared())
    (directory / "model.skops").write_bytes(blob)
    (directory / "model.json").write_text(json.dumps({**about, "sha256": sha256(blob).hexdigest()}))
    with pytest.raises(ResultsError, match="types that are not trusted"):
        load_regression(directory)


def test_a_finding_reads_back(toy: tuple[Finding, Path, FakeResults]) -> None:
    finding, directory, _ = toy
    loaded = Finding.load(directory)
    assert loaded.metrics == finding.metrics
    assert loaded.notes == finding.notes
    pd.testing.assert_frame_equal(loaded.tables["splits"], finding.tables["splits"])
    assert [path.read_bytes()[:4] for path in loaded.figures.values()] == [b"\x89PNG"] * 2
