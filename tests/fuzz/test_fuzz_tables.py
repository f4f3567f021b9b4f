"""Files that people send: morphologies, features in JSON, tables of observations and counts, logs of searches, findings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from absent import needed
from fuzz_changes import changed_bytes, changed_tables, changed_text
from fuzz_oracle import fuzzed, judged
from hypothesis import given
from hypothesis import strategies as st
from reconstruction import ASC

from hpcsim.evaluation import bluepyopt
from hpcsim.inference.finding import Finding
from hpcsim.inference.observations import read_observations
from hpcsim.inference.reduced_rank.genes import read_counts
from hpcsim.models.neuron.morphology import file as morphology
from hpcsim.recordings.observations import load_observations
from hpcsim.samplers.log import SearchLog
from hpcsim.stages.features.ephys import STATISTICS

needed("efel")

SWC = """# a soma of three points, a basal and a branched apical dendrite, an axon
1 1 0 0 0 10 -1
2 1 0 -10 0 10 1
3 1 0 10 0 10 1
4 3 0 -12 0 1 1
5 3 0 -112 0 0.5 4
6 4 0 12 0 2 1
7 4 0 312 0 1.5 6
8 4 50 400 0 0.5 7
9 4 -50 400 0 0.5 7
10 2 12 0 0 0.5 1
11 2 200 0 0 0.5 10
"""
HOC = """{create soma}
{access soma}
{pt3dadd(0.0,0.0,-10.0,20.0)}
{pt3dadd(0,0,10,20)} // the end of it
{create BasalDendrite_1_0}
{connect BasalDendrite_1_0(0), soma(0.25)}
{access BasalDendrite_1_0}
{pt3dadd(0,0,-5,2)}
{pt3dadd(0,0,-1.05e2,1)}
{create apical_0}
{connect apical_0(0), soma(1.000000)}
{access apical_0}
{pt3dadd(0,0,10,3)}
{pt3dadd(0,0,310,2)}
"""
NEURONS = {"cell.swc": SWC, "cell.asc": ASC, "cell.hoc": HOC}
FEATURES: dict[str, Any] = {
    "bAP": {"soma.v": {"AP_width": [2.0, 0.5], "Spikecount": [1.0, 0.01]}, "dend1.v": {"AP_amplitude": [45, 10]}},
    "Step1": {"soma.v": {"mean_frequency": [9.0, 0.9]}},
}
ROWS = "cell,a,b,c\none,1,2.5,3\ntwo,4,5e-3,-6\nthree,nan,8,9\n"
LOG = '{"sampler": "walk", "seed": 1}\n{"suggest": [[0.1, 0.2]], "told": 0, "wall": 1.0}\n{"ingest": [[0, [1.0]]], "cpu": 0.1}\n'


def _neuron(path: Path) -> None:
    found = morphology.read(path)
    assert found.cables and all(np.isfinite(cable.points).all() and cable.length > 0 for cable in found.cables)


@pytest.fixture(autouse=True, scope="module")
def _warm(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What a first use imports and compiles is no doing of the input."""
    place = tmp_path_factory.mktemp("warm")
    for name, text in NEURONS.items():
        (place / name).write_text(text)
        _neuron(place / name)
    (place / "features.json").write_text(json.dumps(FEATURES))
    bluepyopt.read(place / "features.json")


@fuzzed(25)
@given(data=st.data())
def test_a_morphology(tmp_path: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(NEURONS)))
    content = data.draw(changed_text(NEURONS[name]) | changed_bytes(NEURONS[name].encode()))
    (tmp_path / name).write_bytes(content)
    judged(f"morphologies{Path(name).suffix}", _neuron, tmp_path / name, inside=tmp_path, apart=True)


@fuzzed(100)
@given(data=st.data())
def test_features_of_bluepyopt(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "features.json"
    tables = data.draw(changed_tables(FEATURES))
    path.write_bytes(data.draw(st.just(json.dumps(tables).encode()) | changed_bytes(json.dumps(FEATURES).encode())))
    for objective in judged("BluePyOpt's JSON", bluepyopt.read, path, inside=tmp_path) or ():
        assert np.isfinite([objective.mean, objective.sd]).all() and objective.sd > 0


@fuzzed(100)
@given(data=st.data())
def test_tables_of_observations(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "cells.csv"
    path.write_bytes(data.draw(changed_text(ROWS) | changed_bytes(ROWS.encode()) | st.binary(max_size=200)))
    where = data.draw(st.sampled_from(["", "", "a == 1", "b > 0", "one", "a ** a ** a > 1"]) | st.text(max_size=20))
    (tmp_path / "cells.json").write_bytes(data.draw(changed_bytes(b'{"extractor": {"features.ephys": "1"}}') | st.just(b"{}")))
    found = judged("observations", lambda: read_observations(path, ["a", "b"], {"a": "mV"}, where=where), inside=tmp_path)
    assert found is None or np.isfinite(found.to_numpy()).all()
    judged("counts", read_counts, path, inside=tmp_path)


@fuzzed(60)
@given(data=st.data())
def test_observations_with_their_maker(tmp_path: Path, data: st.DataObject) -> None:
    about = {"extractor": {"features.ephys": "1"}, "definition": "default", "rest_after": False, "junction_potential": 0.0}
    rows = [",".join(["cell", *STATISTICS]), ",".join(["one", *["1.5"] * len(STATISTICS)])]
    (tmp_path / "cells.csv").write_bytes(data.draw(st.just("\n".join(rows).encode()) | changed_text("\n".join(rows))))
    told = json.dumps(data.draw(st.just(about) | changed_tables(about)))
    (tmp_path / "cells.json").write_bytes(data.draw(st.just(told.encode()) | changed_bytes(told.encode())))
    judged("observations with JSON", load_observations, tmp_path / "cells.csv", inside=tmp_path)


@fuzzed(20)
@given(data=st.data())
def test_counts_of_genes_in_an_npz(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "counts.npz"
    np.savez(path, counts=np.arange(6).reshape(2, 3), cells=np.array(["a", "b"]), genes=np.array(["x", "y", "z"]))
    path.write_bytes(data.draw(changed_bytes(path.read_bytes())))
    judged("counts in npz", read_counts, path, inside=tmp_path, apart=True)


@fuzzed(60)
@given(data=st.data())
def test_the_log_of_a_search(tmp_path: Path, data: st.DataObject) -> None:
    (tmp_path / "log").write_bytes(data.draw(changed_text(LOG) | changed_bytes(LOG.encode())))
    judged("logs of searches", lambda: list(SearchLog(tmp_path / "log").read()), inside=tmp_path)


@fuzzed(60)
@given(data=st.data())
def test_a_finding(tmp_path: Path, data: st.DataObject) -> None:
    summary = {
        "method": "inference.regression", "title": "t", "metrics": {"R2": 0.5, "by": {"a": 1.0, "b": None}},
        "tables": ["cells"], "figures": {"a": "a.png"}, "notes": ["one"], "warnings": [{"text": "one", "kind": "k"}],
    }  # fmt: skip
    (tmp_path / "cells.csv").write_bytes(data.draw(st.just(ROWS.encode()) | changed_text(ROWS)))
    tables = json.dumps(data.draw(changed_tables(summary)))
    (tmp_path / "summary.json").write_bytes(data.draw(st.just(tables.encode()) | changed_bytes(tables.encode())))

    def read() -> None:
        found = Finding.load(tmp_path)
        repr(found), found._repr_html_()

    judged("findings", read, inside=tmp_path)
