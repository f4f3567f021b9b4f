"""Points by number and by name."""

from __future__ import annotations

import numpy as np
import pytest

from hpcsim import Parameter
from hpcsim.errors import SpaceError
from hpcsim.space.design import Design
from hpcsim.space.points import Points
from hpcsim.space.space import Space

PARAMETERS = (Parameter("tau", 10.0, "ms"), Parameter("n", 3), Parameter("kind", "fast", choices=("fast", "slow")))


def points():
    space = Space.from_tables(PARAMETERS, {"tau": {"values": ["1 ms", "0.02 s"]}, "kind": ["fast", "slow"]}, {})
    design = Design(space, model="own.points")
    return design.block(0, len(design))


def test_a_name_gives_the_values_of_all_points_in_the_declared_unit():
    batch = points()
    order = [batch[i]["tau"] for i in range(4)]
    assert sorted(order) == [1.0, 1.0, 20.0, 20.0]
    assert batch["tau"].dtype == float and batch["tau"].tolist() == order
    assert batch["n"].dtype == np.int64 and batch["n"].tolist() == [3] * 4
    assert batch["kind"].tolist() == [point["kind"] for point in batch]
    with pytest.raises(ValueError, match="read-only"):
        batch["tau"][0] = 5.0
    assert batch[1:3]["tau"].tolist() == order[1:3] and batch[batch["tau"] > 5]["tau"].tolist() == [20.0, 20.0]


def test_a_wrong_name_says_the_nearest():
    for thing in (points(), points()[0]):
        with pytest.raises(SpaceError, match='the points have no parameter "tua"; did you mean "tau"'):
            thing["tua"]


def test_whether_a_batch_has_a_parameter_is_asked_by_name():
    batch = Points({"tau": np.array([1.0, 2.0])}, ["a" * 32, "b" * 32], np.zeros(2, np.int64), np.ones(2, np.uint64))
    assert "tau" in batch and "noise" not in batch and "a" * 32 not in batch
    assert batch[1] in batch and "tau" in batch[0] and "noise" not in batch[0]
    assert list(batch[0]) == ["tau"]
