from __future__ import annotations

import json

import h5py
import numpy as np
import pandas as pd
import pytest
from npe_toys import FEATURES, linear_posterior, observed, regimes, results_of

from hpcsim.errors import ResultsError, StudyError
from hpcsim.inference.finding import Finding
from hpcsim.inference.npe.npe import npe
from hpcsim.inference.npe.posterior import load_posterior

SMALL = {"hidden": 16, "transforms": 2, "batch": 50, "rate": 4e-3, "epochs": 12, "stop_after": 50}


@pytest.fixture(scope="module")
def linear_results(tmp_path_factory):
    with results_of(tmp_path_factory.mktemp("linear"), n=4000) as results:
        yield results


@pytest.fixture(scope="module")
def broken_results(tmp_path_factory):
    with results_of(tmp_path_factory.mktemp("broken"), regimes, 4000, a={"uniform": [-3, 3]}) as results:
        yield results


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    path = tmp_path_factory.mktemp("cells") / "observed.csv"
    observed(20).to_csv(path)
    return str(path)


@pytest.fixture(scope="module")
def folder(linear_results, cells, tmp_path_factory):
    """NPE-N, schedule 2, on the linear toy."""
    place = tmp_path_factory.mktemp("finding")
    options = {"of": ["x"], "observations": cells, "schedule": 2, "noise": "relative", "epsilon": 0.05, "nearest": 300}
    npe(linear_results, place, seed=1, samples=200, calibration=100, **options, **SMALL)
    return place


def test_a_finding_can_be_read_again_and_says_what_was_left_out(folder):
    found = Finding.load(folder)
    assert found.notes[0] == (
        "4000 simulations: 0 failed and 0 have features that are not finite; these were left out. 4000 are valid (100.00 %)."
    )
    assert found.metrics["observations"] == 20 and found.metrics["epochs"] == 12
    assert 300 < found.metrics["training rows"] < 4000
    assert found.tables["maximum"].columns.tolist() == ["a", "b", "log_prob"]
    assert len(found.tables["checks"]) == 20 * 11
    assert all(path.exists() for path in found.figures.values()) and len(found.figures) == 4
    assert "still improving" in " ".join(found.notes)


def test_its_posterior_is_near_the_known_one(folder):
    mean, covariance = linear_posterior(observed(20).to_numpy())
    found = Finding.load(folder).tables["posterior"]
    sd = np.sqrt(np.diag(covariance))
    assert np.abs((found[["mean a", "mean b"]].to_numpy() - mean) / sd).mean() < 0.5
    np.testing.assert_allclose(found[["sd a", "sd b"]].mean() / sd, 1.1, atol=0.3)
    with h5py.File(folder / "samples.h5") as file:
        assert file["samples"].shape == (20, 200, 2)
        assert [name.decode() for name in file["parameter"][()]] == ["a", "b"]
        np.testing.assert_allclose(file["samples"][0].mean(axis=0), found.iloc[0][["mean a", "mean b"]], atol=1e-5)


def test_its_posterior_loads_and_knows_units_and_reach(folder, linear_results):
    posterior = load_posterior(folder)
    assert posterior.parameters == ("a", "b") and posterior.features == FEATURES
    assert posterior.units["a"] == "mV" and posterior.units["x.one"] == "mV"
    features = linear_results.features(["x"])
    assert posterior.reach["x.one"] == [features["x.one"].min(), features["x.one"].max()]
    maxima = posterior.map(observed(20), 1)
    np.testing.assert_allclose(maxima, Finding.load(folder).tables["maximum"], atol=1e-5)


def test_its_calibration(folder):
    found = Finding.load(folder)
    assert found.tables["calibration"].index.tolist() == ["a", "b", "coverage"]
    np.testing.assert_allclose(found.tables["coverage"]["covered"], [0.5, 0.8, 0.95], atol=0.2)


def test_the_same_seed_gives_the_same_and_a_second_call_does_not_train(linear_results, tmp_path):
    options = {"of": ["x"], "calibration": 0, "simulations": 1000, **SMALL, "epochs": 2}
    first = npe(linear_results, tmp_path / "1", seed=3, **options)
    second = npe(linear_results, tmp_path / "2", seed=3, **options, checkpoints=False)
    assert first.tables["losses"].equals(second.tables["losses"])
    assert not (tmp_path / "2" / "training.safetensors").exists()
    for name in ("posterior.safetensors", "posterior.json"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()
    other = npe(linear_results, tmp_path / "3", seed=4, **options)
    assert not first.tables["losses"].equals(other.tables["losses"])
    changed = (tmp_path / "1" / "training.safetensors").stat().st_mtime_ns
    assert npe(linear_results, tmp_path / "1", seed=3, **options).tables["losses"].equals(first.tables["losses"])
    assert (tmp_path / "1" / "training.safetensors").stat().st_mtime_ns == changed


def test_invalid_simulations_are_counted_and_the_classifier_learns_them(broken_results, tmp_path):
    options = {"of": ["x"], "calibration": 0, **SMALL, "epochs": 6}
    plain = npe(broken_results, tmp_path / "plain", seed=1, **options)
    learned = npe(broken_results, tmp_path / "learned", seed=1, invalid="classifier", **options)
    invalid = int((~np.isfinite(broken_results.features(["x"])["x"])).sum())
    assert plain.metrics["simulations invalid"] == invalid and 45 < plain.metrics["valid (%)"] < 55
    assert f"{invalid} have features that are not finite; these were left out." in plain.notes[0]
    assert plain.notes[1] == f"Features that are not finite: x ({invalid})."
    assert "learned by the classifier" in learned.notes[0]
    assert "multiplied by the chance that a simulation is valid, learned from 4000 points" in learned.notes[-1]
    cell = pd.DataFrame({"x": [0.2]}, ["A"])
    leaking, tight = (load_posterior(tmp_path / name).sample(cell, 2000, 0)[0, :, 0] for name in ("plain", "learned"))
    # below 0, no simulation is valid; a smooth flow leaks there
    assert (leaking < 0).mean() > 0.04
    assert (tight < 0).mean() < 0.4 * (leaking < 0).mean()


def test_an_observation_out_of_reach_is_told_with_a_figure(linear_results, tmp_path):
    far = observed(4)
    far.iloc[2, 0] = 40.0
    far.to_csv(tmp_path / "far.csv")
    options = {"of": ["x"], "calibration": 0, **SMALL, "epochs": 1, "samples": 5}
    found = npe(linear_results, tmp_path / "f", observations=str(tmp_path / "far.csv"), **options)
    note = next(note for note in found.notes if "outside the range" in note)
    assert note.startswith("1 of 4 observations (25.0 %)") and "cell2: x.one is 40" in note
    assert found.tables["out_of_range"]["feature"].tolist() == ["x.one"]
    assert found.figures["range of the simulations"].exists()


def test_the_follow_up_study_simulates_maxima_and_samples(folder):
    import hpcsim
    from hpcsim.inference.predictive import matched, performance

    study = hpcsim.Study.load(folder / "follow_up.toml")
    assert study.name == "toy_check" and len(study.design) == 20 * 11
    checks = Finding.load(folder).tables["checks"]
    with study.run("inline", "runs/check") as again:
        sets = {kind: matched(again, rows, ["x"]) for kind, rows in checks.groupby("kind")}
    table = performance(observed(20), sets)
    assert table["simulations"].tolist() == [20, 200] and (table["fail (%)"] == 0).all()
    assert table.loc["MAP", "distance mean"] < table.loc["sample", "distance mean"] < 1


def test_one_observation_is_measured_by_the_spread_of_the_simulations(linear_results, tmp_path):
    import hpcsim
    from hpcsim.inference.predictive import distances
    from hpcsim.scheduler.target import Target
    from hpcsim.workflow.simulator import simulator

    observed(1).to_csv(tmp_path / "one.csv")
    options = {"of": ["x"], "calibration": 0, **SMALL, "epochs": 3, "samples": 20, "checks": 4, "refine": 1, "candidates": 4}
    study = hpcsim.Study("toy", "npe_toys:linear", space={"a": [0.0]})
    simulate = simulator(study, tmp_path / "f" / "simulated", Target("inline"))
    found = npe(linear_results, tmp_path / "f", seed=1, observations=str(tmp_path / "one.csv"), simulate=simulate, **options)
    table = found.tables["performance"]
    assert table.index.tolist() == ["MAP", "4 samples", "refined MAP"] and (table["fail (%)"] == 0).all()
    with hpcsim.open(tmp_path / "f" / "simulated" / "refined") as again:
        sd = linear_results.features(["x"]).to_numpy().std(axis=0)
        features = again.features(["x"]).set_axis(["cell0"])
        assert table.loc["refined MAP", "distance mean"] == pytest.approx(distances(observed(1), features, sd)[0])


def test_options_that_make_no_sense_are_told_at_once(linear_results, tmp_path):
    with pytest.raises(StudyError) as caught:
        npe(linear_results, tmp_path, of=["x"], schedule=2, parameters=["a"], given=["a"], device="cuda")
    text = str(caught.value)
    for part in ("noise: found none", "schedule 2 needs them", "a cannot be both", "no cuda device"):
        assert part in text


def test_too_few_valid_simulations(tmp_path):
    with (
        results_of(tmp_path / "r", regimes, 60, a={"uniform": [-9, 3]}) as results,
        pytest.raises(ResultsError, match=r"of 60 simulations are valid \(0 failed, \d+ have .* x \(\d+\)\).*at least 20"),
    ):
        npe(results, tmp_path / "f", of=["x"])


def test_a_feature_that_never_varies(tmp_path):
    with (
        results_of(tmp_path / "r", n=100, a={"uniform": [-1, 1]}, current=[1.0]) as results,
        pytest.raises(ResultsError, match="current has one value in all simulations"),
    ):
        npe(results, tmp_path / "f", of=["x"], parameters=["a"], given=["current"])


def test_another_extractor_is_refused(linear_results, tmp_path):
    observed(3).to_csv(tmp_path / "o.csv")
    (tmp_path / "o.json").write_text(json.dumps({"extractor": {"features.ephys": "1"}}))
    with pytest.raises(ResultsError, match=r"made with features\.ephys 1, the simulations with no stage"):
        npe(linear_results, tmp_path / "f", of=["x"], observations=str(tmp_path / "o.csv"))


def test_a_known_current_is_conditioned_on(tmp_path):
    space = {"a": {"uniform": [-2, 2]}, "b": {"normal": [0, 1]}, "current": {"uniform": [0, 3]}}
    with results_of(tmp_path / "r", n=4000, **space) as results:
        base = observed(10)
        shifted = base.assign(current=2.0)
        shifted["x.one"] += 2.0
        pd.concat([base.assign(current=0.0), shifted]).to_csv(tmp_path / "o.csv")
        options = {"of": ["x"], "parameters": ["a", "b"], "given": ["current"], "calibration": 0, **SMALL}
        npe(results, tmp_path / "f", seed=1, observations=str(tmp_path / "o.csv"), **options)
    found = Finding.load(tmp_path / "f").tables["maximum"]
    mean, _ = linear_posterior(base.to_numpy())
    for half in (found.iloc[:10], found.iloc[10:]):
        assert np.abs(half[["a", "b"]].to_numpy() - mean).mean() < 0.1
    assert (tmp_path / "f" / "follow_up.toml").exists()
