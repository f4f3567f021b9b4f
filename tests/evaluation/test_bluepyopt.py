"""BluePyOpt's JSON of features, as it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from absent import needed

from hpcsim.errors import ResultsError, StudyError
from hpcsim.evaluation.bluepyopt import read

needed("efel")

#: In the form of examples/l5pc/config/features.json; other numbers.
FEATURES: dict[str, Any] = {
    "bAP": {
        "soma.v": {"AP_width": [2.0, 0.5], "AP_height": [25.0, 5.0], "Spikecount": [1.0, 0.01]},
        "dend1.v": {"AP_amplitude_from_voltagebase": [45, 10]},
        "dend2.v": {"AP_amplitude_from_voltagebase": [36, 9.33]},
    },
    "Step1": {"soma.v": {"mean_frequency": [9.0, 0.9]}},
}


def written(folder: Path, content: Any) -> Path:
    path = folder / "features.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_it_is_read(tmp_path: Path):
    found = read(written(tmp_path, FEATURES))
    assert [objective.name for objective in found][:4] == [
        "bAP.soma.AP_width", "bAP.soma.AP_height", "bAP.soma.Spikecount", "bAP.dend1.AP_amplitude_from_voltagebase",
    ]  # fmt: skip
    assert [objective.location for objective in found] == ["soma"] * 3 + ["site_1", "site_2", "soma"]
    assert {objective.library for objective in found} == {"efel"} and found[-1].group == found[-1].protocol == "Step1"
    assert (found[4].mean, found[4].sd) == (36, 9.33)
    # the shipped file names locations without .v
    plain = {protocol: {place.removesuffix(".v"): own for place, own in places.items()} for protocol, places in FEATURES.items()}
    assert read(written(tmp_path, plain)) == found


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"Step1": {"soma.v": {"AP_widht": [1, 1]}}},
            r'AP_widht: eFEL has no feature "AP_widht"; did you mean "AP_width',
        ),
        (
            {"Step1": {"soma.v": {"AP_width": [1]}}},
            r"soma\.v\.AP_width: found \[1\], expected \[mean, standard deviation\]",
        ),
        ({"Step1": {"soma.v": {"AP_width": [None, 1]}}}, r"Step1\.soma\.AP_width\.mean: found None, expected a number"),
        (
            {"Step1": {"soma.v": {"AP_width": [1, 10**400]}}},
            r"AP_width\.sd: found 1000+ \.\.\. 0+ \(401 characters\), expected a number",
        ),
        ({"Step1": {"soma.v": {"AP_width": [1, 0]}}}, r"AP_width\.sd: found 0, expected a number above 0"),
        ({"Step1": {"axon.v": {"AP_width": [1, 1]}}}, r"Step1\.axon\.v: there is no such location"),
        ({"Step1": [1]}, r"Step1: found list, expected a table"),
        ({}, "there is none"),
    ],
)
def test_mistakes_are_told_with_their_key(tmp_path: Path, change: Any, message: str):
    with pytest.raises(StudyError, match=message):
        read(written(tmp_path, change))


def test_files_that_are_none(tmp_path: Path):
    with pytest.raises(ResultsError, match=r"features\.json is no JSON"):
        read(written(tmp_path, "{"))
    with pytest.raises(ResultsError, match=r"none\.json cannot be read"):
        read(tmp_path / "none.json")
