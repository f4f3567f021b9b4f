"""The columns, their sizes and their names."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from toy_rows import toy_schema

from hpcsim.collector.format.schema import Schema, blank_rows
from hpcsim.errors import ResultsError
from hpcsim.outputs import Coordinate, Layout, Output
from hpcsim.space.parameter import Parameter


def layout(n: int = 4, name: str = "y", step: float = 1.0) -> Layout:
    return Layout.of([Output(name, ("time",), "mV")], {"time": Coordinate(np.arange(n) * step, "ms")})


@pytest.mark.parametrize(("values", "block"), [(1, 1024), (512, 128), (2**16, 1), (2**20, 1)])
def test_block_is_a_power_of_two_of_about_a_mebibyte(values: int, block: int) -> None:
    assert Schema((), layout(values)).block == block


def test_digest_sees_all_that_must_agree() -> None:
    schema = Schema((Parameter("a", 1.0, "nA"),), layout())
    others = [
        Schema((Parameter("a", 1.0, "pA"),), layout()),
        Schema((Parameter("a", 1),), layout()),
        Schema((Parameter("b", 1.0, "nA"),), layout()),
        Schema(schema.parameters, layout(5)),
        Schema(schema.parameters, layout(name="z")),
        replace(schema, level=0),
        Schema(schema.parameters, layout(step=0.3)),
    ]
    assert Schema((Parameter("a", 7.0, "nA", (0.0, 9.0)),), layout()).digest == schema.digest
    assert len({schema.digest, *(other.digest for other in others)}) == 1 + len(others)


@pytest.mark.parametrize(
    ("parameter", "output", "said"),
    [
        ("seed", "y", 'parameter "seed" has the name of a record'),
        ("y", "y", 'output "y" has the name of a parameter'),
        ("time", "y", 'dimension "time" has the name of a parameter'),
        ("point", "y", 'parameter "point" has the name of a name that the file format keeps'),
        ("a/b", "y", 'parameter "a/b" cannot be a name'),
    ],
)
def test_names_that_clash_are_named(parameter: str, output: str, said: str) -> None:
    with pytest.raises(ResultsError, match=said):
        Schema((Parameter(parameter, 1.0),), layout(name=output))


def test_an_output_of_text_is_refused() -> None:
    with pytest.raises(ResultsError, match=r"output y: the type complex128 cannot be kept"):
        Schema((), Layout.of([Output("y", dtype="complex128")]))


def test_blank_rows_hold_nothing() -> None:
    rows = blank_rows(toy_schema().layout, 2)
    assert np.isnan(rows["eeg"]).all()
    assert rows["eeg"].shape == (2, 3, 5)
    assert [len(spikes) for spikes in rows["spike_ids"]] == [0, 0]


def test_precision_is_that_of_outputs_and_parameters_alone():
    given = (Parameter("a", 1.0, "nA"), Parameter("n", 1))
    double, single = (Schema(given, layout(), precision=precision) for precision in ("float64", "float32"))
    assert double.digest == Schema(given, layout()).digest != single.digest
    changed = {new.name: new.dtype for old, new in zip(double.columns, single.columns, strict=True) if old.dtype != new.dtype}
    assert changed == {"a": "float32", "y": "float32"}
