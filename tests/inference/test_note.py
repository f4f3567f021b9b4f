from __future__ import annotations

import json

import pytest

from hpcsim.inference import Finding
from hpcsim.inference.note import Note, is_warning


def test_a_note_is_its_sentence_and_knows_its_figure():
    note = Note("60 % lies outside.", "leakage", "warning", 60.0, "Widen the prior.")
    assert note == "60 % lies outside. Widen the prior." and is_warning(note)
    assert Note.of(note.to_dict()).to_dict() == note.to_dict()
    assert not is_warning("a plain text") and Note.of("a plain text").kind == "note"


@pytest.mark.parametrize("figure", [60.0, float("nan"), None])
def test_warnings_stand_in_the_summary_with_their_figure(tmp_path, figure):
    warning = Note("60 % lies outside.", "leakage", "warning", figure, "Widen the prior.")
    Finding("m", "t", notes=["plain", warning]).save(tmp_path)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["notes"] == ["plain", "60 % lies outside. Widen the prior."]
    (found,) = summary["warnings"]
    assert found["kind"] == "leakage" and found["advice"] == "Widen the prior."
    assert found["figure"] == (60.0 if figure == 60.0 else None)
    loaded = Finding.load(tmp_path)
    assert [is_warning(note) for note in loaded.notes] == [False, True]


def test_a_finding_of_an_older_version_is_read(tmp_path):
    Finding("m", "t", notes=["plain"]).save(tmp_path)
    summary = json.loads((tmp_path / "summary.json").read_text())
    del summary["warnings"]
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    assert Finding.load(tmp_path).notes == ["plain"]
