"""A zero byte in what a model says of itself: HDF5 ends a text there, and no row was written."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
import pytest

from hpcsim.collector.format.column import Column
from hpcsim.collector.format.schema import Schema
from hpcsim.collector.format.text import put, string_type
from hpcsim.errors import ResultsError, StudyError
from hpcsim.outputs import Coordinate, Layout, Output
from hpcsim.space import Space
from hpcsim.space.parameter import Parameter


def test_texts_of_a_model_are_kept_but_for_zero_bytes(tmp_path):
    outputs = [Output("y", ("word",), "mV", description="a\0b")]
    layout = Layout.of(outputs, {"word": Coordinate(np.array(["one\0two", "three"]))})
    schema = Schema((Parameter("x", 0.0, description="\0"),), layout)
    with h5py.File(tmp_path / "s.h5", "w", track_order=True) as file:
        schema.create(file, {"study": "s"})
        assert file["y"].attrs["long_name"] == "a\ufffdb" and file["x"].attrs["long_name"] == "\ufffd"
        assert file["word"].asstr()[()].tolist() == ["one\ufffdtwo", "three"]


@pytest.mark.parametrize("entry", ["a\0b", ["a", "a\0b"], {"values": ["a", "a\0b"]}, {"choice": ["a", "a\0b"]}, None])
def test_a_space_has_no_word_with_a_zero(entry: Any) -> None:
    word = Parameter("word", "a\0b" if entry is None else "a")
    with pytest.raises(StudyError, match=r'word: found "a\\x00b", expected a word without a zero character'):
        Space.from_tables([word], {} if entry is None else {"word": entry}, {})


@pytest.mark.parametrize("values", [["ab", "a\0"], np.array([b"a\0b"]), np.array(["a\0b"]), [b"ab", b"\0a"]])
def test_no_zero_is_lost_when_rows_are_written(values: Any) -> None:
    with pytest.raises(ResultsError, match=r"parameter word: .* has a zero character"):
        Column("word", "parameter", "S9").encode(values)
    cut = Column("error", "record", "S9", cut=True).encode(values)
    assert all("\ufffd" in text.decode() or text == b"ab" for text in cut.tolist())
    with pytest.raises(ResultsError, match="has a zero character"):
        Column("words", "parameter", "S9", ("n",), (2,)).encode([("a", "b"), ("a", "b\0")])


def test_texts_of_old_files_are_not_cut_at_a_zero(tmp_path):
    with h5py.File(tmp_path / "s.h5", "w") as file:
        file.create_dataset("word", shape=(3,), dtype=string_type(5))
        put(file["word"], slice(None), np.array([b"a\0b", b"\0cde", b"ab"], "S5"))
        # the second one has no room for three bytes
        assert file["word"].asstr()[()].tolist() == ["a\ufffdb", "?cde", "ab"]
