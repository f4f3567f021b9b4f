"""Rows in which every column is made from one number, so that a mix-up of rows shows in each of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hpcsim.collector.format.schema import Schema
from hpcsim.collector.format.table import Table
from hpcsim.collector.shard import ShardWriter
from hpcsim.outputs import Coordinate, Layout, Output
from hpcsim.space.parameter import Parameter

HEADER = {"study": "toy", "model": "toy.model", "fingerprint": "ab12"}
WORDS = ("nine", "zwölf")


def toy_schema(time: int = 5, level: int = 1) -> Schema:
    """One column of every kind."""
    parameters = (
        Parameter("a", 1.0, "nA"),
        Parameter("n", 3),
        Parameter("word", "nine", choices=WORDS),
        Parameter("pair", (1.0, 2.0), "mV"),
        Parameter("switch", True),
    )
    outputs = [
        Output("y", unit="ms", description="the number itself"),
        Output("eeg", ("channel", "time"), "uV"),
        Output("catch22", ("feature",), dtype="float32"),
        Output("spike_times", ("spike",), "ms", ragged=True),
        Output("spike_ids", ("spike",), dtype="int32", ragged=True),
    ]
    coordinates = {
        "channel": Coordinate(np.array(["Fz", "Cz", "Öz"])),
        "time": Coordinate(np.arange(time) * 0.1, "ms"),
        "feature": Coordinate(np.array(["mean", "acf"])),
    }
    return Schema(parameters, Layout.of(outputs, coordinates), level)


def toy_id(number: int) -> str:
    """An id that spreads like a hash and still tells the number."""
    return f"{(number * 0x9E3779B97F4A7C15F39CC060) % 2**96:024x}{number:08x}"


def numbers_of(table: Table) -> np.ndarray:
    """The number of each row."""
    return np.array([int(id[24:], 16) for id in table.ids()], int)


def write_shard(
    folder: Path,
    numbers: Sequence[int],
    *,
    status: Sequence[int] | None = None,
    schema: Schema | None = None,
    fingerprint: str = "ab12",
    stem: str = "task-0",
) -> Path:
    """A shard of these rows."""
    schema = schema or toy_schema()
    writer = ShardWriter(folder, schema, {**HEADER, "fingerprint": fingerprint}, stem)
    append(writer, numbers, status)
    path = writer.flush()
    assert path is not None
    return path


def append(writer: ShardWriter, numbers: Sequence[int], status: Sequence[int] | None = None) -> None:
    """Give a writer these rows."""
    r = np.asarray(numbers, int)
    n = len(r)
    states = np.zeros(n, int) if status is None else np.asarray(status)
    records = {
        "id": [toy_id(i) for i in r.tolist()],
        "replicate": r,
        "seed": r.astype("u8") + 2**63,
        "status": states,
        "error": ["" if not s else f"é{i}" for i, s in zip(r, states, strict=True)],
        "attempts": r + 1,
        "wall_time": r * 2.0,
        "cpu_time": r * 3.0,
        "peak_memory": r * 4.0,
        "host": [f"node{i}" for i in r],
    }
    parameters = {
        "a": r * 0.5,
        "n": r,
        "word": [WORDS[i % 2] for i in r],
        "pair": [(i, -i) for i in r],
        "switch": r % 3 == 0,
    }
    value = np.where(states, np.nan, r)
    outputs: dict[str, Any] = {}
    for name in ("y", "eeg", "catch22"):
        shape = writer.schema.layout.shape(name)
        outputs[name] = value.reshape(-1, *(1,) * len(shape)) * np.ones(shape)
    outputs["spike_times"] = [np.full(i % 4, i * 1.0) for i in r]
    outputs["spike_ids"] = [spikes.astype("i4") for spikes in outputs["spike_times"]]
    writer.append(records, parameters, outputs)


def check_rows(table: Table) -> None:
    """Every column of each row belongs to the number of the row."""
    i = numbers_of(table)
    ok = table.array("status") == 0
    assert (table.ids() == np.array([toy_id(k) for k in i.tolist()], "S32")).all()
    for name, expected in {
        "replicate": i,
        "seed": i.astype("u8") + 2**63,
        "attempts": i + 1,
        "wall_time": i * 2.0,
        "cpu_time": i * 3.0,
        "peak_memory": i * 4.0,
        "host": np.array([f"node{k}" for k in i], str),
        "error": np.array(["" if good else f"é{k}" for k, good in zip(i, ok, strict=True)], str),
        "a": i * 0.5,
        "n": i,
        "word": np.array([WORDS[k % 2] for k in i], str),
        "pair": np.stack([i, -i], 1),
        "switch": i % 3 == 0,
        "spike_count": i % 4,
        "spike_times": np.repeat(i, i % 4),
        "spike_ids": np.repeat(i, i % 4),
    }.items():
        np.testing.assert_array_equal(table.array(name), expected, err_msg=name)
    for name in ("y", "eeg", "catch22"):
        values = table.array(name)
        expected = np.where(ok, i, np.nan).reshape(-1, *(1,) * (values.ndim - 1)) * np.ones_like(values)
        np.testing.assert_array_equal(values, expected, err_msg=name)
