"""What follows a sweep: inference only where something is new, from Python as by the command."""

from __future__ import annotations

import json
import os

import pytest
import tomli_w

import hpcsim
from hpcsim.errors import InferenceError
from hpcsim.files import write_text
from hpcsim.study.directory import StudyDirectory
from hpcsim.workflow.reporting import report


@pytest.fixture(params=["python", "command"])
def calls(request, tmp_path, typed, monkeypatch):
    """Run a study with these values of x and these methods; returns the widths that were inferred with."""
    # the page is another test's, and takes seconds
    monkeypatch.setattr("hpcsim.workflow.reporting.write_report", lambda *given: write_text(given[-1], "<!DOCTYPE html>"))

    def run(x, *widths, infer=True, **more):
        log = tmp_path / "log"
        log.write_text("")
        tables = [{"use": "counted_method:counted", "width": width, "log": str(log), **more} for width in widths]
        study = {"study": {"name": "s", "model": "toys:noop"}, "space": {"a": x}, "inference": tables}
        (tmp_path / "s.toml").write_text(tomli_w.dumps(study))
        if request.param == "python":
            loaded = hpcsim.Study.load(tmp_path / "s.toml")
            loaded.run(on="inline", directory=tmp_path / "run", infer=infer).close()
        else:
            flags = ["--infer" if infer else "--no-infer", "--on", "inline", "--dir", tmp_path / "run"]
            typed("run", tmp_path / "s.toml", *flags)
        return [float(line) for line in log.read_text().split()]

    return run


def test_inference_follows_what_is_new(calls, tmp_path):
    assert calls([1.0, 2.0], 3.0) == [3.0]
    assert calls([1.0, 2.0], 3.0) == [], "nothing is new"
    assert calls([1.0, 2.0, 4.0], 3.0, infer=False) == []
    assert calls([1.0, 2.0, 4.0], 3.0) == [3.0], "points are new since the last report"
    assert calls([1.0, 2.0, 4.0], 5.0) == [5.0], "an option is another one"
    assert calls([1.0, 2.0, 4.0], 5.0, 6.0) == [5.0, 6.0], "a method is new"
    (tmp_path / "o.csv").write_text("y\n1\n")
    table = {"observations": "o.csv"}
    assert calls([1.0, 2.0, 4.0], 5.0, **table) == [5.0]
    assert calls([1.0, 2.0, 4.0], 5.0, **table) == []
    (tmp_path / "o.csv").write_text("y\n2\n")
    assert calls([1.0, 2.0, 4.0], 5.0, **table) == [5.0], "an observation is new"
    [summary] = (tmp_path / "run" / "inference").glob("0_*/summary.json")
    summary.unlink()
    assert calls([1.0, 2.0, 4.0], 5.0, **table) == [5.0], "a finding is gone"
    assert calls([1.0, 2.0, 4.0], 5.0, **table) == []


def test_inference_that_failed_is_tried_again(calls, tmp_path):
    for _ in range(2):
        with pytest.raises(InferenceError, match="no such width"):
            calls([1.0], -1.0)
        assert (tmp_path / "log").read_text() == "-1.0\n"
    assert calls([1.0], 2.0) == [2.0]


def test_findings_of_an_earlier_version_stand(calls, tmp_path):
    assert calls([1.0], 3.0) == [3.0]
    written = tmp_path / "run" / "inference" / "methods.json"
    [entry] = json.loads(written.read_text())
    written.write_text(json.dumps([{key: entry[key] for key in ("use", "options", "observations")}]))
    assert calls([1.0], 3.0) == []
    written.unlink()
    assert calls([1.0], 3.0) == []
    written.write_bytes(b"\xff")
    assert calls([1.0], 3.0) == [3.0], "nobody knows what they stand on"


def test_a_report_that_is_written_meanwhile_makes_no_finding_new(calls, tmp_path):
    assert calls([1.0, 2.0], 3.0) == [3.0]
    assert calls([1.0, 2.0, 4.0], 3.0, infer=False) == []
    report(hpcsim.Study.load(tmp_path / "s.toml"), StudyDirectory(tmp_path / "run"))
    assert calls([1.0, 2.0, 4.0], 3.0) == [3.0], "the finding stands on two of three points"
    assert calls([1.0, 2.0, 4.0], 3.0) == []


def test_a_copy_has_its_findings_and_gets_a_report(calls, tmp_path):
    assert calls([1.0], 3.0) == [3.0]
    run = tmp_path / "run"
    written = (run / "report.html").stat().st_mtime_ns
    os.utime(run / "results.h5", ns=(written + 10**9, written + 10**9))
    (run / "report.html").write_text("old")
    os.utime(run / "report.html", ns=(written, written))
    assert calls([1.0], 3.0) == []
    assert (run / "report.html").read_text() != "old"


def test_the_words_beside_a_table_belong_to_it(calls, tmp_path):
    (tmp_path / "o.csv").write_text("y\n1\n")
    assert calls([1.0], 3.0, observations="o.csv") == [3.0]
    (tmp_path / "o.json").write_text('{"extractor": {}}')
    assert calls([1.0], 3.0, observations="o.csv") == [3.0]
    assert calls([1.0], 3.0, observations="o.csv") == []


def test_points_of_the_study_that_is_observed_are_new(calls, tmp_path):
    def observed(x):
        study = {"study": {"name": "other", "model": "toys:noop"}, "space": {"a": x}}
        (tmp_path / "other.toml").write_text(tomli_w.dumps(study))
        hpcsim.Study.load(tmp_path / "other.toml").run(on="inline", directory=tmp_path / "other").close()

    source = {"observations": "study:other"}
    observed([1.0, 2.0])
    assert calls([1.0], 3.0, **source) == [3.0]
    assert calls([1.0], 3.0, **source) == []
    observed([1.0, 2.0, 4.0])
    assert calls([1.0], 3.0, **source) == [3.0]
    assert calls([1.0], 3.0, **source) == []
