"""A zero byte in what a model says of itself: HDF5 ends a text there, and no row was written."""

from __future__ import annotations

import h5py
import numpy as np

from hpcsim.collector.format.schema import Schema
from hpcsim.outputs import Coordinate, Layout, Output
from hpcsim.space.parameter import Parameter


def test_texts_of_a_model_are_kept_but_for_zero_bytes(tmp_path):
    outputs = [Output("y", ("word",), "mV", description="a\0b")]
    layout = Layout.of(outputs, {"word": Coordinate(np.array(["one\0two", "three"]))})
    schema = Schema((Parameter("x", 0.0, description="\0"),), layout)
    with h5py.File(tmp_path / "s.h5", "w", track_order=True) as file:
        schema.create(file, {"study": "s"})
        assert file["y"].attrs["long_name"] == "a\ufffdb" and file["x"].attrs["long_name"] == "\ufffd"
        assert file["word"].asstr()[()].tolist() == ["one\ufffdtwo", "three"]
