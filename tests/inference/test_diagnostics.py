from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import tomli_w
from npe_toys import FEATURES, MATRIX, OFFSET, SIGMA, Exact, linear, observed, results_of

import hpcsim
from hpcsim.errors import ResultsError
from hpcsim.inference.diagnostics import calibration, follow_up, matched, performance
from hpcsim.inference.plots import calibrated, pairs, reach
from hpcsim.inference.posterior import Posterior
from hpcsim.inference.prior import Prior
from hpcsim.space import Uniform

PRIOR = Prior({"a": Uniform(-2.0, 2.0), "b": Uniform(-2.0, 2.0)})


def simulated(n, seed=0):
    theta = PRIOR.sample(n, seed) * 0.8  # the exact network knows no ends of the prior
    return theta, theta @ MATRIX.T + OFFSET + SIGMA * np.random.default_rng(seed).standard_normal((n, 3))


@pytest.fixture(scope="module")
def found():
    theta, x = simulated(200)
    return calibration(Posterior(Exact(), PRIOR, FEATURES), theta, x, samples=100, seed=1)


def test_the_exact_posterior_is_calibrated(found):
    rows = found.table()
    assert list(rows.index) == ["a", "b", "coverage"]
    assert (rows["p uniform"] > 0.01).all()
    np.testing.assert_allclose(found.covered().squeeze(), [0.5, 0.8, 0.95], atol=0.1)
    assert (found.ranks.to_numpy() <= 100).all() and len(found.ranks) == 200


def test_a_posterior_that_is_too_narrow_is_told():
    class Narrow(Exact):
        def __init__(self):
            super().__init__()
            self.root = self.root * 0.3

    theta, x = simulated(150)
    found = calibration(Posterior(Narrow(), PRIOR, FEATURES), theta, x, samples=100, seed=1)
    assert found.table().loc["coverage", "p uniform"] < 1e-6
    assert (found.covered().squeeze() < [0.25, 0.4, 0.6]).all()


def test_what_cannot_be_sampled_is_left_out():
    theta, x = simulated(40)
    x[:3] += 100
    found = calibration(Posterior(Exact(), PRIOR, FEATURES), theta, x, samples=50)
    assert len(found.coverage) == 37
    with pytest.raises(ResultsError, match="cannot be sampled at any"):
        calibration(Posterior(Exact(), PRIOR, FEATURES), theta[:3], x[:3], samples=50)


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


def test_figures_are_drawn(found, tmp_path):
    samples = np.random.default_rng(0).normal(size=(300, 2))
    drawn = pairs(samples, ["a", "b"], ["mV", ""], np.zeros(2), "cell")
    assert len(drawn.axes) == 3 and drawn.axes[1].get_ylabel() == "b"
    assert len(calibrated(found).axes[1].lines) == 2
    values = observed(4).to_numpy()
    panel = reach(values, FEATURES, values.min(0), values.max(0) - 1e-9)
    assert "observations out of range" in panel.axes[0].get_title("left")
    panel.savefig(tmp_path / "r.png")
