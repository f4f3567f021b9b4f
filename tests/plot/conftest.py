"""A small search and a small grid, run once; the fake results of the inference tests are used here, too."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from drawn_toys import search

import hpcsim
from hpcsim.collector.results import Results

sys.path.insert(0, str(Path(__file__).parents[1] / "inference"))


@pytest.fixture(scope="session")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Results]:
    """40 evaluations; those with a above 3.5 fail."""
    with search(tmp_path_factory.mktemp("searched"), fixed={"edge": 3.5}) as results:
        yield results


@pytest.fixture(scope="session")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Results]:
    """4 times 3 points with two replicates; those of the largest a fail."""
    space = {"a": [1.0, 2.0, 3.0, 4.0], "b": [0.5, 1.0, 2.0]}
    study = hpcsim.Study("squares", "drawn_toys:toy", space=space, fixed={"edge": 3.5}, replicates=2)
    with study.run("inline", tmp_path_factory.mktemp("grid")) as results:
        yield results
