"""Targets of a search: a number, or a number a column."""

from __future__ import annotations

import numpy as np
import pytest

import hpcsim
from hpcsim.errors import StudyError
from hpcsim.samplers.objectives import objectives


def _study(of: str, **told) -> hpcsim.Study:
    space = {f"x{k}": {"uniform": [0, 1]} for k in range(4)}
    sampler = {"use": "uniform", "evaluations": 3, "objectives": {"near": {"of": of, **told}}}
    return hpcsim.Study("targets", "fit_toys:front", space=space, sampler=sampler)


@pytest.mark.parametrize(
    ("distance", "expected"),
    [
        ("absolute", lambda f: abs(f - [0.5, 2.0]).sum(axis=1)),
        ("squared", lambda f: ((f - [0.5, 2.0]) ** 2).sum(axis=1)),
        ("relative", lambda f: abs(f - [0.5, 2.0]).sum(axis=1) / 2.5),
    ],
)
def test_a_target_a_column(distance, expected):
    problems: list = []
    [wanted] = objectives({"near": {"of": "f", "target": [0.5, 2], "distance": distance}}, problems)
    with _study("f", target=[0.5, 2], distance=distance).run("inline") as results:
        features = results.features(["f"]).to_numpy()
        found = wanted(results.table, np.arange(3))
    assert not problems and features.shape == (3, 2)
    np.testing.assert_allclose(found, expected(features), rtol=1e-15)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"target": [0.5]}, 'target: found 1 numbers, "f" has 2 columns'),
        ({"target": [0.5, "a"]}, r"target: found \[0.5, 'a'\], expected a finite number"),
        ({"target": []}, r"target: found \[\], expected a finite number"),
        ({"target": [0, 0.0], "distance": "relative"}, "target: is 0, to which nothing is relative"),
        ({"sd": [1.0]}, r"sd: found \[1.0\], expected a finite number"),
    ],
)
def test_targets_that_make_no_sense(told, words):
    with pytest.raises(StudyError, match=words):
        _study("f", **told)
