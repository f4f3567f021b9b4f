"""Quantities over many decades, far from zero, tiny or huge: the network sees them, and densities are theirs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import hpcsim
from hpcsim import Output, Parameter, model
from hpcsim.inference.finding import Finding
from hpcsim.inference.npe.posterior import load_posterior
from hpcsim.inference.scales import Scale, Scales, feature_scales, parameter_scales

SCALES = [Scale("linear", 1e6, 0.5), Scale("log"), Scale("asinh", 0.02, 0.03)]
SMALL = {"hidden": 32, "transforms": 3, "batch": 50, "rate": 2e-3, "epochs": 60, "stop_after": 60}


@model("wide.noisy", parameters=[Parameter("p", 1.0, "mV", bounds=(1e-4, 1e6))], outputs=[Output("a")], batch=5000)
def noisy(points, context):
    """A parameter over eight decades, seen with noise of 0.05."""
    noise = np.array([np.random.Generator(np.random.Philox(seed)).standard_normal() for seed in points.seeds.tolist()])
    return {"a": points.columns["p"] + 0.05 * noise}


@model("wide.units", parameters=[Parameter("p", 1.0, "mV")], outputs=[Output(n) for n in ("huge", "tiny", "far")], batch=5000)
def units(points, context):
    """Features whose unit is chosen without care."""
    p = points.columns["p"]
    return {"huge": 1e39 * (1 + p), "tiny": 1e-25 * p, "far": 1e7 + p}


@pytest.mark.parametrize("scale", SCALES, ids=lambda scale: scale.kind)
def test_there_and_back_with_the_right_slope(scale):
    v = np.array([0.01, 0.5, 3.0, 1e5])
    np.testing.assert_allclose(scale.inverse(scale.forward(v)), v, rtol=1e-9)
    step = 1e-4 * v
    slope = (scale.forward(v + step) - scale.forward(v - step)) / (2 * step)
    np.testing.assert_allclose(np.log(slope), scale.log_slope(v), atol=1e-5)
    scales = Scales(("plain", "wide"), {"wide": scale})
    table = np.stack([v, v], axis=1)
    seen, log_slope = scales.seen(torch.as_tensor(table))
    np.testing.assert_allclose(seen.numpy(), scales.forward(table))
    np.testing.assert_allclose(log_slope.numpy(), scale.log_slope(v))
    assert (scales.forward(table)[:, 0] == v).all() and (Scales.of(scales.names, scales.to_dict()).scales == scales.scales)


def test_what_a_network_sees_is_left_alone():
    random = np.random.default_rng(0)
    n = 2000
    ordinary = {
        "normal": random.normal(-70, 5, n),
        "uniform": random.random(n),
        "exponential": random.exponential(size=n),
        "lognormal": np.exp(random.normal(size=n)),
        "two decades": 10 ** random.uniform(0, 2, n),
        "counts": random.poisson(3, n).astype(float),
        "two groups": np.where(random.random(n) < 0.35, 1e-3 * random.normal(size=n), random.normal(100, 30, n)),
        "often zero": np.where(random.random(n) < 0.6, 0.0, random.random(n)),
        "capacitance (F)": 1e-10 + 2e-11 * random.normal(size=n),
    }
    found = feature_scales(list(ordinary), np.column_stack(list(ordinary.values())))
    assert not (set(found.scales) - {"capacitance (F)"}) and not Scales(("a",))
    values = np.ones((3, 1))
    assert Scales(("a",)).forward(values) is values


@pytest.mark.parametrize(
    ("kind", "draw"),
    [
        ("asinh", lambda random, n: 10 ** random.uniform(-3, 5, n)),
        ("asinh", lambda random, n: -(10 ** random.uniform(-3, 5, n))),
        ("asinh", lambda random, n: 10 ** random.uniform(-3, 5, n) + 0.05 * random.normal(size=n)),
        ("asinh", lambda random, n: random.choice([-1, 1], n) * 10 ** random.uniform(-3, 5, n)),
        ("asinh", lambda random, n: np.append(random.normal(size=n - 1), 1e30)),
        ("linear", lambda random, n: 1e39 * (1 + random.random(n))),
        ("linear", lambda random, n: 1e-25 * random.random(n)),
        ("linear", lambda random, n: 1e7 + random.normal(size=n)),
    ],
    ids=["positive", "negative", "noisy", "both signs", "one outlier", "huge", "tiny", "far from zero"],
)
def test_what_it_cannot_see_gets_a_scale(kind, draw):
    values = draw(np.random.default_rng(1), 2000)
    found = feature_scales(["x"], values[:, None])
    assert found.scales["x"].kind == kind
    seen = found.forward(values[:, None]).astype(np.float32)
    z = (seen - seen.mean()) / seen.std()
    assert np.isfinite(z).all()
    # the middle half of the values is a good part of what is seen
    assert np.ptp(np.quantile(z, [0.25, 0.75])) > 0.3


def test_a_prior_over_many_decades_is_seen_by_its_logarithm():
    mean, sd = np.array([1e4, 1.0, 0.0]), np.array([2e4, 0.5, 1.0])
    found = parameter_scales(("wide", "narrow", "plain"), {"wide": 8.0, "narrow": 1.0}, mean, sd)
    assert found.scales == {"wide": Scale("log")}


def test_two_cells_close_together_in_eight_decades(tmp_path):
    """The posterior means are those of the cells, and the density is one of the parameter itself."""
    cells = pd.DataFrame({"a": [0.5, 0.6, 2e4]}, ["one", "other", "large"])
    cells.to_csv(tmp_path / "cells.csv")
    options = {"use": "inference.npe", "of": ["a"], "observations": str(tmp_path / "cells.csv"), "calibration": 0, **SMALL}
    space, design = {"p": {"loguniform": [1e-3, 1e5]}}, {"method": "random", "n": 2000}
    study = hpcsim.Study("wide", noisy, space=space, design=design, seed=3, inference=[{**options, "checks": 3}])
    study.run("inline", tmp_path / "wide").close()
    place = tmp_path / "wide" / "inference" / "0_npe"
    found = Finding.load(place)
    posterior = load_posterior(place)
    samples = posterior.sample(cells, 2000, 1)[..., 0]
    np.testing.assert_allclose(np.median(samples, axis=1)[:2], [0.5, 0.6], atol=0.08)
    np.testing.assert_allclose(samples.mean(axis=1)[:2], [0.5, 0.6], atol=0.15)
    assert samples[2].mean() == pytest.approx(2e4, rel=0.3)
    np.testing.assert_allclose(found.tables["maximum"]["p"].iloc[:2], [0.5, 0.6], atol=0.1)
    assert any("p (log), a (asinh)" in note for note in found.notes)
    p = np.geomspace(1e-3, 1e5, 40_000)
    density = np.exp(posterior.log_prob(np.tile(p[:, None], (3, 1, 1)), cells, normalise=4000))
    np.testing.assert_allclose(np.trapezoid(density, p, axis=1), 1, atol=0.05)
    assert (found.tables["performance"]["fail (%)"] == 0).all()
    # a distance is measured on the same scale: the cells at 0.5 and 0.6 are not equal on it
    assert 0 < found.tables["performance"].loc["MAP", "distance mean"] < 0.1


def test_features_in_careless_units(tmp_path):
    space, design = {"p": {"uniform": [-1, 1]}}, {"method": "random", "n": 600}
    study = hpcsim.Study("units", units, space=space, design=design, seed=3)
    with study.run("inline", tmp_path / "units") as results:
        from hpcsim.inference.npe.npe import npe

        for name in ("huge", "tiny", "far"):
            quick = {**SMALL, "hidden": 8, "transforms": 2, "epochs": 15, "batch": 20}
            npe(results, tmp_path / name, seed=1, of=[name], calibration=0, **quick)
            posterior = load_posterior(tmp_path / name)
            cell = pd.DataFrame({name: [{"huge": 1.5e39, "tiny": 5e-26, "far": 1e7 + 0.5}[name]]}, ["A"])
            assert posterior.sample(cell, 500, 0).mean() == pytest.approx(0.5, abs=0.15)
