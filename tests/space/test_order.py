"""Numbers of points follow from what a space means, however it is written."""

from __future__ import annotations

import random
import tomllib
from typing import Any

import numpy as np
import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from hpcsim import Study
from hpcsim.space import Design, Parameter, Space

PARAMETERS = [Parameter(name, 1.0) for name in "dcba"] + [
    Parameter("n", 3),
    Parameter("word", "x"),
    Parameter("times", (1.0,)),
    Parameter("rest", True),
]


def design(entries: Any, method: str = "grid", **more: Any) -> Design:
    return Design(Space.from_tables(PARAMETERS, entries, {}), method, model="toy", **more)


def ids(design: Design) -> list[bytes]:
    return list(design.ids(0, len(design)))


def same(one: Design, other: Design) -> bool:
    return ids(one) == ids(other) and one.digest == other.digest


SPELLINGS: list[tuple[str, Any, Any]] = [
    ("keys", {"a": [1, 2], "b": [3, 4, 5]}, {"b": [3, 4, 5], "a": [1, 2]}),
    ("lists before tables", {"d": {"linspace": [0, 1, 3]}, "n": [1, 2]}, {"n": [1, 2], "d": {"linspace": [0, 1, 3]}}),
    ("values of a list", {"a": [1, 2, 3], "b": [1, 2]}, {"a": [3, 1, 2], "b": [2, 1]}),
    ("words", {"word": ["p", "q"], "a": [1, 2]}, {"a": [2, 1], "word": ["q", "p"]}),
    ("switches", {"rest": [True, False], "a": [1, 2]}, {"a": [1, 2], "rest": [False, True]}),
    ("lists as values", {"times": [[1], [1, 2], [3]]}, {"times": [[3], [1, 2], [1]]}),
    ("a list and a linspace", {"a": [1, 2, 3], "n": [1, 2]}, {"n": [2, 1], "a": {"linspace": [1, 3, 3]}}),
    ("a list and a logspace", {"a": [1, 10, 100]}, {"a": {"logspace": [1, 100, 3]}}),
    ("two values, whatever lies between", {"a": {"linspace": [1, 10, 2]}}, {"a": {"logspace": [1, 10, 2]}}),
    ("an array", {"a": [1.0, 2.0], "n": [1, 2]}, {"n": np.array([2, 1]), "a": np.array([2.0, 1.0])}),
    ("units", {"a": [1000, 2000]}, {"a": [2e3, "1000"]}),
    ("a zip's names", {"zip": {"b": [1, 2], "a": [5, 4]}}, {"zip": {"a": [5, 4], "b": [1, 2]}}),
    ("a zip's rows", {"zip": {"b": [1, 2, 3], "a": [5, 4, 6]}}, {"zip": {"a": [6, 5, 4], "b": [3, 1, 2]}}),
    (
        "several zips",
        {"zip": [{"a": [1, 2], "d": [5, 4]}, {"n": [1, 2], "word": ["p", "q"]}], "c": [1, 2]},
        {"c": [2, 1], "zip": [{"word": ["q", "p"], "n": [2, 1]}, {"d": [4, 5], "a": [2, 1]}]},
    ),
    (
        "a zip with a linspace",
        {"zip": {"b": {"linspace": [0, 1, 3]}, "a": [7, 8, 5]}},
        {"zip": {"a": [5, 8, 7], "b": [1, 0.5, 0]}},
    ),
]


@pytest.mark.parametrize(("one", "other"), [pytest.param(*pair, id=name) for name, *pair in SPELLINGS])
def test_the_spelling_of_a_grid_numbers_nothing(one: Any, other: Any) -> None:
    assert same(design(one), design(other))
    assert same(design(one, replicates=3), design(other, replicates=3))


@pytest.mark.parametrize("method", ["random", "sobol", "halton", "lhs"])
@pytest.mark.parametrize(("one", "other"), [pytest.param(*pair, id=name) for name, *pair in SPELLINGS[:1] + SPELLINGS[7:8]])
def test_the_spelling_of_a_mixture_numbers_nothing(method: str, one: Any, other: Any) -> None:
    # a prior before, between or behind the lists
    first = {"c": {"uniform": [0, 1]}, **one, "d": {"normal": [0, 1]}}
    second = {"d": {"normal": [0, 1]}, **other, "c": {"uniform": [0, 1]}}
    made = [design(entries, method, n=5, replicates=2, constraint="c < 0.9") for entries in (first, second)]
    assert same(*made)


def test_a_single_value_is_written_as_a_list_or_a_line() -> None:
    assert same(design({"a": [2.0], "b": [1, 2]}), design({"b": [1, 2], "a": {"linspace": [2, 9, 1]}}))


@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_shuffled_files_are_the_same_grid(data: st.DataObject) -> None:
    names = data.draw(st.lists(st.sampled_from("abcd"), min_size=1, unique=True))
    lists = {name: data.draw(st.lists(st.integers(0, 50), min_size=1, max_size=4, unique=True)) for name in names}
    mixed = random.Random(data.draw(st.integers(0, 99)))
    keys = mixed.sample(names, len(names))
    other = {name: mixed.sample(lists[name], len(lists[name])) for name in keys}
    assert same(design(lists), design(other))


def test_ascending_values_of_the_first_name_run_slowest() -> None:
    block = design({"n": [7, 5], "a": [2, 1], "zip": {"word": ["p", "q"], "b": [9, 8]}}).block(0, 8)
    assert block.columns["a"].tolist() == [1.0] * 4 + [2.0] * 4
    assert block.columns["b"].tolist() == [8.0, 8.0, 9.0, 9.0] * 2
    assert block.columns["word"].tolist() == ["q", "q", "p", "p"] * 2
    assert block.columns["n"].tolist() == [5, 7] * 4


def test_other_values_are_another_digest() -> None:
    digests = {
        design(entries).digest
        for entries in (
            {"a": [1, 2, 3]},
            {"a": [1, 2, 4]},
            {"b": [1, 2, 3]},
            {"n": [1, 2, 3]},
            {"zip": {"a": [1, 2], "b": [1, 2]}},
            {"zip": {"a": [1, 2], "b": [2, 1]}},
            {"a": [1, 2], "b": [1, 2]},
        )
    }
    assert len(digests) == 7


SPACES: list[dict[str, Any]] = [
    {"x": {"linspace": [1, 4, 4]}, "guilty": [700, 600, 500], "seconds": [0.0, 0.001]},
    {"guilty": [1, 2], "x": np.array([3.0, 1.0])},
    {"x": (3, 1, 2), "how": ("shape", "raise")},
    {"zip": [{"x": [2, 1], "how": ["raise", "shape"]}, {"seconds": [0, 0.5], "guilty": {"linspace": [5, 9, 2]}}]},
]


@pytest.mark.parametrize("space", SPACES)
def test_a_study_keeps_its_numbers_when_it_is_written_and_read(space: dict[str, Any], tmp_path: Any) -> None:
    study = Study("s", "toys:single", space=space, replicates=2)
    path = tmp_path / "study.toml"
    path.write_text(study.to_toml())
    again = Study.load(path)
    assert ids(again.design) == ids(study.design) and again.completeness == study.completeness
    # and however else somebody writes the file
    tables = tomllib.loads(path.read_text())
    tables["space"] = dict(reversed(tables["space"].items()))
    path.write_text(tomli_w.dumps(dict(reversed(tables.items()))))
    assert ids(Study.load(path).design) == ids(study.design)


def test_a_scale_keeps_the_numbers_of_its_space(tmp_path: Any) -> None:
    head = '[study]\nname = "s"\nmodel = "toys:single"\n'
    scale = "[scales.small.space]\nx = { linspace = [0, 2, 3] }\nguilty = [8, 7]\n"
    (tmp_path / "s.toml").write_text(head + "[space]\nguilty = [5, 6]\nx = { linspace = [0, 9, 10] }\n" + scale)
    plain = Study("s", "toys:single", space={"guilty": [7, 8], "x": [0, 1, 2]})
    assert ids(Study.load(tmp_path / "s.toml", "small").design) == ids(plain.design)
