"""Public benchmark tasks (Lueckmann et al. 2021, arXiv:2101.04653): what is said of a posterior is true of it."""

from __future__ import annotations

import numpy as np
import pytest

import hpcsim
from hpcsim import Coordinate, Output, Parameter, model
from hpcsim.inference.finding import Finding


def _model(name: str, parameters: int, features: int):
    names = {"feature": Coordinate(np.array([f"x{k}" for k in range(features)]))}
    declared = [Parameter(f"t{k}", 0.0) for k in range(parameters)]
    return model(name, parameters=declared, outputs=[Output("x", ("feature",))], coordinates=lambda values: names)


@_model("benchmarks.slcp", 5, 8)
def slcp(point, context):
    """Simple likelihood, complex posterior: four draws of a normal distribution with five parameters."""
    a, b, c, d, e = (point[f"t{k}"] for k in range(5))
    z, rho = np.random.default_rng(point.seed).normal(size=(4, 2)), np.tanh(e)
    return {"x": np.column_stack([a + c**2 * z[:, 0], b + d**2 * (rho * z[:, 0] + np.sqrt(1 - rho**2) * z[:, 1])]).ravel()}


@_model("benchmarks.gaussian_linear", 10, 10)
def gaussian_linear(point, context):
    """The mean of a normal distribution."""
    theta = np.array([point[f"t{k}"] for k in range(10)])
    return {"x": theta + np.sqrt(0.1) * np.random.default_rng(point.seed).normal(size=10)}


def posterior_of(toy, prior, folder) -> Finding:
    space = {parameter.name: prior for parameter in toy.parameters}
    method = {"use": "inference.npe", "of": ["x"]}
    study = hpcsim.Study("benchmark", toy, space=space, design={"method": "random", "n": 1000}, seed=1, inference=[method])
    study.run("inline", folder).close()
    return Finding.load(folder / "inference" / "0_npe")


@pytest.mark.slow
def test_a_thousand_simulations_of_slcp_are_too_few(tmp_path):
    found = posterior_of(slcp, {"uniform": [-3, 3]}, tmp_path / "run")
    assert (found.tables["coverage"]["covered"] < found.tables["coverage"].index).all()
    assert "overconfident" in [getattr(note, "kind", "") for note in found.notes]


@pytest.mark.slow
def test_a_posterior_that_is_right_gets_no_warning(tmp_path):
    found = posterior_of(gaussian_linear, {"normal": [0, float(np.sqrt(0.1))]}, tmp_path / "run")
    np.testing.assert_allclose(found.tables["coverage"]["covered"], [0.5, 0.8, 0.95], atol=0.15)
    assert not [note for note in found.notes if getattr(note, "severity", "info") == "warning"]
