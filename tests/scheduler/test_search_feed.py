"""A study with a sampler: a normal study whose design grows, whoever runs it and whatever ends it."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import hpcsim
from hpcsim.collector.format.table import Table
from hpcsim.errors import AllFailedError, DamagedError, DirectoryError, Interrupted, StudyError
from hpcsim.scheduler.state.check import check
from hpcsim.scheduler.task.runner import Runner

SPACE = {"x": {"uniform": [-4, 4]}, "y": {"uniform": [-2, 2], "unit": "mV"}}
OBJECTIVES = {"near": "near", "far": {"of": "far", "target": 1.0, "sd": 2.0}}
START = [{"x": 0.5, "y": 0.0}]


def make(use="steady_state", evaluations=14, fixed=None, more=None, **sampler):
    options = {"population": 6} if use in ("steady_state", "nsga2", "ibea") else {}
    table = {"use": use, "objectives": OBJECTIVES, "evaluations": evaluations, **options, **sampler}
    return hpcsim.Study(
        "bowls", "search_toys:bowls", space=SPACE, fixed={"edge": 3.0, **(fixed or {})}, sampler=table, seed=3, **(more or {})
    )


def events(path, kind):
    lines = (json.loads(line) for line in (path / "sampler.jsonl").read_text().splitlines())
    return [line[kind] for line in lines if kind in line]


def suggested(path):
    return np.array([row for rows in events(path, "suggest") for row in rows])


def arrived(path):
    return [(number, *objectives) for rows in events(path, "ingest") for number, objectives in rows]


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """A whole run, which nobody changes."""
    path = tmp_path_factory.mktemp("reference") / "run"
    make().run("inline", path)
    return path


@pytest.fixture
def inline(reference, tmp_path):
    """A copy of it."""
    return shutil.copytree(reference, tmp_path / "inline")


def test_the_search_is_a_study_like_any_other(inline):
    study = hpcsim.Study.load(inline)
    assert len(study.design) == 14 == len(suggested(inline))
    report = check(study, study.directory(inline))
    assert report.ok
    with Table(inline / "results.h5") as table:
        assert len(table) == 14
        # rows stand in the order of suggestion, and objectives are those of the rows
        np.testing.assert_array_equal(np.stack([table.array("x"), table.array("y")], axis=1), suggested(inline))
        near, far, good = table.array("near"), table.array("far"), table.good
    assert 0 < (~good).sum() < 12, "some points lie beyond the edge"
    for number, *objectives in arrived(inline):
        expected = [near[number], abs(far[number] - 1) / 2] if good[number] else [None, None]
        assert objectives == pytest.approx(expected) if good[number] else objectives == expected


def test_nothing_runs_again_and_reading_writes_nothing(inline):
    before = {path: path.read_bytes() for path in inline.rglob("*") if path.is_file()}
    make().run("inline", inline)
    study = hpcsim.Study.load(inline)
    study.check(inline)
    assert {path: path.read_bytes() for path in inline.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("on", ["local", "dask"])
def test_every_executor_gives_the_same(on, inline, tmp_path):
    path = tmp_path / on
    make(evaluations=8).run(on, path, workers=1)
    np.testing.assert_array_equal(suggested(path), suggested(inline)[:8])
    assert list(map(str, arrived(path))) == list(map(str, arrived(inline)[:8]))


def test_nobody_waits_for_the_slowest(tmp_path):
    make(evaluations=8, fixed={"slow": "1.5 s"}).run("local", tmp_path / "run", workers=2)
    order = [number for number, *_ in arrived(tmp_path / "run")]
    assert sorted(order) == list(range(8)) and order != sorted(order), "fast points overtake slow ones"


def test_a_budget_can_be_raised(inline, tmp_path):
    make(evaluations=9).run("inline", tmp_path / "first")
    # and the directory moved
    path = (tmp_path / "first").rename(tmp_path / "raised")
    assert len(suggested(path)) == 9
    make().run("inline", path)
    np.testing.assert_array_equal(suggested(path), suggested(inline))
    with Table(path / "results.h5") as one, Table(inline / "results.h5") as other:
        np.testing.assert_array_equal(one.ids(), other.ids())
    # a lowered one takes nothing away
    assert len(make(evaluations=5).run("inline", path)) == 14


def test_it_stops_when_enough_points_are_accepted(tmp_path):
    study = make("cma_es", 500, cutoffs={"near": 2.0, "far": 1.0}, accepted=4)
    results = study.run("inline", tmp_path / "run")
    passed = [row for row in arrived(tmp_path / "run") if None not in row and row[1] <= 2 and row[2] <= 1]
    assert len(passed) == 4 and len(results) < 500


def test_replicates_are_averaged(tmp_path):
    make(evaluations=4, more={"replicates": 3}).run("inline", tmp_path / "run")
    with Table(tmp_path / "run/results.h5") as table:
        assert len(table) == 12 and table.array("replicate").tolist() == [0, 1, 2] * 4
    assert len(arrived(tmp_path / "run")) == 4


def test_a_batch_and_everything_may_fail(tmp_path):
    with pytest.raises(AllFailedError):
        make(evaluations=8, fixed={"edge": -5.0}).run("inline", tmp_path / "run")
    assert [row[1:] for row in arrived(tmp_path / "run")] == [(None, None)] * 8


def test_it_begins_with_results_of_another_study(tmp_path, inline):
    make("cma_es", 6, known=str(inline)).run("inline", tmp_path / "run")
    known = events(tmp_path / "run", "known")[0]
    with Table(inline / "results.h5") as table:
        assert len(known) == table.good.sum()
    with pytest.raises(StudyError, match="known: there are no results"):
        make("cma_es", 6, known="nowhere").run("inline", tmp_path / "other")


RUN = """
import sys
sys.path.insert(0, {tests!r})
from scheduler.test_search_feed import make
make(**{options!r}).run({on!r}, {path!r}, workers={workers})
"""


def killed(path, on, number, at, workers=1, **options):
    """Run in another process, which gets a signal when the log has so many lines."""
    from pathlib import Path

    tests = str(Path(__file__).parent.parent)
    code = RUN.format(tests=tests, options=options, on=on, path=str(path), workers=workers)
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    log = path / "sampler.jsonl"
    while process.poll() is None:
        if log.exists() and log.read_bytes().count(b"\n") >= at:
            process.send_signal(number)
            break
        time.sleep(0.002)
    process.wait(60)
    return process.returncode


def same(one, other):
    """Row by row, whatever the processes were."""
    np.testing.assert_array_equal(suggested(one), suggested(other))
    assert sorted(map(str, arrived(one))) == sorted(map(str, arrived(other)))
    with Table(one / "results.h5") as table, Table(other / "results.h5") as wanted:
        for name in ("id", "seed", "status", "x", "y", "near", "far"):
            np.testing.assert_array_equal(table.array(name), wanted.array(name))


@pytest.mark.parametrize(("use", "more"), [("walk", {"start": START, "accept": "all", "max_step": 0.2}), ("steady_state", {})])
def test_kills(tmp_path, use, more):
    options = {"use": use, "evaluations": 10, **more}
    make(**options).run("inline", tmp_path / "whole")
    codes = [
        killed(tmp_path / "part", "inline", number, at, **options)
        for number, at in [(signal.SIGKILL, 2), (signal.SIGTERM, 8), (signal.SIGKILL, 15)]
    ]
    assert signal.SIGKILL * -1 in codes, "at least one died of it"
    make(**options).run("inline", tmp_path / "part")
    same(tmp_path / "part", tmp_path / "whole")
    order = [row[0] for row in arrived(tmp_path / "part")]
    assert order == list(range(10))


def test_a_signal_at_the_end_of_a_task_stops_the_search(tmp_path, monkeypatch):
    flush = Runner._flush

    def flush_and_signal(runner):
        flush(runner)
        if runner.start == 2:
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(Runner, "_flush", flush_and_signal)
    with pytest.raises(Interrupted):
        make().run("inline", tmp_path / "run")
    assert len(suggested(tmp_path / "run")) == 3


def test_a_kill_of_two_workers(tmp_path):
    options = {"evaluations": 8, "order": "suggestion", "ahead": 4}
    make(**options).run("inline", tmp_path / "whole")
    killed(tmp_path / "part", "local", signal.SIGKILL, 9, workers=2, **options)
    make(**options).run("local", tmp_path / "part", workers=2)
    same(tmp_path / "part", tmp_path / "whole")


def test_a_seed_point_that_fails_its_own_cutoffs(tmp_path):
    study = make("walk", start=START, cutoffs={"near": 0.1})
    with pytest.raises(StudyError, match=r"start\[0\]: the seed point fails its own cutoffs: near is 0.25, allowed 0.1"):
        study.run("inline", tmp_path / "run")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"use": "cma"}, 'there is no sampler "cma"; did you mean "cma_es"'),
        ({"evaluations": 0}, "evaluations: found 0, allowed at least 1"),
        ({"cpu_hours": 0}, "cpu_hours: found 0, allowed at least"),
        ({"wall_hours": 0}, "wall_hours: found 0, allowed at least"),
        ({"accepted": 0, "cutoffs": {"near": 1.0}}, "accepted: found 0, allowed at least 1"),
        ({"objectives": {}}, "objectives: there is none"),
        ({"objectives": {"near": "nears"}}, 'no output "nears" is kept; did you mean "near"'),
        ({"objectives": {"near": {"of": "near", "sd": 0.0}}}, "near.sd: found 0.0, expected a number above 0"),
        ({"objectives": {"near": {"of": "near", "mean": 0.0}}}, "near.mean: there is no such key"),
        ({"cutoffs": {"nea": 1.0}}, 'cutoffs.nea: there is no such objective; did you mean "near"'),
        ({"use": "walk", "start": START}, 'write accept = "all"'),
        ({"start": [{"x": 40.0, "y": 0.0}]}, r"points\[0\].x: found 40, allowed -4 to 4"),
        ({"start": {"x": 40.0}}, "start: found"),
        ({"popultion": 7}, 'steady_state has no such option; did you mean "population"'),
        ({"accepted": 3}, "nothing says which points are accepted"),
        ({"order": "any"}, "order: found 'any'"),
    ],
)
def test_what_a_user_gets_wrong_is_told_before_anything_runs(change, words):
    with pytest.raises(StudyError, match=words):
        make(**{"use": "steady_state", **change})


@pytest.mark.parametrize(
    ("space", "more", "words"),
    [
        ({"x": {"uniform": [4, -4]}}, {}, "space.x: .*4"),
        ({"x": {"uniform": [1, 1]}}, {}, "space.x: found 1.0 before 1.0, expected .* the ends to differ"),
        ({"x": {"normal": [0, 1]}}, {}, "found normal, a sampler searches between bounds"),
        ({"x": {"values": [0, 1]}, "y": {"uniform": [0, 1]}}, {}, "space.x: found a list"),
        ({}, {}, "space: there is nothing to search"),
        (SPACE, {"design": {"method": "sobol", "n": 8}}, "design: found one beside a sampler"),
    ],
)
def test_spaces_that_cannot_be_searched(space, more, words):
    table = {"use": "uniform", "objectives": OBJECTIVES, "evaluations": 3}
    with pytest.raises(StudyError, match=words):
        hpcsim.Study("bowls", "search_toys:bowls", space=space, sampler=table, **more)


def test_a_constraint_of_the_study_holds_for_all_points(tmp_path):
    table = {"use": "steady_state", "objectives": OBJECTIVES, "evaluations": 12, "population": 6}
    limited = hpcsim.Study(
        "bowls",
        "search_toys:bowls",
        space=SPACE,
        fixed={"edge": 3.0},
        sampler=table,
        design={"constraint": "x < edge and y > x"},
        seed=3,
    )
    limited.run("inline", tmp_path / "run")
    found = suggested(tmp_path / "run")
    assert len(found) == 12 and (found[:, 1] > found[:, 0]).all() and (found[:, 0] < 3.0).all()
    # the directory knows it
    assert hpcsim.Study.load(tmp_path / "run").search.plan.problem.constraint == "x < edge and y > x"


@pytest.mark.parametrize(("constraint", "words"), [("x < z", 'there is no number "z"'), ("x <", "is no condition")])
def test_constraints_that_make_no_sense(constraint, words):
    table = {"use": "uniform", "objectives": OBJECTIVES, "evaluations": 3}
    with pytest.raises(StudyError, match=words):
        hpcsim.Study("bowls", "search_toys:bowls", space=SPACE, sampler=table, design={"constraint": constraint})


def test_no_budget():
    with pytest.raises(StudyError, match="there is no budget"):
        hpcsim.Study("bowls", "search_toys:bowls", space=SPACE, sampler={"use": "uniform", "objectives": OBJECTIVES})


def test_the_log_of_another_search(inline):
    with pytest.raises(DirectoryError, match=r"holds another search(.|\n)*options: there"):
        make(population=8).run("inline", inline)
    with pytest.raises(DirectoryError, match=r"definitions: there .*far from 1.0 / 2.0.*now .*far from 1.0 / 3.0(.|\n)*`known`"):
        make(objectives={"near": "near", "far": {"of": "far", "target": 1.0, "sd": 3.0}}).run("inline", inline)
    log = inline / "sampler.jsonl"
    log.write_text(log.read_text().replace('{"suggest":[[', '{"suggest":[[0.5,', 1))
    with pytest.raises(DamagedError, match="suggests other parameters than x, y"):
        make().run("inline", inline)


def test_inference_knows_that_these_are_no_draws_from_the_prior(tmp_path):
    npe = {"inference": [{"use": "inference.npe", "of": ["near"]}]}
    with pytest.raises(StudyError, match=r"inference\[0\].use: inference.npe takes points for draws from the prior"):
        make(more=npe).run("inline", tmp_path / "run")


def test_ways_that_do_not_go(inline):
    with pytest.raises(StudyError, match="the executor backwards takes no points that follow from others; use --on local, dask"):
        make().run("toy_executors:backwards", inline)
    with pytest.raises(StudyError, match="failed points were told to the sampler"):
        make().run("inline", inline, retry_failed=True)


def test_a_search_is_no_input_of_another_study(inline):
    inline.rename(inline.parent / "bowls")
    study = {"space": {"x": {"values": [1.0]}}, "fixed": {"parent": "study:bowls"}}
    (inline.parent / "bowls.toml").write_text(make().to_toml())
    with pytest.raises(StudyError, match=r"fixed.parent: bowls is a search, whose points nobody knows before it is over"):
        hpcsim.Study("heir", "toys:child", **study).run("inline", inline.parent / "heir")
    assert not (inline.parent / "heir").exists()


def test_a_sampler_of_the_users_own_goes_along(tmp_path):
    (tmp_path / "mine.py").write_text(
        "import numpy as np\n"
        "from hpcsim.samplers import Sampler\n"
        "class Corner(Sampler):\n"
        "    'Always nearer to a corner.'\n"
        "    def _propose(self, n, first):\n"
        "        return np.array([np.full(len(self.problem.names), 1 / (first + i + 2)) for i in range(n)])\n"
        "    def _learn(self, number, position, objectives):\n"
        "        pass\n"
    )
    make("mine:Corner", 3).run("local", tmp_path / "run", workers=1)
    assert suggested(tmp_path / "run")[:, 0].tolist() == pytest.approx([0.0, 8 / 3 - 4, -2.0])
    (tmp_path / "mine.py").unlink()
    assert len(hpcsim.Study.load(tmp_path / "run").design) == 3


def test_the_file_in_its_directory_is_the_same_search(tmp_path):
    # a table before a plain name: a TOML file has plain keys first
    study = make(evaluations=4, objectives=dict(reversed(OBJECTIVES.items())))
    study.run("inline", tmp_path / "run")
    again = hpcsim.Study.load(tmp_path / "run")
    assert len(again.run("inline", tmp_path / "run").theta()) == 4
