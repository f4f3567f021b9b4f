"""A search that is killed at moments that nobody chose, as benchmarks/search_kills.py does it a hundred times."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "search_kills.py"
pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("on", "sampler"), [("inline", "walk"), ("local", "steady state"), ("dask", "walk")])
def test_no_row_differs(on, sampler):
    spec = importlib.util.spec_from_file_location("search_kills", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.compare(on, 3, samplers=[sampler]) == [0]
