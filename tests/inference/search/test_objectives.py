from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hpcsim.errors import ResultsError, StudyError
from hpcsim.inference.search.objectives import against, aims, columns_of

COLUMNS = ["rate.E", "rate.I", "psd.0.0", "psd.7.8125", "rated"]


def _one(entry, observed=None):
    return against(aims({"a": entry}, "here"), COLUMNS, observed)[0]


def test_distances_by_hand():
    features = pd.DataFrame([[1, 2, 3, 4, 0], [1, 2, -1, 8, 0], [1, np.inf, 3, np.nan, 0]], columns=COLUMNS).astype(float)
    observed = pd.DataFrame([[2.0, 2.0, 1.0, 5.0]], columns=COLUMNS[:4])
    np.testing.assert_array_equal(_one("psd", observed)(features), [3, 5, np.nan])
    np.testing.assert_array_equal(_one({"of": "psd", "distance": "squared"}, observed)(features), [5, 13, np.nan])
    np.testing.assert_array_equal(_one({"of": "psd", "distance": "relative"}, observed)(features), [0.5, 5 / 6, np.nan])
    np.testing.assert_array_equal(_one("rate.E", observed)(features), [1, 1, 1])
    np.testing.assert_array_equal(_one({"of": "rate.I", "target": 5}, observed)(features), [3, 3, np.nan])


def test_an_output_stands_for_its_columns():
    rate, psd = aims({"r": "rate", "p": "psd.7.8125"}, "here")
    assert columns_of(rate, COLUMNS) == ("rate.E", "rate.I") and rate.output == "rate"
    assert columns_of(psd, COLUMNS) == ("psd.7.8125",) and psd.output == "psd"


def test_every_mistake_is_told():
    table = {
        "a": 3,
        "b": {"of": "x", "distanse": "squared"},
        "c": {"of": "x", "distance": "cosine", "target": float("nan")},
    }
    with pytest.raises(StudyError) as caught:
        aims(table, "here")
    assert [problem.key for problem in caught.value.problems] == [
        "objectives.a",
        "objectives.b.distanse",
        "objectives.c.distance",
        "objectives.c.target",
    ]
    assert 'did you mean "distance"' in str(caught.value) and "allowed: absolute, squared, relative" in str(caught.value)
    with pytest.raises(StudyError, match="objectives: there is none"):
        aims(None, "here")


def test_what_is_not_there_is_told():
    with pytest.raises(ResultsError, match=r'objective a: there is no feature "rate.X"; did you mean "rate\.[EI]"'):
        _one("rate.X")
    with pytest.raises(ResultsError, match="objective a: there is no target; give it one, or the method observations"):
        _one("rate.E")
    with pytest.raises(ResultsError, match="its target is 0, to which nothing is relative"):
        _one({"of": "psd", "target": 0, "distance": "relative"})
