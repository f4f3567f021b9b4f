from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from hpcsim.errors import SpaceError, StudyError
from hpcsim.space import Design, Parameter, Space, point_id, point_seed
from hpcsim.space.points import Points

PARAMETERS = [
    Parameter("b", 1.0),
    Parameter("a", 1.0, "mV"),
    Parameter("n", 3),
    Parameter("word", "x"),
    Parameter("times", (1.0,)),
    Parameter("rest", True),
]
SAMPLED: dict[str, Any] = {"b": {"uniform": [0, 2]}, "a": {"normal": [0, 1]}, "word": {"choice": ["x", "yy"]}}
MIXED = {**SAMPLED, "n": [5, 6, 7], "zip": {"times": [[1], [2, 3]], "rest": [True, False]}}
DRAWN = ["random", "sobol", "halton", "lhs"]


def space(entries: Any) -> Space:
    return Space.from_tables(PARAMETERS, entries, {})


def design(entries: Any, method: str = "grid", *args: Any, **more: Any) -> Design:
    return Design(space(entries), method, *args, model="toy.square", **more)


def rows(points: Points) -> list[tuple[Any, ...]]:
    return [(dict(p.values), p.id, p.replicate, p.seed) for p in points]


def test_order_of_a_grid() -> None:
    grid = design({"b": [1, 2], "n": [5, 6, 7]}, replicates=2)
    assert len(grid) == 12
    block = grid.block(0, 12)
    assert block.columns["b"].tolist() == [1.0] * 6 + [2.0] * 6
    assert block.columns["n"].tolist() == [5, 5, 6, 6, 7, 7] * 2
    assert block.replicates.tolist() == [0, 1] * 6
    assert list(block.columns) == [parameter.name for parameter in PARAMETERS]
    assert grid.point(5).values == {"b": 1.0, "a": 1.0, "n": 7, "word": "x", "times": (1.0,), "rest": True}


def test_order_of_samples_and_grid() -> None:
    mixed = design(MIXED, "random", 4, replicates=2)
    assert len(mixed) == 4 * 3 * 2 * 2
    block = mixed.block(0, len(mixed))
    assert block.columns["n"][:13].tolist() == [5] * 4 + [6] * 4 + [7] * 4 + [5]
    assert block.columns["rest"][:5].tolist() == [True, True, False, False, True]
    assert block.columns["times"][:3].tolist() == [(1.0,), (1.0,), (2.0, 3.0)]
    assert len(set(block.columns["b"][:12].tolist())) == 1
    assert len(set(block.columns["b"].tolist())) == 4


def test_ids_and_seeds_are_those_of_the_values() -> None:
    for point in design(MIXED, "sobol", 3, seed=9).block(0, 18):
        assert point.id == point_id("toy.square", point.values, point.replicate)
        assert point.seed == point_seed(9, point.id)
        assert type(point.values["b"]) is float and type(point.values["n"]) is int and type(point["rest"]) is bool


@pytest.mark.parametrize("method", DRAWN)
@pytest.mark.parametrize("constraint", [None, "b > abs(a)"])
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_a_point_alone_is_the_point_in_a_block(method: str, constraint: str | None, data: st.DataObject) -> None:
    whole = design(MIXED, method, 20, seed=data.draw(st.integers(0, 9)), replicates=2, constraint=constraint)
    start = data.draw(st.integers(0, len(whole) - 1))
    stop = data.draw(st.integers(start + 1, min(start + 60, len(whole))))
    block = whole.block(start, stop)
    i = data.draw(st.integers(start, stop - 1))
    assert rows(block)[i - start] == (dict(whole.point(i).values), *rows([whole.point(i)])[0][1:])  # type: ignore[arg-type]
    assert [id.decode() for id in whole.ids(start, stop)] == list(block.ids)


@pytest.mark.parametrize("method", ["random", "sobol", "halton"])
@settings(max_examples=10, deadline=None)
@given(n=st.integers(1, 40), more=st.integers(1, 100), seed=st.integers(0, 2**70))
def test_a_longer_design_keeps_its_points(method: str, n: int, more: int, seed: int) -> None:
    short, long = (design(MIXED, method, size, seed=seed, constraint="b > 0.3") for size in (n, n + more))
    assert short.ids(0, len(short)).tolist() == long.ids(0, len(short)).tolist()
    assert short.digest != long.digest


def test_a_longer_hypercube_design_keeps_its_points_with_its_block() -> None:
    short = design(SAMPLED, "lhs", 10)
    assert short.ids(0, 10).tolist() == design(SAMPLED, "lhs", 30, block=10).ids(0, 10).tolist()
    assert short.ids(0, 10).tolist() != design(SAMPLED, "lhs", 30).ids(0, 10).tolist()


def test_a_grid_that_gains_values_keeps_its_ids() -> None:
    few = design({"b": {"linspace": [0.1, 0.5, 5]}, "n": [5, 6]})
    many = design({"b": {"linspace": [0.1, 0.5, 9]}, "n": [4, 6, 5]}, replicates=2)
    assert set(few.ids(0, 10).tolist()) < set(many.ids(0, len(many)).tolist())
    units = design({"a": [1, 2]}), design({"a": {"values": ["0.001 V", 2000], "unit": "uV"}})
    assert units[0].ids(0, 2).tolist() == units[1].ids(0, 2).tolist()


@pytest.mark.parametrize("method", DRAWN)
def test_draws_follow_the_prior(method: str) -> None:
    block = design(SAMPLED, method, 2000, seed=3).block(0, 2000)
    assert stats.kstest(block.columns["b"], stats.uniform(0, 2).cdf).pvalue > 0.001
    assert stats.kstest(block.columns["a"], "norm").pvalue > 0.001
    assert abs((block.columns["word"] == "x").mean() - 0.5) < 0.05
    assert len(set(block.ids)) == 2000


def test_order_in_the_file_does_not_matter() -> None:
    one, other = ({name: SAMPLED[name] for name in names} for names in (("a", "b"), ("b", "a")))
    assert design(one, "random", 5).ids(0, 5).tolist() == design(other, "random", 5).ids(0, 5).tolist()


@pytest.mark.parametrize("method", DRAWN)
def test_constraint_gives_the_conditional_distribution(method: str) -> None:
    free = design(SAMPLED, method, 3000).block(0, 3000)
    bound = design(SAMPLED, method, 3000, constraint="b > 1.5").block(0, 3000)
    assert (bound.columns["b"] > 1.5).all()
    assert stats.kstest(bound.columns["b"], stats.uniform(1.5, 0.5).cdf).pvalue > 0.001
    kept = free.columns["b"] > 1.5
    assert (free.columns["a"][kept] == bound.columns["a"][kept]).all()
    assert len(set(bound.ids)) == 3000


def test_constraint_reads_fixed_values_and_may_be_a_function() -> None:
    text = design(SAMPLED, "random", 50, constraint="b < n / 4")
    function = design(SAMPLED, "random", 50, constraint=lambda columns: columns["b"] < columns["n"] / 4)
    assert text.ids(0, 50).tolist() == function.ids(0, 50).tolist()
    assert len({text.digest, function.digest, design(SAMPLED, "random", 50).digest}) == 3


def test_rare_acceptance() -> None:
    rare = design(SAMPLED, "random", 3, constraint="b < 0.002").block(0, 3)
    assert (rare.columns["b"] < 0.002).all()
    with pytest.raises(SpaceError, match=r"3 of 3 samples found no values .* 10000 attempts each \(acceptance below"):
        design(SAMPLED, "random", 3, constraint="b > 2").block(0, 3)


def bounded(entries: Any, bounds: Any, method: str = "random", n: int = 2000, **more: Any) -> Design:
    parameters = [Parameter("a", 1.0, "ms", bounds=bounds), Parameter("b", 1.0)]
    return Design(Space.from_tables(parameters, entries, {}), method, n, model="toy.square", **more)


@pytest.mark.parametrize("method", DRAWN)
@pytest.mark.parametrize("bounds", [(0.1, 1000.0), (None, 2.0), (-3.0, None), (0.5, 1.5)])
def test_a_normal_distribution_stays_within_the_bounds_of_its_parameter(method: str, bounds: Any) -> None:
    entries = {"a": {"normal": [1, 5]}, "b": {"uniform": [0, 1]}}
    free, cut = (bounded(entries, ends, method).block(0, 2000) for ends in ((None, None), bounds))
    low, high = (np.inf * sign if end is None else end for sign, end in zip((-1, 1), bounds, strict=True))
    drawn = cut.columns["a"]
    assert (drawn >= low).all() and (drawn <= high).all()
    # draws that were allowed stay what they were; the others follow the same distribution
    kept = (free.columns["a"] >= low) & (free.columns["a"] <= high)
    assert 0 < kept.sum() < 2000
    assert np.array(free.ids)[kept].tolist() == np.array(cut.ids)[kept].tolist()
    expected = stats.truncnorm((low - 1) / 5, (high - 1) / 5, 1, 5)
    assert stats.kstest(drawn, expected.cdf).pvalue > 0.001
    assert stats.kstest(drawn[~kept], expected.cdf).pvalue > 0.001


def test_draws_within_bounds_a_constraint_and_alone() -> None:
    entries = {"a": {"normal": [0, 1]}, "b": {"normal": [0, 1]}}
    design = bounded(entries, (0.0, None), n=200, constraint="b > a")
    block = design.block(0, 200)
    assert ((block.columns["a"] >= 0) & (block.columns["b"] > block.columns["a"])).all()
    assert [design.point(i).id for i in range(0, 200, 7)] == list(block.ids)[::7]


def test_bounds_beyond_every_draw_change_nothing() -> None:
    entries = {"a": {"normal": [10, 1]}}
    near, far, none = (bounded(entries, ends, n=5) for ends in ((5.0, None), (0.1, 1000.0), (None, None)))
    assert far.digest == none.digest != near.digest
    assert far.space.cut == none.space.cut == {}
    assert near.space.cut["a"].low == 5.0


def test_a_distribution_that_is_hardly_allowed_is_refused() -> None:
    for mu in (-20, 1e6):
        with pytest.raises(StudyError) as caught:
            bounded({"a": {"normal": [mu, 5]}}, (0.1, 1000.0))
        [problem] = caught.value.problems
        assert problem.key == "space.a"
        assert "within its bounds, expected at least 0.001; move mu" in str(problem) and "0.1 to 1000 ms" in str(problem)
    with pytest.raises(SpaceError, match=r"bounds of a: 2 of 2 samples .* narrow the distributions"):
        bounded({"a": {"normal": [0, 1]}, "b": {"uniform": [0, 1]}}, (3.0, None), n=2, constraint="b < 1e-6").block(0, 2)


@settings(max_examples=30)
@given(st.integers(0, 9), st.integers(1, 9), st.sampled_from(DRAWN))
def test_digest_names_the_sequence(seed: int, n: int, method: str) -> None:
    assert design(MIXED, method, n, seed=seed).digest == design(MIXED, method, n, seed=seed).digest
    changed = [
        design(MIXED, method, n, seed=seed),
        design(MIXED, method, n, seed=seed + 1),
        design(MIXED, method, n + 1, seed=seed),
        design(MIXED, method, n, seed=seed, replicates=2),
        design(MIXED, method, n, seed=seed, constraint="b > 1"),
        design({**MIXED, "n": [5, 6]}, method, n, seed=seed),
        design({**MIXED, "b": {"loguniform": [1, 2]}}, method, n, seed=seed),
        Design(space(MIXED), method, n, seed, model="other"),
    ]
    assert len({one.digest for one in changed}) == len(changed)


def test_far_points() -> None:
    for method in DRAWN:
        far = design(SAMPLED, method, 15_000_000)
        assert far.point(14_999_999).id == far.block(14_999_998, 15_000_000).ids[1]
    assert len(design(SAMPLED, "random", 2**40)) == 2**40
    assert design(SAMPLED, "random", 2**60).point(2**60 - 1)["n"] == 3


def test_empty_block() -> None:
    for empty in (design(MIXED, "sobol", 3).block(4, 4), design({"n": [1, 2]}).block(1, 1)):
        assert len(empty) == 0
        assert set(empty.columns) == {parameter.name for parameter in PARAMETERS}
    assert design(MIXED, "sobol", 3).ids(0, 0).shape == (0,)


@pytest.mark.parametrize(
    ("entries", "arguments", "message"),
    [
        (SAMPLED, {"method": "grid"}, "found distributions: a, b, word; use random"),
        ({"n": [1]}, {"method": "sobol", "n": 3}, "sobol draws from distributions, found none in the space; use grid"),
        (SAMPLED, {"method": "sobl", "n": 3}, 'there is no method "sobl"; did you mean "sobol"?'),
        (SAMPLED, {"method": "random"}, "random needs n"),
        (SAMPLED, {"method": "random", "n": 0}, "found n = 0, expected a whole number, at least 1"),
        (SAMPLED, {"method": "random", "n": 2.0}, "found n = 2.0"),
        (SAMPLED, {"method": "random", "n": True}, "found n = True"),
        (SAMPLED, {"method": "random", "n": 3, "block": 3}, "block is the length of a hypercube"),
        (SAMPLED, {"method": "lhs", "n": 3, "block": 0}, "found block = 0"),
        (SAMPLED, {"method": "random", "n": 3, "seed": -1}, "found seed = -1"),
        (SAMPLED, {"method": "random", "n": 3, "replicates": 0}, "found replicates = 0"),
        (SAMPLED, {"method": "sobol", "n": 2**33}, "a Sobol sequence has 2**32 points"),
        (SAMPLED, {"method": "random", "n": 2**63}, "expected at most 2**62"),
        (SAMPLED, {"method": "random", "n": 3, "constraint": "c > 1"}, 'there is no number "c"'),
        (SAMPLED, {"method": "random", "n": 3, "constraint": "word > 1"}, 'there is no number "word"'),
        (MIXED, {"method": "random", "n": 3, "constraint": "n > b"}, "constraint: n is in the grid"),
        ({"n": [1]}, {"constraint": "n > 0"}, "a grid takes no constraint"),
        ({"n": [1]}, {"n": 3}, "a grid takes no n, found 3"),
    ],
)
def test_what_is_refused(entries: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(SpaceError) as caught:
        Design(space(entries), **arguments, model="m")
    assert message in str(caught.value)


@pytest.mark.parametrize(("start", "stop"), [(-1, 1), (0, 4), (2, 1)])
def test_points_that_are_not_there(start: int, stop: int) -> None:
    with pytest.raises(SpaceError, match=f"found points {start} to {stop}, expected 0 to 3"):
        design({"n": [1, 2, 3]}).block(start, stop)


def test_numpy_agrees_about_types() -> None:
    columns = design(MIXED, "random", 2).block(0, 12).columns
    assert [columns[name].dtype for name in ("b", "a", "n")] == [np.float64, np.float64, np.int64]
    assert [columns[name].dtype for name in ("word", "times", "rest")] == [object] * 3
