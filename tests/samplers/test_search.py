"""Searches find known minima, keep their budgets, go on after kills, and say what is wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from absent import needed

from hpcsim.errors import DamagedError, DirectoryError, ResultsError, StudyError
from hpcsim.samplers import Budget, Result, Search, SearchLog, SearchPlan, SearchProblem, Variable, get_sampler

SQUARE = tuple(Variable(name, -2.0, 2.0) for name in "xyz")


def plan(name="uniform", objectives=("f",), cutoffs=None, start=(), variables=SQUARE, seed=1, order="arrival", **options):
    problem = SearchProblem(variables, objectives, cutoffs or {})
    return SearchPlan(get_sampler(name), problem, seed, start, options, order)


def sphere(values):
    """0 at (0.5, 0.5, 0.5)."""
    return {"f": sum((value - 0.5) ** 2 for value in values.values())}


def schaffer(values):
    """Schaffer's first problem in x: its front is 0 <= x <= 2 with y = z = 0."""
    rest = values["y"] ** 2 + values["z"] ** 2
    return {"f": values["x"] ** 2 + rest, "g": (values["x"] - 2) ** 2 + rest}


def drive(search, function, side=1, stop=None):
    waiting = list(search.pending)
    while stop is None or len(search.objectives) < stop:
        waiting += search.suggest(side - len(waiting))
        if not waiting:
            break
        point = waiting.pop(0)
        search.ingest([Result(point.number, function(point.values), cpu=36.0)])
    return search


def new(where, made, budget=None, **more):
    return Search(made, SearchLog(Path(where), durable=False), budget or Budget(evaluations=200), **more)


@pytest.mark.parametrize(
    ("name", "options", "least"),
    [
        ("uniform", {}, 1.0),
        ("cma_es", {}, 1e-4),
        ("nsga2", {"population": 20}, 0.05),
        ("nsga3", {"population": 20}, 0.1),
        ("ibea", {"population": 20}, 0.1),
        ("steady_state", {"population": 20}, 0.02),
        ("optuna", {}, 0.3),
    ],
)
def test_a_minimum_is_found(tmp_path, name, options, least):
    if name == "optuna":
        needed("optuna")
    search = drive(new(tmp_path / "log", plan(name, **options)), sphere)
    assert min(search.objectives.values())[0] < least


@pytest.mark.parametrize("name", ["nsga2", "nsga3", "ibea", "steady_state"])
def test_a_front_is_found(tmp_path, name):
    search = drive(new(tmp_path / "log", plan(name, ("f", "g"), population=20), Budget(evaluations=600)), schaffer)
    last = np.array(search.values[-200:])
    # near the front in y and z, and along all of it in x
    assert np.median(np.abs(last[:, 1:])) < 0.15
    near = last[(np.abs(last[:, 1:]) < 0.2).all(axis=1)][:, 0]
    assert near.min() < 0.3 and near.max() > 1.7


def test_cma_es_restarts_where_it_is_stuck(tmp_path):
    def rastrigin(values):
        x = np.array(list(values.values())) - 0.7
        return {"f": float(10 * len(x) + (x**2 - 10 * np.cos(2 * np.pi * x)).sum())}

    search = drive(new(tmp_path / "log", plan("cma_es", variables=SQUARE[:2], seed=2), Budget(evaluations=2000)), rastrigin)
    best = np.minimum.accumulate([value[0] for value in search.objectives.values()])
    assert best[400] > 0.9 and best[-1] < 1e-6


def test_it_stops_when_enough_points_are_accepted(tmp_path):
    made = plan("cma_es", cutoffs={"f": 0.01})
    search = drive(new(tmp_path / "log", made, Budget(accepted=3, evaluations=10_000)), sphere)
    assert len(search.accepted) == search.spent.accepted == 3
    assert search.over == "3 accepted points, as wanted"
    assert all(sphere(dict(zip("xyz", search.values[number], strict=True)))["f"] <= 0.01 for number in search.accepted)
    # cutoffs count again from what is stored
    wider = new(tmp_path / "log2", plan("steady_state", cutoffs={"f": 0.01}), Budget(evaluations=50))
    drive(wider, sphere)
    again = new(tmp_path / "log2", plan("steady_state", cutoffs={"f": 1.0}), Budget(evaluations=50))
    assert len(again.accepted) == sum(value[0] <= 1 for value in wider.objectives.values()) > len(wider.accepted)


def test_budgets_hold_exactly_and_can_be_raised(tmp_path):
    log, made = tmp_path / "log", plan("nsga2", population=8)
    assert len(drive(new(log, made, Budget(evaluations=13)), sphere, side=4).values) == 13
    # 36 s each
    search = drive(new(log, made, Budget(cpu_hours=0.3)), sphere)
    assert len(search.values) == 30 and search.over == "the budget of 0.3 CPU hours is used up"
    seconds = []

    def slow(values):
        seconds.append(360.0)
        return sphere(values)

    search = drive(new(log, made, Budget(wall_hours=1.0), clock=lambda: sum(seconds)), slow)
    assert search.over == "the budget of 1 hours is used up" and 30 < len(search.values) < 41
    assert new(log, made, Budget(wall_hours=1.0)).over, "hours of earlier processes count"
    whole = drive(new(tmp_path / "whole", made, Budget(evaluations=60)), sphere)
    search = drive(new(log, made, Budget(evaluations=60)), sphere)
    np.testing.assert_array_equal(search.values, whole.values)


@pytest.mark.parametrize("limits", [{"evaluations": 0}, {"cpu_hours": -1.0}, {"wall_hours": np.nan}, {"accepted": 0}, {}])
def test_budgets_of_nothing_are_refused(limits):
    with pytest.raises(StudyError, match=f"sampler.{next(iter(limits), 'evaluations')}"):
        Budget(**limits)


@pytest.mark.parametrize(
    ("variable", "words"),
    [
        (Variable("x", 2, 1), "x: found bounds 2 to 1, expected the lower one first; swap them"),
        (Variable("x", 1, 1), "found equal bounds 1; a parameter with one value is fixed"),
        (Variable("x", 0, np.inf), "expected finite ones"),
        (Variable("x", 0, 1, log=True), "logarithmic"),
    ],
)
def test_bounds_that_make_no_sense(variable, words):
    with pytest.raises(StudyError, match=words):
        SearchProblem((variable,), ("f",))


@pytest.mark.parametrize(
    ("name", "more", "words"),
    [
        ("walk", {}, 'cutoffs: there is none.* write accept = "all"'),
        ("walk", {"accept": "all"}, "there is no seed point"),
        ("walk", {"accept": "all", "min_step": 0.5}, "steps from 0.5 to 0.02"),
        ("walk", {"accept": "all", "mode": "aim"}, "do not go together"),
        ("walk", {"accept": "all", "mode": "aim", "aim": {"w": 1.0}}, "aim.w: there is no such variable"),
        ("uniform", {"start": [{"x": 3, "y": 0, "z": 0}]}, r"points\[0\].x: found 3, allowed -2 to 2"),
        ("uniform", {"start": [{"x": 1}]}, r"points\[0\].y: is missing"),
        ("uniform", {"cutoffs": {"ff": 1}}, 'cutoffs.ff: there is no such objective; did you mean "f"'),
        ("uniform", {"population": 4}, "uniform has no such option"),
        ("ibea", {"population": 3}, "allowed at least 4"),
        ("uniform", {"order": "random"}, "order: found 'random'"),
    ],
)
def test_what_a_user_gets_wrong(tmp_path, name, more, words):
    with pytest.raises(StudyError, match=words):
        drive(new(tmp_path / "log", plan(name, **more)), sphere)


def test_a_seed_point_that_fails_its_own_cutoffs(tmp_path):
    made = plan("walk", cutoffs={"f": 0.1}, start=[{"x": 0.5, "y": 0.5, "z": 0.5}, {"x": 0, "y": 0, "z": 0}])
    with pytest.raises(StudyError, match=r"start\[1\]: the seed point fails its own cutoffs: f is 0.75, allowed 0.1"):
        drive(new(tmp_path / "log", made), sphere)
    with pytest.raises(StudyError, match=r"start\[1\]"):
        new(tmp_path / "log", made)
    with pytest.raises(StudyError, match=r"start\[0\]: the seed point failed"):
        drive(new(tmp_path / "log2", made), lambda values: {})


@pytest.mark.parametrize("name", ["cma_es", "nsga2", "steady_state"])
def test_a_minimum_on_the_edge_of_a_constraint(tmp_path, name):
    """Of the sphere around 0.5 with x + y + z <= 0 it is the origin."""
    options = {} if name == "cma_es" else {"population": 20}
    made = plan(name, **options)
    made = replace(made, problem=replace(made.problem, constraint="x + y + z <= top", constants={"top": 0.0}))
    search = drive(new(tmp_path / "log", made, Budget(evaluations=400)), sphere)
    values = np.array(search.values)
    assert (values.sum(axis=1) <= 0).all() and len(values) == 400, "what is forbidden costs nothing"
    best = values[int(np.argmin([search.objectives[k][0] for k in range(400)]))]
    assert np.linalg.norm(best) < 0.2
    # another constraint is another search
    other = replace(made, problem=replace(made.problem, constants={"top": 1.0}))
    with pytest.raises(DirectoryError, match=r"holds another search(.|\n)*constraint: there"):
        new(tmp_path / "log", other, Budget(evaluations=400))


@pytest.mark.parametrize(
    ("constraint", "words"),
    [
        ("x > y +", "is no condition"),
        ("x > w", 'there is no number "w"'),
        ("x > 5", "x > 5 forbids each of 10,000 draws; widen it"),
    ],
)
def test_constraints_that_make_no_sense(tmp_path, constraint, words):
    made = plan()
    with pytest.raises(StudyError, match=words):
        new(tmp_path / "log", replace(made, problem=replace(made.problem, constraint=constraint))).suggest(1)


def test_a_start_point_that_the_constraint_forbids(tmp_path):
    made = plan("steady_state", start=[{"x": 1, "y": 0, "z": 0}, {"x": 0, "y": 1, "z": 0}])
    with pytest.raises(StudyError, match=r"points\[0\]: the constraint x < y forbids it"):
        new(tmp_path / "log", replace(made, problem=replace(made.problem, constraint="x < y")))


def test_accepted_needs_cutoffs(tmp_path):
    with pytest.raises(StudyError, match="accepted: nothing says which points are accepted"):
        new(tmp_path / "log", plan(), Budget(accepted=1))


def test_a_walk_stays_among_accepted_points(tmp_path):
    made = plan("walk", cutoffs={"f": 0.3}, start=[{"x": 0.5, "y": 0.5, "z": 0.5}], walkers=2, max_step=0.1)
    search = drive(new(tmp_path / "log", made, Budget(evaluations=300)), sphere, side=2)
    values, accepted = np.array(search.values), set(search.accepted)
    assert 50 < len(accepted) < 300
    for number in range(1, len(values)):
        nearest = min(np.linalg.norm(values[number] - values[other]) / 4 for other in accepted if other < number)
        assert nearest <= 0.1 + 1e-9, "each step begins at an accepted point"


def test_a_walk_that_accepts_nothing_goes_on_in_every_process(tmp_path):
    """The In Silico Framework's could not: killed before it accepted a point it did not start again, and it overran its budget.

    Here each process takes one step; all stay at the seed, none is accepted, and together they are as one process.
    """
    made = plan("walk", cutoffs={"f": 1e-6}, start=[{"x": 0.5, "y": 0.5, "z": 0.5}])
    whole = drive(new(tmp_path / "whole", made, Budget(evaluations=6)), sphere)
    for number in range(6):
        search = new(tmp_path / "log", made, Budget(evaluations=6))
        [point] = search.pending or search.suggest(1)
        # the next process finds the suggestion, and not its result
        search = new(tmp_path / "log", made, Budget(evaluations=6))
        assert [p.number for p in search.pending] == [point.number] == [number]
        search.ingest([Result(number, sphere(point.values))])
    search = new(tmp_path / "log", made, Budget(evaluations=6))
    assert search.suggest(1) == [] and len(search.values) == 6 and search.accepted == [0]
    np.testing.assert_array_equal(search.values, whole.values)
    steps = np.linalg.norm(np.array(search.values)[1:] - 0.5, axis=1) / 4
    np.testing.assert_allclose(steps, 0.02, atol=1e-9)


def test_a_walk_expands_and_aims(tmp_path):
    start = [{"x": 0.0, "y": 0.0, "z": 0.0}]
    out = plan("walk", start=start, accept="all", mode="expand", max_step=0.1)
    values = np.array(drive(new(tmp_path / "out", out, Budget(evaluations=60)), sphere).values)
    distances = np.linalg.norm(values, axis=1)
    assert (np.diff(distances) > 0).all()
    aimed = plan("walk", start=start, accept="all", mode="aim", max_step=0.1, min_step=0.02, aim={"x": 1.5, "y": -1.0})
    search = drive(new(tmp_path / "aim", aimed, Budget(evaluations=2000)), sphere)
    distances = np.linalg.norm(np.array(search.values)[:, :2] - [1.5, -1.0], axis=1)
    assert (np.diff(distances) < 0).all() and distances[-1] < 0.1
    assert search.over == "the sampler has come to its end" and len(search.values) < 2000


def test_it_begins_with_the_results_of_another_search(tmp_path):
    first = drive(new(tmp_path / "first", plan("uniform", cutoffs={"f": 0.5})), sphere)
    known = [
        {**dict(zip("xyz", values, strict=True)), "f": first.objectives[number][0]} for number, values in enumerate(first.values)
    ]
    best = first.values[int(np.argmin([first.objectives[n][0] for n in range(200)]))]
    search = drive(new(tmp_path / "cma", plan("cma_es", sigma=0.01), known=known), sphere, stop=7)
    assert (np.linalg.norm(np.array(search.values) - best, axis=1) < 0.3).all()
    walk = drive(new(tmp_path / "walk", plan("walk", cutoffs={"f": 0.5}), Budget(evaluations=5), known=known), sphere, side=5)
    assert (np.linalg.norm(np.array(walk.values) - 0.5, axis=1) < 0.8).all()
    again = new(tmp_path / "walk", plan("walk", cutoffs={"f": 0.5}), Budget(evaluations=5))
    np.testing.assert_array_equal(again.values, walk.values)


@pytest.mark.parametrize(("name", "options"), [("walk", {"accept": "all"}), ("nsga2", {"population": 6}), ("steady_state", {})])
def test_a_kill_at_any_byte_of_the_log(tmp_path, name, options):
    start = [{"x": 0.1, "y": 0.2, "z": 0.3}] if name == "walk" else ()
    made = plan(name, start=start, **options)
    whole = drive(new(tmp_path / "whole", made, Budget(evaluations=20)), sphere)
    written = (tmp_path / "whole").read_bytes()
    for size in np.random.default_rng(0).integers(0, len(written), 60):
        (tmp_path / "cut").write_bytes(written[:size])
        search = drive(new(tmp_path / "cut", made, Budget(evaluations=20)), sphere)
        np.testing.assert_array_equal(search.values, whole.values)
        np.testing.assert_array_equal(list(search.objectives.values()), list(whole.objectives.values()))


def test_a_log_is_plain_text_and_reading_changes_nothing(tmp_path):
    made, log = plan(cutoffs={"f": 1.0}), tmp_path / "log"
    drive(new(log, made, Budget(evaluations=3)), lambda values: {"f": np.nan})
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert lines[0]["sampler"] == "uniform" and lines[2]["ingest"] == [[0, [None]]]
    with open(log, "ab") as file:
        file.write(b'{"sugg')
    before = log.read_bytes()
    search = new(log, made, Budget(evaluations=3))
    assert log.read_bytes() == before and len(search.objectives) == 3
    drive(new(log, made, Budget(evaluations=4)), sphere)
    assert b"sugg{" not in log.read_bytes() and len(new(log, made).values) == 4


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"seed": 2}, "seed: there"),
        ({"name": "steady_state"}, 'sampler: there "uniform", now'),
        ({"objectives": ("g",)}, "objectives"),
        ({"variables": tuple(Variable(name, -2.0, 3.0) for name in "xyz")}, "variables"),
    ],
)
def test_the_log_of_another_search(tmp_path, other, words):
    drive(new(tmp_path / "log", plan()), sphere, stop=3)
    with pytest.raises(DirectoryError, match=r"holds another search(.|\n)*" + words):
        new(tmp_path / "log", plan(**other))


def test_a_log_that_somebody_changed(tmp_path):
    log = tmp_path / "log"
    drive(new(log, plan("nsga2", population=4)), sphere, stop=6)
    lines = log.read_text().splitlines()
    log.write_text("\n".join([*lines[:3], "{", *lines[3:]]) + "\n")
    with pytest.raises(DamagedError, match="line 4"):
        new(log, plan("nsga2", population=4))
    event = json.loads(lines[1])
    event["suggest"][0][0] += 0.5
    log.write_text("\n".join([lines[0], json.dumps(event), *lines[2:]]) + "\n")
    with pytest.raises(ResultsError, match="suggests other points than those of the log"):
        new(log, plan("nsga2", population=4))


def test_results_that_nobody_awaits(tmp_path):
    search = new(tmp_path / "log", plan())
    point = search.suggest(1)[0]
    with pytest.raises(ResultsError, match="suggestion 1, which is not awaited"):
        search.ingest([Result(1, {"f": 1.0})])
    search.ingest([Result(point.number, {"f": 1.0})])
    with pytest.raises(ResultsError, match="suggestion 0"):
        search.ingest([Result(point.number, {"f": 1.0})])


def test_logarithmic_variables_are_even_in_their_logarithm():
    problem = SearchProblem((Variable("r", 1e-3, 1e3, log=True),), ("f",))
    values = problem.at(np.linspace(0, 1, 7)[:, None])[:, 0]
    np.testing.assert_allclose(values, 10.0 ** np.arange(-3, 4), rtol=1e-9)
    np.testing.assert_allclose(problem.position(values[:, None])[:, 0], np.linspace(0, 1, 7), atol=1e-9)
    assert problem.at(np.array([[-1.0], [2.0]]))[:, 0].tolist() == [1e-3, 1e3]
