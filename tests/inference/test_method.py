from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from fake_results import gaussian

from hpcsim.errors import PluginError, ResultsError, StudyError
from hpcsim.inference import Finding, Options, ResultsLike, get_method, method, method_names
from hpcsim.inference.inputs import varying
from hpcsim.space.parameter import Parameter


@method("inference.count", options=[Parameter("width", 2.0, unit="ms")], tables=("more",))
def count(results: ResultsLike, options: Options, directory: Path, seed: int) -> Finding:
    """Count the points."""
    return Finding("inference.count", "Points", {"points": len(results), "width": options["width"], "seed": seed})


def test_a_function_becomes_a_method() -> None:
    assert count.name == "inference.count"
    assert count.description == "Count the points."
    assert count.installed


def test_calling_checks_completes_and_saves(tmp_path: Path) -> None:
    finding = count(gaussian(12), tmp_path / "new", seed=3, width="0.004 s")
    assert finding.metrics == {"points": 12, "width": 4.0, "seed": 3}
    assert json.loads((tmp_path / "new" / "summary.json").read_text())["metrics"]["width"] == 4.0
    assert count.complete({}) == {"width": 2.0, "more": None}
    with pytest.raises(StudyError) as caught:
        count.complete({"widht": 1.0, "width": "x", "more": 3})
    assert [problem.key for problem in caught.value.problems] == ["widht", "width", "more"]
    assert 'did you mean "width"?' in str(caught.value)


def test_names_lead_to_methods() -> None:
    assert "inference.regression" in method_names()
    assert get_method("inference.regression").name == "inference.regression"
    with pytest.raises(PluginError, match=r'did you mean "inference.regression"'):
        get_method("inference.regresion")


def test_a_missing_engine_is_told_with_its_cure(tmp_path: Path) -> None:
    from dataclasses import replace

    with pytest.raises(PluginError, match=r"needs no_such_engine \(not installed\): pip install 'hpcsim\[sbi\]'"):
        replace(count, engine="no_such_engine", extra="sbi")(gaussian(12), tmp_path)


def test_a_finding_survives_the_disk(tmp_path: Path) -> None:
    table = pd.DataFrame({"a": [1.5, 2.5]}, index=pd.Index(["p", "q"], name="id"))
    finding = Finding("m", "t", {"x": math.nan, "y": {"z": math.inf}}, {"tab": table}, {}, ["a <note>"])
    finding.save(tmp_path)
    assert "NaN" not in (tmp_path / "summary.json").read_text()
    loaded = Finding.load(tmp_path)
    assert math.isnan(loaded.metrics["x"])  # type: ignore[arg-type]
    pd.testing.assert_frame_equal(loaded.tables["tab"], table)
    assert loaded.notes == ["a <note>"]
    with pytest.raises(ResultsError, match=r"\.\./tab"):
        Finding("m", "t", tables={"../tab": table}).save(tmp_path)
    with pytest.raises(ResultsError, match="no finding can be read"):
        Finding.load(tmp_path / "nowhere")


def test_varying_parameters_are_numbers_with_more_than_one_value() -> None:
    assert varying(gaussian(12, 2)) == ["theta_0", "theta_1"]


def test_importing_inference_and_report_loads_nothing_heavy() -> None:
    code = (
        "import sys, hpcsim.inference, hpcsim.report; "
        "print(sorted({'sklearn', 'skops', 'pandas', 'matplotlib', 'scipy', 'jinja2', 'nest', 'hpcsim.models.model', "
        "'hpcsim.stages.stage'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_finding_shows_files_of_its_own_folder_alone(tmp_path):
    """A report that is made of a stranger's study must not carry a private file of whoever makes it."""
    place, private = tmp_path / "study" / "0_m", tmp_path / "private.png"
    (tmp_path / "private.csv").write_text("a,b\n1,2\n")
    private.write_text("secret")
    Finding("m", "t", {"x": 1.0}, {"tab": pd.DataFrame({"a": [1]})}, {"good": place / "good.png"}).save(place)
    assert Finding.load(place).figures == {"good": place / "good.png"}
    (place / "link.png").symlink_to(private)
    told = json.loads((place / "summary.json").read_text())
    for wrong in (
        {"figures": {"a": "../../private.png"}},
        {"figures": {"a": str(private)}},
        {"figures": {"a": "link.png"}},
        {"tables": ["../../private"]},
        {"tables": [str(tmp_path / "private")]},
    ):
        (place / "summary.json").write_text(json.dumps(told | wrong))
        with pytest.raises(ResultsError, match="lies outside of the folder"):
            Finding.load(place)


@pytest.mark.parametrize(
    "wrong",
    [{"metrics": {"x": "high"}}, {"metrics": {"x": {"y": [1]}}}, {"metrics": {"x": 10**400}}, {"metrics": 1}, {"notes": [1, {}]}],
)
def test_a_finding_whose_parts_are_no_numbers(tmp_path, wrong):
    Finding("m", "t", {"x": 1.0}).save(tmp_path)
    told = json.loads((tmp_path / "summary.json").read_text())
    (tmp_path / "summary.json").write_text(json.dumps(told | wrong))
    with pytest.raises(ResultsError, match="no finding can be read here"):
        Finding.load(tmp_path)
