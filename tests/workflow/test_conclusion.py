"""What follows a sweep: inference only where something is new, from Python as by the command."""

from __future__ import annotations

import pytest
import tomli_w

import hpcsim
from hpcsim.errors import InferenceError
from hpcsim.files import write_text


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
    (tmp_path / "run" / "inference" / "methods.json").unlink()
    assert calls([1.0], 3.0) == []
