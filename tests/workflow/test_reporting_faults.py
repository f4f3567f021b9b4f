"""A report that cannot be drawn costs nobody what was simulated."""

from __future__ import annotations

import hpcsim
from hpcsim.workflow import reporting


def test_a_fault_in_a_drawing_is_a_sentence(tmp_path, monkeypatch):
    def broken(study, directory):
        raise ZeroDivisionError("in a figure")

    monkeypatch.setattr(reporting, "is_short", lambda directory: False)
    monkeypatch.setattr(reporting, "report", broken)
    study = hpcsim.Study("toy", "toys:single", space={"x": [1, 2]})
    with study.run("inline", tmp_path / "toy") as results:
        assert len(results) == 2
    words = reporting.report_words(study, study.directory(tmp_path / "toy"))
    assert words.startswith("no report: ZeroDivisionError: in a figure; `hpcsim report ")
