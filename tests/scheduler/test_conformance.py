"""What every executor must do. A new executor is added to the list and passes, or is not one."""

from __future__ import annotations

import numpy as np
import pytest

import hpcsim
from hpcsim.collector.table import Table
from hpcsim.scheduler.executor import EXECUTORS
from hpcsim.scheduler.sweep import Listener, sweep

GRID = {"x": {"linspace": [0, 20, 21]}}
NAMES = ("id", "replicate", "seed", "status", "attempts", "x", "square", "noise", "parity")


def make(model="toys:single", **more):
    return hpcsim.Study("conform", model, space=GRID, seed=5, replicates=2, **more)


def values(directory) -> dict[str, np.ndarray]:
    """All columns that must not depend on where a point ran, in the order of the ids."""
    with Table(directory.results) as table:
        order = np.argsort(table.array("id"))
        columns = {name: table.array(name)[order] for name in NAMES}
        columns["spikes"] = np.concatenate([table.ragged("spikes", int(i)) for i in order])
        return columns


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """The same study by the inline executor, point by point."""
    study = make()
    directory = study.directory(tmp_path_factory.mktemp("reference") / "run")
    sweep(study, directory, on="inline")
    return values(directory)


ON_SLURM = "dask on slurm"


@pytest.fixture
def place(executor, request, tmp_path) -> dict[str, str]:
    """The executor and what it needs, as the arguments of a sweep."""
    if "slurm" in executor:
        request.getfixturevalue("slurm")
    if executor != ON_SLURM:
        return {"on": executor}
    site = tmp_path / "few.toml"
    site.write_text('partition = "debug"\n[limits]\nthrottle = 2\n')
    return {"on": "dask", "site": str(site)}


@pytest.mark.parametrize("model", ["toys:single", "toys:batch"])
@pytest.mark.parametrize(
    "executor", [pytest.param(name, marks=pytest.mark.slurm) if "slurm" in name else name for name in (*EXECUTORS, ON_SLURM)]
)
class TestEveryExecutor:
    def test_values_are_equal_to_the_bit(self, place, model, tmp_path, reference):
        study = make(model)
        directory = study.directory(tmp_path / "run")
        sweep(study, directory, **place)
        found = values(directory)
        assert len(found["id"]) == 42
        if model == "toys:single":
            for name, column in reference.items():
                np.testing.assert_array_equal(found[name], column, err_msg=name)
        np.testing.assert_array_equal(found["square"], found["x"] ** 2)
        assert not list(directory.shards.iterdir())

    def test_a_failed_point_is_a_row_and_not_an_end(self, place, model, tmp_path):
        study = make(model, fixed={"guilty": 7})
        directory = study.directory(tmp_path / "run")
        sweep(study, directory, **place)
        with Table(directory.results) as table:
            failed = table.array("status") == 1
            assert failed.sum() == 2
            assert set(table.array("x")[failed]) == {7.0}
            assert set(table.array("error")[failed]) == {"ValueError: this point cannot be simulated"}
            assert np.isnan(table.array("square")[failed]).all()
            assert np.isnan(table.array("noise")[failed]).all()
            assert not np.isnan(table.array("noise")[~failed]).any()
            assert (table.array("square")[~failed] == table.array("x")[~failed] ** 2).all()

    def test_the_same_study_again_does_nothing(self, place, model, tmp_path):
        marker = tmp_path / "simulated"
        study = make(model, fixed={"marker": str(marker)})
        directory = study.directory(tmp_path / "run")
        sweep(study, directory, **place)
        before = directory.results.stat().st_mtime_ns
        lines = marker.read_text().splitlines() if marker.exists() else []
        assert sweep(study, directory, **place).left == 0
        assert directory.results.stat().st_mtime_ns == before
        assert (marker.read_text().splitlines() if marker.exists() else []) == lines
        if model == "toys:single":
            assert len(lines) == len(set(lines)) == 42

    def test_a_longer_grid_simulates_only_what_is_new(self, place, model, tmp_path):
        marker = tmp_path / "simulated"
        fixed = {"marker": str(marker)}
        small = hpcsim.Study("grow", model, space={"x": [1, 2, 3]}, fixed=fixed)
        large = hpcsim.Study("grow", model, space={"x": [0, 1, 2, 3, 4]}, fixed=fixed)
        directory = small.directory(tmp_path / "run")
        sweep(small, directory, **place)
        assert sweep(large, directory, **place).done == 3
        with Table(directory.results) as table:
            assert sorted(table.array("x")) == [0, 1, 2, 3, 4]

    def test_stages_and_inputs(self, place, model, tmp_path):
        (tmp_path / "base.toml").write_text(f'[study]\nname = "base"\nmodel = "{model}"\n[space]\nx = [3.0]\n')
        (tmp_path / "top.toml").write_text(
            f'[study]\nname = "top"\nmodel = "{model}"\n[space]\nx = [1, 2]\n'
            '[[stages]]\nuse = "toys:total"\n[[stages]]\nuse = "toys:shifted"\nkernel = "study:base"\n'
            '[outputs]\nkeep = ["total", "shifted", "noise"]\n'
        )
        study = hpcsim.Study.load(tmp_path / "top.toml")
        directory = study.directory(tmp_path / "runs" / "top")
        said = []
        sweep(study, directory, **place, listener=Listener(said=said.append))
        assert said[0] == "first base, which top needs"
        with Table(directory.results) as table, Table(directory.beside("base").results) as base:
            np.testing.assert_allclose(table.array("total"), table.array("noise").sum(axis=1))
            np.testing.assert_array_equal(table.array("shifted"), table.array("noise") + base.array("noise")[0])
            assert "square" not in table.names("output")
