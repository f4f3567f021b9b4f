"""Studies: what is checked before anything runs, and what identifies the numbers."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

import pytest

import hpcsim
from hpcsim.errors import DirectoryError, PluginError, StudyError
from hpcsim.paths import shipped_studies
from hpcsim.study.study import find


def problems(text: str, tmp_path: Path) -> list[str]:
    path = tmp_path / "study.toml"
    path.write_text(text)
    with pytest.raises(StudyError) as caught:
        hpcsim.Study.load(path)
    return [str(problem) for problem in caught.value.problems]


HEAD = '[study]\nname = "s"\nmodel = "toys:single"\n'


def test_all_mistakes_come_in_one_go(tmp_path):
    found = problems(
        '[study]\nname = "bad"\nmodel = "nest.hagen_lif"\npreset = "ncpy"\n'
        "[space]\nJ_ex = [1, 2]\nJ_ext = { linspace = [26, 32, 50], unit = 'mV' }\nC_EE = { uniform = [0.1, 1.5] }\n"
        "[space.zip]\nJ_EE = [1, 2, 3]\nJ_IE = [1, 2]\n"
        '[fixed]\ntstop = "-12 s"\n[design]\nmethod = "sobool"\n'
        '[[stages]]\nuse = "signals.dipol"\n[[stages]]\nuse = "features.catch22"\noff = "eeg"\n'
        '[resources]\nthread = 2\ntime = "3 mV"\n',
        tmp_path,
    )
    expected = {
        "design.method": ("'sobool'", 'did you mean "sobol"?'),
        "resources.thread": ("no such key", 'did you mean "threads"?'),
        "study.preset": ('no preset "ncpy"', 'did you mean "ncpi"?'),
        "space.J_ex": ("no parameter", 'did you mean "J_ext"?'),
        "space.J_ext": ("voltage", "current"),
        "space.C_EE": ("found 1.5", "0 to 1"),
        "space.zip": ("J_EE has 3", "J_IE has 2"),
        "fixed.tstop": ("-12000 ms", "at least 0 ms"),
        "stages[0].use": ('"signals.dipol"', 'did you mean "signals.dipole"?'),
        "stages[1].off": ("no such option", 'did you mean "of"?'),
        "resources.time": ("voltage", "time"),
    }
    assert len(found) == len(expected)
    for key, words in expected.items():
        [line] = [line for line in found if line.startswith(f"{key}: ")]
        assert all(word in line for word in words), line


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEAD + "[space]\nx = []\n", ["space.x"]),
        (HEAD + "[space]\nx = { linspace = [0, 1, 0] }\n", ["space.x", "0"]),
        (HEAD + "[space]\nx = { uniform = [0, 1] }\n", ["design", "grid"]),
        (HEAD + "[space]\nx = { uniform = [0, 1] }\n[design]\nmethod = 'random'\nn = 0\n", ["design", "0"]),
        (HEAD + "[outputs]\nkeep = ['squar']\n", ["outputs.keep", 'did you mean "square"?']),
        (HEAD + "[[stages]]\nuse = 'toys:total'\nof = 'nois'\n", ["stages[0]", 'did you mean "noise"?']),
        (HEAD.replace("toys:single", "toys:singel"), ["study.model", '"toys" has no "singel"']),
        (HEAD.replace("toys:single", "nest.hagen_lfi"), ["study.model", 'did you mean "nest.hagen_lif"?']),
        (HEAD.replace('"s"', '"a; rm -rf /"'), ["study.name"]),
        (HEAD.replace('"s"', '"../other"'), ["study.name"]),
        ('[study]\nmodel = "toys:single"\n', ["study.name", "missing"]),
        ("[study\n", ["not TOML", "line 1"]),
        (HEAD + "[[inference]]\nuse = 'inference.regresion'\n", ["inference[0].use", "inference.regression"]),
        (HEAD + "[[inference]]\nuse = 'inference.regression'\nsplit = 3\n", ["inference[0].split", 'did you mean "splits"?']),
        (HEAD + "replicates = 0\n", ["study.replicates", "0"]),
    ],
)
def test_a_mistake_names_its_key_and_the_remedy(text, words, tmp_path):
    [line] = problems(text, tmp_path)
    assert all(word in line for word in words), line


def test_a_missing_engine_names_the_extra(monkeypatch):
    monkeypatch.setattr("hpcsim.plugin.find_spec", lambda name: None)
    with pytest.raises(StudyError, match=r"needs nest \(not installed\): pip install 'hpcsim\[nest\]'"):
        hpcsim.Study("s", "nest.hagen_lif")


def test_values_that_make_no_sense_together_are_found_before_anything_runs():
    with pytest.raises(StudyError, match=r"tstop \(1000 ms\) must be longer than transient \(2000 ms\)"):
        hpcsim.Study("s", "nest.hagen_lif", fixed={"tstop": "1 s"})


def test_one_study_has_one_shape():
    with pytest.raises(StudyError, match=r'dimension "time_bin" differs between points, with tstop'):
        hpcsim.Study("s", "nest.hagen_lif", space={"tstop": ["3 s", "4 s"]})


def test_a_bare_name_is_a_shipped_study_and_a_near_one_is_named():
    assert find("quickstart") == shipped_studies()["quickstart"]
    with pytest.raises(StudyError, match=r'did you mean "quickstart"'):
        find("quikstart")


@pytest.mark.parametrize("name", sorted(shipped_studies()))
def test_shipped_studies_are_right(name, reconstruction):
    study = hpcsim.Study.load(name)
    assert study.name == name
    assert study.file.study.description


def test_the_written_study_is_the_same_study(tmp_path):
    study = hpcsim.Study(
        "s",
        "nest.hagen_lif",
        space={"J_ext": {"linspace": ["0.026 nA", "0.032 nA", 4]}},
        fixed={"tstop": "3 s"},
        seed=4,
        preset="hagen2022",
        stages=[{"use": "features.catch22", "of": "spike_counts"}],
        resources={"time": "2 min"},
    )
    path = tmp_path / "study.toml"
    path.write_text(study.to_toml())
    again = hpcsim.Study.load(path)
    assert again.fingerprint == study.fingerprint
    assert again.completeness == study.completeness
    assert list(again.design.ids(0, 4)) == list(study.design.ids(0, 4))
    assert again.time_limit == 120.0
    assert again.to_toml() == study.to_toml()
    written = tomllib.loads(study.to_toml())
    assert written["fixed"]["J_EE"] == 1.39819177
    assert set(written["fixed"]) | {"J_ext"} == {parameter.name for parameter in study.model.parameters}


def base(**more):
    return hpcsim.Study("s", "toys:single", space=more.pop("space", {"x": [1, 2]}), **more)


def test_what_changes_the_numbers_changes_the_fingerprint():
    reference = base().fingerprint
    assert base().fingerprint == reference
    assert base(space={"x": [1, 2, 3]}).fingerprint == reference
    for other in (
        base(seed=1),
        base(fixed={"guilty": 3}),
        base(stages=[{"use": "toys:total"}]),
        base(outputs={"keep": ["square"]}),
        base(resources={"threads": 2}),
    ):
        assert other.fingerprint != reference
    assert base(fixed={"guilty": "-0.001 V"}).fingerprint == base(fixed={"guilty": -1}).fingerprint == reference


def test_the_version_of_a_simulator_is_part_of_the_fingerprint(monkeypatch):
    reference = hpcsim.Study("s", "nest.hagen_lif").fingerprint
    monkeypatch.setattr("hpcsim.study.recipe._version", lambda name: "3.11.0")
    assert hpcsim.Study("s", "nest.hagen_lif").fingerprint != reference


def test_a_directory_that_holds_another_study_is_refused(tmp_path):
    study = base()
    place = study.directory(tmp_path / "run")
    place.open(study.to_toml(), study.recipe, study.name)
    place.open(study.to_toml(), study.recipe, study.name)
    other = hpcsim.Study("t", "toys:single")
    with pytest.raises(DirectoryError, match=r'holds another study \("s", not "t"\)'):
        place.open(other.to_toml(), other.recipe, other.name)
    changed = base(seed=3, fixed={"guilty": 2})
    with pytest.raises(DirectoryError, match=r"fixed.guilty: there -1, now 2\n  seed: there 0, now 3"):
        place.open(changed.to_toml(), changed.recipe, changed.name)
    foreign = study.directory(tmp_path)
    with pytest.raises(DirectoryError, match="holds no study"):
        foreign.open(study.to_toml(), study.recipe, study.name)


@pytest.mark.parametrize("kept", range(6))
def test_a_start_that_was_killed_before_the_study_was_written_goes_on(tmp_path, monkeypatch, kept):
    """What a kill leaves at each step from the first file on is no reason to refuse the directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    Path("begun_model.py").write_text(
        "from hpcsim import Output, Parameter, model\n\n"
        "@model('begun', parameters=[Parameter('x', 0.0)], outputs=[Output('y')])\n"
        "def begun(point, context):\n    return {'y': 2 * point['x']}\n"
    )
    study = hpcsim.Study("begun", "begun_model:begun", space={"x": [1.0, 2.0]})
    study.run("inline", "whole").close()
    place = study.directory(tmp_path / "killed")
    place.path.mkdir()
    steps = [
        lambda: place.lock.with_name(f"{place.lock.name}.ab12").write_text("{}"),
        lambda: shutil.copytree("whole/source", place.path / ".source.new"),
        lambda: (place.path / ".source.new").rename(place.path / "source"),
        place.shards.mkdir,
        place.logs.mkdir,
        lambda: (place.path / ".study.toml.x1.tmp").write_text("[stu"),
    ]
    for step in steps[: kept + 1]:
        step()
    assert not place.study.exists()
    with study.run("inline", place.path) as results:
        assert results.features(["y"])["y"].tolist() == [2.0, 4.0]


@pytest.mark.parametrize("theirs", ["source/notes.txt", "logs/my.log", "shards/a.h5", ".study.toml", "results.h5"])
def test_files_of_somebody_else_are_never_taken_for_a_start(tmp_path, theirs):
    study = base()
    path = tmp_path / "run" / theirs
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    with pytest.raises(DirectoryError, match="holds no study"):
        study.directory(tmp_path / "run").open(study.to_toml(), study.recipe, study.name)
    assert path.read_text() == "mine"


def test_another_environment_is_noticed_before_it_adds_other_numbers(tmp_path, monkeypatch):
    study = hpcsim.Study("s", "nest.hagen_lif")
    place = study.directory(tmp_path / "run")
    place.open(study.to_toml(), study.recipe, study.name)
    monkeypatch.setattr("hpcsim.study.recipe._version", lambda name: "3.11.0")
    again = hpcsim.Study.load(place.path)
    with pytest.raises(DirectoryError, match=r'versions\.nest-simulator: there "3\.10\.0", now "3\.11\.0"'):
        again.verify(place)


def test_priors_may_grow_longer_but_not_change(tmp_path):
    def sampled(high, n):
        return base(space={"x": {"uniform": [0, high]}}, design={"method": "sobol", "n": n})

    assert sampled(1, 8).fingerprint == sampled(1, 800).fingerprint != sampled(2, 8).fingerprint


def test_a_model_that_no_other_process_can_find_says_so():
    with pytest.raises(PluginError, match=r'there is no model "nest.unknown"'):
        from hpcsim.models.registry import get_model

        get_model("nest.unknown")


def test_a_scale_stands_in_for_the_keys_that_it_names(tmp_path):
    path = tmp_path / "s.toml"
    path.write_text(
        HEAD + "[space]\nx = { uniform = [0, 1] }\n[fixed]\nguilty = 2\n[design]\nmethod = 'sobol'\nn = 8\n"
        "[scales.full]\ndesign.n = 800\nfixed.seconds = 0.5\n"
    )
    small, full = hpcsim.Study.load(path), hpcsim.Study.load(path, "full")
    assert (len(small.design), len(full.design)) == (8, 800)
    assert list(full.design.ids(0, 1)) != list(small.design.ids(0, 1))
    assert (full.space.fixed["guilty"], full.space.fixed["seconds"], full.design.method) == (2.0, 0.5, "sobol")
    assert "scales" not in tomllib.loads(full.to_toml())
    with pytest.raises(StudyError, match=r'no scale "ful"; did you mean "full"'):
        hpcsim.Study.load(path, "ful")


def test_lists_that_go_together_may_stand_in_a_csv_file(tmp_path):
    (tmp_path / "points.csv").write_text("cell,x,guilty\na,1.5,0.002 V\nb,2,7\n")
    path = tmp_path / "s.toml"
    path.write_text(HEAD + '[space]\nzip = { file = "points.csv", columns = ["x", "guilty"] }\n')
    study = hpcsim.Study.load(path)
    assert [(p["x"], p["guilty"]) for p in study.design.block(0, len(study.design))] == [(1.5, 2.0), (2.0, 7.0)]
    # the directory does not need the file
    (tmp_path / "run.toml").write_text(study.to_toml())
    (tmp_path / "points.csv").unlink()
    assert hpcsim.Study.load(tmp_path / "run.toml").completeness == study.completeness
    with pytest.raises(StudyError, match=r'"points\.csv" cannot be read'):
        hpcsim.Study.load(path)
    (tmp_path / "points.csv").write_text("cell,x\na,1.5\n")
    with pytest.raises(StudyError, match='no column "guilty"'):
        hpcsim.Study.load(path)
