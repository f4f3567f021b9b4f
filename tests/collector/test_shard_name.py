"""Names of shards say which points may be in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpcsim.collector.shard_name import may_hold, shard_stem

DESIGN, OTHER = "1f" * 16, "2e" * 16


def shard(start: int, stop: int, design: str = DESIGN) -> Path:
    return Path("shards") / f"{shard_stem(start, stop, design)}.0a1b2c3d.0.deadbeef.h5"


@pytest.mark.parametrize(
    ("start", "stop", "held"),
    [(0, 10, False), (0, 11, True), (10, 20, True), (14, 15, True), (19, 30, True), (20, 30, False)],
)
def test_shards_of_a_slice_hold_its_points_alone(start: int, stop: int, held: bool) -> None:
    assert may_hold(shard(10, 20), start, stop, DESIGN) is held


def test_more_points_than_the_name_has_digits() -> None:
    assert may_hold(shard(2_000_000_000, 2_000_000_100), 2_000_000_099, 2_000_000_200, DESIGN)
    assert not may_hold(shard(2_000_000_000, 2_000_000_100), 0, 100, DESIGN)


@pytest.mark.parametrize("others", [True, False])
@pytest.mark.parametrize(
    "path",
    [
        shard(10, 20, OTHER),
        Path("000000010-000000020.0a1b2c3d.0.deadbeef.h5"),
        Path("recovered-0.0a1b2c3d.0.deadbeef.h5"),
        Path("x.h5"),
    ],
)
def test_other_names_may_stand_for_any_points(path: Path, others: bool) -> None:
    assert may_hold(path, 0, 5, DESIGN, others=others) is others
