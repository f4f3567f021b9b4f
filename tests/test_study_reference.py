"""``study:NAME``: said in one place, refused where no study can have the name."""

from __future__ import annotations

import pytest

import hpcsim
from hpcsim.errors import ResultsError, StudyError
from hpcsim.study_reference import StudyReference


@pytest.mark.parametrize(("value", "name"), [("study:a", "a"), ("a", "a"), ("study:a.b-c_1", "a.b-c_1"), ("", None)])
def test_where_only_a_study_can_be_meant_its_name_is_enough(value, name):
    found = StudyReference.of(value)
    assert (found and found.name) == name
    assert found is None or (str(found) == f"study:{name}" and not found.problem)


def test_where_a_file_may_be_named_a_study_has_its_prefix():
    assert StudyReference.parse("table.csv") is StudyReference.parse("") is None
    assert StudyReference.parse("study:a") == StudyReference("a")


def test_a_study_knows_the_others_in_the_order_in_which_they_are_named():
    study = hpcsim.Study(
        "s",
        "toys:single",
        stages=[{"use": "toys:shifted", "kernel": "other"}],
        inference=[{"use": "inference.nsga2", "objectives": {"y": "square"}, "observations": "study:seen"}],
    )
    assert study.inputs == ("other",) and study.needs == ("other", "seen")
    assert hpcsim.Study("s", "toys:child").needs == ("base",)


def test_no_reference_leads_out_of_the_folder_of_runs(tmp_path):
    with pytest.raises(StudyError) as caught:
        hpcsim.Study("s", "toys:child", fixed={"parent": "study:../x"}, stages=[{"use": "toys:shifted", "kernel": "study:"}])
    assert {problem.key for problem in caught.value.problems} == {"fixed.parent", "stages[0].kernel"}
    assert 'found "study:../x", expected study:NAME' in str(caught.value)
    with pytest.raises(ResultsError, match=r"needs the results of the study base, but there is no .*; run base first"):
        hpcsim.Study("s", "toys:child").directory(tmp_path / "s").results_of("base")
