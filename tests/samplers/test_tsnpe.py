"""Truncated sequential NPE: the prior shrinks onto the parameters of an observation, and a search goes on after a kill."""

from __future__ import annotations

import json

import numpy as np
import pytest
from absent import needed

from hpcsim.samplers import Budget, Result, Search, SearchLog, SearchPlan, SearchProblem, Variable, get_sampler

needed("sbi")

TRUTH = np.array([0.7, -1.0])
SMALL = {"simulations": 12, "draws": 200, "epochs": 3, "hidden": 8, "transforms": 2}


def plan(start=(), cutoffs=None, **options):
    variables = (Variable("a", 0.0, 1.0), Variable("b", -2.0, 2.0))
    problem = SearchProblem(variables, ("sum", "difference", "nothing"), cutoffs or {}, signed=True)
    return SearchPlan(get_sampler("tsnpe"), problem, 3, start, options)


def features(number, values):
    """Distances from the features of the truth, with their sign and some noise; b alone decides whether a point fails."""
    noise = np.random.default_rng([9, number]).normal(0, 0.02, 2)
    a, b = values["a"] - TRUTH[0], values["b"] - TRUTH[1]
    failed = values["b"] > 1.5
    return {"sum": np.nan if failed else 4 * a + b + noise[0], "difference": a - b + noise[1], "nothing": 2.0}


def drive(search, side=1, order=0, stop=None):
    waiting = list(search.pending)
    while stop is None or len(search.objectives) < stop:
        waiting += search.suggest(side - len(waiting))
        if not waiting:
            break
        random = np.random.default_rng([order, len(search.objectives)])
        point = waiting.pop(int(random.integers(len(waiting))))
        search.ingest([Result(point.number, features(point.number, point.values))])
    return search


def new(path, made, evaluations, **more):
    return Search(made, SearchLog(path, durable=False), Budget(evaluations=evaluations), clock=lambda: 0.0, **more)


def test_the_prior_shrinks_onto_the_truth(tmp_path):
    small = {"simulations": 150, "draws": 2000, "hidden": 16, "transforms": 3, "batch": 50, "rate": 1e-2, "epochs": 30}
    made = plan(cutoffs={"sum": 0.1, "difference": 0.1}, epsilon=1e-3, **small)
    search = drive(new(tmp_path / "log", made, 450), side=3)
    values = np.array(search.values) / [1.0, 4.0]
    sd = [values[start : start + 150].std(axis=0) for start in (0, 160, 310)]
    # of a whole range 0.29
    assert (sd[0] > 0.25).all() and (sd[1] < 0.6 * sd[0]).all() and (sd[2] < 0.25 * sd[0]).all()
    assert np.median(values[310:], axis=0) == pytest.approx(TRUTH / [1, 4], abs=0.05)
    # failed points are left out, and near the truth none fails
    failed = np.array([not np.isfinite(search.objectives[number]).all() for number in range(450)])
    assert 5 < failed[:150].sum() < 60 and not failed[310:].any()
    # of both signs
    assert {float(np.sign(search.objectives[number][0])) for number in search.accepted} == {-1.0, 1.0}
    assert np.abs([search.objectives[number][:2] for number in search.accepted]).max() <= 0.1


def test_nobody_waits_for_a_round(tmp_path):
    """With five points on their way, a round's last ones are not awaited: more of the same prior is suggested."""
    search = new(tmp_path / "log", plan(**SMALL), 40)
    first = search.suggest(20)
    assert len(first) == 20
    for point in first[:12]:
        search.ingest([Result(point.number, features(point.number, point.values))])
    # a round has arrived
    assert len(search.suggest(3)) == 3 and search._sampler.region is not None


def test_a_kill_at_any_byte_of_the_log(tmp_path):
    made = plan(**SMALL)
    whole = drive(new(tmp_path / "whole", made, 40))
    written = (tmp_path / "whole").read_bytes()
    for size in np.random.default_rng(0).integers(0, len(written), 6):
        (tmp_path / "cut").write_bytes(written[:size])
        search = drive(new(tmp_path / "cut", made, 40))
        np.testing.assert_array_equal(search.values, whole.values)
        np.testing.assert_array_equal(list(search.objectives.values()), list(whole.objectives.values()))


def test_a_log_of_another_machine_goes_on(tmp_path):
    """Another processor trains a network whose last digits differ: the log's points count, and nothing is trained for them."""
    made, log = plan(**SMALL), tmp_path / "log"
    drive(new(log, made, 26), stop=25)
    lines = log.read_text().splitlines()
    *_, last = (number for number, line in enumerate(lines) if line.startswith('{"suggest"'))
    event = json.loads(lines[last])
    event["suggest"][0][0] *= 1 + 1e-5
    log.write_text("\n".join([*lines[:last], json.dumps(event), *lines[last + 1 :]]) + "\n")
    search = new(log, made, 40)
    assert search._sampler.region is None and search.values[-1].tolist() == event["suggest"][0]
    assert len(drive(search).values) == 40 and search._sampler.region is not None


def test_what_somebody_chose_is_not_learned_from(tmp_path):
    corner = [{"a": 1.0, "b": 2.0}] * 12
    known = [{**point, "sum": 1.0, "difference": 1.0, "nothing": 1.0} for point in corner]
    search = new(tmp_path / "log", plan(start=corner, **SMALL), 30, known=known)
    drive(search, stop=12)
    assert search.suggest(1) and search._sampler.region is None


def test_where_all_fail_it_goes_on_with_the_prior(tmp_path):
    search = new(tmp_path / "log", plan(**SMALL), 30)
    while points := search.suggest(1):
        search.ingest([Result(points[0].number, {})])
    assert len(search.values) == 30 and search._sampler.region is None
    assert np.array(search.values).std(axis=0) == pytest.approx([0.29, 1.15], rel=0.3)
