from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from npe_toys import FEATURES, MATRIX, OFFSET, Exact, linear_posterior, observed, published_posterior, results_of, table

from hpcsim.errors import ResultsError
from hpcsim.inference.npe.density import Architecture, build, classifier
from hpcsim.inference.npe.labelled import labelled
from hpcsim.inference.npe.posterior import Posterior, load_posterior
from hpcsim.inference.npe.training import TrainingConfig, train
from hpcsim.inference.prior import Prior
from hpcsim.inference.simulations import Simulations
from hpcsim.space import Normal, Uniform

PRIOR = Prior({"a": Uniform(-2.0, 2.0), "b": Normal(0.0, 1.0)})


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A posterior of the linear model, learned from 5000 simulations."""
    with results_of(tmp_path_factory.mktemp("linear"), n=5000) as results:
        simulations = Simulations(results, PRIOR.names, ["x"])
        theta, x = simulations.take(simulations.valid_rows)
        architecture = Architecture("maf", 20, 2)
        network = build(architecture, theta, x, seed=1)
        # trained to its end: at 3e-3 the correlation of the posterior scatters by 0.09 with the seed and the order of rows
        train(network, network.loss, theta, x, TrainingConfig(rate=1e-3, epochs=60, seed=1))
        reach = dict(zip(FEATURES, zip(x.min(0).tolist(), x.max(0).tolist(), strict=True), strict=True))
        return Posterior(network, PRIOR, FEATURES, architecture, reach=reach, extractor={"features.toy": "1"})


def exact(low=-2.0, high=2.0):
    return Posterior(Exact(), Prior({"a": Uniform(low, high), "b": Uniform(-9.0, 9.0)}), FEATURES)


def test_the_gaussian_posterior_is_recovered(trained):
    cells = observed(30)
    mean, covariance = linear_posterior(cells.to_numpy())
    samples = trained.sample(cells, 1000, seed=2)
    sd = np.sqrt(np.diag(covariance))
    assert np.abs((samples.mean(axis=1) - mean) / sd).mean() < 0.2
    np.testing.assert_allclose(samples.std(axis=1).mean(axis=0), sd, rtol=0.12)
    correlation = np.mean([np.corrcoef(sample.T)[0, 1] for sample in samples])
    assert correlation == pytest.approx(covariance[0, 1] / sd.prod(), abs=0.08)


def test_samples_with_names_and_units():
    """The same numbers as without; a parameter without a unit has none, and tables with two columns as index are read."""
    posterior = exact()
    posterior.units = {"a": "mV", "b": ""}
    cells = observed(3).set_index(pd.Index(["one", "two", "three"]))
    found = posterior.labelled_samples(cells, 20, seed=3)
    plain = posterior.sample(cells, 20, seed=3)
    assert dict(found.sizes) == {"observation": 3, "draw": 20} and set(found.data_vars) == {"a", "b"}
    np.testing.assert_array_equal(found["b"].sel(observation="two"), plain[1, :, 1])
    assert found["a"].attrs == {"units": "mV"} and found["b"].attrs == {}
    assert list(found.to_dataframe().columns) == ["a", "b"] and len(found.to_dataframe()) == 60
    double = cells.set_index(pd.MultiIndex.from_product([["x"], [1, 2, 3]]))
    assert posterior.labelled_samples(double, 2)["observation"].values[1] == "('x', 2)"


def test_the_maximum_is_the_analytic_one(trained):
    cells = observed(30)
    mean, covariance = linear_posterior(cells.to_numpy())
    found = trained.map(cells, seed=0)
    assert list(found.columns) == ["a", "b", "log_prob"] and found.index.equals(cells.index)
    assert np.abs((found[["a", "b"]].to_numpy() - mean) / np.sqrt(np.diag(covariance))).mean() < 0.2
    again = trained.log_prob(found[["a", "b"]].to_numpy()[:, None], cells)[:, 0]
    np.testing.assert_allclose(found["log_prob"], again, atol=1e-4)
    # no sample is denser than the maximum
    assert (trained.log_prob(trained.sample(cells, 500, 1), cells).max(axis=1) <= found["log_prob"] + 1e-3).all()


def test_the_maximum_to_four_digits_where_the_network_is_exact():
    cells = observed(20)
    mean = (Exact()._normal(torch.tensor(cells.to_numpy(), dtype=torch.float32)).mean).detach().numpy()
    np.testing.assert_allclose(exact().map(cells)[["a", "b"]].to_numpy(), mean, atol=3e-4)


def test_a_maximum_beyond_the_prior_stands_at_its_end():
    cells = table(np.array([[3.0, 9.1, -3.5]]))  # a = 3, b = 0
    found = exact(-1.0, 1.0).map(cells)
    assert 0.999 < found["a"].iloc[0] <= 1.0
    constrained = Posterior(Exact(), Prior({"a": Uniform(-5.0, 5.0), "b": Uniform(-9.0, 9.0)}, "a < 0.5"), FEATURES)
    assert constrained.map(cells)["a"].iloc[0] < 0.5


def test_samples_stay_in_the_prior_and_follow_the_seed():
    cells = table(np.linspace(-0.2, 0.2, 5)[:, None] * MATRIX[:, 0] + OFFSET)
    narrow = exact(-0.3, 0.3)
    samples = narrow.sample(cells, 200, seed=1)
    assert samples.shape == (5, 200, 2) and (np.abs(samples[..., 0]) <= 0.3).all()
    np.testing.assert_array_equal(samples, narrow.sample(cells, 200, seed=1))
    assert not np.array_equal(samples, narrow.sample(cells, 200, seed=2))
    state = torch.get_rng_state()
    narrow.sample(cells, 10)
    assert torch.equal(state, torch.get_rng_state())


def test_hopeless_observations_become_nan_and_the_others_do_not():
    cells = table(np.array([[0.0, 10.0, -5.0], [50.0, -5.0, 20.0]]))
    samples = exact().sample(cells, 50, patience=3)
    assert np.isfinite(samples[0]).all() and np.isnan(samples[1]).all()
    np.testing.assert_allclose(exact().acceptance(cells, 200), [1, 0])


def test_density_off_the_support_and_normalised():
    cells = table(np.array([[0.3, 9.91, -4.85]]))  # a = 0.3, b = 0: near the end of the prior
    narrow = exact(-0.3, 0.3)
    theta = np.array([[[0.2, 0.0], [0.31, 0.0]]])
    plain = narrow.log_prob(theta, cells)
    assert plain[0, 1] == -np.inf
    normal = Exact()._normal(torch.tensor(cells.to_numpy(), dtype=torch.float32))
    assert plain[0, 0] == pytest.approx(float(normal.log_prob(torch.tensor([[0.2, 0.0]])).detach()), abs=1e-4)
    inside = narrow.acceptance(cells, 4000)[0]
    assert narrow.log_prob(theta, cells, normalise=4000)[0, 0] == pytest.approx(plain[0, 0] - np.log(inside), abs=1e-9)
    with pytest.raises(ResultsError, match=r"theta has the shape \(2, 2\)"):
        narrow.log_prob(theta[0], cells)


def test_what_it_is_given_is_checked(trained):
    with pytest.raises(ResultsError, match=r"features x\.two are missing"):
        trained.sample(observed(3).drop(columns="x.two"), 5)
    broken = observed(3)
    broken.iloc[1, 2] = np.nan
    with pytest.raises(ResultsError, match=r"cell1: x\.three is nan"):
        trained.map(broken)
    other = observed(3)
    other.attrs["extractor"] = {"features.toy": "2"}
    with pytest.raises(ResultsError, match=r"features\.toy 2"):
        trained.sample(other, 5)
    shuffled = observed(3)[["x.three", "x.one", "x.two"]]
    np.testing.assert_array_equal(trained.sample(shuffled, 5), trained.sample(observed(3), 5))


SCRIPT = """
import json, sys
import numpy as np, pandas as pd, torch
from hpcsim.inference.npe.labelled import labelled
from hpcsim.inference.npe.posterior import load_posterior
torch.set_num_threads(1)
posterior = load_posterior(sys.argv[1])
cells = pd.read_csv(sys.argv[2], index_col=0, float_precision="round_trip")
theta = np.array(json.loads(sys.argv[3]))
samples = posterior.sample(cells, 3, seed=4)
print(json.dumps([posterior.log_prob(theta, cells).tolist(), samples.tolist(), posterior.units]))
"""


@pytest.mark.parametrize("density", ["maf", "nsf"])
def test_another_process_gives_the_same(trained, tmp_path, density):
    posterior = trained
    if density == "nsf":  # untrained, with a validity network
        architecture = Architecture("nsf", 8, 2)
        data = PRIOR.sample(50, 0).astype(np.float32), observed(50).to_numpy(np.float32)
        validity = classifier(np.zeros(2), np.ones(2), 3)
        posterior = Posterior(build(architecture, *data, 1), PRIOR, FEATURES, architecture, validity, {"a": "mV"})
    posterior.save(tmp_path / "p")
    assert {path.name for path in (tmp_path / "p").iterdir()} == {"posterior.json", "posterior.safetensors"}
    cells, theta = observed(3), PRIOR.sample(12, 1).reshape(3, 4, 2)
    cells.to_csv("cells.csv")
    line = [sys.executable, "-c", SCRIPT, str(tmp_path / "p"), "cells.csv", json.dumps(theta.tolist())]
    output = subprocess.run(line, capture_output=True, text=True, check=True).stdout
    density_there, samples, units = json.loads(output.splitlines()[-1])
    np.testing.assert_allclose(density_there, posterior.log_prob(theta, cells), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(samples, posterior.sample(cells, 3, seed=4), rtol=1e-6, atol=1e-6)
    assert units == dict(posterior.units)


def test_loading_refuses_what_does_not_fit(trained, tmp_path):
    trained.save(tmp_path)
    assert load_posterior(tmp_path, extractor={"features.toy": "1"}).features == FEATURES
    with pytest.raises(ResultsError, match=r"trained on features of \{'features.toy': '1'\}, asked for"):
        load_posterior(tmp_path, extractor={"features.toy": "2"})
    with pytest.raises(ResultsError, match="no posterior can be read here"):
        load_posterior(tmp_path / "nowhere")
    about = json.loads((tmp_path / "posterior.json").read_text())
    changed = about | {"check": [value + 0.1 for value in about["check"]]}
    (tmp_path / "posterior.json").write_text(json.dumps(changed))
    with pytest.raises(ResultsError, match=r"other numbers here .*trained with .*sbi"):
        load_posterior(tmp_path)
    for wrong in (
        {"features": ["x.one"]},
        {"reach": {"x.one": "far"}},
        {"reach": {"x.one": [1]}},
        {"units": 3},
        {"check": [0.0]},
        {"check": None},
        {"architecture": {"density": "maf", "hidden": -1, "transforms": 2}},
    ):
        (tmp_path / "posterior.json").write_text(json.dumps(about | wrong))
        with pytest.raises(ResultsError, match="no posterior can be read here"):
            load_posterior(tmp_path)


def test_validity_removes_what_leaks():
    """A validity network that says no where a > 0: none of the samples lies there, and no maximum."""
    validity = torch.nn.Linear(2, 1)
    with torch.no_grad():
        validity.weight.copy_(torch.tensor([[-1000.0, 0.0]]))
        validity.bias.zero_()
    posterior = exact()
    cells = table(np.array([[0.05, 9.985, -4.975]]))  # a = 0.05, b = 0
    assert 0.4 < (posterior.sample(cells, 500)[..., 0] > 0.005).mean() < 0.9
    posterior.validity = validity
    assert (posterior.sample(cells, 500)[..., 0] < 0.005).all()
    assert posterior.map(cells)["a"].iloc[0] < 0.005
    assert posterior.acceptance(cells, 2000)[0] == pytest.approx(0.4, abs=0.15)


def _numpy_density(z, theta, x):
    """The published flow as its description says (README of the public data)."""
    u, total = theta * z["theta_scale"] + z["theta_shift"], np.log(np.abs(z["theta_scale"])).sum()
    c = (x - z["x_mean"]) / z["x_std"]
    for k in range(5):
        h = np.tanh(z[f"l{k}_W0"] @ u + z[f"l{k}_b0"] + np.tanh(z[f"l{k}_Wc"] @ c + z[f"l{k}_bc"]))
        h = np.tanh(z[f"l{k}_W2"] @ np.tanh(z[f"l{k}_W1"] @ h + z[f"l{k}_b1"]) + z[f"l{k}_b2"])
        o = (z[f"l{k}_Wf"] @ h + z[f"l{k}_bf"]).reshape(-1, 2)
        s = np.log1p(np.exp(o[:, 0])) + 1e-3
        total += np.log(s).sum()
        u = (s * u + o[:, 1])[z[f"l{k}_perm"]]
    return total - 0.5 * (u @ u + len(u) * np.log(2 * np.pi))


def test_the_published_posterior_is_read_as_it_was_meant(bernaerts_data, tmp_path):
    arrays = dict(np.load(bernaerts_data / "m1_npen_2d_maf.npz", allow_pickle=False))
    expected = arrays["ref_log_prob_unnormalised"]
    wide = {name: values.astype(float) for name, values in arrays.items() if values.dtype.kind == "f"} | {
        name: values for name, values in arrays.items() if values.dtype.kind == "i"
    }
    plain = [[_numpy_density(wide, theta, x) for theta in row] for row, x in zip(wide["ref_theta"], wide["ref_x"], strict=True)]
    np.testing.assert_allclose(plain, expected, atol=1e-4)
    posterior = published_posterior(arrays)
    cells = pd.DataFrame(arrays["ref_x"], arrays["ref_cells"], list(posterior.features))
    inside = posterior.prior.support(wide["ref_theta"])
    assert inside.all()
    found = posterior.log_prob(wide["ref_theta"], cells)
    np.testing.assert_allclose(found, expected, atol=2e-4)
    posterior.save(tmp_path)
    np.testing.assert_array_equal(load_posterior(tmp_path).log_prob(wide["ref_theta"], cells), found)


def test_ascent_beats_the_best_of_many_samples_of_the_published_posterior(bernaerts_data):
    arrays = np.load(bernaerts_data / "m1_npen_2d_maf.npz", allow_pickle=False)
    posterior = published_posterior(arrays)
    cells = pd.DataFrame(arrays["ref_x"][:8], arrays["ref_cells"][:8], list(posterior.features))
    found = posterior.map(cells)
    published = np.load(bernaerts_data / "m1_map.npz", allow_pickle=False)
    where = [published["cells"].tolist().index(cell) for cell in cells.index]
    best = posterior.log_prob(published["map_2d"][where].astype(float)[:, None], cells)[:, 0]
    assert (found["log_prob"].to_numpy() > best).all()
    assert posterior.prior.support(found[list(posterior.parameters)].to_numpy()).all()


def test_the_published_entropies(bernaerts_data):
    """Mean of -log p over samples of the published posterior: 32.58 to 40.18 nats in the 955 cells."""
    posterior = published_posterior(np.load(bernaerts_data / "m1_npen_2d_maf.npz", allow_pickle=False))
    cells = pd.read_csv(bernaerts_data / "m1_observed_features.csv", index_col=0)
    cells = cells[cells["in_955"] == 1].iloc[:20]
    published = cells["npen_entropy_nats"].to_numpy()
    cells = cells.iloc[:, 1:24].set_axis(list(posterior.features), axis=1)
    density = posterior.log_prob(posterior.sample(cells, 300, seed=1), cells, normalise=1000)
    np.testing.assert_allclose(-density.mean(axis=1), published, atol=0.7)
    assert -density.mean() == pytest.approx(published.mean(), abs=0.15)


def test_labelled_samples_of_a_parameter_called_as_a_dimension():
    with pytest.raises(ResultsError, match=r"a parameter is called draw.*take those of sample\(\)"):
        labelled(np.zeros((1, 2, 1)), ["draw"], {}, pd.Index(["a"]))
