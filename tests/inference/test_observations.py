from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from fake_results import gaussian
from npe_toys import FEATURES, table

from hpcsim.errors import ResultsError, UnitError
from hpcsim.inference.observations import (
    check_definition,
    check_extractor,
    extractor_of,
    feature_values,
    out_of_range,
    read_observations,
)

UNITS = {"x": "mV"}


def written(tmp_path, text):
    (tmp_path / "o.csv").write_text(text)
    return tmp_path / "o.csv"


def test_columns_by_name_with_and_without_output_and_unit(tmp_path):
    file = written(tmp_path, "cell,layer,x.three,one [uV],two (mV)\nA,L5,3,1000,2\nB,L6,6,4000,5\n")
    found = read_observations(file, FEATURES, UNITS)
    assert list(found.columns) == list(FEATURES) and list(found.index) == ["A", "B"]
    np.testing.assert_allclose(found.to_numpy(), [[1, 2, 3], [4, 5, 6]])


@pytest.mark.parametrize(
    ("unit", "message"),
    [
        ("mV/ms", r"is a voltage per time \(mV/ms\); expected a voltage"),
        ("mV**2", r"is a quantity of .*\(mV\*\*2\); expected a voltage"),
        ("m V", r"expected a voltage"),
        ("mVolts?", r"is no unit"),
    ],
)
def test_units_of_a_header_are_told_in_words(tmp_path, unit, message):
    file = written(tmp_path, f"cell,one ({unit}),two,three\nA,1,2,3\n")
    with pytest.raises(UnitError, match=message):
        read_observations(file, FEATURES, UNITS)


def test_a_unit_that_does_not_fit(tmp_path):
    file = written(tmp_path, "cell,one (pA),two,three\nA,1,2,3\n")
    with pytest.raises(UnitError, match=r'column "one \(pA\)": the unit "pA" does not fit, the results have "mV"'):
        read_observations(file, FEATURES, UNITS)


@pytest.mark.parametrize("value", ["", "nan", "inf"])
def test_what_is_not_finite_is_named_with_its_cell(tmp_path, value):
    file = written(tmp_path, f"cell,one,two,three\nA,1,2,3\nB,1,{value},3\n")
    with pytest.raises(ResultsError, match=r"1 of 2 observations .*B: x\.two is (nan|inf)"):
        read_observations(file, FEATURES)


def test_missing_and_double_features(tmp_path):
    with pytest.raises(ResultsError, match=r"the features x\.two are missing"):
        read_observations(written(tmp_path, "cell,one,three\nA,1,3\n"), FEATURES)
    with pytest.raises(ResultsError, match=r'"x\.one" is in more than one column'):
        read_observations(written(tmp_path, "cell,one,x.one,two,three\nA,1,1,2,3\n"), FEATURES)
    with pytest.raises(ResultsError, match="no observations can be read"):
        read_observations(tmp_path / "no.csv", FEATURES)
    with pytest.raises(ResultsError, match="expected numbers"):
        feature_values(pd.DataFrame({"x.one": ["a"], "x.two": [1], "x.three": [2]}), FEATURES)


def test_a_table_of_another_extractor_or_version_is_refused(tmp_path):
    file = written(tmp_path, "cell,one,two,three\nA,1,2,3\n")
    file.with_suffix(".json").write_text(json.dumps({"extractor": {"features.ephys": "2"}}))
    found = read_observations(file, FEATURES)
    check_extractor(found, {"features.ephys": "2", "signals.eeg": "1"})
    for others in ({"features.ephys": "1"}, {"features.efel": "2"}, {}):
        with pytest.raises(ResultsError, match=r"made with features\.ephys 2, the simulations with"):
            check_extractor(found, others)
    check_extractor(table(np.zeros((1, 3))), {"features.ephys": "1"})  # a table that says nothing
    file.with_suffix(".json").write_text("[1]")
    with pytest.raises(ResultsError, match="fix or remove it"):
        read_observations(file, FEATURES)


def test_a_table_of_another_definition_is_refused(tmp_path):
    file = written(tmp_path, "cell,one,two,three\nA,1,2,3\n")
    about = {"extractor": {"features.ephys": "1"}, "definition": "bernaerts2025"}
    file.with_suffix(".json").write_text(json.dumps(about))
    found, results = read_observations(file, FEATURES), gaussian(10)
    for ours, fits in (("bernaerts2025", True), ("default", False)):
        stage = {"use": "features.ephys", "version": "1", "options": {"definition": ours}}
        results.study = {"recipe": {"stages": {"0": stage}}}
        if fits:
            check_definition(found, results)
        else:
            with pytest.raises(ResultsError, match='by the definition "bernaerts2025", the simulations by "default"'):
                check_definition(found, results)
    check_definition(table(np.zeros((1, 3))), results)  # a table that says nothing


def test_a_column_chooses_rows(tmp_path):
    file = written(tmp_path, "cell,one,two,three,good,layer\nA,1,2,3,1,L5\nB,,2,3,0,L5\nC,4,5,6,1,L6\n")
    assert read_observations(file, FEATURES, where="good").index.tolist() == ["A", "C"]  # B lacks a feature
    with pytest.raises(ResultsError, match='no column "god" to choose rows by; did you mean "good"'):
        read_observations(file, FEATURES, where="god")
    with pytest.raises(ResultsError, match=r"expected true, false, 0 or 1, found 'L5'"):
        read_observations(file, FEATURES, where="layer")


def test_extractor_of_results():
    results = gaussian(10)
    assert extractor_of(results) == {}
    results.study = {"recipe": {"stages": {"0": {"use": "features.ephys", "version": "3", "options": {}}}}}
    assert extractor_of(results) == {"features.ephys": "3"}


def test_out_of_reach_by_how_much():
    found = out_of_range(table(np.array([[0.5, 1, 2], [-1, 1, 3.5]])), FEATURES, np.zeros(3), np.array([1, 2, 2]))
    assert found.index.tolist() == ["cell1", "cell1"]
    assert found["feature"].tolist() == ["x.one", "x.three"]
    assert found["beyond (%)"].tolist() == [100.0, 75.0]
    # an end of the range in float32 is less than the same number in float64
    end = np.float64(np.float32(np.log(8))) + 1e-7
    assert out_of_range(table(np.full((1, 3), np.log(8))), FEATURES, np.full(3, end), np.full(3, 3.0)).empty


def test_a_whole_number_that_no_float_holds_is_no_feature():
    with pytest.raises(ResultsError, match="expected numbers, found something else"):
        feature_values(pd.DataFrame({"a": [1, 10**400]}), ["a"])
