"""Generators of gest-api: however many points they give and are wanted, budgets hold and a search goes on from its log."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from absent import needed
from samplers.test_search import drive, new, plan, sphere

from hpcsim.samplers import Budget

needed("gest_api")


def test_a_batch_that_is_larger_than_the_budget(tmp_path):
    made, log = plan("gest", generator="gest_toys:Batches"), tmp_path / "log"
    search = drive(new(log, made, Budget(evaluations=3)), sphere, side=2)
    assert len(search.values) == 3
    # the rest of the batch waits for its turn
    random = np.random.default_rng(1)
    np.testing.assert_allclose(search.values, np.clip(0.8 * random.standard_normal((10, 3)), -2, 2)[:3])
    search = drive(new(log, made, Budget(evaluations=12)), sphere, side=2)
    whole = drive(new(tmp_path / "whole", made, Budget(evaluations=12)), sphere, side=2)
    np.testing.assert_array_equal(search.values, whole.values)


@pytest.mark.parametrize("name", ["Nearby", "Batches", "Waiting"])
def test_a_search_with_a_constraint_goes_on_from_every_line_of_its_log(tmp_path, name):
    """Half of what is suggested is forbidden: fewer points are in the log than were asked for."""
    made = plan("gest", generator=f"gest_toys:{name}")
    made = replace(made, problem=replace(made.problem, constraint="x < y"))
    whole = drive(new(tmp_path / "whole", made, Budget(evaluations=20)), sphere, side=16)
    assert len(whole.values) == 20
    lines = (tmp_path / "whole").read_text().splitlines(keepends=True)
    for n in range(1, len(lines) + 1):
        (tmp_path / "part").write_text("".join(lines[:n]))
        again = new(tmp_path / "part", made, Budget(evaluations=20))
        np.testing.assert_array_equal(again.values, whole.values[: len(again.values)])
        np.testing.assert_array_equal(drive(again, sphere, side=16).values, whole.values)
