"""A search whose targets are those of an observation: of a file beside the study, or of another study's points."""

from __future__ import annotations

import json
import signal

import numpy as np
import pytest
from absent import needed
from scheduler.test_search_feed import killed, make, same, suggested

import hpcsim
from hpcsim.collector.format.table import Table
from hpcsim.errors import DirectoryError, ResultsError, StudyError
from hpcsim.plot.searched import Searched
from hpcsim.workflow.analysis import check_inference

SPACE = {name: {"uniform": [0, 1]} for name in ("x0", "x1", "x2", "x3")}
TABLE = "cell,f.one,two,day\nLate,0.4,0.3,1\nearly,0.2,0.7,2\n"
SMALL = {"simulations": 10, "draws": 100, "epochs": 3, "hidden": 8, "transforms": 2}
#: Of the toy with two bowls, for a sampler that infers.
POINT = {"near": {"of": "near", "target": 9.0}, "far": {"of": "far", "target": 6.25}}


def fit(folder, use="uniform", **sampler):
    """A study beside its observations."""
    (folder / "seen.csv").write_text(TABLE)
    table = {"use": use, "evaluations": 6, "objectives": ["f"], "observations": "seen.csv", "where": "Late", **sampler}
    inference, replicates = table.pop("inference", []), table.pop("replicates", 1)
    tables = {
        "study": {"name": "fit", "model": "fit_toys:front", "seed": 2, "replicates": replicates},
        "space": SPACE,
        "sampler": table,
        "inference": inference,
    }
    return hpcsim.Study.of_tables(tables, "fit", folder)


def test_each_column_of_an_output_is_an_objective_with_the_target_of_the_observation(tmp_path):
    study = fit(tmp_path, cutoffs={"f.one": 0.2})
    study.run("inline", tmp_path / "run")
    header = json.loads((tmp_path / "run/sampler.jsonl").read_text().splitlines()[0])
    assert header["objectives"] == ["f.one", "f.two"] and header["observed"] == {"f.one": 0.4, "f.two": 0.3}
    search = study.search.observed(tmp_path / "run", study.recipe).open(tmp_path / "run", tmp_path)
    with Table(tmp_path / "run/results.h5") as table:
        f = table.array("f")
    np.testing.assert_allclose([search.objectives[k] for k in range(6)], np.abs(f - [0.4, 0.3]))
    assert len(search.accepted) == (np.abs(f[:, 0] - 0.4) <= 0.2).sum()
    # figures of the search measure by the same
    with hpcsim.open(tmp_path / "run") as results:
        np.testing.assert_allclose(Searched.of(results).objectives, np.abs(f - [0.4, 0.3]))
    # the directory is all there is to it
    (tmp_path / "seen.csv").unlink()
    again = hpcsim.Study.load(tmp_path / "run")
    again.run("inline", tmp_path / "run")
    (tmp_path / "run/observations.csv").unlink()
    with pytest.raises(ResultsError, match=r"sampler.observations: there is no file .*seen.csv"):
        again.run("inline", tmp_path / "run")


def test_another_observation_is_another_search(tmp_path):
    fit(tmp_path).run("inline", tmp_path / "run")
    with pytest.raises(DirectoryError, match=r"another search(.|\n)*observed: there .*0.4.*, now .*0.2"):
        fit(tmp_path, where="early").run("inline", tmp_path / "run")


def test_the_observed_study_runs_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    parent = '[study]\nname = "parent"\nmodel = "fit_toys:front"\n[space]\nx0 = [0.25, 0.5]\n'
    (tmp_path / "parent.toml").write_text(parent)
    study = fit(tmp_path, observations="study:parent", where="x0 == 0.25")
    # also where no inference follows
    study.run("inline", infer=False)
    header = json.loads((tmp_path / "runs/fit/sampler.jsonl").read_text().splitlines()[0])
    assert header["observed"]["f.one"] == 0.25


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"where": ""}, ResultsError, r"found 2 observations \(Late, early\), expected one; choose it with where"),
        ({"where": "late"}, ResultsError, 'no column "late"'),
        ({"objectives": ["g"]}, StudyError, 'objectives.g.of: no output "g" is kept'),
        ({"cutoffs": {"f.on": 1.0}}, StudyError, 'cutoffs.f.on: there is no such objective; did you mean "f.one"'),
        ({"accepted": 3}, StudyError, "nothing says which points are accepted"),
        ({"observations": "nowhere.csv"}, ResultsError, "there is no file nowhere.csv"),
        ({"observations": 3}, StudyError, "observations: found 3, expected a text"),
        ({"objectives": {"f": "f"}}, StudyError, '"f" has 2 columns and the objective no target'),
    ],
)
def test_what_a_user_gets_wrong(tmp_path, change, error, words):
    with pytest.raises(error, match=words):
        fit(tmp_path, **change).run("inline", tmp_path / "run")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"observations": ""}, "sampler.observations: there are none, and f.one, f.two has no target"),
        ({"start": [{"x0": 0.1, "x1": 0.1, "x2": 0.1, "x3": 0.1}]}, "sampler.start: it learns from its own draws of the prior"),
        ({"known": "runs/other"}, "sampler.known: it learns from its own draws of the prior"),
        ({"objectives": {"f": "f"}}, r'"f" has 2 columns, and this sampler learns each .* objectives = \["f"\]'),
        ({"replicates": 4}, "study.replicates: found 4; the sampler would learn from their means.*; leave it out"),
        ({"epsilon": 0.7}, "epsilon"),
    ],
)
def test_what_a_sampler_that_infers_refuses(tmp_path, change, words):
    needed("sbi")
    with pytest.raises(StudyError, match=words):
        fit(tmp_path, "tsnpe", **change)


def test_inference_from_draws_near_one_observation(tmp_path):
    """A posterior of that one can be trained on them, and none of another."""
    needed("sbi")
    npe = {"use": "inference.npe", "of": ["f"], "observations": "seen.csv", "where": "Late"}
    check_inference(fit(tmp_path, "tsnpe", inference=[npe], evaluations=100))
    with pytest.raises(StudyError, match=r'inference\[0\].where: found "early"; the points are drawn .* where = "Late"'):
        check_inference(fit(tmp_path, "tsnpe", inference=[{**npe, "where": "early"}], evaluations=100))


def test_a_search_that_infers_is_told_distances_with_their_sign(tmp_path):
    needed("sbi")
    make("tsnpe", 12, objectives=POINT, cutoffs={"near": 3.0}, **SMALL).run("inline", tmp_path / "run")
    with Table(tmp_path / "run/results.h5") as table:
        near, good = table.array("near"), table.good
    events = [json.loads(line) for line in (tmp_path / "run/sampler.jsonl").read_text().splitlines()]
    told = {number: values[0] for event in events if "ingest" in event for number, values in event["ingest"]}
    assert [told[k] for k in range(12)] == pytest.approx([n - 9 if g else None for n, g in zip(near, good, strict=True)])
    sizes = [n for n in told.values() if n is not None]
    assert min(sizes) < 0 < max(sizes)


@pytest.mark.slow
def test_kills_of_a_sequential_inference(tmp_path):
    needed("sbi")
    options = {"use": "tsnpe", "evaluations": 35, "objectives": POINT, **SMALL}
    make(**options).run("inline", tmp_path / "whole")
    for number, at in [(signal.SIGKILL, 2), (signal.SIGTERM, 24), (signal.SIGKILL, 50)]:
        killed(tmp_path / "part", "inline", number, at, **options)
    make(**options).run("inline", tmp_path / "part")
    same(tmp_path / "part", tmp_path / "whole")
    assert len(suggested(tmp_path / "part")) == 35
