from __future__ import annotations

import struct
from hashlib import blake2b
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpcsim.errors import SpaceError
from hpcsim.space import point_id, point_ids, point_seed, point_seeds
from hpcsim.space.points import column

# These may never change: finished points are found again by them.
GOLDEN = [
    ("toy.square", {"x": 2.0}, 0, "1d01076fb39782f077587abd7af41aa2", 15836774485716139914),
    ("toy.square", {"x": 2.0}, 1, "d8928f78ee5e891427d829d5521d0aae", 13984797788539667535),
    ("toy.square", {}, 0, "08e7c28652914f6a4b70ccc181a9458c", 16523083596645553266),
    ("toy.square", {"x": 0.1}, 0, "89aaa95ecc3802f5131bc2f1ad2abf00", 6160647072118262717),
    ("toy.square", {"x": 0.0}, 0, "f049808ee0e394f21f8072c1227d2891", 1204345621789175775),
    ("toy.square", {"x": True}, 0, "aff5370772bce2c5216340f6932bc574", 15214583100856292610),
    ("toy.square", {"x": 5e-324}, 0, "07a0c9d5dda55d7f1546926b2fc346e4", 17069036577133515373),
    ("toy.square", {"x": 1.7976931348623157e308}, 0, "f6504fa0f18fd1c2e37310c473a5b1f8", 12515765835732430975),
    ("toy.square", {"x": -70.5, "y": 3}, 0, "091aa09f4b49cdc9f0b89632f7139585", 114404956783248017),
    ("toy.square", {"x": 2**53 + 1}, 0, "c9aa50422d20c8c72591520ab3d4e82b", 11391741256712655085),
    ("toy.square", {"x": -(10**400)}, 0, "720061768b98588a53bc04195c739518", 7215203355789392910),
    ("toy.square", {"x": 2**70}, 0, "266fef6f6dca4eb4c62c3dd11e205c5a", 270174328490196937),
    ("toy.square", {"x": "cvode"}, 0, "37772090dcde0a17a9faf4f71d70d7b7", 7049919791022962903),
    ("toy.square", {"x": ""}, 0, "0d5c66b46f3ef4511d1f2b78983d1982", 7181812599700250393),
    ("toy.square", {"x": (1.0, 2.5)}, 0, "e9e1630b432dab928d3e465b1d51e69f", 3880479471241928777),
    ("toy.square", {"x": ("L4", "L5")}, 0, "e66d6157db61b81b3a2f2fc6bf36ee32", 2270456933736901313),
    ("toy.square", {"x": ()}, 0, "8069d7d75ee681fa84d849aa508e5fc1", 9349566556581570673),
    ("nest.größe", {"τ_m": 10.0, "名": "é"}, 2**40, "185e0932c27c6331185477e800d5bd89", 17484823899173318706),
]

VALUES = (
    st.floats(allow_nan=False, allow_infinity=False)
    | st.integers(-(2**70), 2**70)
    | st.booleans()
    | st.text("abé ", max_size=5)
    | st.lists(st.floats(-1, 1), max_size=3).map(tuple)
)


@pytest.mark.parametrize(("model", "values", "replicate", "id", "seed"), GOLDEN)
def test_golden(model: str, values: dict[str, Any], replicate: int, id: str, seed: int) -> None:
    assert point_id(model, values, replicate) == id
    assert point_seed(1234, id) == seed
    columns = {name: column([value]) for name, value in values.items()}
    assert point_ids(model, columns, np.array([replicate])).tolist() == [id.encode()]


def test_golden_ids_differ() -> None:
    assert len({case[3] for case in GOLDEN}) == len({case[4] for case in GOLDEN}) == len(GOLDEN)


def test_canonical_form_is_the_one_described() -> None:
    def text(word: bytes) -> bytes:
        return struct.pack(">I", len(word)) + word

    header = b"hpcsim-point-1" + text(b"toy") + struct.pack(">I", 2) + text(b"a") + text(b"b")
    body = b"n" + struct.pack(">d", 1.5) + b"t" + struct.pack(">I", 1) + b"s" + text(b"L4") + struct.pack(">q", 7)
    expected = blake2b(header + body, digest_size=16).hexdigest()
    assert point_id("toy", {"b": ("L4",), "a": 1.5}, 7) == expected


@pytest.mark.parametrize(
    "same",
    [
        (1, 1.0, True, np.True_, np.int8(1), np.float16(1), np.uint64(1), np.longdouble(1)),
        (0.0, -0.0, 0, False, np.float32(-0.0)),
        (0.1, np.float16(0.1), np.float32(0.1), np.float64(0.1)),
        (2**60, float(2**60), np.uint64(2**60)),
        ("a", np.str_("a")),
        ((1.0, 2.0), [1, 2], np.array([1.0, 2.0])),
    ],
)
def test_what_is_the_same(same: tuple[Any, ...]) -> None:
    assert len({point_id("m", {"x": value}) for value in same}) == 1


def test_what_differs() -> None:
    values = [1, "1", (1.0,), ("1",), 2**53, 2**53 + 1, "", (), ((),), 1 + 2.0**-52]
    ids = [point_id("m", {"x": value}) for value in values]  # type: ignore[dict-item]
    ids += [point_id("m", {"y": 1}), point_id("n", {"x": 1}), point_id("m", {"x": 1}, 1), point_id("mx", {"": 1})]
    assert len(set(ids)) == len(ids)


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(st.text("abτ名 ", max_size=4), VALUES, max_size=5), st.integers(0, 2**62), st.randoms())
def test_order_of_keys_does_not_matter(values: dict[str, Any], replicate: int, random: Any) -> None:
    items = list(values.items())
    random.shuffle(items)
    assert point_id("m", dict(items), replicate) == point_id("m", values, replicate)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(VALUES, VALUES, st.floats(-5, 5), st.integers(0, 9)), max_size=8))
def test_columns_give_the_ids_of_rows(rows: list[tuple[Any, Any, float, int]]) -> None:
    columns = {name: column([row[i] for row in rows]) for i, name in enumerate("bac")}
    ids = point_ids("m", columns, np.array([row[3] for row in rows], np.int64))
    assert ids.dtype == "S32"
    expected = [point_id("m", {"b": row[0], "a": row[1], "c": row[2]}, row[3]) for row in rows]
    assert [id.decode() for id in ids.tolist()] == expected


@pytest.mark.parametrize(
    "column",
    [
        np.array([0.1, -0.0, 3], np.float32),
        np.array([0.1, 1], np.float16),
        np.array([1, 2**62 + 1]),
        np.array([2**63 + 1, 2], np.uint64),
        np.array([True, False]),
        np.array(["a", "bc"]),
        np.array([[1.0, 2.0], [3.0, 4.0]]),
        np.array([1, 2], np.int8),
    ],
    ids=lambda column: str(column.dtype),
)
def test_columns_of_any_type(column: np.ndarray) -> None:
    ids = point_ids("m", {"x": column, "y": np.arange(len(column))}, np.zeros(len(column), np.int64))
    assert [id.decode() for id in ids] == [point_id("m", {"x": value, "y": i}) for i, value in enumerate(column)]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.float32("-inf"), (1.0, float("nan"))])
def test_no_id_for_what_is_not_finite(value: Any) -> None:
    with pytest.raises(SpaceError, match=r"expected (a )?finite number"):
        point_id("m", {"x": value})
    with pytest.raises(SpaceError, match=r"expected (a )?finite number"):
        point_ids("m", {"x": column([value, value])}, np.zeros(2, np.int64))


def test_no_id_for_other_types() -> None:
    with pytest.raises(SpaceError, match="found a value of type NoneType"):
        point_id("m", {"x": None})  # type: ignore[dict-item]


def test_seeds() -> None:
    ids = point_ids("m", {"x": np.arange(2000.0)}, np.zeros(2000, np.int64))
    seeds = point_seeds(5, ids)
    assert seeds.dtype == np.uint64
    assert seeds[:3].tolist() == [point_seed(5, id.decode()) for id in ids[:3].tolist()]
    assert len(set(seeds.tolist())) == 2000
    assert (seeds != point_seeds(6, ids)).all()
    # every bit is set in about half of them (5 standard deviations)
    share = ((seeds[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)).mean(axis=0)
    assert abs(share - 0.5).max() < 5 * 0.5 / 2000**0.5
