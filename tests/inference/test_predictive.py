from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import tomli_w
from npe_toys import FEATURES, MATRIX, OFFSET, SIGMA, linear, observed, results_of

import hpcsim
from hpcsim.errors import ResultsError
from hpcsim.inference.finding import Finding
from hpcsim.inference.npe.refinement import Refinement, listed
from hpcsim.inference.predictive import distances, follow_up, matched, performance
from hpcsim.inference.prior import Prior
from hpcsim.space import Uniform


def test_performance_by_hand():
    cells = pd.DataFrame({"u": [0.0, 2.0], "v": [0.0, 4.0]}, ["A", "B"])  # sd 1 and 2
    good = pd.DataFrame({"v": [0.0, 8.0, np.nan], "u": [3.0, 2.0, 0.0]}, ["A", "B", "A"])
    rows = performance(cells, {"MAP": good, "one": good.iloc[:1]})
    assert rows.loc["MAP"].tolist() == pytest.approx([3, 100 / 3, 2.5, 0.5, 2.5])
    assert rows.loc["one"].tolist() == pytest.approx([2, 50, 3, 0, 3])  # B is not there: it has failed
    with pytest.raises(ResultsError, match='no observation "C"'):
        performance(cells, {"MAP": good.rename(index={"B": "C"})})
    with pytest.raises(ResultsError, match="features v are missing"):
        performance(cells, {"MAP": good[["u"]]})


def test_the_published_performance(bernaerts_data):
    """Bernaerts et al. 2025, NPE-N (schedule 2d): 2.51 % of 955 cells fail, distance 4.35 +- 2.86."""
    published = np.load(bernaerts_data / "m1_map.npz", allow_pickle=False)
    cells = pd.read_csv(bernaerts_data / "m1_observed_features.csv", index_col=0)
    cells = cells[cells["in_955"] == 1].iloc[:, 1:24]
    simulations = pd.DataFrame(published["stats_2d"], published["cells"], cells.columns)
    row = performance(cells, {"NPE-N": simulations}).loc["NPE-N"]
    assert row["simulations"] == 955
    assert row["fail (%)"] == pytest.approx(100 * 24 / 955)
    assert row["distance mean"] == pytest.approx(4.35, abs=0.005)
    assert row["distance sd"] == pytest.approx(2.86, abs=0.005)
    assert row["distance median"] == pytest.approx(3.35, abs=0.005)


def test_re_simulation_through_the_front_door(tmp_path):
    space = {"a": {"uniform": [-2, 2]}, "b": {"normal": [0, 1]}}
    with results_of(tmp_path / "first", n=50, **space) as results:
        theta = pd.DataFrame({"a": [0.1, 1 / 3, np.nan, 0.1], "b": [0.2, -0.7, 0.0, 0.2]}, ["A", "B", "C", "D"])
        tables = follow_up(results, theta, "again")
        with pytest.raises(ResultsError, match="the parameters b are missing"):
            follow_up(results, theta[["a"]], "again")
        with pytest.raises(ResultsError, match="no parameters"):
            follow_up(results, theta.iloc[[2]], "again")
    (tmp_path / "again.toml").write_text(tomli_w.dumps(tables))
    study = hpcsim.Study.load(tmp_path / "again.toml")
    assert study.model.name == linear.name
    with study.run("inline", tmp_path / "again") as again:
        features = matched(again, theta * (1 + 1e-15), ["x"])
        assert len(again) == 2
    assert list(features.columns) == list(FEATURES) and list(features.index) == ["A", "B", "C", "D"]
    assert features.loc["C"].isna().all()
    np.testing.assert_array_equal(features.loc["A"], features.loc["D"])
    expected = theta.to_numpy() @ MATRIX.T + OFFSET
    assert (np.abs(features.to_numpy() - expected)[[0, 1, 3]] < 5 * SIGMA).all()


def test_distances_are_those_of_the_index():
    cells = pd.DataFrame({"u": [0.0, 2.0], "v": [0.0, 4.0]}, ["A", "B"])
    some = pd.DataFrame({"u": [2.0, 0.0, np.nan], "v": [4.0, 4.0, 0.0]}, ["B", "A", "A"])
    np.testing.assert_allclose(distances(cells, some), [0, 2, np.nan])
    np.testing.assert_allclose(distances(cells, some, np.array([1.0, 1.0])), [0, 4, np.nan])


class Valley:
    """Re-simulation of a curved valley: the first parameter shows only in its product with the second."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int, int]] = []

    def __call__(self, theta: pd.DataFrame, name: str, other_noise: int = 0) -> pd.DataFrame:
        self.calls.append((name, other_noise, len(theta)))
        noise = np.random.default_rng([other_noise, 3]).normal(0, 0.003, (len(theta), 2))
        a, b = theta.to_numpy().T
        x = np.column_stack([a * b, a - b]) + noise
        x[b < 0] = np.nan  # fails
        return pd.DataFrame(x, theta.index, ["x.product", "x.difference"])


def test_refinement_follows_a_valley_and_judges_with_other_noise():
    truth = np.array([[1.5, 1.2], [0.4, 1.9], [-1.0, 0.5], [1.9, 0.1]])
    cells = pd.DataFrame(
        np.column_stack([truth[:, 0] * truth[:, 1], truth[:, 0] - truth[:, 1]]), list("ABCD"), ["x.product", "x.difference"]
    )
    random = np.random.default_rng(5)
    start = random.uniform(-2, 2, (4, 10, 2))
    start[0, 3] = np.nan
    valley = Valley()
    prior = Prior({"a": Uniform(-2.0, 2.0), "b": Uniform(-2.0, 2.0)})
    refined, progress = Refinement(prior, cells, valley, rounds=12, candidates=16)(start, seed=1)
    assert list(refined.index) == list("ABCD") and list(refined.columns) == ["a", "b"]
    assert distances(cells, valley(refined, "refined", 99)).max() < 0.1
    best = progress["mean distance of the best"]
    assert (best.diff().dropna() <= 0).all() and best.iloc[-1] < 0.1 * best.iloc[0]
    assert progress["simulations of an observation"].tolist() == [10 + 16 * k for k in range(13)]
    # every round has its own name, and finalists meet noise that they were not chosen by
    assert [call[:2] for call in valley.calls[:-1]] == [
        *((f"refine_{k}", 0) for k in range(13)), *((f"judge_{k}", k) for k in range(1, 5))
    ]  # fmt: skip
    again, _ = Refinement(prior, cells, Valley(), rounds=12, candidates=16)(start, seed=1)
    pd.testing.assert_frame_equal(refined, again)


def test_refinement_stays_within_the_prior():
    cells = pd.DataFrame({"x.product": [9.0, 8.0], "x.difference": [0.0, 0.5]}, ["A", "B"])  # out of reach
    start = np.random.default_rng(0).uniform(-2, 2, (2, 6, 2))
    prior = Prior({"a": Uniform(-2.0, 2.0), "b": Uniform(-2.0, 2.0)}, "a + b < 3")
    refined, _ = Refinement(prior, cells, Valley(), rounds=12, candidates=24)(start, seed=1)
    assert prior.support(refined.to_numpy()).all()
    assert refined.sum(axis=1).min() > 2  # at the edge


def test_listed_keeps_those_of_an_observation_together():
    table = listed(np.arange(12.0).reshape(2, 3, 2), pd.Index(["A", "B"]), ("a", "b"))
    assert list(table.index) == ["A", "A", "A", "B", "B", "B"] and table["b"].tolist() == [1, 3, 5, 7, 9, 11]


def test_one_run_infers_simulates_again_and_refines(tmp_path, monkeypatch):
    """The whole way in one call: sweep, posterior, maxima and samples simulated again, refinement, report."""
    monkeypatch.chdir(tmp_path)
    cells = observed(12)
    cells["used"] = [1] * 10 + [0] * 2
    cells.to_csv("cells.csv")
    method = {
        "use": "inference.npe", "of": ["x"], "observations": "cells.csv", "where": "used", "hidden": 8, "transforms": 2,
        "rate": 4e-3, "epochs": 2, "samples": 50, "calibration": 0, "checks": 3, "refine": 3, "candidates": 8,
    }  # fmt: skip
    space = {"a": {"uniform": [-2, 2]}, "b": {"normal": [0, 1]}}
    design = {"method": "random", "n": 2000}
    study = hpcsim.Study("toy", linear, space=space, design=design, seed=7, inference=[method])
    with study.run("inline", tmp_path / "toy"):
        pass
    place = tmp_path / "toy" / "inference" / "0_npe"
    found = Finding.load(place)
    table = found.tables["performance"]
    assert table.index.tolist() == ["MAP", "3 samples", "refined MAP"]
    assert table["simulations"].tolist() == [10, 30, 10] and (table["fail (%)"] == 0).all()
    # two epochs leave a poor posterior; the refined parameters are about as near as the noise of the model allows
    mean = table["distance mean"]
    assert mean["refined MAP"] < mean["MAP"] < mean["3 samples"]
    assert found.metrics["performance"]["refined MAP: distance mean"] == pytest.approx(mean["refined MAP"])
    assert len(found.tables["refined"]) == 10 and len(found.tables["refinement"]) == 4
    with hpcsim.open(place / "simulated" / "refined") as refined:
        assert len(refined) == 10
    assert "refined MAP" in (tmp_path / "toy" / "report.html").read_text()
